//! Decisions of the journal as protobuf, and back.

use std::collections::BTreeMap;

use prost::Name as _;
use proto::v1;
use provisioning::{
    AccountId, Attribute, AttributeChange, Decision, Ended, GroupId, Image, InvalidId, OperationId, PersonId,
    PlanHash, TeamId, TeamRole, ValueChange,
};

use super::{BrokenRecord, Wire, broken};

const ENDED: [(Ended, &str); 3] = [
    (Ended::Done, "done"),
    (Ended::Failed, "failed"),
    (Ended::Parked, "parked"),
];

fn name() -> String {
    v1::Decision::full_name()
}

fn no_id(error: InvalidId) -> BrokenRecord {
    broken(name(), error)
}

fn image_out(image: &Image) -> v1::Image {
    match image {
        Image::Created { person, account } => v1::Image {
            kind: "created".to_owned(),
            person: person.to_string(),
            account: account.to_string(),
            ..v1::Image::default()
        },
        Image::Changed {
            person,
            account,
            changes,
        } => v1::Image {
            kind: "changed".to_owned(),
            person: person.to_string(),
            account: account.to_string(),
            changes: changes.iter().map(change_out).collect(),
            ..v1::Image::default()
        },
        Image::CustomSet {
            person,
            account,
            changes,
        } => v1::Image {
            kind: "custom_set".to_owned(),
            person: person.to_string(),
            account: account.to_string(),
            values: changes
                .iter()
                .map(|(name, change)| value_out(name, change))
                .collect(),
            ..v1::Image::default()
        },
        Image::CutOff { person, account } => v1::Image {
            kind: "cut_off".to_owned(),
            person: person.to_string(),
            account: account.to_string(),
            ..v1::Image::default()
        },
        Image::Joined { group, person } => v1::Image {
            kind: "joined".to_owned(),
            group: group.to_string(),
            person: person.to_string(),
            ..v1::Image::default()
        },
        Image::Left { group, person } => v1::Image {
            kind: "left".to_owned(),
            group: group.to_string(),
            person: person.to_string(),
            ..v1::Image::default()
        },
        Image::RoleSet {
            group,
            person,
            role,
            holds,
        } => v1::Image {
            kind: "role_set".to_owned(),
            group: group.to_string(),
            person: person.to_string(),
            role: role.as_str().to_owned(),
            holds: *holds,
            ..v1::Image::default()
        },
        Image::TeamMade { group, team } => v1::Image {
            kind: "team_made".to_owned(),
            group: group.to_string(),
            team: team.to_string(),
            ..v1::Image::default()
        },
        Image::TeamNamed { group, from, to } => v1::Image {
            kind: "team_named".to_owned(),
            group: group.to_string(),
            from: from.clone(),
            to: to.clone(),
            ..v1::Image::default()
        },
        Image::TeamDescribed { group, change } => v1::Image {
            kind: "team_described".to_owned(),
            group: group.to_string(),
            values: vec![value_out("", change)],
            ..v1::Image::default()
        },
        Image::TeamDeleted { group, name } => v1::Image {
            kind: "team_deleted".to_owned(),
            group: group.to_string(),
            from: name.clone(),
            ..v1::Image::default()
        },
    }
}

