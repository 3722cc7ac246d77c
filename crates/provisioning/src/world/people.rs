//! People, accounts, and the ties between them.

use super::{Revised, Subjects, World};
use crate::name::NameKey;
use crate::{Account, AccountId, ManagerWish, NormalName, Person, PersonId, PersonLink};

/// The references by which somebody may be named as a manager: person id, external ids and user name.
pub(super) fn references(person: &Person) -> Vec<NormalName> {
    let mut all = vec![
        NormalName::of(&person.user_name),
        NormalName::of(person.id.as_str()),
    ];
    all.extend(external_ids(person));
    all
}

/// Those references that the index keeps. An id that is its own normal form is found in the map of people: most are, and two
/// hundred thousand of them are worth no second entry.
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
        ManagerWish::Reference(text) => Some(NormalName::of(text)),
        ManagerWish::Leave | ManagerWish::Clear => None,
    }
}

impl World {
    pub fn put_person(&mut self, mut person: Person, revision: u64) -> Subjects {
        self.ids.person(&mut person);
        person.scim_document = None;
        let id = person.id.clone();
        let mut touched = self.forget_person(&id);
        for reference in indexed_references(&person) {
            self.people_by_reference
                .insert(NameKey::of(&reference), id.clone());
        }
        if let Some(manager) = manager_reference(&person) {
            self.reports_of.insert(manager, id.clone());
        }
        self.people.insert(
            id.clone(),
            Revised {
                value: person,
                revision,
            },
        );
        self.around_person(&id, &mut touched);
        touched
    }

    pub fn drop_person(&mut self, id: &PersonId) -> Subjects {
        let mut touched = self.forget_person(id);
        self.around_person(id, &mut touched);
        touched
    }

    fn forget_person(&mut self, id: &PersonId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_person(id, &mut touched);
        if let Some(old) = self.people.remove(id) {
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
        self.ids.account(&mut account);
        let id = account.id.clone();
        let mut touched = self.drop_account(&id);
        self.accounts_by_name
            .insert(NameKey::of(&NormalName::of(&account.user_name)), id.clone());
        self.accounts.insert(id.clone(), account);
        self.around_account(&id, &mut touched);
        touched
    }

    pub fn drop_account(&mut self, id: &AccountId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_account(id, &mut touched);
        if let Some(old) = self.accounts.remove(id) {
            self.accounts_by_name
                .remove(&NameKey::of(&NormalName::of(&old.user_name)), id);
        }
        touched
    }

    pub fn put_person_link(&mut self, mut link: PersonLink, revision: u64) -> Subjects {
        self.ids.person_link(&mut link);
        let person = link.person.clone();
        let mut touched = self.forget_person_link(&person);
        if let Some(account) = &link.account {
            self.owners.insert(account.clone(), person.clone());
            self.around_account(account, &mut touched);
        }
        if link.intent.is_some() || link.parked.is_some() {
            self.noted.insert(person.clone());
        } else {
            self.noted.remove(&person);
        }
        self.person_links.insert(
            person.clone(),
            Revised {
                value: link,
                revision,
            },
        );
        self.around_person(&person, &mut touched);
        touched
    }

    pub fn drop_person_link(&mut self, person: &PersonId) -> Subjects {
        let mut touched = self.forget_person_link(person);
        self.noted.remove(person);
        self.around_person(person, &mut touched);
        touched
    }

    fn forget_person_link(&mut self, person: &PersonId) -> Subjects {
        let mut touched = Subjects::new();
        self.around_person(person, &mut touched);
        if let Some(old) = self.person_links.remove(person)
            && let Some(account) = old.value.account
        {
            self.around_account(&account, &mut touched);
            self.owners.remove(&account, person);
        }
        touched
    }

    pub fn person(&self, id: &PersonId) -> Option<&Revised<Person>> {
        self.people.get(id)
    }

    pub fn people(&self) -> impl Iterator<Item = &Revised<Person>> {
        self.people.values()
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)
    }

    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub fn account_named(&self, name: &NormalName) -> Option<&Account> {
        self.accounts_by_name
            .first(&NameKey::of(name))
            .and_then(|id| self.accounts.get(id))
    }

