//! A model check of taking over: two governors, one ledger, one worker, and everything that may go wrong between them, tried
//! in every order up to a depth, and in random orders beyond.
//!
//! The governors are real [`Reign`]s. The limit is one request a window, so the oracle is short: two requests that the target
//! counts less than a window apart are one too many.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use rate_tokens::{
    Ask, AskId, BudgetSettings, Class, Command, Distrust, End, Entry, Epoch, FlowId, GrantId, Heard, Line,
    Moment, OrgName, Outcome, Pacing, Reign, Settled, Settlement, Stamp, Terms, Told, WorkerId,
};

use crate::world::Chance;

const TICK: u64 = 500;
/// Two ticks.
const WINDOW: u64 = 1_000;
/// One tick: within it a permit is used, and a request counts.
const LIFE: u64 = 500;

/// A mistake in the protocol or around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// The ledger takes every append: a zombie is not fenced.
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
    reign: Reign,
    /// Added to the time, by a clock that stepped.
    ahead: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Permit {
    grant: GrantId,
    use_by: u64,
}

/// What the one worker is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    Asked {
        ask: AskId,
        at: u64,
    },
    Holds(Permit),
    /// Sent, and not counted yet.
    Sent {
        grant: GrantId,
        at: u64,
    },
    /// Counted and answered, not yet reported.
    Answered {
        grant: GrantId,
    },
}

#[derive(Clone, Debug, Hash)]
struct World {
    now: u64,
    ledger: Vec<Entry>,
    next_sequence: u64,
    lost: bool,
    /// Whether somebody is left who has seen the newest grant: without, a ledger that went back a little cannot be told.
    witness: bool,
    rolled_back: bool,
    governors: [Option<Governor>; 2],
    /// Commands on their way, by the governor's name.
    commands: Vec<(u64, Command)>,
    /// Answers of the ledger on their way.
    replies: Vec<(u64, Heard)>,
    worker: Worker,
    seen: Option<GrantId>,
    counted: Vec<u64>,
    next_name: u64,
    next_ask: u64,
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
    /// The governor gives up waiting; the command is still on its way.
    GiveUp(usize),
    Deliver(usize),
    Ask(usize),
    Send,
    /// The worker forgets its permit or its request without a word.
    Forget,
    /// Another worker takes its place, which has seen nothing.
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
    /// Crashes, losses and second governors in one run.
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

    fn start() -> World {
        World {
            now: 100_000,
            ledger: Vec::new(),
            next_sequence: 1,
            lost: false,
            witness: true,
            rolled_back: false,
            governors: [None, None],
            commands: Vec::new(),
            replies: Vec::new(),
            worker: Worker::Idle,
            seen: None,
            counted: Vec::new(),
            next_name: 1,
            next_ask: 1,
            troubles: 0,
        }
    }

