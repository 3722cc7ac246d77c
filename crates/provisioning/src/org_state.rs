//! Everything the planner of one org reads, indexed by every key that it looks up.
//!
//! It is sized for 200 000 people: clones of an id share its text, and data that no planner reads is not kept.
//!
//! Invariant: each `put_*` and `drop_*` returns every [`Subject`] whose plan may change by it. A planner that plans only the returned
//! subjects therefore gets the same plan as one that plans all subjects (checked by a property test of the planner). A returned person also
//! covers their membership in each group that has a statement about them. A returned group also covers all its members.

mod around;
mod few;
mod gathering;
mod people;
mod teams;

pub(crate) use teams::Referenced;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::few::Few;
use self::gathering::Gathering;
use crate::hash::HashMap;
use crate::index::Index;
use crate::name::NameKey;
use crate::pool::Ids;
use crate::{
    Account, AccountId, Approval, Group, GroupId, GroupLink, HarmHistory, NormalName, Person, PersonId,
    PersonLink, Roles, Tally, Team, TeamId,
};

/// The unit of planning: a person or a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Person(PersonId),
    Group(GroupId),
}

/// A value with the bucket revision it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised<T> {
    pub value: T,
    pub revision: u64,
}

/// The desired membership of a person in a group, and the time when it became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WantedMember {
    present: bool,
    changed_at_ms: u64,
}

/// Everything that is stored under one person's id, in one entry because the planner reads it together.
#[derive(Clone, Debug, Default)]
struct PersonEntry {
    person: Option<Revised<Person>>,
    link: Option<Revised<PersonLink>>,
    /// Groups that have a statement about the person: present or not.
    groups: Few<GroupId>,
}

impl PersonEntry {
    fn is_empty(&self) -> bool {
        self.person.is_none() && self.link.is_none() && self.groups.is_empty()
    }
}

/// Everything that is stored under one account's id.
#[derive(Clone, Debug, Default)]
struct AccountEntry {
    account: Option<Account>,
    teams: Few<TeamId>,
    /// People whose links name the account. There is more than one only after an error.
    owners: Few<PersonId>,
}

impl AccountEntry {
    fn is_empty(&self) -> bool {
        self.account.is_none() && self.teams.is_empty() && self.owners.is_empty()
    }
}

pub(crate) type Subjects = BTreeSet<Subject>;

/// One org's roster, links and observed state in memory.
#[derive(Clone, Debug, Default)]
pub struct OrgState {
    ids: Ids,
    /// Members collected while the state is filled for the first time. Meanwhile no touched subjects are computed.
    gathering: Option<Gathering>,

    people: HashMap<PersonId, Box<PersonEntry>>,
    groups: HashMap<GroupId, Revised<Group>>,
    wanted_members: HashMap<GroupId, BTreeMap<PersonId, WantedMember>>,
    people_by_reference: Index<NameKey, PersonId>,
    reports_of: Index<NormalName, PersonId>,
    groups_by_reference: Index<NormalName, GroupId>,
    /// Groups by the parent reference that they give.
    children_of: Index<NormalName, GroupId>,

    accounts: HashMap<AccountId, Box<AccountEntry>>,
    accounts_by_name: Index<NameKey, AccountId>,
    teams: BTreeMap<TeamId, Team>,
    teams_by_name: Index<NormalName, TeamId>,
    subteams: Index<TeamId, TeamId>,
    members: HashMap<TeamId, BTreeSet<AccountId>>,
    /// Team members that also have a role.
    roles: HashMap<TeamId, BTreeMap<AccountId, Roles>>,
    memberships_as_of_ms: u64,

    group_links: HashMap<GroupId, Revised<GroupLink>>,
    /// People whose link has an open intent or is parked.
    noted: BTreeSet<PersonId>,
    team_owners: Index<TeamId, GroupId>,

    under_way: BTreeSet<Subject>,
    /// User names that requests in flight give to accounts, with the person of each account.
    names_under_way: Index<NormalName, PersonId>,
    name_under_way_of: HashMap<PersonId, NormalName>,
    import_complete: bool,
    import_paused: Option<String>,
    harm_history: HarmHistory,
    approvals: Vec<Approval>,
}

impl OrgState {
    pub fn new() -> OrgState {
        OrgState::default()
    }

    /// Creates an empty state that is about to be filled. Until [`OrgState::filled`], changes may leave out touched subjects.
    pub fn filling() -> OrgState {
        OrgState {
            gathering: Some(Gathering::default()),
            ..OrgState::default()
        }
    }

