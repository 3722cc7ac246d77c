//! A model check of the take-over: two governors, one ledger, one worker, and everything that may go wrong between
//! them, in every order up to a depth, and in random orders beyond it.
//!
//! The governors are real [`Leadership`]s. The limit is one request per window, so the oracle is short: if the target
//! counts two requests less than a window apart, that is one too many.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use rate_tokens::{
    BudgetSettings, Class, Command, Distrust, End, Entry, Epoch, FlowId, GrantId, Input, Leadership, Line,
    Moment, OrgName, Outcome, Pacing, RequestId, ResponseBody, Settled, Settlement, Stamp, Terms,
    TokenRequest, WorkerId,
};

use crate::simulation::Chance;

const TICK: u64 = 500;
/// Two ticks.
const WINDOW: u64 = 1_000;
/// One tick: a permit must be used within it, and a sent request is counted within it.
const LIFE: u64 = 500;

/// A mistake in the protocol or around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// The ledger accepts every append: a replaced leader is not fenced.
    AppendsAreUnconditional,
    TellsBeforeTheLedgerAnswers,
    UnknownIsTakenForStored,
    LostLedgerIsTrusted,
    SeenIsNotSent,
    ClockStepIsBelieved,
    VoidPermitIsUsed,
    OneTokenTooMany,
    ReconnectIsNotChecked,
}

const FAULTS: [Fault; 9] = [
    Fault::AppendsAreUnconditional,
    Fault::TellsBeforeTheLedgerAnswers,
    Fault::UnknownIsTakenForStored,
    Fault::LostLedgerIsTrusted,
    Fault::SeenIsNotSent,
    Fault::ClockStepIsBelieved,
    Fault::VoidPermitIsUsed,
    Fault::OneTokenTooMany,
    Fault::ReconnectIsNotChecked,
];

#[derive(Clone, Debug, Hash)]
struct Governor {
    name: u64,
    leadership: Leadership,
    /// Offset of a clock that was set forward, in milliseconds.
    ahead: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Permit {
    grant: GrantId,
    use_by: u64,
}

/// State of the only worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    Asked {
        request: RequestId,
        at: u64,
    },
    Holds(Permit),
    /// Sent, not counted yet.
    Sent {
        grant: GrantId,
        at: u64,
    },
    /// Counted and answered, not reported yet.
    Answered {
        grant: GrantId,
    },
}

#[derive(Clone, Debug, Hash)]
struct Cluster {
    now: u64,
    ledger: Vec<Entry>,
    next_sequence: u64,
    lost: bool,
    /// Whether a process that has seen the newest grant still exists. Without one, a small rollback of the ledger
    /// cannot be detected.
    witness: bool,
    rolled_back: bool,
    governors: [Option<Governor>; 2],
    /// Commands in flight, with the governor's name.
    commands: Vec<(u64, Command)>,
    /// Answers of the ledger in flight, with the governor's name.
    responses: Vec<(u64, Input)>,
    worker: Worker,
    seen: Option<GrantId>,
    counted: Vec<u64>,
    next_name: u64,
    next_request: u64,
    troubles: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    Start(usize),
    Crash(usize),
    Issue(usize),
    Perform(usize),
    /// Performed, but the answer is lost.
    PerformAndLose(usize),
    /// The governor stops waiting; the command is still in flight.
    GiveUp(usize),
    Deliver(usize),
    TokenRequest(usize),
    Send,
    /// The worker forgets its permit or its request without a report.
    Forget,
    /// Another worker, which has seen no grant, replaces it.
    ReplaceWorker,
    Count,
    Report(usize),
    LoseLedger,
    RollBack,
    StepClock(usize),
}

struct Model {
    fault: Option<Fault>,
    ticks: u64,
    /// Most crashes, losses and other faults in one run.
    troubles: u32,
}

fn org() -> OrgName {
    OrgName::new("acme").unwrap()
}

impl Model {
    fn settings(&self) -> BTreeMap<OrgName, BudgetSettings> {
        let limit = if self.fault == Some(Fault::OneTokenTooMany) {
            2
        } else {
            1
        };
        let settings = BudgetSettings::new(Terms {
            window: Duration::from_millis(WINDOW),
            guard: Duration::ZERO,
            clock_error_ppm: 0,
            permit_ttl: Duration::from_millis(LIFE),
            settle: Duration::from_millis(LIFE),
            pacing: Pacing::Unpaced,
            burst: 0,
            reserve: 0,
            ..Terms::per_minute(limit)
        });
        BTreeMap::from([(org(), settings.unwrap())])
    }

