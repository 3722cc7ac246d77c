use std::collections::BTreeMap;

use prost::Name as _;
use proto::v1;
use provisioning::{
    AccessLevel, DesiredManager, Group, GroupId, IdentityQuestion, Membership, Person, PersonId, QuestionId,
    SourceId, SourceMark, Sources, Traits,
};

use super::{BrokenRecord, Wire, broken, profile_in, profile_out, reader};

fn sources_out(sources: &Sources) -> BTreeMap<String, v1::SourceMark> {
    let mark = |mark: &SourceMark| v1::SourceMark {
        external_id: mark.external_id.clone(),
        changed_at_ms: mark.changed_at_ms,
        sequence: mark.sequence,
        left: mark.left,
    };
    sources
        .iter()
        .map(|(source, value)| (source.to_string(), mark(value)))
        .collect()
}

fn sources_in(type_name: &str, sources: BTreeMap<String, v1::SourceMark>) -> Result<Sources, BrokenRecord> {
    sources
        .into_iter()
        .map(|(source, mark)| {
            let source = SourceId::parse(source).map_err(|error| broken(type_name, error))?;
            Ok((
                source,
                SourceMark {
                    external_id: mark.external_id,
                    changed_at_ms: mark.changed_at_ms,
                    sequence: mark.sequence,
                    left: mark.left,
                },
            ))
        })
        .collect()
}

impl Wire<v1::Person> for Person {
    /// The SCIM document.
    const LEFT_OUT: Option<u32> = Some(9);

    fn read(bytes: &[u8]) -> Option<Person> {
        reader::person(bytes)
    }

    fn to_wire(&self) -> v1::Person {
        let person = self;
        let desired = match &person.manager {
            DesiredManager::Leave => None,
            DesiredManager::Clear => Some(v1::desired_manager::Desired::Clear(true)),
            DesiredManager::Reference(text) => Some(v1::desired_manager::Desired::Reference(text.clone())),
        };
        v1::Person {
            id: person.id.to_string(),
            user_name: person.user_name.clone(),
            active: person.active,
            deleted: person.deleted,
            access_level: person.access_level.map(|level| level.as_litmos().to_owned()),
            profile: profile_out(&person.profile),
            manager: desired.map(|desired| v1::DesiredManager {
                desired: Some(desired),
            }),
            sources: sources_out(&person.sources),
            scim_document: person.scim_document.clone(),
            created_at_ms: person.created_at_ms,
            changed_at_ms: person.changed_at_ms,
            custom: person.custom.clone().into(),
        }
    }

    fn from_wire(message: v1::Person) -> Result<Person, BrokenRecord> {
        let name = v1::Person::full_name();
        let access_level = message
            .access_level
            .as_deref()
            .map(AccessLevel::parse)
            .transpose();
        Ok(Person {
            id: PersonId::parse(&message.id).map_err(|error| broken(&name, error))?,
            user_name: message.user_name,
            active: message.active,
            deleted: message.deleted,
            access_level: access_level.map_err(|error| broken(&name, error))?,
            profile: profile_in(&name, message.profile)?,
            custom: message.custom.into(),
            manager: match message.manager.and_then(|manager| manager.desired) {
                None | Some(v1::desired_manager::Desired::Clear(false)) => DesiredManager::Leave,
                Some(v1::desired_manager::Desired::Clear(true)) => DesiredManager::Clear,
                Some(v1::desired_manager::Desired::Reference(text)) => DesiredManager::Reference(text),
            },
            sources: sources_in(&name, message.sources)?,
            scim_document: message.scim_document,
            created_at_ms: message.created_at_ms,
            changed_at_ms: message.changed_at_ms,
        })
    }
}

impl Wire<v1::Group> for Group {
    /// The SCIM document.
    const LEFT_OUT: Option<u32> = Some(5);

