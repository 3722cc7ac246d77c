//! Fast readers for the kinds of records that exist by the hundred thousand.
//!
//! A start reads all records. The generated types allocate a string for every name and value and a tree for every map, only to
//! take them apart again. These readers borrow from the bytes. They read only what Rollcall itself writes. Anything unusual is left
//! to the generated types, which report what is wrong.
//!
//! Invariant, checked by a property test: a reader returns the same value as the generated type.

use provisioning::{
    AccessLevel, Account, AccountId, Attribute, DesiredManager, Field, GroupId, Membership, Person, PersonId,
    Profile, Rest, Roles, SourceId, SourceMark, Sources, TeamId, Unseen,
};

use super::TeamMember;
use super::fields::{Field as Part, Fields as Parts, flag, text};

/// One entry of a map: key and value.
fn entry(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (mut key, mut value): (_, &[u8]) = ("", &[]);
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => key = text(bytes)?,
            Part::Bytes(2, bytes) => value = bytes,
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    (!parts.broken).then_some((key, value))
}

/// Fields of a profile, in the order of the message.
#[derive(Default)]
struct Values<'a>(Vec<(Field, &'a str)>);

impl<'a> Values<'a> {
    fn add(&mut self, bytes: &'a [u8]) -> Option<()> {
        let (name, value) = entry(bytes)?;
        self.0.push((Field::from_wire(name)?, text(value)?));
        Some(())
    }

    /// Returns `None` if a field occurs twice, for example in two spellings. The generated types then decide.
    fn profile(self) -> Option<Profile> {
        let mut fields: Vec<Field> = self.0.iter().map(|(field, _)| *field).collect();
        fields.sort_unstable();
        fields.dedup();
        (fields.len() == self.0.len()).then(|| self.0.into_iter().collect())
    }
}

fn manager(bytes: &[u8]) -> Option<DesiredManager> {
    let mut parts = Parts::of(bytes);
    let desired = match parts.next() {
        None => DesiredManager::Leave,
        Some(Part::Number(1, 1)) => DesiredManager::Clear,
        Some(Part::Bytes(2, bytes)) => DesiredManager::Reference(text(bytes)?.to_owned()),
        Some(Part::Number(..) | Part::Bytes(..)) => return None,
    };
    (parts.bytes.is_empty() && !parts.broken).then_some(desired)
}

fn mark(bytes: &[u8]) -> Option<SourceMark> {
    let mut mark = SourceMark::default();
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => mark.external_id = Some(text(bytes)?.to_owned()),
            Part::Number(2, value) => mark.changed_at_ms = value,
            Part::Number(3, value) => mark.sequence = value,
            Part::Number(4, value) => mark.left = flag(value),
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    (!parts.broken).then_some(mark)
}

pub(super) fn person(bytes: &[u8]) -> Option<Person> {
    let (mut id, mut values, mut sources) = ("", Values::default(), Sources::new());
    let mut person = Person {
        id: PersonId::parse("-").ok()?,
        user_name: String::new(),
        active: false,
        deleted: false,
        access_level: None,
        profile: Profile::new(),
        custom: Default::default(),
        manager: DesiredManager::Leave,
        sources: Sources::new(),
        scim_document: None,
        created_at_ms: 0,
        changed_at_ms: 0,
    };
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => id = text(bytes)?,
            Part::Bytes(2, bytes) => text(bytes)?.clone_into(&mut person.user_name),
            Part::Number(3, value) => person.active = flag(value),
            Part::Number(4, value) => person.deleted = flag(value),
            Part::Bytes(5, bytes) => person.access_level = Some(AccessLevel::parse(text(bytes)?).ok()?),
            Part::Bytes(6, bytes) => values.add(bytes)?,
            Part::Bytes(7, bytes) if person.manager == DesiredManager::Leave => {
                person.manager = manager(bytes)?
            }
            Part::Bytes(8, bytes) => {
                let (source, value) = entry(bytes)?;
                *sources.mark(&SourceId::parse(source).ok()?) = mark(value)?;
            }
            Part::Bytes(9, bytes) => person.scim_document = Some(text(bytes)?.to_owned()),
            Part::Number(10, value) => person.created_at_ms = value,
            Part::Number(11, value) => person.changed_at_ms = value,
            Part::Bytes(12, bytes) => {
                let (name, value) = entry(bytes)?;
                person.custom.insert(name.to_owned(), text(value)?.to_owned());
            }
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    person.id = PersonId::parse(id).ok()?;
    person.profile = values.profile()?;
    person.sources = sources;
    (!parts.broken).then_some(person)
}

