//! One event into the roster.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Delivery, EventBody};
use provisioning::{AccessLevel, Field, GroupId, ManagerWish, Person, PersonId, Profile, SourceId};
use roster::{GroupDraft, MemberWord, PersonDraft, Roster, RosterError};
use tracing::Instrument as _;

use crate::waiting::Waiting;

/// Pause before an event comes again that could not be taken in. It doubles with each time: most wait for a word that is
/// just behind them, and fifty thousand who wait for days are not to keep everybody busy.
const LATER: Duration = Duration::from_secs(2);

/// The longest such pause.
const LATER_MAX: Duration = Duration::from_secs(60);

/// Why an event is not taken in.
enum Refusal {
    /// It never will be: what it says cannot be meant.
    Never(String),
    /// The roster could not be written just now.
    Later(String),
}

impl From<RosterError> for Refusal {
    fn from(error: RosterError) -> Refusal {
        match error {
            RosterError::NameTaken { .. }
            | RosterError::GroupNameTaken { .. }
            | RosterError::NoSuchPerson { .. }
            | RosterError::NoSuchGroup { .. } => Refusal::Never(error.to_string()),
            RosterError::Contended | RosterError::InPart { .. } | RosterError::Bus(_) => {
                Refusal::Later(error.to_string())
            }
        }
    }
}

pub(crate) async fn take(roster: &Roster, waiting: &Waiting, delivery: Delivery) {
    let span = tracing::info_span!("event.take", org.id = %delivery.org, source.id = %delivery.source);
    bus::trace::set_parent(&span, delivery.trace.as_deref());
    async {
        let told = apply(roster, &delivery).await;
        waiting.is_over(delivery.sequence);
        match told {
            Ok(()) => delivery.done().await,
            Err(Refusal::Never(reason)) => delivery.refuse(&reason).await,
            Err(Refusal::Later(reason)) => {
                // Told once: who waits long comes often.
                if delivery.times == 1 {
                    tracing::warn!(reason, "an event could not be taken in yet");
                }
                delivery.later(pause(delivery.times), &reason).await;
                waiting.comes_again(delivery.sequence, reason);
            }
        }
    }
    .instrument(span)
    .await;
}

fn pause(times: u32) -> Duration {
    let doubled = 1 << times.saturating_sub(1).min(8);
    (LATER * doubled).min(LATER_MAX)
}

async fn apply(roster: &Roster, delivery: &Delivery) -> Result<(), Refusal> {
    let (source, at_ms) = (&delivery.source, delivery.event.happened_at_ms);
    let in_order = delivery.event.in_order;
    match &delivery.event.body {
        EventBody::PersonUpserted {
            external_id,
            user_name,
            active,
            access_level,
            attributes,
            manager,
            groups,
            custom_fields,
            from_complete_list: _,
        } => {
            if user_name.trim().is_empty() {
                return Err(Refusal::Never("the person has no user_name; give one".to_owned()));
            }
            if custom_fields.keys().any(|name| name.trim().is_empty()) {
                return Err(Refusal::Never(
                    "a custom field has no name; give it the one that Litmos shows".to_owned(),
                ));
            }
            for name in groups.iter().flatten() {
                ensure_group(roster, source, name, at_ms).await?;
            }
            let draft = PersonDraft {
                external_id: Some(external_id.clone()).filter(|id| !id.is_empty()),
                active: active.unwrap_or(true),
                access_level: level(access_level.as_deref())?,
                profile: profile(attributes)?,
                manager: match manager.as_deref() {
                    None => ManagerWish::Leave,
                    Some("") => ManagerWish::Clear,
                    Some(reference) => ManagerWish::Reference(reference.to_owned()),
                },
                custom: custom_fields.clone(),
                groups: groups.clone(),
                in_order,
                ..PersonDraft::active(user_name)
            };
            roster.put_person(source, None, &draft, at_ms).await?;
        }
        EventBody::PersonDeleted { person } => {
            put_out(roster, source, person, |_| true, (at_ms, in_order)).await?;
        }
        EventBody::PersonLeft { person } => {
            put_out(roster, source, person, |known| known.deleted, (at_ms, in_order)).await?;
        }
        EventBody::GroupUpserted {
            external_id,
            name,
            description,
            parent,
        } => {
            if name.trim().is_empty() {
                return Err(Refusal::Never("the group has no name; give one".to_owned()));
            }
            let draft = GroupDraft {
                external_id: Some(external_id.clone()).filter(|id| !id.is_empty()),
                description: description.clone(),
                parent: parent.clone(),
                in_order,
                ..GroupDraft::named(name)
            };
            roster.put_group(source, None, &draft, at_ms).await?;
        }
        EventBody::GroupDeleted { group } => {
            let (id, name) = find_group(roster, source, group)?;
            let draft = GroupDraft {
                in_order,
                ..GroupDraft::deleted(name)
            };
            roster.put_group(source, Some(&id), &draft, at_ms).await?;
        }
        EventBody::MembershipChanged {
            group,
            person,
            present,
        } => {
            let (group, _) = find_group(roster, source, group)?;
            let person = find_person(roster, source, person)?;
            let word = MemberWord {
                source,
                at_ms,
                in_order,
            };
            roster.put_members(&word, &group, [(person, *present)]).await?;
        }
    }
    Ok(())
}

