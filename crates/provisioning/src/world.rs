//! Everything one org's planner looks at, indexed the ways it asks.
//!
//! Made small, for two hundred thousand people live in it: ids share their text, names are kept as keys of sixteen bytes,
//! and what is large stands in memory of its own size. What no planner asks for is not kept.
//!
//! Law: each `put_*` and `drop_*` returns every [`Subject`] whose plan may change by it, so a planner that looks only
//! at returned subjects plans the same as one that looks at all (checked as a property of the planner).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::name::NameKey;
use crate::pool::Ids;
use crate::roll::Roll;
use crate::small_set::SmallSet;
use crate::{
    Account, AccountId, Approval, Group, GroupId, GroupLink, HarmHistory, ManagerWish, Membership,
    NormalName, Person, PersonId, PersonLink, Roles, Tally, Team, TeamId,
};

/// A thing that is planned by itself.
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

/// Whether somebody is to be in a group, and since when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WantedMember {
    present: bool,
    changed_at_ms: u64,
}

pub(crate) type Subjects = BTreeSet<Subject>;

/// One org's roster, links and observed state in memory.
#[derive(Clone, Debug, Default)]
pub struct World {
    ids: Ids,
    /// It is being read for the first time: nobody asks whose plan a change touches.
    filling: bool,

    people: HashMap<PersonId, Box<Revised<Person>>>,
    groups: HashMap<GroupId, Revised<Group>>,
    wanted_members: HashMap<GroupId, Roll<PersonId, WantedMember>>,
    groups_of: HashMap<PersonId, SmallSet<GroupId>>,
    /// By user name, external id, and the id where its normal form is another text.
    people_by_reference: HashMap<NameKey, PersonId>,
    reports_of: HashMap<NormalName, BTreeSet<PersonId>>,

    accounts: HashMap<AccountId, Box<Account>>,
    accounts_by_name: HashMap<NameKey, AccountId>,
    teams: BTreeMap<TeamId, Team>,
    teams_by_name: HashMap<NormalName, BTreeSet<TeamId>>,
    members: HashMap<TeamId, Roll<AccountId, ()>>,
    /// Those members who are more than that.
    roles: HashMap<(TeamId, AccountId), Roles>,
    teams_of: HashMap<AccountId, SmallSet<TeamId>>,

    person_links: HashMap<PersonId, Box<Revised<PersonLink>>>,
    group_links: HashMap<GroupId, Revised<GroupLink>>,
    /// Those whose link has an open intent or something parked.
    noted: BTreeSet<PersonId>,
    owners: HashMap<AccountId, PersonId>,
    team_owners: HashMap<TeamId, GroupId>,

    tally: Tally,
    under_way: BTreeSet<Subject>,
    import_complete: bool,
    harm_history: HarmHistory,
    approvals: Vec<Approval>,
}

/// The reference by which somebody may be named as a manager: person id, external id or user name.
fn references(person: &Person) -> Vec<NormalName> {
    let mut all = vec![
        NormalName::of(&person.user_name),
        NormalName::of(person.id.as_str()),
    ];
    all.extend(
        person
            .sources
            .values()
            .filter_map(|mark| mark.external_id.as_deref())
            .map(NormalName::of),
    );
    all
}

/// Those of them that need an index: an id in its normal form is found by itself.
fn indexed_references(person: &Person) -> impl Iterator<Item = NameKey> {
    let own = person.id.as_str().to_owned();
    references(person)
        .into_iter()
        .filter(move |reference| reference.as_str() != own)
        .map(|reference| NameKey::of(&reference))
}

/// Whether nobody else's plan can tell the one from the other.
fn same_to_others(old: &Person, new: &Person) -> bool {
    let external_ids = |person: &Person| -> Vec<Option<String>> {
        person
            .sources
            .values()
            .map(|mark| mark.external_id.clone())
            .collect()
    };
    old.user_name == new.user_name
        && old.wanted_active() == new.wanted_active()
        && old.deleted == new.deleted
        && old.access_level == new.access_level
        && old.manager == new.manager
        && external_ids(old) == external_ids(new)
}