pub(super) fn account(bytes: &[u8]) -> Option<Account> {
    let (mut id, mut values) = ("", Values::default());
    let mut account = Account {
        id: AccountId::parse("-").ok()?,
        user_name: String::new(),
        active: false,
        access_level: None,
        profile: Profile::new(),
        manager: None,
        as_of_ms: 0,
        whole: false,
        unseen: Unseen::NONE,
        rest: Rest::default(),
    };
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => id = text(bytes)?,
            Part::Bytes(2, bytes) => text(bytes)?.clone_into(&mut account.user_name),
            Part::Number(3, value) => account.active = flag(value),
            Part::Bytes(4, bytes) => account.access_level = AccessLevel::parse(text(bytes)?).ok(),
            Part::Bytes(5, bytes) => values.add(bytes)?,
            Part::Bytes(6, bytes) => account.manager = Some(AccountId::parse(text(bytes)?).ok()?),
            Part::Number(7, value) => account.as_of_ms = value,
            Part::Number(8, value) => account.whole = flag(value),
            Part::Bytes(9, bytes) => account.unseen.insert(Attribute::from_wire(text(bytes)?)?),
            Part::Bytes(10, bytes) => account.rest = text(bytes)?.into(),
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    account.id = AccountId::parse(id).ok()?;
    account.profile = values.profile()?;
    (!parts.broken).then_some(account)
}

pub(super) fn membership(bytes: &[u8]) -> Option<Membership> {
    let (mut group, mut person, mut source) = ("", "", "");
    let (mut present, mut changed_at_ms, mut sequence) = (false, 0, 0);
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => group = text(bytes)?,
            Part::Bytes(2, bytes) => person = text(bytes)?,
            Part::Number(3, value) => present = flag(value),
            Part::Bytes(4, bytes) => source = text(bytes)?,
            Part::Number(5, value) => changed_at_ms = value,
            Part::Number(6, value) => sequence = value,
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    let membership = Membership {
        group: GroupId::parse(group).ok()?,
        person: PersonId::parse(person).ok()?,
        present,
        source: SourceId::parse(source).ok()?,
        changed_at_ms,
        sequence,
    };
    (!parts.broken).then_some(membership)
}