    fn to_wire(&self) -> v1::Group {
        let group = self;
        v1::Group {
            id: group.id.to_string(),
            name: group.name.clone(),
            deleted: group.deleted,
            sources: sources_out(&group.sources),
            scim_document: group.scim_document.clone(),
            created_at_ms: group.created_at_ms,
            changed_at_ms: group.changed_at_ms,
            description: group.description.clone(),
            parent: group.parent.clone(),
        }
    }

    fn from_wire(message: v1::Group) -> Result<Group, BrokenRecord> {
        let name = v1::Group::full_name();
        Ok(Group {
            id: GroupId::parse(&message.id).map_err(|error| broken(&name, error))?,
            name: message.name,
            description: message.description,
            parent: message.parent,
            deleted: message.deleted,
            sources: sources_in(&name, message.sources)?,
            scim_document: message.scim_document,
            created_at_ms: message.created_at_ms,
            changed_at_ms: message.changed_at_ms,
        })
    }
}

impl Wire<v1::Membership> for Membership {
    fn read(bytes: &[u8]) -> Option<Membership> {
        reader::membership(bytes)
    }

    fn to_wire(&self) -> v1::Membership {
        let membership = self;
        v1::Membership {
            group: membership.group.to_string(),
            person: membership.person.to_string(),
            present: membership.present,
            source: membership.source.to_string(),
            changed_at_ms: membership.changed_at_ms,
            sequence: membership.sequence,
        }
    }

    fn from_wire(message: v1::Membership) -> Result<Membership, BrokenRecord> {
        let name = v1::Membership::full_name();
        Ok(Membership {
            group: GroupId::parse(&message.group).map_err(|error| broken(&name, error))?,
            person: PersonId::parse(&message.person).map_err(|error| broken(&name, error))?,
            present: message.present,
            source: SourceId::parse(&message.source).map_err(|error| broken(&name, error))?,
            changed_at_ms: message.changed_at_ms,
            sequence: message.sequence,
        })
    }
}

fn traits_out(traits: &Traits) -> v1::Traits {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    v1::Traits {
        external_id: text(&traits.external_id),
        user_name: traits.user_name.clone(),
        mail: text(&traits.mail),
        employee_number: text(&traits.employee_number),
        first_name: text(&traits.first_name),
        last_name: text(&traits.last_name),
        active: traits.active,
    }
}

fn traits_in(message: Option<v1::Traits>) -> Traits {
    let text = |value: String| Some(value).filter(|value| !value.is_empty());
    let message = message.unwrap_or_default();
    Traits {
        external_id: text(message.external_id),
        user_name: message.user_name,
        mail: text(message.mail),
        employee_number: text(message.employee_number),
        first_name: text(message.first_name),
        last_name: text(message.last_name),
        active: message.active,
        listed: false,
    }
}

impl Wire<v1::IdentityQuestion> for IdentityQuestion {
    fn to_wire(&self) -> v1::IdentityQuestion {
        v1::IdentityQuestion {
            id: self.id.to_string(),
            source: self.source.to_string(),
            stated: Some(traits_out(&self.stated)),
            person: self.person.to_string(),
            known: Some(traits_out(&self.known)),
            asked_at_ms: self.asked_at_ms,
            same: self.same,
            answered_at_ms: self.answered_at_ms,
        }
    }

    fn from_wire(message: v1::IdentityQuestion) -> Result<IdentityQuestion, BrokenRecord> {
        let name = v1::IdentityQuestion::full_name();
        Ok(IdentityQuestion {
            id: QuestionId::parse(&message.id).map_err(|error| broken(&name, error))?,
            source: SourceId::parse(message.source).map_err(|error| broken(&name, error))?,
            stated: traits_in(message.stated),
            person: PersonId::parse(&message.person).map_err(|error| broken(&name, error))?,
            known: traits_in(message.known),
            asked_at_ms: message.asked_at_ms,
            same: message.same,
            answered_at_ms: message.answered_at_ms,
        })
    }
}
