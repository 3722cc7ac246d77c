//! Deviations: what a source asked for, Litmos does not have, and no operation is planned for.
//!
//! `status`, `plan` and `parked` take their texts and their exit code from this summary. A deviation that is not counted
//! here is not reported anywhere, so every reason to leave a change undone has its own kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    DesiredManager, Group, GroupId, NormalName, OrgState, Parked, Person, Plan, Subject, WaitReason,
};

/// Most items listed for one kind; the others are only counted.
const ITEMS_MAX: usize = 200;

/// A kind of deviation, in the order in which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationKind {
    /// The org is paused: nothing is sent to Litmos.
    OrgPaused,
    /// No complete import of Litmos has been seen.
    ImportMissing,
    /// The safeguard holds a change.
    Held,
    /// An item is parked until a person acts.
    Parked,
    /// The named manager is not in the roster, or has no account and will get none.
    UnknownManager,
    /// A group names a parent that has no team.
    ParentAwaited,
    /// A user name waits until another account is renamed.
    NameAwaited,
    /// The last attempt failed and will be retried.
    Retry,
    /// A member of a managed team that no source named.
    ExtraMember,
    /// The change is switched off in the settings.
    SwitchedOff,
    /// Group push is paused for a group, and its team differs.
    GroupPaused,
    /// An admin's order keeps a person cut off, and a source wants the person active.
    Frozen,
    /// An event could not be processed and is a dead letter.
    DeadLetter,
    /// A question whether two records are the same person has no answer yet.
    OpenQuestion,
    /// An event waits for people or groups that no source has reported yet.
    EventWaiting,
    /// A line of a file was refused.
    RefusedLine,
}

impl DeviationKind {
    /// True if it ends without an action of a person.
    pub fn ends_by_itself(self) -> bool {
        match self {
            DeviationKind::ImportMissing | DeviationKind::NameAwaited | DeviationKind::Retry => true,
            DeviationKind::OrgPaused
            | DeviationKind::Held
            | DeviationKind::Parked
            | DeviationKind::UnknownManager
            | DeviationKind::ParentAwaited
            | DeviationKind::ExtraMember
            | DeviationKind::SwitchedOff
            | DeviationKind::GroupPaused
            | DeviationKind::Frozen
            | DeviationKind::DeadLetter
            | DeviationKind::OpenQuestion
            | DeviationKind::EventWaiting
            | DeviationKind::RefusedLine => false,
        }
    }

    /// Text for a person: this number of deviations of the kind.
    pub fn describe(self, count: usize) -> String {
        let (one, many) = match self {
            DeviationKind::OrgPaused => return "nothing is sent: the org is paused".to_owned(),
            DeviationKind::ImportMissing => return "no complete import of Litmos yet".to_owned(),
            DeviationKind::Held => ("change is held", "changes are held"),
            DeviationKind::Parked => ("item is parked", "items are parked"),
            DeviationKind::UnknownManager => ("manager is unknown", "managers are unknown"),
            DeviationKind::ParentAwaited => ("group waits for its parent", "groups wait for their parents"),
            DeviationKind::NameAwaited => ("person waits for a user name", "people wait for user names"),
            DeviationKind::Retry => (
                "item failed and is tried again",
                "items failed and are tried again",
            ),
            DeviationKind::ExtraMember => ("team member is in no source", "team members are in no source"),
            DeviationKind::SwitchedOff => (
                "item is switched off in the settings",
                "items are switched off in the settings",
            ),
            DeviationKind::GroupPaused => ("group is paused", "groups are paused"),
            DeviationKind::Frozen => ("person is frozen by order", "people are frozen by order"),
            DeviationKind::DeadLetter => ("event could not be used", "events could not be used"),
            DeviationKind::OpenQuestion => (
                "question about who is who is open",
                "questions about who is who are open",
            ),
            DeviationKind::EventWaiting => ("event waits in the feed", "events wait in the feed"),
            DeviationKind::RefusedLine => ("line of a file was refused", "lines of files were refused"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }

    /// Remedy, as text for a person.
    pub fn remedy(self) -> &'static str {
        match self {
            DeviationKind::OrgPaused => "Remove the cause; Rollcall tries again by itself.",
            DeviationKind::ImportMissing => "Wait for the import, or see: rollcall import",
            DeviationKind::Held => "Look at each in: rollcall plan; then: rollcall approve HASH",
            DeviationKind::Parked => "See: rollcall parked",
            DeviationKind::UnknownManager => {
                "Correct the manager at the source, or add that person to the roster."
            }
            DeviationKind::ParentAwaited => {
                "Correct the parent at the source, or add that group to the roster."
            }
            DeviationKind::NameAwaited | DeviationKind::Retry => "Nothing to do; see: rollcall plan",
            DeviationKind::ExtraMember => {
                "Add them at the source, take them out in Litmos, or run: rollcall groups push GROUP"
            }
            DeviationKind::SwitchedOff => {
                "Switch the feature on in the settings, or take the change back at the source."
            }
            DeviationKind::GroupPaused => "Go on with: rollcall groups resume GROUP",
            DeviationKind::Frozen => {
                "Make them inactive at the source, or take the order back: rollcall leaver PERSON --lift"
            }
            DeviationKind::DeadLetter => "See: rollcall dead-letters",
            DeviationKind::OpenQuestion => "See: rollcall identity",
            DeviationKind::EventWaiting => "Report those people or groups from their source.",
            DeviationKind::RefusedLine => "Correct the lines and load the file again.",
        }
    }
}

/// One item that differs from what a source asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviationItem {
    pub subject: Option<Subject>,
    /// Text for a person: the subject and what differs.
    pub message: String,
}

