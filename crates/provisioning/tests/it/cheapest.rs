//! Against every other plan: small worlds in which each way of saying what is needed is tried and priced.
//!
//! The prices are those that `provisioning::cost` writes down, computed here from the wishes alone. Patience is a part
//! of them: an import weighs `patience` calls more than it takes.

use proptest::prelude::*;
use provisioning::cost::CostModel;
use provisioning::{Change, DesiredManager, Field, PersonId, Plan, Policy};

use crate::company::plain;
use crate::scene::{NOW, Scene};

/// What somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A new account that a row says whole.
    New,
    /// A new account with a field that no row has.
    NewByCall,
    /// A new account that wants no mail, which a row would turn on.
    NewQuiet,
    /// An account that a row can change.
    Changed,
    /// An account with a value to be cleared, which no row can.
    Cleared,
    /// An account as it is to be.
    There,
    /// The same, and it wants no mail.
    ThereQuiet,
}

impl Kind {
    fn is_new(self) -> bool {
        matches!(self, Kind::New | Kind::NewByCall | Kind::NewQuiet)
    }

    fn needs(self) -> bool {
        !matches!(self, Kind::There | Kind::ThereQuiet)
    }

    /// Whether a row can say what is needed.
    fn fits_a_row(self) -> bool {
        matches!(self, Kind::New | Kind::Changed)
    }

    /// Whether a row that repeats the account changes nothing.
    fn can_be_repeated(self) -> bool {
        !matches!(self, Kind::NewQuiet | Kind::ThereQuiet)
    }
}

#[derive(Clone, Debug)]
struct Somebody {
    kind: Kind,
    /// Whether the record of an account that is there was read too long ago.
    stale: bool,
    manager: Option<usize>,
}

#[derive(Clone, Debug)]
struct Team {
    /// `None`: it is to be made.
    code: Option<bool>,
    joining: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Case {
    people: Vec<Somebody>,
    teams: Vec<Team>,
    costs: CostModel,
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let kind = prop_oneof![
        5 => Just(Kind::New),
        1 => Just(Kind::NewByCall),
        1 => Just(Kind::NewQuiet),
        3 => Just(Kind::Changed),
        1 => Just(Kind::Cleared),
        2 => Just(Kind::There),
        1 => Just(Kind::ThereQuiet),
    ];
    (kind, any::<bool>(), prop::option::weighted(0.4, 0..6usize))
        .prop_map(|(kind, stale, manager)| Somebody { kind, stale, manager })
}

fn case(costs: impl Strategy<Value = CostModel>) -> impl Strategy<Value = Case> {
    let team = (
        prop::option::weighted(0.7, any::<bool>()),
        prop::collection::vec(any::<bool>(), 6),
    )
        .prop_map(|(code, joining)| Team { code, joining });
    let people = prop::collection::vec(somebody(), 1..=6);
    (people, prop::collection::vec(team, 0..=3), costs).prop_map(|(mut people, teams, costs)| {
        let count = people.len();
        for (n, person) in people.iter_mut().enumerate() {
            person.manager = person.manager.filter(|manager| *manager < count && *manager != n);
        }
        Case { people, teams, costs }
    })
}

/// Everything fits into one import.
fn roomy() -> impl Strategy<Value = CostModel> {
    (1..=2u32, 1..=4usize, 0..=2u32, 1..=4usize).prop_map(|(polls, page_rows, patience, members_max)| {
        CostModel {
            rows_max: 6,
            polls,
            page_rows,
            patience,
            members_max,
            ..CostModel::default()
        }
    })
}

/// Rows and teams run out.
fn cramped() -> impl Strategy<Value = CostModel> {
    (roomy(), 1..=4usize, 1..=2usize).prop_map(|(costs, rows_max, teams_max)| CostModel {
        rows_max,
        teams_max,
        ..costs
    })
}

impl Case {
    fn scene(&self) -> Scene {
        let mut scene = Scene::new();
        scene.policy = Policy {
            costs: self.costs,
            ..plain()
        };
        let mut people = Vec::new();
        for (n, somebody) in self.people.iter().enumerate() {
            people.push(self.person(&mut scene, n, somebody));
        }
        for (n, team) in self.teams.iter().enumerate() {
            let name = format!("g{n}");
            if let Some(code) = team.code {
                scene.team_with(&name, |team| {
                    if !code {
                        team.bulk_code = String::new();
                    }
                });
            }
            let members = people.iter().zip(&team.joining).filter(|(_, joins)| **joins);
            scene.group(&name, &members.map(|(person, _)| person).collect::<Vec<_>>());
        }
        scene
    }

