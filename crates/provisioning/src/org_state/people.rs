//! People, accounts, and the links between them.

use std::collections::hash_map::Entry;

use super::{AccountEntry, OrgState, PersonEntry, Revised, Subjects};
use crate::name::NameKey;
use crate::{Account, AccountId, DesiredManager, NormalName, Person, PersonId, PersonLink};

/// References that may name the person as a manager: person id, external ids and user name.
pub(super) fn references(person: &Person) -> Vec<NormalName> {
    let mut all = vec![
        NormalName::of(&person.user_name),
        NormalName::of(person.id.as_str()),
    ];
    all.extend(external_ids(person));
    all
}

/// The references that the index keeps. Most ids equal their own normal form. They are found in the map of people, which saves 200 000
/// index entries.
fn indexed_references(person: &Person) -> impl Iterator<Item = NormalName> {
    let own_id = |name: &NormalName| name.as_str() == person.id.as_str();
    let user_name = NormalName::of(&person.user_name);
    references(person)
        .into_iter()
        .filter(move |name| *name == user_name || !own_id(name))
}

fn external_ids(person: &Person) -> impl Iterator<Item = NormalName> {
    let ids = person
        .sources
        .values()
        .filter_map(|mark| mark.external_id.as_deref());
    ids.map(NormalName::of)
}

fn manager_reference(person: &Person) -> Option<NormalName> {
    match &person.manager {
        DesiredManager::Reference(text) => Some(NormalName::of(text)),
        DesiredManager::Leave | DesiredManager::Clear => None,
    }
}

impl OrgState {
    /// The entry of a person's id, and the id as stored in the map, so that its text is in memory once.
    pub(super) fn person_entry(&mut self, id: &PersonId) -> (PersonId, &mut PersonEntry) {
        match self.people.entry(id.clone()) {
            Entry::Occupied(entry) => (entry.key().clone(), entry.into_mut()),
            Entry::Vacant(entry) => (id.clone(), entry.insert(Box::default())),
        }
    }

    /// The entry of an account's id, and the id as stored in the map.
    pub(super) fn account_entry(&mut self, id: &AccountId) -> (AccountId, &mut AccountEntry) {
        match self.accounts.entry(id.clone()) {
            Entry::Occupied(entry) => (entry.key().clone(), entry.into_mut()),
            Entry::Vacant(entry) => (id.clone(), entry.insert(Box::default())),
        }
    }

    /// Changes what is stored under a person's id, and drops the entry if nothing is left in it.
    pub(super) fn with_person_entry<T>(
        &mut self,
        id: &PersonId,
        change: impl FnOnce(&mut PersonEntry) -> T,
    ) -> Option<T> {
        let entry = self.people.get_mut(id)?;
        let result = change(entry);
        if entry.is_empty() {
            self.people.remove(id);
        }
        Some(result)
    }

    /// Changes what is stored under an account's id, and drops the entry if nothing is left in it.
    pub(super) fn with_account_entry<T>(
        &mut self,
        id: &AccountId,
        change: impl FnOnce(&mut AccountEntry) -> T,
    ) -> Option<T> {
        let entry = self.accounts.get_mut(id)?;
        let result = change(entry);
        if entry.is_empty() {
            self.accounts.remove(id);
        }
        Some(result)
    }

    pub fn put_person(&mut self, mut person: Person, revision: u64) -> Subjects {
        self.ids.sources(&mut person.sources);
        person.scim_document = None;
        let mut touched = self.forget_person(&person.id);
        let (id, _) = self.person_entry(&person.id);
        person.id = id.clone();
        for reference in indexed_references(&person) {
            self.people_by_reference
                .insert(NameKey::of(&reference), id.clone());
        }
        if let Some(manager) = manager_reference(&person) {
            self.reports_of.insert(manager, id.clone());
        }
        let (_, entry) = self.person_entry(&id);
        entry.person = Some(Revised {
            value: person,
            revision,
        });
        self.around_person(&id, &mut touched);
        touched
    }

    pub fn drop_person(&mut self, id: &PersonId) -> Subjects {
        let mut touched = self.forget_person(id);
        self.with_person_entry(id, |_| ());
        self.around_person(id, &mut touched);
        touched
    }

    /// Removes a person from the indexes. The entry may stay empty: the caller fills or drops it.
    fn forget_person(&mut self, id: &PersonId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_person(id, &mut touched);
        let old = self.people.get_mut(id).and_then(|entry| entry.person.take());
        if let Some(old) = old {
            for reference in indexed_references(&old.value) {
                self.people_by_reference.remove(&NameKey::of(&reference), id);
            }
            if let Some(manager) = manager_reference(&old.value) {
                self.reports_of.remove(&manager, id);
            }
        }
        touched
    }