pub(super) fn team_member(bytes: &[u8]) -> Option<TeamMember> {
    let (mut team, mut account) = ("", "");
    let (mut roles, mut as_of_ms) = (Roles::NONE, 0);
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => team = text(bytes)?,
            Part::Bytes(2, bytes) => account = text(bytes)?,
            Part::Number(3, value) => as_of_ms = value,
            Part::Number(4, value) => roles.leader = flag(value),
            Part::Number(5, value) => roles.admin = flag(value),
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    let member = TeamMember {
        team: TeamId::parse(team).ok()?,
        account: AccountId::parse(account).ok()?,
        roles,
        as_of_ms,
    };
    (!parts.broken).then_some(member)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use proto::v1;

    use super::*;
    use crate::record::{Wire, decoded};

    /// The value that the generated type reads; `None` if it refuses the bytes.
    fn generated<T: Wire<M>, M: prost::Message + prost::Name + Default>(bytes: &[u8]) -> Option<T> {
        decoded::<M>(bytes)
            .ok()
            .and_then(|message| T::from_wire(message).ok())
    }

    fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
        if let Some(read) = person(bytes) {
            prop_assert_eq!(Some(read), generated::<Person, v1::Person>(bytes));
        }
        if let Some(read) = account(bytes) {
            prop_assert_eq!(Some(read), generated::<Account, v1::Account>(bytes));
        }
        if let Some(read) = membership(bytes) {
            prop_assert_eq!(Some(read), generated::<Membership, v1::Membership>(bytes));
        }
        if let Some(read) = team_member(bytes) {
            prop_assert_eq!(Some(read), generated::<TeamMember, v1::TeamMember>(bytes));
        }
        Ok(())
    }

    fn words() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
        let names = prop::sample::select(vec!["City", "JobTitle", "jobtitle", "Email", "Nonsense"]);
        prop::collection::btree_map(names.prop_map(str::to_owned), "\\PC{0,6}", 0..3)
    }

    fn desired() -> impl Strategy<Value = Option<v1::DesiredManager>> {
        let desired = prop_oneof![
            any::<bool>().prop_map(v1::desired_manager::Desired::Clear),
            "\\PC{0,6}".prop_map(v1::desired_manager::Desired::Reference)
        ];
        prop::option::of(prop::option::of(desired).prop_map(|desired| v1::DesiredManager { desired }))
    }

    fn level() -> impl Strategy<Value = Option<String>> {
        prop::option::of(
            prop::sample::select(vec!["Learner", "Team_Admin", "Emperor"]).prop_map(str::to_owned),
        )
    }

    prop_compose! {
        fn people()(id in "[a-z]{0,3}", user_name in "\\PC{0,6}", active: bool, deleted: bool, access_level in level(), profile in words(),
            manager in desired(), scim_document in prop::option::of("\\PC{0,6}"), created_at_ms: u64, changed_at_ms: u64, custom in words(),
            source in "[a-z]{0,3}", external_id in prop::option::of("\\PC{0,6}"),
        ) -> v1::Person {
            let mark = v1::SourceMark { external_id, changed_at_ms, sequence: changed_at_ms / 2, left: changed_at_ms % 2 == 0 };
            v1::Person { id, user_name, active, deleted, access_level, profile, manager, scim_document, created_at_ms, changed_at_ms, custom,
                sources: [(source, mark)].into() }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_straight_is_what_the_generated_types_read(
            person in people(), first in any::<prop::sample::Index>(), byte: u8, cut: bool, tail in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let account = v1::Account { id: person.id.clone(), user_name: person.user_name.clone(), active: person.active,
                access_level: person.access_level.clone(), profile: person.profile.clone(), manager: Some(person.id.clone()),
                as_of_ms: person.changed_at_ms, whole: person.deleted, unseen: person.access_level.iter().map(|_| "Culture".to_owned()).collect(),
                rest: person.scim_document.clone().unwrap_or_default() };
            let membership = v1::Membership { group: person.id.clone(), person: person.id.clone(), present: person.active,
                source: person.id.clone(), changed_at_ms: person.changed_at_ms , sequence: 3 };
            let member = v1::TeamMember { team: person.id.clone(), account: person.id.clone(), as_of_ms: person.changed_at_ms,
                leader: person.active, admin: person.deleted };
            for whole in [person.encode_to_vec(), account.encode_to_vec(), membership.encode_to_vec(), member.encode_to_vec()] {
                check(&whole)?;
                let mut bent = whole.clone();
                if !bent.is_empty() {
                    let at = first.index(bent.len());
                    bent[at] = byte;
                    if cut {
                        bent.truncate(at);
                    }
                }
                check(&bent)?;
                check(&[whole.as_slice(), &tail].concat())?;
                // To protobuf, the same message twice in a row is one message.
                check(&[whole.as_slice(), &whole].concat())?;
            }
            check(&tail)?;
        }

        #[test]
        fn what_our_writers_write_is_read_straight(person in people()) {
            let usual = generated::<Person, v1::Person>(&person.encode_to_vec());
            if let Some(usual) = usual.filter(|_| person.created_at_ms >> 63 == 0 && person.changed_at_ms >> 63 == 0) {
                prop_assert!(super::person(&usual.to_wire().encode_to_vec()).is_some());
            }
        }
    }
}