    fn person(&self, scene: &mut Scene, n: usize, somebody: &Somebody) -> PersonId {
        let name = format!("p{n}");
        let account = (!somebody.kind.is_new()).then(|| {
            let account = scene.account(&name);
            scene.edit_account(&account, |account| {
                if somebody.stale {
                    account.as_of_ms = NOW - 11 * 60_000;
                }
                if somebody.kind == Kind::Cleared {
                    account.profile.set(Field::City, "Oslo");
                }
                if somebody.kind == Kind::ThereQuiet {
                    account.profile.set(Field::DisableMessages, "true");
                }
            });
            account
        });
        let person = scene.person_with(&name, |person| {
            if let Some(manager) = somebody.manager {
                person.manager = DesiredManager::Reference(format!("p{manager}"));
            }
            match somebody.kind {
                Kind::NewByCall => person.profile.set(Field::TimeZone, "UTC"),
                Kind::NewQuiet => person.profile.set(Field::DisableMessages, "true"),
                Kind::Changed => person.profile.set(Field::JobTitle, "Guide"),
                Kind::Cleared => person.profile.set(Field::City, ""),
                Kind::New | Kind::There | Kind::ThereQuiet => {}
            }
        });
        if account.is_some() {
            scene.person_link(&person, |link| link.account.clone_from(&account));
        }
        // Whoever reports to somebody with an account already does so.
        let manager = somebody
            .manager
            .filter(|manager| !self.people[*manager].kind.is_new());
        if let (Some(manager), Some(account)) = (manager, &account) {
            let manager = provisioning::AccountId::parse(format!("A{}", self.number(manager))).unwrap();
            scene.edit_account(account, |account| account.manager = Some(manager));
        }
        person
    }

    /// The number of somebody's account: they are made in the order of people.
    fn number(&self, n: usize) -> usize {
        self.people[..=n]
            .iter()
            .filter(|person| !person.kind.is_new())
            .count()
    }

    fn new_manager(&self, n: usize) -> Option<usize> {
        self.people[n]
            .manager
            .filter(|manager| self.people[*manager].kind.is_new())
    }

    fn update_calls(&self, n: usize) -> u32 {
        if self.people[n].stale { 2 } else { 1 }
    }
}

/// How somebody is dealt with in one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing is done about the account.
    Nothing,
    /// By a call before the imports.
    Early,
    /// In a row.
    Row,
    /// By a call after the imports.
    Late,
}

/// One plan: how each is dealt with, and who is repeated in a row that only names teams.
struct Try {
    modes: Vec<Mode>,
    repeated: Vec<bool>,
    carried: Vec<bool>,
    second: bool,
}