    fn actions(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        let trouble = world.troubles < self.troubles;
        // What was sent takes effect within its time, so the clock waits for it.
        let waits = matches!(world.worker, Worker::Sent { at, .. } if world.now >= at + LIFE);
        if world.now < 100_000 + self.ticks * TICK && !waits {
            actions.push(Action::Tick);
        }
        for (slot, governor) in world.governors.iter().enumerate() {
            let Some(governor) = governor else {
                if slot == 0 || world.governors[0].is_some() {
                    actions.push(Action::Start(slot));
                }
                continue;
            };
            if governor.reign.end().is_some() {
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
            if governor.reign.is_ruling() {
                if world.worker == Worker::Idle {
                    actions.push(Action::Ask(slot));
                }
                if matches!(world.worker, Worker::Answered { .. }) {
                    actions.push(Action::Report(slot));
                }
            }
        }
        // The commands of one governor arrive in order, and so do its answers; those that it gave up may arrive whenever.
        for (index, (name, _)) in world.commands.iter().enumerate() {
            let given_up = *name == 0;
            if !given_up && world.commands[..index].iter().any(|(of, _)| of == name) {
                continue;
            }
            actions.push(Action::Perform(index));
            if trouble && !given_up {
                actions.push(Action::PerformAndLose(index));
                if world.is_alive(*name) {
                    actions.push(Action::GiveUp(index));
                }
            }
        }
        for (index, (name, _)) in world.replies.iter().enumerate() {
            if !world.replies[..index].iter().any(|(of, _)| of == name) {
                actions.push(Action::Deliver(index));
            }
        }
        match &world.worker {
            Worker::Idle => {}
            Worker::Asked { .. } | Worker::Answered { .. } => actions.push(Action::Forget),
            Worker::Holds(permit) => {
                if world.now < permit.use_by || self.fault == Some(Fault::VoidPermitIsUsed) {
                    actions.push(Action::Send);
                }
                actions.push(Action::Forget);
            }
            Worker::Sent { .. } => actions.push(Action::Count),
        }
        if trouble && !world.lost && !world.ledger.is_empty() {
            actions.push(Action::LoseLedger);
            if world.witness {
                actions.push(Action::RollBack);
            }
        }
        if trouble && world.worker == Worker::Idle && world.seen.is_some() && !world.rolled_back {
            actions.push(Action::ReplaceWorker);
        }
        actions
    }

    fn act(&self, world: &mut World, action: Action) {
        match action {
            Action::Tick => world.now += TICK,
            Action::Start(slot) => {
                // A process that goes on after its reign ended remembers what it knew.
                let before = world.governors[slot].as_ref().map(|governor| &governor.reign);
                let known = before.map_or(0, Reign::last);
                let reign = match before.and_then(Reign::end) {
                    Some(End::WentBack { seen }) => {
                        Reign::new(self.settings(), Epoch::new(seen.get() + 1), known).distrusting()
                    }
                    Some(End::Fenced) | None => Reign::new(self.settings(), Epoch::new(1), known),
                };
                world.governors[slot] = Some(Governor {
                    name: world.next_name,
                    reign,
                    ahead: 0,
                });
                world.next_name += 1;
            }
            Action::Crash(slot) => {
                world.troubles += 1;
                world.governors[slot] = None;
            }
            Action::StepClock(slot) => {
                if let Some(governor) = &mut world.governors[slot] {
                    governor.ahead = WINDOW;
                }
            }
            Action::Issue(slot) => self.issue(world, slot),
            Action::Perform(index) => {
                let (name, command) = world.commands.remove(index);
                let heard = self.perform(world, command);
                if world.is_alive(name) {
                    world.replies.push((name, heard));
                }
            }
            Action::PerformAndLose(index) => {
                world.troubles += 1;
                let (name, command) = world.commands.remove(index);
                let reading = matches!(command, Command::Read { .. });
                self.perform(world, command);
                self.no_answer(world, name, reading);
            }
            Action::GiveUp(index) => {
                world.troubles += 1;
                let (name, command) = world.commands[index].clone();
                let reading = matches!(command, Command::Read { .. });
                // From here on it is nobody's; it may land at any time.
                world.commands[index].0 = 0;
                if reading {
                    world.commands.remove(index);
                }
                self.no_answer(world, name, reading);
            }
            Action::Deliver(index) => {
                let (name, heard) = world.replies.remove(index);
                let now = world.now;
                if let Some(governor) = world.governor(name) {
                    governor
                        .reign
                        .heard(Moment::from_millis(now + governor.ahead), heard);
                }
                world.collect(name);
            }
            Action::Ask(slot) => self.ask(world, slot),
            Action::Send => {
                if let Worker::Holds(permit) = &world.worker {
                    world.worker = Worker::Sent {
                        grant: permit.grant,
                        at: world.now,
                    };
                }
            }
            Action::Count => {
                if let Worker::Sent { grant, .. } = world.worker {
                    world.counted.push(world.now);
                    world.worker = Worker::Answered { grant };
                }
            }
            Action::Forget => world.worker = Worker::Idle,
            Action::ReplaceWorker => {
                world.troubles += 1;
                world.seen = None;
                world.witness = false;
            }
            Action::Report(slot) => {
                if let (Worker::Answered { grant }, Some(governor)) =
                    (&world.worker, &mut world.governors[slot])
                {
                    let now = Moment::from_millis(world.now + governor.ahead);
                    let settled = [Settled {
                        token: 0,
                        settlement: Settlement::Used(Outcome::Answered),
                    }];
                    let _ = governor.reign.report(now, &org(), *grant, &settled);
                    world.worker = Worker::Idle;
                }
            }
            Action::LoseLedger => {
                world.troubles += 1;
                world.lost = true;
                world.ledger.clear();
                world.next_sequence = 1;
                self.reconnect(world);
            }
            Action::RollBack => {
                world.troubles += 1;
                world.lost = true;
                world.rolled_back = true;
                if let Some(entry) = world.ledger.pop() {
                    world.next_sequence = entry.sequence;
                }
                self.reconnect(world);
            }
        }
    }

    fn issue(&self, world: &mut World, slot: usize) {
        let now = world.now;
        let Some(governor) = &mut world.governors[slot] else {
            return;
        };
        let command = governor.reign.next(Moment::from_millis(now + governor.ahead));
        let name = governor.name;
        if let Some(command) = command {
            if self.fault == Some(Fault::TellsBeforeTheLedgerAnswers) {
                world.believe(&command);
            }
            world.commands.push((name, command));
        }
        world.collect(name);
    }

    fn no_answer(&self, world: &mut World, name: u64, reading: bool) {
        let heard = match reading {
            true => Heard::Failed,
            false if self.fault == Some(Fault::UnknownIsTakenForStored) => Heard::Appended {
                sequence: world.next_sequence,
            },
            false => Heard::Unknown,
        };
        if world.is_alive(name) {
            world.replies.push((name, heard));
        }
    }

    fn perform(&self, world: &mut World, command: Command) -> Heard {
        match command {
            Command::Read { from } => {
                let used =
                    world.lost && world.ledger.is_empty() && self.fault != Some(Fault::LostLedgerIsTrusted);
                Heard::Read {
                    entries: world
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
                let newest = world.ledger.last().map_or(0, |entry| entry.sequence);
                if newest != after && self.fault != Some(Fault::AppendsAreUnconditional) {
                    return Heard::Fenced;
                }
                let sequence = world.store(Arc::unwrap_or_clone(lines));
                Heard::Appended { sequence }
            }
            Command::Trim { .. } => Heard::Failed,
        }
    }

    /// The log server came back from its disk. What was on its way to it is gone, and its answers come no more.
    fn reconnect(&self, world: &mut World) {
        let now = world.now;
        let under_way = std::mem::take(&mut world.commands);
        let mut replies = std::mem::take(&mut world.replies);
        replies.extend(under_way.into_iter().map(|(name, _)| (name, Heard::Unknown)));
        for (name, heard) in replies {
            if let Some(governor) = world.governor(name) {
                governor
                    .reign
                    .heard(Moment::from_millis(now + governor.ahead), heard);
            }
        }
        if self.fault != Some(Fault::ReconnectIsNotChecked) {
            let governors = world.governors.iter_mut().flatten();
            governors.for_each(|governor| governor.reign.reconnected());
        }
    }

    fn ask(&self, world: &mut World, slot: usize) {
        let ask = AskId::new(world.next_ask);
        world.next_ask += 1;
        let now = world.now;
        // Either guard alone would see a ledger that is gone, so each is tried without the other.
        let silent = [Some(Fault::SeenIsNotSent), Some(Fault::LostLedgerIsTrusted)].contains(&self.fault);
        let seen = world.seen.filter(|_| !silent);
        let Some(governor) = &mut world.governors[slot] else {
            return;
        };
        let now_there = Moment::from_millis(now + governor.ahead);
        if let Some(seen) = seen {
            governor.reign.seen(&org(), seen);
        }
        let asked = governor.reign.ask(
            now_there,
            &org(),
            Ask {
                id: ask,
                worker: WorkerId::new("worker").unwrap(),
                flow: FlowId::new("flow").unwrap(),
                class: Class::Urgent,
                want: 1,
                deadline: now_there + Duration::from_secs(60),
            },
        );
        if asked.is_ok() {
            world.worker = Worker::Asked { ask, at: now };
        }
    }
}

impl World {
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

    /// Takes what a governor tells now. A governor that is over restarts with what it knows.
    fn collect(&mut self, name: u64) {
        let Some(governor) = self.governor(name) else {
            return;
        };
        let answers = governor.reign.take_answers();
        for answer in answers {
            let Worker::Asked { ask, at } = self.worker else {
                continue;
            };
            if ask != answer.ask {
                continue;
            }
            self.worker = match answer.told {
                Told::Grant { grant, .. } => self.granted(grant, at),
                Told::Wait { .. } => Worker::Idle,
            };
        }
    }

    fn granted(&mut self, grant: GrantId, asked_at: u64) -> Worker {
        self.seen = self.seen.max(Some(grant));
        Worker::Holds(Permit {
            grant,
            use_by: asked_at + LIFE,
        })
    }

    /// The grants of an append are told before it is performed.
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

/// What a search found.
#[derive(Debug)]
struct Found {
    states: usize,
    /// Requests that were counted, at most, in one run.
    counted: usize,
    objection: Option<(String, Vec<Action>)>,
}

/// Every order of everything, nearest first, until so many states are known.
fn exhaust(model: &Model, states_max: usize) -> Found {
    let mut known = HashSet::new();
    let mut front = VecDeque::from([(Model::start(), Vec::new())]);
    let mut counted = 0;
    while let Some((world, path)) = front.pop_front() {
        if let Some(objection) = world.objection() {
            return Found {
                states: known.len(),
                counted,
                objection: Some((objection, path)),
            };
        }
        counted = counted.max(world.counted.len());
        for action in model.actions(&world) {
            let mut next = world.clone();
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

/// Random orders, far deeper than every order can be tried.
fn wander(model: &Model, walks: u64, steps: usize) -> Found {
    let mut counted = 0;
    let mut states = 0;
    for seed in 0..walks {
        let mut chance = Chance(seed);
        let mut world = Model::start();
        let mut path = Vec::new();
        for _ in 0..steps {
            let actions = model.actions(&world);
            if actions.is_empty() {
                break;
            }
            let action = choose(&mut chance, &actions);
            model.act(&mut world, action);
            path.push(action);
            states += 1;
            if let Some(objection) = world.objection() {
                return Found {
                    states,
                    counted,
                    objection: Some((objection, path)),
                };
            }
        }
        counted = counted.max(world.counted.len());
    }
    Found {
        states,
        counted,
        objection: None,
    }
}

/// Mostly what leads on, sometimes the clock, seldom trouble: so that trouble finds something to spoil.
fn choose(chance: &mut Chance, actions: &[Action]) -> Action {
    let weight = |action: &Action| match action {
        Action::Issue(_)
        | Action::Perform(_)
        | Action::Deliver(_)
        | Action::Ask(_)
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