    fn start() -> Cluster {
        Cluster {
            now: 100_000,
            ledger: Vec::new(),
            next_sequence: 1,
            lost: false,
            witness: true,
            rolled_back: false,
            governors: [None, None],
            commands: Vec::new(),
            responses: Vec::new(),
            worker: Worker::Idle,
            seen: None,
            counted: Vec::new(),
            next_name: 1,
            next_request: 1,
            troubles: 0,
        }
    }

    fn actions(&self, cluster: &Cluster) -> Vec<Action> {
        let mut actions = Vec::new();
        let trouble = cluster.troubles < self.troubles;
        // A sent request takes effect within its time, so the clock waits for it.
        let waits = matches!(cluster.worker, Worker::Sent { at, .. } if cluster.now >= at + LIFE);
        if cluster.now < 100_000 + self.ticks * TICK && !waits {
            actions.push(Action::Tick);
        }
        for (slot, governor) in cluster.governors.iter().enumerate() {
            let Some(governor) = governor else {
                if slot == 0 || cluster.governors[0].is_some() {
                    actions.push(Action::Start(slot));
                }
                continue;
            };
            if governor.leadership.end().is_some() {
                actions.push(Action::Start(slot));
                continue;
            }
            if trouble {
                actions.push(Action::Crash(slot));
            }
            if self.fault == Some(Fault::ClockStepIsBelieved) && governor.ahead == 0 {
                actions.push(Action::StepClock(slot));
            }
            actions.push(Action::Issue(slot));
            if governor.leadership.is_leading() {
                if cluster.worker == Worker::Idle {
                    actions.push(Action::TokenRequest(slot));
                }
                if matches!(cluster.worker, Worker::Answered { .. }) {
                    actions.push(Action::Report(slot));
                }
            }
        }
        // The commands of one governor arrive in order, and so do their answers. Commands that it gave up may arrive at
        // any time.
        for (index, (name, _)) in cluster.commands.iter().enumerate() {
            let given_up = *name == 0;
            if !given_up && cluster.commands[..index].iter().any(|(of, _)| of == name) {
                continue;
            }
            actions.push(Action::Perform(index));
            if trouble && !given_up {
                actions.push(Action::PerformAndLose(index));
                if cluster.is_alive(*name) {
                    actions.push(Action::GiveUp(index));
                }
            }
        }
        for (index, (name, _)) in cluster.responses.iter().enumerate() {
            if !cluster.responses[..index].iter().any(|(of, _)| of == name) {
                actions.push(Action::Deliver(index));
            }
        }
        match &cluster.worker {
            Worker::Idle => {}
            Worker::Asked { .. } | Worker::Answered { .. } => actions.push(Action::Forget),
            Worker::Holds(permit) => {
                if cluster.now < permit.use_by || self.fault == Some(Fault::VoidPermitIsUsed) {
                    actions.push(Action::Send);
                }
                actions.push(Action::Forget);
            }
            Worker::Sent { .. } => actions.push(Action::Count),
        }
        if trouble && !cluster.lost && !cluster.ledger.is_empty() {
            actions.push(Action::LoseLedger);
            if cluster.witness {
                actions.push(Action::RollBack);
            }
        }
        if trouble && cluster.worker == Worker::Idle && cluster.seen.is_some() && !cluster.rolled_back {
            actions.push(Action::ReplaceWorker);
        }
        actions
    }