impl Case {
    /// What a plan weighs, or `None` if it does not do what is needed.
    fn weight(&self, plan: &Try) -> Option<u64> {
        let costs = &self.costs;
        let in_row = |n: usize| plan.modes[n] == Mode::Row || plan.repeated[n];
        let (mut calls, mut rows, mut created) = (0, 0, 0);
        for (n, somebody) in self.people.iter().enumerate() {
            rows += usize::from(in_row(n));
            match plan.modes[n] {
                Mode::Nothing | Mode::Row => {}
                Mode::Early | Mode::Late if somebody.kind.is_new() => calls += 1,
                Mode::Early | Mode::Late => calls += self.update_calls(n),
            }
            created += usize::from(plan.modes[n] == Mode::Row && somebody.kind.is_new());
        }
        let mut owing = Vec::new();
        for n in 0..self.people.len() {
            if self.owes(plan, n) {
                let quiet = !self.people[n].kind.can_be_repeated();
                // A call leaves a fresh record behind; a row does not show it.
                let fresh = self.people[n].kind.is_new() || plan.modes[n] == Mode::Early;
                let price = if fresh { 1 } else { self.update_calls(n) };
                owing.push((quiet || self.people[n].kind == Kind::Cleared, price));
            }
        }
        let mut second = 0;
        for (by_call_only, price) in owing {
            if plan.second && !by_call_only {
                second += 1;
            } else {
                calls += price;
            }
        }
        let mut imports = 0;
        if rows > 0 {
            imports += rows.div_ceil(costs.rows_max);
            calls += u32::try_from(imports).unwrap() * (1 + costs.polls);
            calls += u32::try_from(created.div_ceil(costs.page_rows)).unwrap();
        }
        let seconds = usize::div_ceil(second, costs.rows_max);
        calls += u32::try_from(seconds).unwrap() * (1 + costs.polls);
        imports += seconds;
        let mut named = vec![0; self.people.len()];
        for (team, carried) in self.teams.iter().zip(&plan.carried) {
            let joining: Vec<usize> = (0..self.people.len()).filter(|n| team.joining[*n]).collect();
            if !carried {
                calls += u32::try_from(joining.len().div_ceil(costs.members_max)).unwrap();
                continue;
            }
            if team.code == Some(false) {
                return None;
            }
            let (by_row, by_call): (Vec<usize>, Vec<usize>) = joining.iter().partition(|n| in_row(**n));
            calls += u32::try_from(by_call.len().div_ceil(costs.members_max)).unwrap();
            by_row.iter().for_each(|n| named[*n] += 1);
        }
        if named.iter().any(|teams| *teams > costs.teams_max) {
            return None;
        }
        Some(u64::from(calls) + imports as u64 * u64::from(costs.patience))
    }

    /// Whether somebody's new manager must be set by a further call.
    fn owes(&self, plan: &Try, n: usize) -> bool {
        let Some(manager) = self.new_manager(n) else {
            return false;
        };
        let there = match (plan.modes[n], plan.modes[manager]) {
            (Mode::Nothing, _) => false,
            (Mode::Row | Mode::Late, Mode::Early) | (Mode::Late, Mode::Row) => true,
            (Mode::Early, Mode::Early) | (Mode::Late, Mode::Late) => {
                !(self.people[n].kind.is_new() && self.closes_a_circle(plan, n))
                    || (plan.modes[n] == Mode::Early && plan.repeated[n])
            }
            _ => false,
        };
        !there
    }

    /// Whether going up from somebody by those who are said in the same phase leads back, and they are the first of it.
    fn closes_a_circle(&self, plan: &Try, n: usize) -> bool {
        let mut at = n;
        for _ in 0..self.people.len() {
            match self
                .new_manager(at)
                .filter(|manager| plan.modes[*manager] == plan.modes[n])
            {
                None => return false,
                Some(manager) if manager == n => return true,
                Some(manager) if manager < n && self.is_in_circle(manager) => return false,
                Some(manager) => at = manager,
            }
        }
        false
    }

    fn is_in_circle(&self, n: usize) -> bool {
        let mut at = n;
        for _ in 0..self.people.len() {
            match self.new_manager(at) {
                None => return false,
                Some(manager) if manager == n => return true,
                Some(manager) => at = manager,
            }
        }
        false
    }

    /// The least that any plan weighs.
    fn least(&self) -> u64 {
        let count = self.people.len();
        let mut least = u64::MAX;
        let mut plan = Try {
            modes: vec![Mode::Nothing; count],
            repeated: vec![false; count],
            carried: vec![false; self.teams.len()],
            second: false,
        };
        self.try_from(0, &mut plan, &mut least);
        least
    }

