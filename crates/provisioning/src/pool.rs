//! Ids that share their text: each text is in memory once, however many indexes name it.

use std::hash::Hash;

use crate::hash::HashSet;

use crate::{
    Account, AccountId, Group, GroupId, GroupLink, Person, PersonId, PersonLink, Rest, SourceId, Team, TeamId,
};

/// Most contents that are shared: a field that differs from person to person is not worth sharing.
const RESTS_MAX: usize = 256;

/// The ids of one kind seen so far. They are never forgotten: ids are not used again, and few go.
#[derive(Clone, Debug)]
struct Pool<T>(HashSet<T>);

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool(HashSet::default())
    }
}

impl<T: Clone + Eq + Hash> Pool<T> {
    fn shared(&mut self, id: &T) -> T {
        if let Some(known) = self.0.get(id) {
            return known.clone();
        }
        self.0.insert(id.clone());
        id.clone()
    }
}

/// The ids of everything in one org.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    people: Pool<PersonId>,
    groups: Pool<GroupId>,
    accounts: Pool<AccountId>,
    teams: Pool<TeamId>,
    sources: Pool<SourceId>,
    /// What records hold that Rollcall does not know, as far as it was seen again and again.
    rests: Pool<Rest>,
}

impl Ids {
    pub(crate) fn person_id(&mut self, id: &PersonId) -> PersonId {
        self.people.shared(id)
    }

    pub(crate) fn group_id(&mut self, id: &GroupId) -> GroupId {
        self.groups.shared(id)
    }

    pub(crate) fn account_id(&mut self, id: &AccountId) -> AccountId {
        self.accounts.shared(id)
    }

    pub(crate) fn team_id(&mut self, id: &TeamId) -> TeamId {
        self.teams.shared(id)
    }

    pub(crate) fn person(&mut self, person: &mut Person) {
        person.id = self.people.shared(&person.id);
        person.sources.share_ids(|source| self.sources.shared(source));
    }

    pub(crate) fn group(&mut self, group: &mut Group) {
        group.id = self.groups.shared(&group.id);
        group.sources.share_ids(|source| self.sources.shared(source));
    }

    pub(crate) fn account(&mut self, account: &mut Account) {
        account.id = self.accounts.shared(&account.id);
        account.manager = account.manager.take().map(|id| self.accounts.shared(&id));
        if self.rests.0.len() < RESTS_MAX || self.rests.0.contains(&account.rest) {
            account.rest = self.rests.shared(&account.rest);
        }
    }

    pub(crate) fn team(&mut self, team: &mut Team) {
        team.id = self.teams.shared(&team.id);
        team.parent = team.parent.take().map(|id| self.teams.shared(&id));
    }

    pub(crate) fn person_link(&mut self, link: &mut PersonLink) {
        link.person = self.people.shared(&link.person);
        link.account = link.account.take().map(|id| self.accounts.shared(&id));
    }

    pub(crate) fn group_link(&mut self, link: &mut GroupLink) {
        link.group = self.groups.shared(&link.group);
        link.team = link.team.take().map(|id| self.teams.shared(&id));
    }
}
