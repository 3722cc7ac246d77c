//! Differences between the roster and the observed state, attribute by attribute.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Account, AccountId, DesiredManager, DesiredValue, Field, NormalName, OrgState, Person, Policy};

/// An attribute of an account that the roster can have a desired value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Attribute {
    UserName,
    Active,
    AccessLevel,
    Manager,
    Profile(Field),
}

impl Attribute {
    /// The attribute with this name in Litmos's user records.
    pub fn from_wire(name: &str) -> Option<Attribute> {
        let own = [
            Attribute::UserName,
            Attribute::Active,
            Attribute::AccessLevel,
            Attribute::Manager,
        ];
        own.into_iter()
            .find(|attribute| attribute.wire() == name)
            .or_else(|| Field::from_wire(name).map(Attribute::Profile))
    }

    /// The attribute's name in Litmos's user records.
    pub fn wire(self) -> &'static str {
        match self {
            Attribute::UserName => "UserName",
            Attribute::Active => "Active",
            Attribute::AccessLevel => "AccessLevel",
            Attribute::Manager => "ManagerId",
            Attribute::Profile(field) => field.wire(),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}

/// The change of one attribute from one value to another; an empty `to` clears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange {
    pub attribute: Attribute,
    pub from: String,
    pub to: String,
}

/// The result of resolving a [`DesiredManager`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Leave,
    Clear,
    Account(AccountId),
    /// A manager is named but has no account yet. The attribute is left as it is until there is one.
    Pending,
}

pub(crate) fn manager_of(state: &OrgState, person: &Person) -> Manager {
    match &person.manager {
        DesiredManager::Leave => Manager::Leave,
        DesiredManager::Clear => Manager::Clear,
        DesiredManager::Reference(reference) => match state.referenced(reference) {
            None => Manager::Pending,
            // Litmos documents nothing about people who manage themselves. Sources do this for the top manager.
            Some(id) if *id == person.id => Manager::Leave,
            Some(id) => state
                .account_for(id)
                .map_or(Manager::Pending, |account| Manager::Account(account.clone())),
        },
    }
}

/// True if the person has a desired value for an attribute of the account that no read has shown. A difference cannot be detected then.
pub(crate) fn desires_unseen(state: &OrgState, person: &Person, account: &Account) -> bool {
    if account.whole || account.unseen.is_empty() {
        return false;
    }
    account.unseen.iter().any(|attribute| match attribute {
        Attribute::UserName | Attribute::Active => false,
        Attribute::AccessLevel => person.access_level.is_some(),
        Attribute::Manager => matches!(manager_of(state, person), Manager::Clear | Manager::Account(_)),
        Attribute::Profile(field) => person.profile.desired(field) != DesiredValue::Leave,
    })
}

/// The changes that make `account` equal to `person`, for a person who is to be active.
///
/// Attributes that no read of the account has shown are not compared: see [`desires_unseen`].
///
/// User names that differ only in letter case or Unicode form are the same name. Other changes of a user name are left out if the org's
/// policy turns them off.
pub(crate) fn changes(
    state: &OrgState,
    person: &Person,
    account: &Account,
    policy: &Policy,
) -> Vec<AttributeChange> {
    let mut changes = Vec::new();
    let mut change = |attribute, from: &str, to: &str| {
        changes.push(AttributeChange {
            attribute,
            from: from.to_owned(),
            to: to.to_owned(),
        });
    };
    if policy.update_user_names && NormalName::of(&person.user_name) != NormalName::of(&account.user_name) {
        change(Attribute::UserName, &account.user_name, person.user_name.trim());
    }
    if !account.active {
        change(Attribute::Active, "false", "true");
    }
    if let Some(level) = person.access_level
        && account.access_level != Some(level)
        && account.knows(Attribute::AccessLevel)
    {
        change(
            Attribute::AccessLevel,
            account.access_level.map_or("", |level| level.as_litmos()),
            level.as_litmos(),
        );
    }
    let current = account.manager.as_ref().map_or("", |id| id.as_str());
    match manager_of(state, person) {
        Manager::Leave | Manager::Pending => {}
        Manager::Clear | Manager::Account(_) if !account.knows(Attribute::Manager) => {}
        Manager::Clear if current.is_empty() => {}
        Manager::Clear => change(Attribute::Manager, current, ""),
        Manager::Account(id) if id.as_str() == current => {}
        Manager::Account(id) => change(Attribute::Manager, current, id.as_str()),
    }
    for (field, _) in person.profile.iter() {
        if !account.knows(Attribute::Profile(field)) {
            continue;
        }
        let there = account.profile.value(field);
        match person.profile.desired(field) {
            DesiredValue::Set(value) if value != there => change(Attribute::Profile(field), there, value),
            DesiredValue::Clear if !there.is_empty() => change(Attribute::Profile(field), there, ""),
            DesiredValue::Set(_) | DesiredValue::Clear | DesiredValue::Leave => {}
        }
    }
    changes
}