/// Ends the access of somebody who is in the roster.
async fn put_out(
    roster: &Roster,
    source: &SourceId,
    person: &str,
    deleted: impl Fn(&Person) -> bool,
    (at_ms, in_order): (u64, bool),
) -> Result<(), Refusal> {
    let id = find_person(roster, source, person)?;
    let draft = roster.read(|directory| {
        let known = &directory.person(&id)?.value;
        Some(PersonDraft {
            deleted: deleted(known),
            in_order,
            ..PersonDraft::inactive(&known.user_name)
        })
    });
    if let Some(draft) = draft {
        roster.put_person(source, Some(&id), &draft, at_ms).await?;
    }
    Ok(())
}

async fn ensure_group(roster: &Roster, source: &SourceId, name: &str, at_ms: u64) -> Result<(), RosterError> {
    if roster.read(|directory| directory.group_named(name).is_some()) {
        return Ok(());
    }
    let draft = GroupDraft::named(name);
    roster.put_group(source, None, &draft, at_ms).await.map(drop)
}

fn level(text: Option<&str>) -> Result<Option<AccessLevel>, Refusal> {
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(AccessLevel::parse)
        .transpose()
        .map_err(|error| Refusal::Never(error.to_string()))
}

fn profile(attributes: &BTreeMap<String, String>) -> Result<Profile, Refusal> {
    attributes
        .iter()
        .map(|(name, value)| {
            let field = Field::from_wire(name).ok_or_else(|| {
                Refusal::Never(format!(
                    "{name:?} is no attribute of a Litmos user; use its field names"
                ))
            })?;
            Ok((field, value.as_str()))
        })
        .collect()
}

fn find_person(roster: &Roster, source: &SourceId, text: &str) -> Result<PersonId, Refusal> {
    let found = roster.read(|directory| {
        let person = directory
            .person_known_as(source, text)
            .or_else(|| directory.person_named(text));
        person.map(|person| person.value.id.clone())
    });
    // The person's own event may still be on its way.
    found.ok_or_else(|| Refusal::Later(format!("nobody is known as {text:?} yet")))
}

fn find_group(roster: &Roster, source: &SourceId, text: &str) -> Result<(GroupId, String), Refusal> {
    let found = roster.read(|directory| {
        let group = directory
            .group_known_as(source, text)
            .or_else(|| directory.group_named(text));
        group.map(|group| (group.value.id.clone(), group.value.name.clone()))
    });
    found.ok_or_else(|| Refusal::Later(format!("no group is known as {text:?} yet")))
}
