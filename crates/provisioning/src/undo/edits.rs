//! Collects the edits that restore the values before a run.
//!
//! For a value that was empty, the edit asks for an empty field, even if no source had a desired value for it. Without a
//! desired value Litmos would keep the value of the run.

use std::collections::BTreeMap;

use super::edit::{Edit, GroupEdit, PersonEdit};
use super::living_group;
use super::written::{Thing, Write, fact, same};
use crate::change::{Attribute, Manager, manager_of};
use crate::{AccessLevel, AccountId, DesiredManager, GroupId, NormalName, OrgState, Person, PersonId};

/// Collects edits: one for each person, membership and group.
#[derive(Debug, Default)]
pub(super) struct EditBuilder {
    people: BTreeMap<PersonId, PersonEdit>,
    memberships: BTreeMap<(GroupId, PersonId), bool>,
    groups: BTreeMap<GroupId, GroupEdit>,
}

impl EditBuilder {
    /// Adds the edit that restores the value before the run; `Err` says why it cannot.
    pub(super) fn take_back(&mut self, state: &OrgState, thing: &Thing, write: &Write) -> Result<(), String> {
        match *thing {
            Thing::Attribute(id, attribute) => {
                self.attribute(state, living_person(state, id)?, attribute, write)
            }
            Thing::Custom(id, ref name) => self.custom(living_person(state, id)?, name, write),
            Thing::Membership(group, person) => self.membership(state, group, person, write),
            Thing::Name(id) => {
                let group = living_group(state, id)?;
                if let Some(before) = write.to_request(|value| same(&group.name, value))? {
                    self.group(id).name = Some(before.to_owned());
                }
                Ok(())
            }
            Thing::Description(id) => {
                let now = living_group(state, id)?.description.as_deref();
                if let Some(before) = write.to_request(|value| now.is_some_and(|now| same(now, value)))? {
                    self.group(id).description = Some(before.to_owned());
                }
                Ok(())
            }
        }
    }

    pub(super) fn into_edits(self) -> Vec<Edit> {
        let people = self.people.into_values();
        let people = people.map(|edit| Edit::Person(Box::new(edit)));
        let memberships = self.memberships.into_iter();
        let memberships = memberships.map(|((group, person), present)| Edit::Membership {
            group,
            person,
            present,
        });
        let groups = self.groups.into_values().map(Edit::Group);
        people.chain(memberships).chain(groups).collect()
    }

    fn person(&mut self, id: &PersonId) -> &mut PersonEdit {
        self.people
            .entry(id.clone())
            .or_insert_with(|| PersonEdit::new(id.clone()))
    }

    fn group(&mut self, id: &GroupId) -> &mut GroupEdit {
        self.groups
            .entry(id.clone())
            .or_insert_with(|| GroupEdit::new(id.clone()))
    }

    fn attribute(
        &mut self,
        state: &OrgState,
        person: &Person,
        attribute: Attribute,
        write: &Write,
    ) -> Result<(), String> {
        let desired = |value: &str| match attribute {
            Attribute::Active => fact(person.active) == value,
            Attribute::UserName => same(&person.user_name, value),
            Attribute::AccessLevel => person.access_level.map(AccessLevel::as_litmos) == Some(value),
            Attribute::Manager => wants_manager(state, person, value),
            Attribute::Profile(field) => same(person.profile.value(field), value),
        };
        let Some(before) = write.to_request(desired)? else {
            return Ok(());
        };
        match attribute {
            Attribute::Active => self.person(&person.id).active = Some(before == fact(true)),
            Attribute::UserName => self.person(&person.id).user_name = Some(before.to_owned()),
            Attribute::AccessLevel => {
                let level = AccessLevel::parse(before)
                    .map_err(|_| "the earlier access level is not known; set it at the source".to_owned())?;
                self.person(&person.id).access_level = Some(level);
            }
            Attribute::Manager => {
                self.person(&person.id).manager = Some(manager_before(state, before)?);
            }
            Attribute::Profile(field) => {
                let fields = &mut self.person(&person.id).fields;
                fields.insert(field, before.to_owned());
            }
        }
        Ok(())
    }

    fn custom(&mut self, person: &Person, name: &NormalName, write: &Write) -> Result<(), String> {
        let mut edits = person.custom.iter();
        let now = edits.find(|(spelled, _)| NormalName::of(spelled) == *name);
        let before = write.to_request(|value| now.is_some_and(|(_, now)| same(now, value)))?;
        if let (Some(before), Some((spelled, _))) = (before, now) {
            let custom = &mut self.person(&person.id).custom;
            custom.insert(spelled.clone(), before.to_owned());
        }
        Ok(())
    }

    fn membership(
        &mut self,
        state: &OrgState,
        group: &GroupId,
        person: &PersonId,
        write: &Write,
    ) -> Result<(), String> {
        living_group(state, group)?;
        let mut wanted = state.wanted_members(group);
        let (_, now) = wanted
            .find(|(id, _)| *id == person)
            .ok_or("no source says anything about this membership")?;
        if let Some(before) = write.to_request(|value| fact(now) == value)? {
            let key = (group.clone(), person.clone());
            self.memberships.insert(key, before == fact(true));
        }
        Ok(())
    }
}

/// The person, if the source has not deleted them. An edit of a deleted person would have no effect on the plan.
fn living_person<'a>(state: &'a OrgState, id: &PersonId) -> Result<&'a Person, String> {
    let person = state.person(id).ok_or("the person is no longer in the roster")?;
    if person.value.deleted {
        return Err("the source has deleted the person".to_owned());
    }
    Ok(&person.value)
}

/// True if the person's desired manager is still this account; an empty `account` means no manager.
fn wants_manager(state: &OrgState, person: &Person, account: &str) -> bool {
    match manager_of(state, person) {
        Manager::Account(id) => id.as_str() == account,
        Manager::Clear => account.is_empty(),
        Manager::Leave | Manager::Pending => false,
    }
}

/// The desired manager that restores the manager before the run.
fn manager_before(state: &OrgState, account: &str) -> Result<DesiredManager, String> {
    if account.is_empty() {
        return Ok(DesiredManager::Clear);
    }
    let person = AccountId::parse(account).ok().and_then(|id| {
        let named = || {
            let name = &state.account(&id)?.user_name;
            state.referenced(NormalName::of(name).as_str())
        };
        state.owner_of(&id).or_else(named)
    });
    person
        .map(|person| DesiredManager::Reference(person.to_string()))
        .ok_or_else(|| "the earlier manager is not in the roster; set the manager at the source".to_owned())
}