    /// The people whom this name may mean, as a user name, an id or an external id.
    pub(super) fn people_called<'a>(
        &'a self,
        name: &NormalName,
    ) -> impl Iterator<Item = &'a PersonId> + use<'a> {
        let named = self.people_by_reference.get(&NameKey::of(name));
        let by_id = self.people.get_key_value(name.as_str()).map(|(id, _)| id);
        let others = named.filter(move |id| Some(*id) != by_id);
        by_id.into_iter().chain(others)
    }

    /// The people whose user name this is, in id order.
    pub(crate) fn people_named_ids<'a>(
        &'a self,
        name: &NormalName,
    ) -> impl Iterator<Item = &'a PersonId> + use<'a> {
        let name = name.clone();
        self.people_by_reference
            .get(&NameKey::of(&name))
            .filter(move |id| {
                self.people
                    .get(*id)
                    .is_some_and(|person| NormalName::of(&person.value.user_name) == name)
            })
    }

    pub fn person_link(&self, person: &PersonId) -> Option<&Revised<PersonLink>> {
        self.person_links.get(person)
    }

    pub fn person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.person_links.values()
    }

    /// The links with an open intent or something parked, in id order: few, and looked at all the time.
    pub fn noted_person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.noted.iter().filter_map(|person| self.person_link(person))
    }

    pub fn owner_of(&self, account: &AccountId) -> Option<&PersonId> {
        self.owners.first(account)
    }

    /// The account that this person is tied to.
    pub fn linked_account(&self, person: &PersonId) -> Option<&AccountId> {
        self.person_links
            .get(person)
            .and_then(|link| link.value.account.as_ref())
    }

    /// The account that is, or is about to be, tied to this person: the linked one, or the one of the same name that
    /// is nobody's and that nobody wants more.
    pub fn account_for(&self, person: &PersonId) -> Option<&AccountId> {
        if let Some(linked) = self.linked_account(person) {
            return Some(linked);
        }
        let name = NormalName::of(&self.person(person)?.value.user_name);
        let named = self.account_named(&name)?;
        (self.owner_of(&named.id).is_none() && self.adopter(&name)? == person).then_some(&named.id)
    }

    /// Whose account this is, or is about to be.
    pub(crate) fn holder_of(&self, account: &AccountId) -> Option<&PersonId> {
        self.owner_of(account).or_else(|| {
            let named = self.accounts.get(account)?;
            let adopter = self.adopter(&NormalName::of(&named.user_name))?;
            (self.account_for(adopter) == Some(account)).then_some(adopter)
        })
    }

    /// Who of those without an account gets one of this name that is nobody's: somebody who is to be active, and was
    /// first in the roster.
    pub(crate) fn adopter(&self, name: &NormalName) -> Option<&PersonId> {
        let free = self
            .people_named_ids(name)
            .filter(|id| self.linked_account(id).is_none());
        free.min_by_key(|id| {
            self.people.get(*id).map(|person| {
                let person = &person.value;
                (!self.is_to_be_active(person), person.created_at_ms)
            })
        })
    }

    /// Whether the person is to be able to log in: wanted by the sources, and not frozen.
    pub fn is_to_be_active(&self, person: &Person) -> bool {
        let link = self.person_links.get(&person.id);
        person.wanted_active() && link.is_none_or(|link| link.value.frozen.is_none())
    }

    /// The person a manager reference names, if that person is in the roster: by id before user name before external
    /// id, and one who stays before one who left.
    pub fn referenced(&self, reference: &str) -> Option<&PersonId> {
        let name = NormalName::of(reference);
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
            .filter_map(|id| self.people.get_key_value(id));
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

    /// Those who name a manager who has no account and gets none: few, found without a look at all people.
    pub(crate) fn reports_of_nobody(&self) -> impl Iterator<Item = &Revised<Person>> {
        let is_manager = |id: &PersonId| {
            let person = self.people.get(id);
            self.linked_account(id).is_some()
                || person.is_some_and(|person| self.is_to_be_active(&person.value))
        };
        let names = self.reports_of.keys();
        let nobodies = names.filter(move |name| !self.people_called(name).any(is_manager));
        nobodies
            .flat_map(|name| self.reports_of.get(name))
            .filter_map(|id| self.people.get(id))
    }

    /// People who are to be able to log in.
    pub(crate) fn people_to_be_active(&self) -> usize {
        let people = self.people.values();
        people
            .filter(|person| self.is_to_be_active(&person.value))
            .count()
    }

    /// Active accounts that are somebody's.
    pub(crate) fn linked_active_accounts(&self) -> usize {
        let linked = self.owners.keys().filter_map(|id| self.accounts.get(id));
        linked.filter(|account| account.active).count()
    }
}
