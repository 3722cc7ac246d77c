//! Writes one event to the roster.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Delivery, EventBody};
use provisioning::{AccessLevel, DesiredManager, Field, GroupId, Person, PersonId, Profile, SourceId};
use roster::{
    Change, ChangeError, Directory, GroupDraft, Order, Origin, PersonDraft, PersonTarget, Roster, RosterError,
};
use tracing::Instrument as _;

use crate::waiting::Waiting;

/// Pause before an event that waits for another one is delivered again. It doubles with each delivery. Most events wait for one that
/// follows directly, but 50,000 events that wait for days must not use up the capacity.
const LATER: Duration = Duration::from_secs(2);

/// Longest of these pauses.
const LATER_MAX: Duration = Duration::from_secs(60);

/// Attempts to write an event while the roster cannot be written. Later events of the same chain wait meanwhile, to keep their order. The
/// feed gives an event to another intake after a minute.
const ATTEMPTS: u32 = 40;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Why an event is not written to the roster.
enum Refusal {
    /// The event is not valid. It never succeeds.
    Never(String),
    /// The event names a person or group that is not known yet.
    Later(String),
    /// The roster cannot be written at the moment.
    Again(String),
}

impl From<RosterError> for Refusal {
    fn from(error: RosterError) -> Refusal {
        match error {
            RosterError::NameTaken { .. }
            | RosterError::GroupNameTaken { .. }
            | RosterError::Unclear(_)
            | RosterError::NoSuchPerson { .. }
            | RosterError::NoSuchGroup { .. } => Refusal::Never(error.to_string()),
            RosterError::Contended
            | RosterError::InPart { .. }
            | RosterError::Behind(_)
            | RosterError::Bus(_) => Refusal::Again(error.to_string()),
        }
    }
}

impl From<ChangeError<Refusal>> for Refusal {
    fn from(error: ChangeError<Refusal>) -> Refusal {
        match error {
            ChangeError::Refused(refusal) => refusal,
            ChangeError::Roster(error) => error.into(),
        }
    }
}

pub(crate) async fn ingest(roster: &Roster, waiting: &Waiting, delivery: Delivery, end: u64) {
    let span = tracing::info_span!("event.take", org.id = %delivery.org, source.id = %delivery.source);
    bus::trace::set_parent(&span, delivery.trace.as_deref());
    async {
        let order = Order::Feed {
            sequence: delivery.sequence,
            in_order: delivery.event.in_order,
            end,
            settled: delivery.times == 1 && waiting.is_empty(),
        };
        let mut outcome = apply(roster, &delivery, order).await;
        for _ in 1..ATTEMPTS {
            let Err(Refusal::Again(reason)) = &outcome else {
                break;
            };
            tracing::warn!(reason, "an event could not be written, trying again");
            tokio::time::sleep(PAUSE).await;
            outcome = apply(roster, &delivery, order).await;
        }
        waiting.is_over(delivery.sequence);
        match outcome {
            Ok(()) => delivery.done().await,
            Err(Refusal::Never(reason)) => delivery.refuse(&reason).await,
            Err(Refusal::Later(reason) | Refusal::Again(reason)) => {
                // Log only the first attempt; an event that waits long is delivered often.
                if delivery.times == 1 {
                    tracing::warn!(reason, "an event could not be applied yet");
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

async fn apply(roster: &Roster, delivery: &Delivery, order: Order) -> Result<(), Refusal> {
    let origin = Origin {
        source: &delivery.source,
        at_ms: delivery.event.happened_at_ms,
        order,
    };
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
            from_complete_list,
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
                ensure_group(roster, &origin, name).await?;
            }
            let draft = PersonDraft {
                external_id: Some(external_id.clone()).filter(|id| !id.is_empty()),
                active: *active,
                returns: *from_complete_list,
                access_level: level(access_level.as_deref())?,
                profile: profile(attributes)?,
                manager: match manager.as_deref() {
                    None => DesiredManager::Leave,
                    Some("") => DesiredManager::Clear,
                    Some(reference) => DesiredManager::Reference(reference.to_owned()),
                },
                custom: custom_fields.clone(),
                groups: groups.clone(),
                ..PersonDraft::named(user_name)
            };
            put_person(roster, &origin, &draft).await
        }
        EventBody::PersonDeleted { person } => end_access(roster, &origin, person, |_| true).await,
        EventBody::PersonLeft { person } => end_access(roster, &origin, person, |known| known.deleted).await,
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
                ..GroupDraft::named(name)
            };
            put_group(roster, &origin, &draft).await
        }
        EventBody::GroupDeleted { group } => {
            let delete = |directory: &Directory| {
                let (id, name) = find_group(directory, origin.source, group)?;
                let draft = GroupDraft::deleted(name);
                Ok::<_, Refusal>(directory.put_group_draft(roster.org(), &origin, Some(&id), &draft)?)
            };
            Ok(roster.change(delete).await.map(drop)?)
        }
        EventBody::MembershipChanged {
            group,
            person,
            present,
        } => {
            let put = |directory: &Directory| {
                let (group, _) = find_group(directory, origin.source, group)?;
                let person = find_person(directory, origin.source, person)?;
                let members = [(person, *present)];
                Ok::<_, Refusal>(directory.put_memberships(roster.org(), &origin, &group, &members)?)
            };
            Ok(roster.change(put).await.map(drop)?)
        }
    }
}