fn manager_reference(person: &Person) -> Option<NormalName> {
    match &person.manager {
        ManagerWish::Reference(text) => Some(NormalName::of(text)),
        ManagerWish::Leave | ManagerWish::Clear => None,
    }
}

impl World {
    pub fn new() -> World {
        World::default()
    }

    /// An empty world that is about to be filled: until [`World::filled`], changes say that they touch nobody, and who is
    /// in which group or team is not told yet.
    pub fn filling() -> World {
        World {
            filling: true,
            ..World::default()
        }
    }

    /// Everything has been put in. From now on each change says whose plan it touches.
    pub fn filled(&mut self) {
        self.filling = false;
        self.wanted_members.values_mut().for_each(Roll::settle);
        self.members.values_mut().for_each(Roll::settle);
    }

    pub fn put_person(&mut self, mut person: Person, revision: u64) -> Subjects {
        self.ids.person(&mut person);
        person.scim_document = None;
        let id = person.id.clone();
        if let Some(known) = self.people.get_mut(&id)
            && same_to_others(&known.value, &person)
        {
            **known = Revised {
                value: person,
                revision,
            };
            return Subjects::from([Subject::Person(id)]);
        }
        let before = self.standing(&id);
        let mut touched = self.forget_person_references(&id);
        for reference in indexed_references(&person) {
            self.people_by_reference.insert(reference, id.clone());
        }
        if let Some(manager) = manager_reference(&person) {
            self.reports_of.entry(manager).or_default().insert(id.clone());
        }
        self.people.insert(
            id.clone(),
            Box::new(Revised {
                value: person,
                revision,
            }),
        );
        self.tally.recount(before, self.standing(&id));
        touched.extend(self.around_person(&id));
        touched
    }

    pub fn drop_person(&mut self, id: &PersonId) -> Subjects {
        let mut touched = self.around_person(id);
        touched.extend(self.forget_person_references(id));
        let before = self.standing(id);
        self.people.remove(id);
        self.tally.recount(before, self.standing(id));
        touched
    }

    pub fn put_group(&mut self, mut group: Group, revision: u64) -> Subjects {
        self.ids.group(&mut group);
        group.scim_document = None;
        let touched = self.around_group(&group.id);
        self.groups.insert(
            group.id.clone(),
            Revised {
                value: group,
                revision,
            },
        );
        touched
    }

    pub fn drop_group(&mut self, id: &GroupId) -> Subjects {
        self.groups.remove(id);
        self.around_group(id)
    }

    pub fn put_membership(&mut self, membership: &Membership) -> Subjects {
        let group = self.ids.group_id(&membership.group);
        let person = self.ids.person_id(&membership.person);
        let wanted = WantedMember {
            present: membership.present,
            changed_at_ms: membership.changed_at_ms,
        };
        let roll = self.wanted_members.entry(group.clone()).or_default();
        if self.filling {
            roll.fill(person.clone(), Some(wanted));
        } else {
            roll.insert(person.clone(), wanted);
        }
        self.groups_of
            .entry(person.clone())
            .or_default()
            .insert(group.clone());
        if self.filling {
            return Subjects::new();
        }
        Subjects::from([Subject::Group(group), Subject::Person(person)])
    }

    pub fn drop_membership(&mut self, group: &GroupId, person: &PersonId) -> Subjects {
        if let Some(roll) = self.wanted_members.get_mut(group) {
            if self.filling {
                roll.fill(person.clone(), None);
            } else {
                roll.remove(person);
            }
        }
        if let Some(groups) = self.groups_of.get_mut(person) {
            groups.remove(group);
        }
        Subjects::from([Subject::Group(group.clone()), Subject::Person(person.clone())])
    }

    pub fn put_account(&mut self, mut account: Account) -> Subjects {
        self.ids.account(&mut account);
        let id = account.id.clone();
        let mut touched = self.drop_account(&id);
        self.accounts_by_name
            .insert(NameKey::of(&NormalName::of(&account.user_name)), id.clone());
        self.accounts.insert(id.clone(), Box::new(account));
        self.tally.recount(Tally::default(), self.account_standing(&id));
        touched.extend(self.around_account(&id));
        touched
    }