    pub fn put_account(&mut self, mut account: Account) -> Subjects {
        let (id, _) = self.account_entry(&account.id);
        account.id = id.clone();
        account.manager = account
            .manager
            .take()
            .map(|manager| self.account_entry(&manager).0);
        self.ids.rest(&mut account.rest);
        let mut touched = self.forget_account(&id);
        self.accounts_by_name
            .insert(NameKey::of(&NormalName::of(&account.user_name)), id.clone());
        let (_, entry) = self.account_entry(&id);
        entry.account = Some(account);
        self.around_account(&id, &mut touched);
        touched
    }

    pub fn drop_account(&mut self, id: &AccountId) -> Subjects {
        let touched = self.forget_account(id);
        self.with_account_entry(id, |_| ());
        touched
    }

    /// Removes an account from the indexes. The entry may stay empty: the caller fills or drops it.
    fn forget_account(&mut self, id: &AccountId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_account(id, &mut touched);
        let old = self.accounts.get_mut(id).and_then(|entry| entry.account.take());
        if let Some(old) = old {
            self.accounts_by_name
                .remove(&NameKey::of(&NormalName::of(&old.user_name)), id);
        }
        touched
    }

    pub fn put_person_link(&mut self, mut link: PersonLink, revision: u64) -> Subjects {
        let mut touched = self.forget_person_link(&link.person);
        let (person, _) = self.person_entry(&link.person);
        link.person = person.clone();
        if let Some(account) = &mut link.account {
            let (id, entry) = self.account_entry(account);
            entry.owners.insert(person.clone());
            *account = id;
            self.around_account(account, &mut touched);
        }
        if link.intent.is_some() || link.parked.is_some() {
            self.noted.insert(person.clone());
        } else {
            self.noted.remove(&person);
        }
        let (_, entry) = self.person_entry(&person);
        entry.link = Some(Revised {
            value: link,
            revision,
        });
        self.around_person(&person, &mut touched);
        touched
    }

    pub fn drop_person_link(&mut self, person: &PersonId) -> Subjects {
        let mut touched = self.forget_person_link(person);
        self.with_person_entry(person, |_| ());
        self.noted.remove(person);
        self.around_person(person, &mut touched);
        touched
    }

    /// Removes a link from the indexes. The entry may stay empty: the caller fills or drops it.
    fn forget_person_link(&mut self, person: &PersonId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_person(person, &mut touched);
        let old = self.people.get_mut(person).and_then(|entry| entry.link.take());
        if let Some(account) = old.and_then(|old| old.value.account) {
            self.around_account(&account, &mut touched);
            self.with_account_entry(&account, |entry| entry.owners.remove(person));
        }
        touched
    }

    pub fn person(&self, id: &PersonId) -> Option<&Revised<Person>> {
        self.people.get(id)?.person.as_ref()
    }