async fn put_person(roster: &Roster, origin: &Origin<'_>, draft: &PersonDraft) -> Result<(), Refusal> {
    let put = roster
        .change(|directory| directory.put_person_draft(roster.org(), origin, PersonTarget::Resolve, draft));
    let error = match put.await {
        Ok(_) => return Ok(()),
        Err(error) => error.into_inner(),
    };
    if let RosterError::Unclear(question) = &error {
        roster.ask(question).await?;
    }
    Err(error.into())
}

/// Ends the access of a person in the roster.
async fn end_access(
    roster: &Roster,
    origin: &Origin<'_>,
    person: &str,
    deleted: impl Fn(&Person) -> bool,
) -> Result<(), Refusal> {
    let end = |directory: &Directory| -> Result<Change<Person>, Refusal> {
        let id = find_person(directory, origin.source, person)?;
        let no_such = || RosterError::NoSuchPerson { id: id.clone() };
        let known = &directory.person(&id).ok_or_else(no_such)?.value;
        let draft = PersonDraft {
            deleted: deleted(known),
            leaves: true,
            ..PersonDraft::inactive(&known.user_name)
        };
        Ok(directory.put_person_draft(roster.org(), origin, PersonTarget::Id(&id), &draft)?)
    };
    Ok(roster.change(end).await.map(drop)?)
}

async fn ensure_group(roster: &Roster, origin: &Origin<'_>, name: &str) -> Result<(), Refusal> {
    if roster.read(|directory| directory.group_named(name).is_some()) {
        return Ok(());
    }
    // Another event may create the group at the same time. Only the name matters, so the first one creates it.
    let make = |directory: &Directory| match directory.group_named(name) {
        Some(known) => Ok(Change::none((), known.revision)),
        None => directory
            .put_group_draft(roster.org(), origin, None, &GroupDraft::named(name))
            .map(|change| change.map(drop)),
    };
    Ok(roster
        .change(make)
        .await
        .map(drop)
        .map_err(ChangeError::into_inner)?)
}

async fn put_group(roster: &Roster, origin: &Origin<'_>, draft: &GroupDraft) -> Result<(), Refusal> {
    let put = roster.change(|directory| directory.put_group_draft(roster.org(), origin, None, draft));
    Ok(put.await.map(drop).map_err(ChangeError::into_inner)?)
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

fn find_person(directory: &Directory, source: &SourceId, text: &str) -> Result<PersonId, Refusal> {
    let known_as = directory.person_known_as(source, text);
    if known_as.is_none() && directory.people_known_as(source, text).next().is_some() {
        return Err(Refusal::Never(format!(
            "several people have the external id {text:?}; give the user name"
        )));
    }
    let found = known_as.or_else(|| directory.person_named(text));
    // The event that adds the person may arrive later.
    found
        .map(|person| person.value.id.clone())
        .ok_or_else(|| Refusal::Later(format!("nobody is known as {text:?} yet")))
}

fn find_group(directory: &Directory, source: &SourceId, text: &str) -> Result<(GroupId, String), Refusal> {
    let found = directory
        .group_known_as(source, text)
        .or_else(|| directory.group_named(text));
    found
        .map(|group| (group.value.id.clone(), group.value.name.clone()))
        .ok_or_else(|| Refusal::Later(format!("no group is known as {text:?} yet")))
}