/// All deviations of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    pub kind: DeviationKind,
    pub count: usize,
    /// Some of the items, at most `ITEMS_MAX`; `count` is the number of all items.
    pub items: Vec<DeviationItem>,
}

/// All deviations of an org, one entry for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deviations(Vec<Deviation>);

impl Deviations {
    /// Adds one deviation. Calls `message` only if the item is listed.
    pub fn add(&mut self, kind: DeviationKind, subject: Option<Subject>, message: impl FnOnce() -> String) {
        let entry = self.entry(kind);
        entry.count += 1;
        if entry.items.len() < ITEMS_MAX {
            entry.items.push(DeviationItem {
                subject,
                message: message(),
            });
        }
    }

    /// Adds this number of deviations without items, because another list shows them.
    pub fn add_count(&mut self, kind: DeviationKind, count: usize) {
        if count > 0 {
            self.entry(kind).count += count;
        }
    }

    fn entry(&mut self, kind: DeviationKind) -> &mut Deviation {
        let place = match self.0.binary_search_by_key(&kind, |entry| entry.kind) {
            Ok(place) => place,
            Err(place) => {
                let entry = Deviation {
                    kind,
                    count: 0,
                    items: Vec::new(),
                };
                self.0.insert(place, entry);
                place
            }
        };
        &mut self.0[place]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Deviation> {
        self.0.iter()
    }

    pub fn count(&self, kind: DeviationKind) -> usize {
        let entry = self.0.iter().find(|entry| entry.kind == kind);
        entry.map_or(0, |entry| entry.count)
    }

    /// True if there is no deviation.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if a deviation needs an action of a person.
    pub fn wait_for_a_person(&self) -> bool {
        self.0.iter().any(|entry| !entry.kind.ends_by_itself())
    }

    /// All deviations as one line of text.
    pub fn describe(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|entry| entry.kind.describe(entry.count))
            .collect();
        parts.join("; ")
    }
}

/// Collects the deviations from the org state and its plan.
///
/// `switched_off` are the subjects whose last plan left out a change because a feature is off. They are a parameter,
/// because a plan names only the subjects that it planned.
pub fn deviations(
    state: &OrgState,
    plan: &Plan,
    switched_off: &BTreeMap<Subject, &'static str>,
) -> Deviations {
    let mut all = Deviations::default();
    if !state.import_complete() {
        all.add_count(DeviationKind::ImportMissing, 1);
    }
    all.add_count(
        DeviationKind::Held,
        plan.held.iter().map(|held| held.items.len()).sum(),
    );
    all.add_count(DeviationKind::Parked, state.parked().count() + plan.park.len());
    for person in state.reports_of_nobody().map(|person| &person.value) {
        if let Some(message) = unknown_manager(state, person) {
            let subject = Subject::Person(person.id.clone());
            all.add(DeviationKind::UnknownManager, Some(subject), || message);
        }
    }
    for (subject, reason) in &plan.waiting {
        let kind = match reason {
            WaitReason::ParentAwaited { .. } => DeviationKind::ParentAwaited,
            WaitReason::NameAwaited { .. } => DeviationKind::NameAwaited,
            WaitReason::RetryAt { .. } => DeviationKind::Retry,
            WaitReason::UnderWay
            | WaitReason::FirstImport
            | WaitReason::Parked(_)
            | WaitReason::SwitchedOff { .. }
            | WaitReason::Held { .. }
            | WaitReason::ExtraMembers { .. }
            | WaitReason::Paused
            | WaitReason::Frozen => continue,
        };
        all.add(kind, Some(subject.clone()), || {
            format!("{}: {}", named(state, subject), reason.describe())
        });
    }
    for (subject, feature) in switched_off {
        all.add(DeviationKind::SwitchedOff, Some(subject.clone()), || {
            format!("{}: {feature} is off", named(state, subject))
        });
    }
    groups(state, &mut all);
    let frozen = state.person_links().filter(|link| link.value.frozen.is_some());
    let mut frozen: Vec<_> = frozen.map(|link| &link.value.person).collect();
    frozen.sort();
    for person in frozen.into_iter().filter_map(|id| state.person(id)) {
        if person.value.wanted_active() {
            let subject = Subject::Person(person.value.id.clone());
            let message = || format!("{}: a source wants this person active", person.value.user_name);
            all.add(DeviationKind::Frozen, Some(subject), message);
        }
    }
    all.sort_items();
    all
}