    fn act(&self, cluster: &mut Cluster, action: Action) {
        match action {
            Action::Tick => cluster.now += TICK,
            Action::Start(slot) => {
                // A process that continues after its leadership ended remembers what it knew.
                let before = cluster.governors[slot]
                    .as_ref()
                    .map(|governor| &governor.leadership);
                let known = before.map_or(0, Leadership::last);
                let leadership = match before.and_then(Leadership::end) {
                    Some(End::WentBack { seen }) => {
                        Leadership::new(self.settings(), Epoch::new(seen.get() + 1), known).distrusting()
                    }
                    Some(End::Fenced) | None => Leadership::new(self.settings(), Epoch::new(1), known),
                };
                cluster.governors[slot] = Some(Governor {
                    name: cluster.next_name,
                    leadership,
                    ahead: 0,
                });
                cluster.next_name += 1;
            }
            Action::Crash(slot) => {
                cluster.troubles += 1;
                cluster.governors[slot] = None;
            }
            Action::StepClock(slot) => {
                if let Some(governor) = &mut cluster.governors[slot] {
                    governor.ahead = WINDOW;
                }
            }
            Action::Issue(slot) => self.issue(cluster, slot),
            Action::Perform(index) => {
                let (name, command) = cluster.commands.remove(index);
                let input = self.perform(cluster, command);
                if cluster.is_alive(name) {
                    cluster.responses.push((name, input));
                }
            }
            Action::PerformAndLose(index) => {
                cluster.troubles += 1;
                let (name, command) = cluster.commands.remove(index);
                let reading = matches!(command, Command::Read { .. });
                self.perform(cluster, command);
                self.no_answer(cluster, name, reading);
            }
            Action::GiveUp(index) => {
                cluster.troubles += 1;
                let (name, command) = cluster.commands[index].clone();
                let reading = matches!(command, Command::Read { .. });
                // From now on it belongs to no governor and may arrive at any time.
                cluster.commands[index].0 = 0;
                if reading {
                    cluster.commands.remove(index);
                }
                self.no_answer(cluster, name, reading);
            }
            Action::Deliver(index) => {
                let (name, input) = cluster.responses.remove(index);
                let now = cluster.now;
                if let Some(governor) = cluster.governor(name) {
                    governor
                        .leadership
                        .handle(Moment::from_millis(now + governor.ahead), input);
                }
                cluster.collect(name);
            }
            Action::TokenRequest(slot) => self.request(cluster, slot),
            Action::Send => {
                if let Worker::Holds(permit) = &cluster.worker {
                    cluster.worker = Worker::Sent {
                        grant: permit.grant,
                        at: cluster.now,
                    };
                }
            }
            Action::Count => {
                if let Worker::Sent { grant, .. } = cluster.worker {
                    cluster.counted.push(cluster.now);
                    cluster.worker = Worker::Answered { grant };
                }
            }
            Action::Forget => cluster.worker = Worker::Idle,
            Action::ReplaceWorker => {
                cluster.troubles += 1;
                cluster.seen = None;
                cluster.witness = false;
            }
            Action::Report(slot) => {
                if let (Worker::Answered { grant }, Some(governor)) =
                    (&cluster.worker, &mut cluster.governors[slot])
                {
                    let now = Moment::from_millis(cluster.now + governor.ahead);
                    let settled = [Settled {
                        token: 0,
                        settlement: Settlement::Used(Outcome::Answered),
                    }];
                    let _ = governor.leadership.report(now, &org(), *grant, &settled);
                    cluster.worker = Worker::Idle;
                }
            }
            Action::LoseLedger => {
                cluster.troubles += 1;
                cluster.lost = true;
                cluster.ledger.clear();
                cluster.next_sequence = 1;
                self.reconnect(cluster);
            }
            Action::RollBack => {
                cluster.troubles += 1;
                cluster.lost = true;
                cluster.rolled_back = true;
                if let Some(entry) = cluster.ledger.pop() {
                    cluster.next_sequence = entry.sequence;
                }
                self.reconnect(cluster);
            }
        }
    }

    fn issue(&self, cluster: &mut Cluster, slot: usize) {
        let now = cluster.now;
        let Some(governor) = &mut cluster.governors[slot] else {
            return;
        };
        let command = governor
            .leadership
            .next(Moment::from_millis(now + governor.ahead));
        let name = governor.name;
        if let Some(command) = command {
            if self.fault == Some(Fault::TellsBeforeTheLedgerAnswers) {
                cluster.believe(&command);
            }
            cluster.commands.push((name, command));
        }
        cluster.collect(name);
    }

    fn no_answer(&self, cluster: &mut Cluster, name: u64, reading: bool) {
        let input = match reading {
            true => Input::Failed,
            false if self.fault == Some(Fault::UnknownIsTakenForStored) => Input::Appended {
                sequence: cluster.next_sequence,
            },
            false => Input::Unknown,
        };
        if cluster.is_alive(name) {
            cluster.responses.push((name, input));
        }
    }

