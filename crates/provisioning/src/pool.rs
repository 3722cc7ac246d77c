//! Shares the texts of ids: each text is in memory once, however many indexes contain it.

use std::hash::Hash;

use crate::hash::HashSet;

use crate::{Group, GroupId, GroupLink, Rest, SourceId, Sources, Team, TeamId};

/// Most different contents that are shared. A content that differs from person to person is not worth sharing.
const RESTS_MAX: usize = 256;

/// The ids of one kind seen so far. They are never removed: ids are not reused, and few are deleted.
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

/// The ids that have no entry of their own in the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    groups: Pool<GroupId>,
    teams: Pool<TeamId>,
    sources: Pool<SourceId>,
    /// Contents of records that Rollcall does not know: the first [`RESTS_MAX`] different ones.
    rests: Pool<Rest>,
}

impl Ids {
    pub(crate) fn group_id(&mut self, id: &GroupId) -> GroupId {
        self.groups.shared(id)
    }

    pub(crate) fn team_id(&mut self, id: &TeamId) -> TeamId {
        self.teams.shared(id)
    }

    pub(crate) fn sources(&mut self, sources: &mut Sources) {
        sources.share_ids(|source| self.sources.shared(source));
    }

    pub(crate) fn group(&mut self, group: &mut Group) {
        group.id = self.groups.shared(&group.id);
        self.sources(&mut group.sources);
    }

    pub(crate) fn rest(&mut self, rest: &mut Rest) {
        if self.rests.0.len() < RESTS_MAX || self.rests.0.contains(rest) {
            *rest = self.rests.shared(rest);
        }
    }

    pub(crate) fn team(&mut self, team: &mut Team) {
        team.id = self.teams.shared(&team.id);
        team.parent = team.parent.take().map(|id| self.teams.shared(&id));
    }

    pub(crate) fn group_link(&mut self, link: &mut GroupLink) {
        link.group = self.groups.shared(&link.group);
        link.team = link.team.take().map(|id| self.teams.shared(&id));
    }
}