fn image_in(image: v1::Image) -> Result<Image, BrokenRecord> {
    let person = || PersonId::parse(&image.person).map_err(no_id);
    let account = || AccountId::parse(&image.account).map_err(no_id);
    let group = || GroupId::parse(&image.group).map_err(no_id);
    Ok(match image.kind.as_str() {
        "created" => Image::Created {
            person: person()?,
            account: account()?,
        },
        "changed" => Image::Changed {
            person: person()?,
            account: account()?,
            changes: image.changes.iter().map(change_in).collect::<Result<_, _>>()?,
        },
        "custom_set" => Image::CustomSet {
            person: person()?,
            account: account()?,
            changes: values_in(image.values)?,
        },
        "cut_off" => Image::CutOff {
            person: person()?,
            account: account()?,
        },
        "joined" => Image::Joined {
            group: group()?,
            person: person()?,
        },
        "left" => Image::Left {
            group: group()?,
            person: person()?,
        },
        "role_set" => {
            let role = TeamRole::ALL.into_iter().find(|role| role.as_str() == image.role);
            Image::RoleSet {
                group: group()?,
                person: person()?,
                role: role.ok_or_else(|| broken(name(), format!("{:?} is no role", image.role)))?,
                holds: image.holds,
            }
        }
        "team_made" => Image::TeamMade {
            group: group()?,
            team: TeamId::parse(&image.team).map_err(no_id)?,
        },
        "team_named" => Image::TeamNamed {
            group: group()?,
            from: image.from,
            to: image.to,
        },
        "team_described" => Image::TeamDescribed {
            group: group()?,
            change: description_in(image.values)?,
        },
        "team_deleted" => Image::TeamDeleted {
            group: group()?,
            name: image.from,
        },
        other => return Err(broken(name(), format!("{other:?} is no kind of image"))),
    })
}

fn value_out(name: &str, change: &ValueChange) -> v1::ValueChange {
    v1::ValueChange {
        name: name.to_owned(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}

fn value_in(value: v1::ValueChange) -> ValueChange {
    ValueChange {
        from: value.from,
        to: value.to,
    }
}

fn values_in(values: Vec<v1::ValueChange>) -> Result<BTreeMap<String, ValueChange>, BrokenRecord> {
    let mut changes = BTreeMap::new();
    for mut value in values {
        let field = std::mem::take(&mut value.name);
        if changes.contains_key(&field) {
            return Err(broken(name(), format!("custom field {field:?} is named twice")));
        }
        changes.insert(field, value_in(value));
    }
    Ok(changes)
}

fn description_in(values: Vec<v1::ValueChange>) -> Result<ValueChange, BrokenRecord> {
    let [value] = <[v1::ValueChange; 1]>::try_from(values)
        .map_err(|values| broken(name(), format!("{} values for one description", values.len())))?;
    Ok(value_in(value))
}

fn change_out(change: &AttributeChange) -> v1::AttributeChange {
    v1::AttributeChange {
        attribute: change.attribute.wire().to_owned(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}

fn change_in(change: &v1::AttributeChange) -> Result<AttributeChange, BrokenRecord> {
    let attribute = Attribute::from_wire(&change.attribute);
    Ok(AttributeChange {
        attribute: attribute
            .ok_or_else(|| broken(name(), format!("{:?} is no attribute", change.attribute)))?,
        from: change.from.clone(),
        to: change.to.clone(),
    })
}

impl Wire<v1::Decision> for Decision {
    fn to_wire(&self) -> v1::Decision {
        let ended = ENDED.iter().find(|(ended, _)| *ended == self.ended);
        v1::Decision {
            run: self.run.to_string(),
            operation: self.operation.to_string(),
            kind: self.kind.clone(),
            label: self.label.clone(),
            at_ms: self.at_ms,
            ended: ended.map_or("", |(_, text)| text).to_owned(),
            message: self.message.clone(),
            images: self.images.iter().map(image_out).collect(),
        }
    }

    fn from_wire(message: v1::Decision) -> Result<Decision, BrokenRecord> {
        let ended = ENDED.iter().find(|(_, text)| *text == message.ended);
        Ok(Decision {
            run: PlanHash::parse(&message.run).map_err(no_id)?,
            operation: OperationId::parse(&message.operation).map_err(no_id)?,
            kind: message.kind,
            label: message.label,
            at_ms: message.at_ms,
            ended: ended
                .map(|(ended, _)| *ended)
                .ok_or_else(|| broken(name(), format!("{:?} is no end", message.ended)))?,
            message: message.message,
            images: message
                .images
                .into_iter()
                .map(image_in)
                .collect::<Result<_, _>>()?,
        })
    }
}