    fn perform(&self, cluster: &mut Cluster, command: Command) -> Input {
        match command {
            Command::Read { from } => {
                let used = cluster.lost
                    && cluster.ledger.is_empty()
                    && self.fault != Some(Fault::LostLedgerIsTrusted);
                Input::Read {
                    entries: cluster
                        .ledger
                        .iter()
                        .filter(|entry| entry.sequence >= from)
                        .cloned()
                        .collect(),
                    distrust: if used {
                        Distrust::Some(BTreeSet::from([org()]))
                    } else {
                        Distrust::Nobody
                    },
                }
            }
            Command::Append { after, lines } => {
                let newest = cluster.ledger.last().map_or(0, |entry| entry.sequence);
                if newest != after && self.fault != Some(Fault::AppendsAreUnconditional) {
                    return Input::Fenced;
                }
                let sequence = cluster.store(Arc::unwrap_or_clone(lines));
                Input::Appended { sequence }
            }
            Command::Trim { .. } => Input::Failed,
        }
    }

    /// Restarts the log server from its disk. Commands in flight are lost, and their answers never arrive.
    fn reconnect(&self, cluster: &mut Cluster) {
        let now = cluster.now;
        let under_way = std::mem::take(&mut cluster.commands);
        let mut responses = std::mem::take(&mut cluster.responses);
        responses.extend(under_way.into_iter().map(|(name, _)| (name, Input::Unknown)));
        for (name, input) in responses {
            if let Some(governor) = cluster.governor(name) {
                governor
                    .leadership
                    .handle(Moment::from_millis(now + governor.ahead), input);
            }
        }
        if self.fault != Some(Fault::ReconnectIsNotChecked) {
            let governors = cluster.governors.iter_mut().flatten();
            governors.for_each(|governor| governor.leadership.reconnected());
        }
    }

    fn request(&self, cluster: &mut Cluster, slot: usize) {
        let request = RequestId::new(cluster.next_request);
        cluster.next_request += 1;
        let now = cluster.now;
        // Each of the two guards detects a lost ledger alone, so a fault in one is tested without the other.
        let silent = [Some(Fault::SeenIsNotSent), Some(Fault::LostLedgerIsTrusted)].contains(&self.fault);
        let seen = cluster.seen.filter(|_| !silent);
        let Some(governor) = &mut cluster.governors[slot] else {
            return;
        };
        let now_there = Moment::from_millis(now + governor.ahead);
        if let Some(seen) = seen {
            governor.leadership.seen(&org(), seen);
        }
        let asked = governor.leadership.request(
            now_there,
            &org(),
            TokenRequest {
                id: request,
                worker: WorkerId::new("worker").unwrap(),
                flow: FlowId::new("flow").unwrap(),
                class: Class::Urgent,
                want: 1,
                deadline: now_there + Duration::from_secs(60),
            },
        );
        if asked.is_ok() {
            cluster.worker = Worker::Asked { request, at: now };
        }
    }
}

impl Cluster {
    fn is_alive(&self, name: u64) -> bool {
        self.governors
            .iter()
            .flatten()
            .any(|governor| governor.name == name)
    }

    fn governor(&mut self, name: u64) -> Option<&mut Governor> {
        self.governors
            .iter_mut()
            .flatten()
            .find(|governor| governor.name == name)
    }