    pub fn drop_account(&mut self, id: &AccountId) -> Subjects {
        let touched = self.around_account(id);
        self.tally.recount(self.account_standing(id), Tally::default());
        if let Some(old) = self.accounts.remove(id) {
            let name = NameKey::of(&NormalName::of(&old.user_name));
            if self.accounts_by_name.get(&name) == Some(id) {
                self.accounts_by_name.remove(&name);
            }
        }
        touched
    }

    pub fn put_team(&mut self, mut team: Team) -> Subjects {
        self.ids.team(&mut team);
        let id = team.id.clone();
        let mut touched = self.drop_team(&id);
        self.teams_by_name
            .entry(NormalName::of(&team.name))
            .or_default()
            .insert(id.clone());
        self.teams.insert(id.clone(), team);
        touched.extend(self.around_team(&id));
        touched
    }

    pub fn drop_team(&mut self, id: &TeamId) -> Subjects {
        let touched = self.around_team(id);
        if let Some(old) = self.teams.remove(id) {
            let name = NormalName::of(&old.name);
            if let Some(ids) = self.teams_by_name.get_mut(&name) {
                ids.remove(id);
            }
        }
        touched
    }

    pub fn put_team_member(&mut self, team: &TeamId, account: &AccountId) -> Subjects {
        let (team, account) = (self.ids.team_id(team), self.ids.account_id(account));
        let roll = self.members.entry(team.clone()).or_default();
        if self.filling {
            roll.fill(account.clone(), Some(()));
        } else {
            roll.insert(account.clone(), ());
        }
        self.teams_of
            .entry(account.clone())
            .or_default()
            .insert(team.clone());
        self.around_team_member(&team, &account)
    }

    pub fn drop_team_member(&mut self, team: &TeamId, account: &AccountId) -> Subjects {
        if let Some(roll) = self.members.get_mut(team) {
            if self.filling {
                roll.fill(account.clone(), None);
            } else {
                roll.remove(account);
            }
        }
        self.roles.remove(&(team.clone(), account.clone()));
        if let Some(teams) = self.teams_of.get_mut(account) {
            teams.remove(team);
        }
        self.around_team_member(team, account)
    }

    /// What a member of a team is beyond that.
    pub fn put_roles(&mut self, team: &TeamId, account: &AccountId, roles: Roles) -> Subjects {
        if roles == Roles::NONE {
            self.roles.remove(&(team.clone(), account.clone()));
        } else {
            let key = (self.ids.team_id(team), self.ids.account_id(account));
            self.roles.insert(key, roles);
        }
        self.around_team_member(team, account)
    }

    pub fn roles(&self, team: &TeamId, account: &AccountId) -> Roles {
        self.roles
            .get(&(team.clone(), account.clone()))
            .copied()
            .unwrap_or_default()
    }

    /// What was taken away in the last day, for the safeguard.
    pub fn set_harm_history(&mut self, history: HarmHistory) {
        self.harm_history = history;
    }

    pub fn harm_history(&self) -> &HarmHistory {
        &self.harm_history
    }

    /// Adds an approval, or replaces the one of the same hash. Everything that is held is looked at again.
    pub fn put_approval(&mut self, approval: Approval) -> Subjects {
        self.approvals.retain(|known| known.hash != approval.hash);
        self.approvals.push(approval);
        self.subjects()
    }

    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    pub fn put_person_link(&mut self, mut link: PersonLink, revision: u64) -> Subjects {
        self.ids.person_link(&mut link);
        let person = link.person.clone();
        let before = self.standing(&person);
        let mut touched = self.forget_ownership(&person);
        if let Some(account) = &link.account {
            let before = self.account_standing(account);
            self.owners.insert(account.clone(), person.clone());
            self.tally.recount(before, self.account_standing(account));
        }
        if link.intent.is_some() || link.parked.is_some() {
            self.noted.insert(person.clone());
        } else {
            self.noted.remove(&person);
        }
        self.person_links.insert(
            person.clone(),
            Box::new(Revised {
                value: link,
                revision,
            }),
        );
        self.tally.recount(before, self.standing(&person));
        touched.extend(self.around_person(&person));
        touched
    }