    pub fn people(&self) -> impl Iterator<Item = &Revised<Person>> {
        self.people.values().filter_map(|entry| entry.person.as_ref())
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)?.account.as_ref()
    }

    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().filter_map(|entry| entry.account.as_ref())
    }

    pub fn account_named(&self, name: &NormalName) -> Option<&Account> {
        self.accounts_by_name
            .first(&NameKey::of(name))
            .and_then(|id| self.account(id))
    }

    /// People that this name may mean, as a user name, an id or an external id.
    pub(super) fn people_called<'a>(
        &'a self,
        name: &NormalName,
    ) -> impl Iterator<Item = &'a PersonId> + use<'a> {
        let named = self.people_by_reference.get(&NameKey::of(name));
        let entry = self.people.get(name.as_str());
        let by_id = entry.and_then(|entry| Some(&entry.person.as_ref()?.value.id));
        let others = named.filter(move |id| Some(*id) != by_id);
        by_id.into_iter().chain(others)
    }

    /// People with this user name, in id order.
    pub(crate) fn people_named_ids<'a>(
        &'a self,
        name: &NormalName,
    ) -> impl Iterator<Item = &'a PersonId> + use<'a> {
        let name = name.clone();
        self.people_by_reference
            .get(&NameKey::of(&name))
            .filter(move |id| {
                self.person(id)
                    .is_some_and(|person| NormalName::of(&person.value.user_name) == name)
            })
    }

    pub fn person_link(&self, person: &PersonId) -> Option<&Revised<PersonLink>> {
        self.people.get(person)?.link.as_ref()
    }

    pub fn person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.people.values().filter_map(|entry| entry.link.as_ref())
    }

    /// Links that have an open intent or are parked, in id order. They are few and read often.
    pub fn noted_person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.noted.iter().filter_map(|person| self.person_link(person))
    }

    pub fn owner_of(&self, account: &AccountId) -> Option<&PersonId> {
        self.accounts.get(account)?.owners.first()
    }

    /// People whose links name this account, in id order.
    pub(super) fn owners_of(&self, account: &AccountId) -> impl Iterator<Item = &PersonId> {
        let entry = self.accounts.get(account);
        entry.into_iter().flat_map(|entry| &entry.owners)
    }

    /// The account that this person is linked to.
    pub fn linked_account(&self, person: &PersonId) -> Option<&AccountId> {
        self.person_link(person)
            .and_then(|link| link.value.account.as_ref())
    }

    /// The account that is linked to this person or will be: the linked account, or else the unlinked account with the person's user name,
    /// if this person is its `adopter`.
    pub fn account_for(&self, person: &PersonId) -> Option<&AccountId> {
        if let Some(linked) = self.linked_account(person) {
            return Some(linked);
        }
        let name = NormalName::of(&self.person(person)?.value.user_name);
        let named = self.account_named(&name)?;
        (self.owner_of(&named.id).is_none() && self.adopter(&name)? == person).then_some(&named.id)
    }

    /// The person to whom this account is linked or will be linked.
    pub(crate) fn holder_of(&self, account: &AccountId) -> Option<&PersonId> {
        self.owner_of(account).or_else(|| {
            let named = self.account(account)?;
            let adopter = self.adopter(&NormalName::of(&named.user_name))?;
            (self.account_for(adopter) == Some(account)).then_some(adopter)
        })
    }

    /// The person who gets the unlinked account of this name, among the people without an account: one who is to be active before one who
    /// is not, then the one who was first in the roster.
    pub(crate) fn adopter(&self, name: &NormalName) -> Option<&PersonId> {
        let free = self
            .people_named_ids(name)
            .filter(|id| self.linked_account(id).is_none());
        free.min_by_key(|id| {
            self.person(id).map(|person| {
                let person = &person.value;
                (!self.is_to_be_active(person), person.created_at_ms)
            })
        })
    }

    /// True if the person is to be able to log in: active in the roster, and not frozen.
    pub fn is_to_be_active(&self, person: &Person) -> bool {
        let link = self.person_link(&person.id);
        person.wanted_active() && link.is_none_or(|link| link.value.frozen.is_none())
    }

    /// The person in the roster that a manager reference names. A match by id ranks before a match by user name, and that before a match by
    /// external id. Among equal matches, a person with access ranks before one without.
    pub fn referenced(&self, reference: &str) -> Option<&PersonId> {
        let name = NormalName::of(reference);
        // An active person with this id has the highest rank.
        let by_id = self
            .people
            .get(name.as_str())
            .and_then(|entry| entry.person.as_ref());
        if let Some(person) = by_id.filter(|person| person.value.wanted_active()) {
            return Some(&person.value.id);
        }
        let rank = |person: &Person| {
            let how = if NormalName::of(person.id.as_str()) == name {
                0
            } else if NormalName::of(&person.user_name) == name {
                1
            } else {
                2
            };
            (how, !person.wanted_active())
        };
        let mut named = self
            .people_called(&name)
            .filter_map(|id| Some((id, self.person(id)?)));
        let first = named.next()?;
        let best = named.fold(first, |best, next| {
            if rank(&next.1.value) < rank(&best.1.value) {
                next
            } else {
                best
            }
        });
        Some(best.0)
    }

    /// People who name a manager who has no account and will get none. They are few, and found without a scan of all people.
    pub(crate) fn reports_of_nobody(&self) -> impl Iterator<Item = &Revised<Person>> {
        let is_manager = |id: &PersonId| {
            let person = self.person(id);
            self.linked_account(id).is_some()
                || person.is_some_and(|person| self.is_to_be_active(&person.value))
        };
        let names = self.reports_of.keys();
        let nobodies = names.filter(move |name| !self.people_called(name).any(is_manager));
        nobodies
            .flat_map(|name| self.reports_of.get(name))
            .filter_map(|id| self.person(id))
    }

    /// Number of people who are to be able to log in.
    pub(crate) fn people_to_be_active(&self) -> usize {
        self.people()
            .filter(|person| self.is_to_be_active(&person.value))
            .count()
    }

    /// Number of active accounts that are linked to a person.
    pub(crate) fn linked_active_accounts(&self) -> usize {
        let linked = self.accounts.values().filter(|entry| !entry.owners.is_empty());
        let accounts = linked.filter_map(|entry| entry.account.as_ref());
        accounts.filter(|account| account.active).count()
    }
}