    fn try_from(&self, n: usize, plan: &mut Try, least: &mut u64) {
        if n == self.people.len() {
            for carried in 0..(1u32 << self.teams.len()) {
                for team in 0..self.teams.len() {
                    plan.carried[team] = carried & (1 << team) != 0;
                }
                for second in [false, true] {
                    plan.second = second;
                    *least = (*least).min(self.weight(plan).unwrap_or(u64::MAX));
                }
            }
            return;
        }
        let kind = self.people[n].kind;
        let joins = self.teams.iter().any(|team| team.joining[n]);
        let mut options = Vec::new();
        if kind.needs() {
            options.extend([(Mode::Early, false), (Mode::Late, false)]);
            if kind.fits_a_row() {
                options.push((Mode::Row, false));
            }
            // A row can name a manager whom somebody in a circle could not.
            if kind.can_be_repeated() && (joins || self.is_in_circle(n)) {
                options.push((Mode::Early, true));
                // An account that is there can be repeated before it is changed.
                if !kind.is_new() && joins {
                    options.push((Mode::Late, true));
                }
            }
        } else {
            options.push((Mode::Nothing, false));
            if kind.can_be_repeated() && joins {
                options.push((Mode::Nothing, true));
            }
            // A row can say a manager who is made before it.
            if kind.can_be_repeated() && self.new_manager(n).is_some() {
                options.push((Mode::Row, false));
            }
        }
        for (mode, repeated) in options {
            plan.modes[n] = mode;
            plan.repeated[n] = repeated;
            self.try_from(n + 1, plan, least);
        }
    }
}

/// What the planner's own plan weighs, without what has only one way of being said.
fn weight(plan: &Plan, costs: &CostModel) -> u64 {
    let mut weight = 0;
    for operation in &plan.operations {
        weight += match &operation.change {
            Change::Create { .. } | Change::Update { .. } | Change::AddMembers { .. } => {
                u64::from(operation.calls)
            }
            // One manager set by a call is written as a row that is not sent.
            Change::Bulk { rows } if rows.len() == 1 && operation.calls == 1 => 1,
            Change::Bulk { .. } => u64::from(operation.calls + costs.patience),
            _ => 0,
        };
    }
    weight
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_equivalent_plan_is_cheaper(case in case(roomy())) {
        let mut scene = case.scene();
        let plan = scene.plan();
        let (planned, least) = (weight(&plan, &case.costs), case.least());
        prop_assert_eq!(planned, least, "{}", plan.to_text(20));
        let named = plan.calls();
        scene.run();
        prop_assert_eq!(scene.calls, named, "{}", plan.to_text(20));
    }

    #[test]
    fn where_rows_and_teams_run_out_little_is_lost(case in case(cramped())) {
        let scene = case.scene();
        let plan = scene.plan();
        let (planned, least) = (weight(&plan, &case.costs), case.least());
        let import = u64::from(case.costs.import_calls(1) + case.costs.patience);
        let full = case.people.len() as u64;
        prop_assert!(planned <= least + import + full, "{planned} and {least}\n{}", plan.to_text(20));
    }

    #[test]
    fn teams_are_left_by_the_fewest_calls(
        there in 0..5usize,
        left in 0..5usize,
        strange in any::<bool>(),
        fresh in any::<bool>(),
    ) {
        let left = left.min(there);
        let mut scene = Scene::new();
        let mira = scene.person("mira");
        let groups: Vec<_> = (0..there).map(|n| scene.group(&format!("g{n}"), &[&mira])).collect();
        scene.run();
        if strange && let Some(account) = scene.state.linked_account(&mira).cloned() {
            let team = scene.team("by hand");
            scene.join(&team, &account);
        }
        if fresh {
            scene.state.set_memberships_as_of(NOW);
        }
        groups[..left].iter().for_each(|group| scene.membership(group, &mira, false));
        let one_by_one = u32::try_from(left).unwrap();
        let at_once = left == there && left >= 2 && fresh && !strange;
        prop_assert_eq!(scene.plan().calls(), if at_once { 1 } else { one_by_one });
    }
}