    pub fn drop_person_link(&mut self, person: &PersonId) -> Subjects {
        let mut touched = self.around_person(person);
        touched.extend(self.forget_ownership(person));
        let before = self.standing(person);
        self.person_links.remove(person);
        self.noted.remove(person);
        self.tally.recount(before, self.standing(person));
        touched
    }

    pub fn put_group_link(&mut self, mut link: GroupLink, revision: u64) -> Subjects {
        self.ids.group_link(&mut link);
        let group = link.group.clone();
        self.team_owners.retain(|_, owner| *owner != group);
        if let Some(team) = &link.team {
            self.team_owners.insert(team.clone(), group.clone());
        }
        self.group_links.insert(
            group.clone(),
            Revised {
                value: link,
                revision,
            },
        );
        self.around_group(&group)
    }

    pub fn drop_group_link(&mut self, group: &GroupId) -> Subjects {
        let touched = self.around_group(group);
        self.team_owners.retain(|_, owner| owner != group);
        self.group_links.remove(group);
        touched
    }

    /// Says whether a complete import has been seen. Until then nothing may be concluded from what is not there.
    pub fn set_import_complete(&mut self, complete: bool) -> Subjects {
        if self.import_complete == complete {
            return Subjects::new();
        }
        self.import_complete = complete;
        self.subjects()
    }

    /// Marks subjects that an operation is being performed on: nothing is planned about them until they are released.
    pub fn hold(&mut self, subjects: impl IntoIterator<Item = Subject>) {
        self.under_way.extend(subjects);
    }

    /// Ends what [`World::hold`] began.
    pub fn release(&mut self, subjects: &[Subject]) -> Subjects {
        let mut touched = Subjects::new();
        for subject in subjects {
            self.under_way.remove(subject);
            touched.extend(match subject {
                Subject::Person(id) => self.around_person(id),
                Subject::Group(_) => Subjects::from([subject.clone()]),
            });
        }
        touched
    }

    pub fn is_under_way(&self, subject: &Subject) -> bool {
        self.under_way.contains(subject)
    }

    pub fn under_way(&self) -> &BTreeSet<Subject> {
        &self.under_way
    }

    pub fn import_complete(&self) -> bool {
        self.import_complete
    }

    /// Everything that can be planned.
    pub fn subjects(&self) -> Subjects {
        let people = self.people.keys().cloned().map(Subject::Person);
        people
            .chain(self.groups.keys().cloned().map(Subject::Group))
            .collect()
    }

    /// Without the SCIM document, which no plan asks for.
    pub fn person(&self, id: &PersonId) -> Option<&Revised<Person>> {
        self.people.get(id).map(AsRef::as_ref)
    }

    pub fn people(&self) -> impl Iterator<Item = &Revised<Person>> {
        self.people.values().map(AsRef::as_ref)
    }

    pub fn group(&self, id: &GroupId) -> Option<&Revised<Group>> {
        self.groups.get(id)
    }