impl Deviations {
    /// Sorts the items, because people and groups come from hash maps: the same state then gives the same list.
    fn sort_items(&mut self) {
        for entry in &mut self.0 {
            entry.items.sort_by(|a, b| a.message.cmp(&b.message));
        }
    }
}

fn groups(state: &OrgState, all: &mut Deviations) {
    let mut links: Vec<_> = state.group_links().map(|link| &link.value).collect();
    links.sort_by(|a, b| a.group.cmp(&b.group));
    for link in links {
        let Some(group) = state.group(&link.group).filter(|group| !group.value.deleted) else {
            continue;
        };
        let subject = || Some(Subject::Group(link.group.clone()));
        if link.paused && (team_differs(state, &group.value) || members_differ(state, &link.group)) {
            all.add(DeviationKind::GroupPaused, subject(), || {
                format!("group {}: nothing is sent about it", group.value.name.trim())
            });
        }
        for account in state.extra_members(&link.group) {
            all.add(DeviationKind::ExtraMember, subject(), || {
                let name = state
                    .account(account)
                    .map_or(account.as_str(), |account| &account.user_name);
                format!(
                    "group {}: {name} is in its team and in no source",
                    group.value.name.trim()
                )
            });
        }
    }
}

/// True if the group has no team, or its team has another name or description.
fn team_differs(state: &OrgState, group: &Group) -> bool {
    let Some(team) = state.linked_team(&group.id) else {
        return true;
    };
    let wanted = group.description.as_deref().map(str::trim);
    NormalName::of(&team.name) != NormalName::of(&group.name)
        || wanted
            .zip(team.description.as_deref())
            .is_some_and(|(wanted, there)| wanted != there)
}

/// True if a person is in the group's team and should not be, or should be and is not.
fn members_differ(state: &OrgState, group: &GroupId) -> bool {
    let team = state.linked_team(group).map(|team| &team.id);
    state.wanted_members(group).any(|(id, wanted)| {
        let stays = state
            .person(id)
            .is_some_and(|person| state.is_to_be_active(&person.value));
        let account = state.account_for(id);
        let there = team
            .zip(account)
            .is_some_and(|(team, account)| state.is_team_member(team, account));
        there != (wanted && stays)
    })
}

/// Why the manager that a source names cannot be set in Litmos, unless something changes.
fn unknown_manager(state: &OrgState, person: &Person) -> Option<String> {
    let DesiredManager::Reference(reference) = &person.manager else {
        return None;
    };
    if !state.is_to_be_active(person) {
        return None;
    }
    let Some(manager) = state.referenced(reference) else {
        return Some(format!(
            "{}: manager {reference:?} is nobody in the roster",
            person.user_name
        ));
    };
    let stays = state
        .person(manager)
        .is_some_and(|manager| state.is_to_be_active(&manager.value));
    (!stays && state.account_for(manager).is_none()).then(|| {
        format!(
            "{}: manager {reference:?} is inactive and has no account in Litmos",
            person.user_name
        )
    })
}

fn named(state: &OrgState, subject: &Subject) -> String {
    match subject {
        Subject::Person(id) => state
            .person(id)
            .map_or_else(|| id.to_string(), |person| person.value.user_name.clone()),
        Subject::Group(id) => state.group(id).map_or_else(
            || id.to_string(),
            |group| format!("group {}", group.value.name.trim()),
        ),
    }
}

impl OrgState {
    /// Parked subjects that no newer roster revision has replaced.
    pub fn parked(&self) -> impl Iterator<Item = (Subject, &Parked)> {
        let people = self.noted_person_links().filter_map(|link| {
            let parked = link.value.parked.as_deref()?;
            let person = self.person(&link.value.person)?;
            let id = || Subject::Person(link.value.person.clone());
            (parked.revision >= person.revision).then(|| (id(), parked))
        });
        let groups = self.group_links().filter_map(|link| {
            let parked = link.value.parked.as_deref()?;
            let group = self.group(&link.value.group)?;
            let id = || Subject::Group(link.value.group.clone());
            (parked.revision >= group.revision).then(|| (id(), parked))
        });
        people.chain(groups)
    }
}