    /// Ends the filling of the state. From now on each change returns all touched subjects.
    pub fn filled(&mut self) {
        let Some(gathered) = self.gathering.take() else {
            return;
        };
        self.wanted_members = gathered.wanted.into_sorted();
        let members = gathered.members.into_sorted().into_iter();
        self.members = members
            .map(|(team, members)| (team, members.into_keys().collect()))
            .collect();
    }

    /// Counts the people, the active people and the linked people. Reads all people.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for person in self.people() {
            tally.people += usize::from(!person.value.deleted);
            tally.active += usize::from(person.value.wanted_active());
            tally.linked += usize::from(self.linked_account(&person.value.id).is_some());
        }
        tally
    }

    /// Sets the harmful changes of the last day, for the safeguard.
    pub fn set_harm_history(&mut self, history: HarmHistory) {
        self.harm_history = history;
    }

    pub fn harm_history(&self) -> &HarmHistory {
        &self.harm_history
    }

    /// Adds an approval, or replaces the one with the same hash. The caller must plan held changes again.
    pub fn put_approval(&mut self, approval: Approval) {
        self.approvals.retain(|known| known.hash != approval.hash);
        self.approvals.push(approval);
    }

    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// Sets whether a complete import has finished. Until then, missing data proves nothing. Returns all subjects if this changed.
    pub fn set_import_complete(&mut self, complete: bool) -> Subjects {
        if self.import_complete == complete {
            return Subjects::new();
        }
        self.import_complete = complete;
        self.subjects()
    }

    /// Sets why the import is paused, as a text for an admin; `None` while it is not paused.
    pub fn set_import_paused(&mut self, message: Option<String>) {
        self.import_paused = message;
    }

    pub fn import_paused(&self) -> Option<&str> {
        self.import_paused.as_deref()
    }

    pub fn import_complete(&self) -> bool {
        self.import_complete
    }

    /// Marks subjects as in flight: an operation is being performed on them. Nothing is planned for them until they are released.
    pub fn hold(&mut self, subjects: impl IntoIterator<Item = Subject>) {
        self.under_way.extend(subjects);
    }

    /// Records that a request in flight gives this user name to the person's account. Until the person is released, no other person may use
    /// the name, whatever the roster says by then.
    pub fn hold_name(&mut self, person: PersonId, user_name: &str) {
        let name = NormalName::of(user_name);
        if let Some(before) = self.name_under_way_of.insert(person.clone(), name.clone()) {
            self.names_under_way.remove(&before, &person);
        }
        self.names_under_way.insert(name, person);
    }

    /// A person other than `but` whose account is being given this user name.
    pub(crate) fn being_named(&self, name: &NormalName, but: &PersonId) -> Option<&PersonId> {
        self.names_under_way.get(name).find(|person| *person != but)
    }

    /// Ends [`OrgState::hold`] and [`OrgState::hold_name`] for these subjects. Returns the subjects whose plan may change.
    pub fn release(&mut self, subjects: &[Subject]) -> Subjects {
        let mut touched = Subjects::new();
        for subject in subjects {
            self.under_way.remove(subject);
            match subject {
                // Other people may have waited to join a team together with this person.
                Subject::Person(id) => {
                    if let Some(name) = self.name_under_way_of.remove(id) {
                        self.names_under_way.remove(&name, id);
                        self.around_names(vec![name], &mut touched);
                    }
                    self.around_person(id, &mut touched);
                    touched.extend(self.groups_of(id).cloned().map(Subject::Group));
                }
                // Other subjects depend on whether the team exists, not on operations on its members.
                Subject::Group(id) if self.is_settled(id) => {
                    touched.insert(subject.clone());
                }
                Subject::Group(id) => self.around_group(id, &mut touched),
            }
        }
        touched
    }

    pub fn is_under_way(&self, subject: &Subject) -> bool {
        self.under_way.contains(subject)
    }

    pub(crate) fn is_person_under_way(&self, id: &PersonId) -> bool {
        !self.under_way.is_empty() && self.under_way.contains(&Subject::Person(id.clone()))
    }

    pub fn under_way(&self) -> &BTreeSet<Subject> {
        &self.under_way
    }

    /// All people and groups: everything that can be planned.
    pub fn subjects(&self) -> Subjects {
        let people = self
            .people()
            .map(|person| Subject::Person(person.value.id.clone()));
        people
            .chain(self.groups.keys().cloned().map(Subject::Group))
            .collect()
    }
}