    pub fn groups(&self) -> impl Iterator<Item = &Revised<Group>> {
        self.groups.values()
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id).map(AsRef::as_ref)
    }

    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(AsRef::as_ref)
    }

    pub fn account_named(&self, name: &NormalName) -> Option<&Account> {
        let id = self.accounts_by_name.get(&NameKey::of(name))?;
        self.account(id)
    }

    pub fn team(&self, id: &TeamId) -> Option<&Team> {
        self.teams.get(id)
    }

    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    /// The teams of this name, in id order.
    pub fn teams_named<'a>(&'a self, name: &NormalName) -> impl Iterator<Item = &'a Team> {
        self.teams_by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|id| self.teams.get(id))
    }

    pub fn is_team_member(&self, team: &TeamId, account: &AccountId) -> bool {
        self.members
            .get(team)
            .is_some_and(|members| members.contains(account))
    }

    pub fn team_members(&self, team: &TeamId) -> impl Iterator<Item = &AccountId> {
        self.members.get(team).into_iter().flat_map(Roll::keys)
    }

    pub fn teams_of(&self, account: &AccountId) -> impl Iterator<Item = &TeamId> {
        self.teams_of.get(account).into_iter().flatten()
    }

    /// The people that the group wants in (`true`) or out (`false`), in id order.
    pub fn wanted_members(&self, group: &GroupId) -> impl Iterator<Item = (&PersonId, bool)> {
        self.wanted_members
            .get(group)
            .into_iter()
            .flat_map(Roll::iter)
            .map(|(person, wanted)| (person, wanted.present))
    }

    /// When the wish about this membership became known; 0 where there is none.
    pub fn membership_wished_at_ms(&self, group: &GroupId, person: &PersonId) -> u64 {
        let wanted = self
            .wanted_members
            .get(group)
            .and_then(|wanted| wanted.get(person));
        wanted.map_or(0, |wanted| wanted.changed_at_ms)
    }

    /// The groups with a word about this person, present or not.
    pub fn groups_of(&self, person: &PersonId) -> impl Iterator<Item = &GroupId> {
        self.groups_of.get(person).into_iter().flatten()
    }

    pub fn person_link(&self, person: &PersonId) -> Option<&Revised<PersonLink>> {
        self.person_links.get(person).map(AsRef::as_ref)
    }

    pub fn person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.person_links.values().map(AsRef::as_ref)
    }

    /// The links with an open intent or something parked, in id order: few, and looked at all the time.
    pub fn noted_person_links(&self) -> impl Iterator<Item = &Revised<PersonLink>> {
        self.noted.iter().filter_map(|person| self.person_link(person))
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What one person counts for.
    fn standing(&self, id: &PersonId) -> Tally {
        let Some(person) = self.person(id) else {
            return Tally::default();
        };
        Tally {
            people: usize::from(!person.value.deleted),
            active: usize::from(person.value.wanted_active()),
            linked: usize::from(self.linked_account(id).is_some()),
            accounts_in_use: 0,
        }
    }

    /// What one account counts for.
    fn account_standing(&self, id: &AccountId) -> Tally {
        let in_use = self.owners.contains_key(id) && self.account(id).is_some_and(|account| account.active);
        Tally {
            accounts_in_use: usize::from(in_use),
            ..Tally::default()
        }
    }

    pub fn group_link(&self, group: &GroupId) -> Option<&Revised<GroupLink>> {
        self.group_links.get(group)
    }

    pub fn group_links(&self) -> impl Iterator<Item = &Revised<GroupLink>> {
        self.group_links.values()
    }

    pub fn owner_of(&self, account: &AccountId) -> Option<&PersonId> {
        self.owners.get(account)
    }

    pub fn owner_of_team(&self, team: &TeamId) -> Option<&GroupId> {
        self.team_owners.get(team)
    }

    /// The account that this person is tied to.
    pub fn linked_account(&self, person: &PersonId) -> Option<&AccountId> {
        self.person_links
            .get(person)
            .and_then(|link| link.value.account.as_ref())
    }

    /// The account that is, or is about to be, tied to this person: the linked one, or the free one of the same name.
    pub fn account_for(&self, person: &PersonId) -> Option<&AccountId> {
        if let Some(linked) = self.linked_account(person) {
            return Some(linked);
        }
        let named = self.account_named(&NormalName::of(&self.person(person)?.value.user_name))?;
        self.owner_of(&named.id).is_none().then_some(&named.id)
    }

    /// The person a manager reference names, if that person is in the roster.
    pub fn referenced(&self, reference: &str) -> Option<&PersonId> {
        self.person_named(&NormalName::of(reference))
    }

    fn person_named(&self, reference: &NormalName) -> Option<&PersonId> {
        let by_id = || self.people.get_key_value(reference.as_str()).map(|(id, _)| id);
        self.people_by_reference
            .get(&NameKey::of(reference))
            .or_else(by_id)
    }

    /// Active accounts that are somebody's.
    pub(crate) fn linked_active_accounts(&self) -> usize {
        self.tally.accounts_in_use
    }

    pub(crate) fn linked_teams(&self) -> usize {
        self.team_owners.len()
    }

    /// Members of teams that are some group's.
    pub(crate) fn linked_memberships(&self) -> usize {
        let members = self.team_owners.keys().filter_map(|team| self.members.get(team));
        members.map(Roll::len).sum()
    }

    fn around_person(&self, id: &PersonId) -> Subjects {
        if self.filling {
            return Subjects::new();
        }
        let mut touched = Subjects::from([Subject::Person(id.clone())]);
        touched.extend(self.groups_of(id).cloned().map(Subject::Group));
        if let Some(person) = self.people.get(id) {
            for reference in references(&person.value) {
                touched.extend(
                    self.reports_of
                        .get(&reference)
                        .into_iter()
                        .flatten()
                        .cloned()
                        .map(Subject::Person),
                );
            }
            touched.extend(self.rivals(&person.value));
        }
        touched
    }

    /// Others who may have a claim to the account of the same name.
    fn rivals(&self, person: &Person) -> Option<Subject> {
        let account = self.account_named(&NormalName::of(&person.user_name))?;
        self.owners.get(&account.id).cloned().map(Subject::Person)
    }

    fn around_group(&self, id: &GroupId) -> Subjects {
        if self.filling {
            return Subjects::new();
        }
        let mut touched = Subjects::from([Subject::Group(id.clone())]);
        touched.extend(
            self.wanted_members(id)
                .map(|(person, _)| Subject::Person(person.clone())),
        );
        touched
    }

    fn around_account(&self, id: &AccountId) -> Subjects {
        let mut touched = Subjects::new();
        if self.filling {
            return touched;
        }
        if let Some(owner) = self.owners.get(id) {
            touched.extend(self.around_person(owner));
        }
        if let Some(account) = self.accounts.get(id)
            && let Some(person) = self.referenced(&account.user_name)
        {
            touched.extend(self.around_person(person));
        }
        touched
    }

    fn around_team(&self, id: &TeamId) -> Subjects {
        let mut touched = Subjects::new();
        if self.filling {
            return touched;
        }
        if let Some(owner) = self.team_owners.get(id) {
            touched.extend(self.around_group(owner));
        }
        if let Some(team) = self.teams.get(id) {
            let name = NormalName::of(&team.name);
            let same_name = self
                .groups
                .values()
                .filter(|group| NormalName::of(&group.value.name) == name);
            touched.extend(same_name.map(|group| Subject::Group(group.value.id.clone())));
        }
        touched
    }

    fn around_team_member(&self, team: &TeamId, account: &AccountId) -> Subjects {
        if self.filling {
            return Subjects::new();
        }
        let group = self.team_owners.get(team).cloned().map(Subject::Group);
        let person = self.owners.get(account).cloned().map(Subject::Person);
        group.into_iter().chain(person).collect()
    }

    fn forget_person_references(&mut self, id: &PersonId) -> Subjects {
        let Some(old) = self.people.get(id) else {
            return Subjects::new();
        };
        let touched = self.around_person(id);
        let old_references: Vec<NameKey> = indexed_references(&old.value).collect();
        let old_manager = manager_reference(&old.value);
        for reference in old_references {
            if self.people_by_reference.get(&reference) == Some(id) {
                self.people_by_reference.remove(&reference);
            }
        }
        if let Some(reports) = old_manager.and_then(|manager| self.reports_of.get_mut(&manager)) {
            reports.remove(id);
        }
        touched
    }

    fn forget_ownership(&mut self, person: &PersonId) -> Subjects {
        let Some(account) = self.linked_account(person).cloned() else {
            return Subjects::new();
        };
        let touched = self.around_account(&account);
        if self.owners.get(&account) == Some(person) {
            let before = self.account_standing(&account);
            self.owners.remove(&account);
            self.tally.recount(before, self.account_standing(&account));
        }
        touched
    }
}