    fn store(&mut self, lines: Vec<Line>) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.ledger.push(Entry {
            sequence,
            written: Stamp {
                server_ms: self.now,
                ..Stamp::default()
            },
            lines: Some(lines),
        });
        sequence
    }

    /// Delivers the responses that a governor may send now.
    fn collect(&mut self, name: u64) {
        let Some(governor) = self.governor(name) else {
            return;
        };
        let answers = governor.leadership.take_responses();
        for answer in answers {
            let Worker::Asked { request, at } = self.worker else {
                continue;
            };
            if request != answer.request {
                continue;
            }
            self.worker = match answer.body {
                ResponseBody::Grant { grant, .. } => self.granted(grant, at),
                ResponseBody::Wait { .. } => Worker::Idle,
            };
        }
    }

    fn granted(&mut self, grant: GrantId, requested_at: u64) -> Worker {
        self.seen = self.seen.max(Some(grant));
        Worker::Holds(Permit {
            grant,
            use_by: requested_at + LIFE,
        })
    }

    /// Delivers the grants of an append before it is performed.
    fn believe(&mut self, command: &Command) {
        let Command::Append { lines, .. } = command else {
            return;
        };
        for line in lines.iter() {
            if let (rate_tokens::LedgerRecord::Granted { grant, .. }, Worker::Asked { at, .. }) =
                (&line.record, &self.worker)
            {
                let at = *at;
                self.worker = self.granted(*grant, at);
            }
        }
    }

    fn objection(&self) -> Option<String> {
        let mut counted = self.counted.clone();
        counted.sort_unstable();
        let close = counted.windows(2).find(|pair| pair[1] - pair[0] < WINDOW)?;
        Some(format!("requests at {} and {} ms", close[0], close[1]))
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Result of a search.
#[derive(Debug)]
struct Found {
    states: usize,
    /// Most requests that were counted in one run.
    counted: usize,
    objection: Option<(String, Vec<Action>)>,
}

/// Tries every order of all actions, breadth first, until `states_max` states are known.
fn exhaust(model: &Model, states_max: usize) -> Found {
    let mut known = HashSet::new();
    let mut front = VecDeque::from([(Model::start(), Vec::new())]);
    let mut counted = 0;
    while let Some((cluster, path)) = front.pop_front() {
        if let Some(objection) = cluster.objection() {
            return Found {
                states: known.len(),
                counted,
                objection: Some((objection, path)),
            };
        }
        counted = counted.max(cluster.counted.len());
        for action in model.actions(&cluster) {
            let mut next = cluster.clone();
            model.act(&mut next, action);
            if known.len() < states_max && known.insert(next.fingerprint()) {
                let mut path = path.clone();
                path.push(action);
                front.push_back((next, path));
            }
        }
    }
    Found {
        states: known.len(),
        counted,
        objection: None,
    }
}

/// Tries random orders, much deeper than all orders can be tried.
fn wander(model: &Model, walks: u64, steps: usize) -> Found {
    let mut counted = 0;
    let mut states = 0;
    for seed in 0..walks {
        let mut chance = Chance(seed);
        let mut cluster = Model::start();
        let mut path = Vec::new();
        for _ in 0..steps {
            let actions = model.actions(&cluster);
            if actions.is_empty() {
                break;
            }
            let action = choose(&mut chance, &actions);
            model.act(&mut cluster, action);
            path.push(action);
            states += 1;
            if let Some(objection) = cluster.objection() {
                return Found {
                    states,
                    counted,
                    objection: Some((objection, path)),
                };
            }
        }
        counted = counted.max(cluster.counted.len());
    }
    Found {
        states,
        counted,
        objection: None,
    }
}

/// Chooses mostly actions that make progress, sometimes the clock, and seldom a fault, so that a fault hits work in
/// progress.
fn choose(chance: &mut Chance, actions: &[Action]) -> Action {
    let weight = |action: &Action| match action {
        Action::Issue(_)
        | Action::Perform(_)
        | Action::Deliver(_)
        | Action::TokenRequest(_)
        | Action::Send
        | Action::Count
        | Action::Report(_) => 24,
        Action::Tick | Action::Start(_) => 6,
        Action::Crash(_)
        | Action::PerformAndLose(_)
        | Action::GiveUp(_)
        | Action::Forget
        | Action::ReplaceWorker
        | Action::LoseLedger
        | Action::RollBack
        | Action::StepClock(_) => 1,
    };
    let mut left = chance.below(actions.iter().map(weight).sum());
    for action in actions {
        match left.checked_sub(weight(action)) {
            Some(rest) => left = rest,
            None => return *action,
        }
    }
    Action::Tick
}

fn shallow(fault: Option<Fault>) -> Model {
    Model {
        fault,
        ticks: 4,
        troubles: 1,
    }
}

fn deep(fault: Option<Fault>) -> Model {
    Model {
        fault,
        ticks: 40,
        troubles: 4,
    }
}

fn check(states: usize, walks: u64) {
    let near = exhaust(&shallow(None), states);
    assert!(near.objection.is_none(), "{near:?}");
    let far = wander(&deep(None), walks, 400);
    assert!(far.objection.is_none(), "{far:?}");
    assert!(
        far.counted >= 4,
        "hardly anything was granted, so this shows nothing: {far:?}"
    );
    println!(
        "{} states near, {} steps far, up to {} requests in a run",
        near.states, far.states, far.counted
    );
}

#[test]
fn no_order_of_crashes_losses_and_zombies_grants_one_too_many() {
    check(60_000, 3_000);
}

#[test]
#[ignore = "a soak: cargo xtask soak"]
fn soak_of_failover() {
    check(3_000_000, 300_000);
}

#[test]
fn every_mistake_in_taking_over_is_seen() {
    for fault in FAULTS {
        let far = wander(&deep(Some(fault)), 60_000, 400);
        assert!(far.objection.is_some(), "no oracle objected to {fault:?}");
    }
}
