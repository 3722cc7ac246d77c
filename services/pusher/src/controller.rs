//! The controller of one org: it compares the roster with the observed state and makes them equal.
//!
//! The plan is always computed from the state, never from a queue. A lost, repeated or late event changes only the time of planning.
//! Permits set the pace. The controller requests permits while there is work, and decides what to use a permit for when it arrives. So ten
//! edits of one person cost one call, and a cut-off overtakes all other work.
//!
//! `run` is the loop: plan, start operations, wait for events.

mod deviations;
mod forecast_record;
mod in_flight;
mod jobs;
mod leavers;
mod orders;
mod permits;
mod report;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use provisioning::{
    BulkJob, Decision, Ended, GroupId, Harm, Operation, OperationId, OrgId, OrgState, PersonId, Plan,
    PlanHash, Policy, Subject, WaitReason, plan,
};
use rate_tokens::{BudgetSettings, Class, Permit};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::executor::{Done, Executor, Halt, unix_ms};
use crate::forecast::Pace;
use crate::quiet::Quiet;
use crate::schedule::{self, Traffic};
use crate::watcher::{Snapshot, StateEvent};
use deviations::KnownDeviations;
use forecast_record::ForecastRecords;
use in_flight::InFlight;
pub(crate) use jobs::FreeLinks;
use orders::OpenOrder;
pub(crate) use report::Question;

/// Pause between two plannings, as a multiple of the duration of the last planning. It limits the time spent on planning while changes keep
/// arriving.
const PLAN_SHARE: u32 = 10;

/// Greatest age of the plan in an answer, as a multiple of the duration of the last planning. An older plan is computed again first.
const ANSWER_SHARE: u32 = 3;

/// Pause of an org after the bus refused a write.
const BUS_PAUSE: Duration = Duration::from_secs(1);

/// Longest sleep of the loop. After it, the loop checks which pauses have ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How changes are sent: automatically, or after `rollcall apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Automatic,
    /// Only cut-offs are sent automatically.
    Manual,
}

/// A started operation, with the data that its end needs.
#[derive(Debug)]
struct Performed {
    run: Option<PlanHash>,
    operation: OperationId,
    kind: &'static str,
    label: String,
    /// Number of permits that it has used.
    spent: Arc<AtomicU32>,
    /// Its harmful changes, already counted in the harm history.
    harms: BTreeMap<Harm, u32>,
    started: Instant,
    import: bool,
}

/// A finished piece of work: an operation, or writes without an operation.
#[derive(Debug, Default)]
struct Finished {
    performed: Option<Performed>,
    done: Done,
}

impl Finished {
    fn of(done: Done) -> Finished {
        Finished {
            performed: None,
            done,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Controller {
    org: OrgId,
    executor: Executor,
    policy: Policy,
    mode: Mode,
    state: OrgState,
    plan: Plan,
    /// The state has changed since the plan was computed.
    outdated: bool,
    /// A person has to be cut off: planning does not wait.
    urgent: bool,
    planned_at: Instant,
    /// Duration of the last planning.
    plan_cost: Duration,
    /// Subjects that need, or may need, an operation.
    pending: BTreeSet<Subject>,
    /// Subjects that are left as they are because a feature is off, with the name of the feature.
    switched_off: BTreeMap<Subject, &'static str>,
    deviations: KnownDeviations,
    released: BTreeMap<Subject, u64>,
    jobs: BTreeMap<OperationId, BulkJob>,
    /// Groups named by each running bulk import, keyed by one of its people.
    in_rows: Vec<(Subject, BTreeSet<GroupId>)>,
    /// Groups of each person whose account a single create operation is making.
    awaiting: Vec<(Subject, BTreeSet<GroupId>)>,
    /// Bulk imports that were planned together with a started one. They are sent as planned.
    together: VecDeque<Operation>,
    running: JoinSet<Finished>,
    /// Orders that wait for an operation in flight on the same subjects.
    orders: Vec<OpenOrder>,
    forecast_records: ForecastRecords,
    in_flight: InFlight,
    /// Number of bulk imports in flight.
    imports: usize,
    asks: JoinSet<(Class, Permit)>,
    asked: HashMap<Class, usize>,
    /// Trace of the newest roster change of each pending subject.
    traces: HashMap<Subject, String>,
    /// People with an operation in flight that their sources may want to cut off.
    leaving: BTreeSet<PersonId>,
    /// Number of edits of each subject that no operation has covered yet.
    edits: HashMap<Subject, u32>,
    halt: Option<(Halt, Instant)>,
    quiet: Quiet,
    /// Start of the clock of `quiet`.
    began: Instant,
    performed: u64,
}

impl Controller {
    pub(crate) fn new(
        org: OrgId,
        executor: Executor,
        policy: Policy,
        mode: Mode,
        budget: &BudgetSettings,
        snapshot: Snapshot,
    ) -> Controller {
        let pending = snapshot.state.subjects();
        let forecast_records = ForecastRecords::new(org.clone(), snapshot.runs, Pace::of(budget, None));
        let plan = plan(&org, &snapshot.state, &BTreeSet::new(), &policy, 0);
        Controller {
            org,
            executor,
            policy,
            mode,
            state: snapshot.state,
            plan,
            outdated: true,
            urgent: true,
            planned_at: Instant::now(),
            plan_cost: Duration::ZERO,
            pending,
            switched_off: BTreeMap::new(),
            deviations: KnownDeviations::default(),
            released: BTreeMap::new(),
            jobs: snapshot.jobs,
            in_rows: Vec::new(),
            awaiting: Vec::new(),
            together: VecDeque::new(),
            running: JoinSet::new(),
            orders: Vec::new(),
            forecast_records,
            in_flight: InFlight::default(),
            imports: 0,
            asks: JoinSet::new(),
            asked: HashMap::new(),
            traces: snapshot.traces,
            leaving: BTreeSet::new(),
            edits: HashMap::new(),
            halt: None,
            quiet: Quiet::default(),
            began: Instant::now(),
            performed: 0,
        }
    }

    /// Runs until stopped, or until the lease is lost or the watches end.
    pub(crate) async fn run(
        &mut self,
        events: &mut mpsc::Receiver<Vec<StateEvent>>,
        questions: &mut mpsc::Receiver<Question>,
        stop: &CancellationToken,
    ) {
        self.recover();
        loop {
            if self.urgent || self.planned_at.elapsed() >= self.plan_cost * PLAN_SHARE {
                self.replan();
            }
            self.part_if_changed();
            self.carry_out_orders();
            self.cut_off_in_imports();
            self.start_free_operations();
            self.ask_for_permits();
            self.probe();
            self.keep_forecast_records();
            let next_look = self.next_look();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.executor.lease.lost() => {
                    tracing::warn!(org.id = %self.org, "the lease of this org is gone, somebody else takes over");
                    break;
                }
                Some(done) = self.running.join_next() => match done {
                    Ok(done) => {
                        self.finish(done);
                        self.recover();
                    }
                    Err(error) => {
                        tracing::error!(org.id = %self.org, %error, "an operation ended without an outcome");
                        break;
                    }
                },
                Some(question) = questions.recv() => self.answer(question),
                event = events.recv() => match event {
                    Some(batch) => self.handle_events(batch),
                    None => break,
                },
                Some(Ok((class, permit))) = self.asks.join_next() => self.spend(class, permit),
                () = tokio::time::sleep(next_look) => self.outdated |= !self.pending.is_empty(),
            }
            while let Ok(batch) = events.try_recv() {
                self.handle_events(batch);
            }
        }
        self.asks.abort_all();
        self.drain().await;
    }

    /// Waits at most 10 s for the operations in flight. The next owner recovers those that do not finish in time.
    async fn drain(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, self.running.join_next()).await {
            if let Ok(done) = done {
                self.finish(done);
            }
        }
        self.running.abort_all();
    }

    fn handle_events(&mut self, batch: Vec<StateEvent>) {
        for event in batch {
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: StateEvent) {
        if event.is_own_book() {
            return;
        }
        self.deviations.outdated();
        if event.is_roster() {
            self.forecast_records.changes_joined();
            let now_ms = self.now_ms();
            self.quiet.changed(event.about(), now_ms);
        }
        self.urgent |= event.cuts_access();
        self.outdated |= event.is_approval();
        if let Some((subject, trace)) = event.trace() {
            self.traces.insert(subject, trace);
        }
        if let Some(subject) = event.edited() {
            if event.cuts_access() {
                self.may_leave(&subject);
            }
            *self.edits.entry(subject).or_default() += 1;
        }
        let touched = event.apply(&mut self.state, &mut self.jobs);
        self.touch(touched);
    }

    fn touch(&mut self, touched: BTreeSet<Subject>) {
        self.outdated |= !touched.is_empty();
        self.pending.extend(touched);
    }

    fn finish(&mut self, finished: Finished) {
        let Finished { performed, mut done } = finished;
        self.deviations.outdated();
        let touched = std::mem::take(&mut done.effects).apply(&mut self.state);
        self.touch(touched);
        if let Some(performed) = performed {
            self.performed += 1;
            self.imports -= usize::from(performed.import);
            self.in_flight.ended(&performed.operation);
            let spent = performed.spent.load(Ordering::Relaxed);
            self.forecast_records.performed(spent);
            if spent == 1 {
                self.forecast_records.measured_call(performed.started.elapsed());
            }
            self.record_outcome(performed, &mut done);
        }
        self.release(&done.subjects);
        if let Some(halt) = done.halt {
            let Halt::Bus { message } = &halt;
            tracing::error!(org.id = %self.org, message, "work on this org is stopped");
            self.halt = Some((halt, Instant::now() + BUS_PAUSE));
        }
    }

    fn release(&mut self, subjects: &[Subject]) {
        let released = self.state.release(subjects);
        for groups in [&mut self.in_rows, &mut self.awaiting] {
            groups.retain(|(person, _)| self.state.is_under_way(person));
        }
        self.touch(released);
    }

    /// Writes the outcome of an operation to the journal. If the operation had no effect, its harms are subtracted from the harm history.
    fn record_outcome(&mut self, performed: Performed, done: &mut Done) {
        let outcome = done.outcome.take();
        let took_effect = match &outcome {
            Some(outcome) => outcome.ended == Ended::Done,
            // A request with an open intent may have taken effect. Without an intent, nothing was sent.
            None => done.subjects.iter().any(|subject| self.has_intent(subject)),
        };
        if !took_effect && !performed.harms.is_empty() {
            let mut history = self.state.harm_history().clone();
            let now = unix_ms();
            for (harm, count) in &performed.harms {
                history.take_back(*harm, *count, now);
            }
            self.state.set_harm_history(history);
        }
        let Some(outcome) = outcome else { return };
        let decision = Decision {
            run: performed.run.unwrap_or_else(|| self.plan.hash()),
            operation: performed.operation,
            kind: performed.kind.to_owned(),
            label: performed.label,
            at_ms: unix_ms(),
            ended: outcome.ended,
            message: outcome.message,
            images: outcome.images,
        };
        self.executor.journal.decided(&self.org, decision);
    }

    fn has_intent(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Person(id) => self
                .state
                .person_link(id)
                .is_some_and(|link| link.value.intent.is_some()),
            Subject::Group(id) => self
                .state
                .group_link(id)
                .is_some_and(|link| link.value.intent.is_some()),
        }
    }

    /// Ends the current run when no work is left, and writes changed forecast records.
    fn keep_forecast_records(&mut self) {
        let idle = !self.outdated && self.plan.is_empty() && self.state.under_way().is_empty();
        if idle && self.forecast_records.run_id().is_some() {
            self.forecast_records.ended(unix_ms());
        }
        let changes = self.forecast_records.take_changes();
        if !changes.is_empty() {
            let executor = self.executor.clone();
            self.running.spawn(async move {
                executor.links.keep(changes).await;
                Finished::default()
            });
        }
    }

    /// Time until the loop must run again: at most `LOOK_AGAIN`, shorter if a plan, the end of a quiet time or a probe is due.
    fn next_look(&self) -> Duration {
        let settling = self.quiet.next_ms(self.now_ms()).map(Duration::from_millis);
        let planning = self
            .outdated
            .then(|| (self.plan_cost * PLAN_SHARE).saturating_sub(self.planned_at.elapsed()));
        let probing = self.executor.gate.state().map(|closed| closed.probes_in());
        [
            Some(LOOK_AGAIN),
            settling,
            planning,
            probing.filter(|wait| !wait.is_zero()),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(LOOK_AGAIN)
    }

    fn replan(&mut self) {
        if !self.outdated {
            return;
        }
        let started = Instant::now();
        (self.outdated, self.urgent) = (false, false);
        // Frees the old plan first: two plans of a whole company would be the highest memory use of the process.
        self.plan.operations = Vec::new();
        self.plan = plan(&self.org, &self.state, &self.pending, &self.policy, unix_ms());
        self.note_switched_off();
        self.deviations.outdated();
        let mut kept: BTreeSet<Subject> = self
            .pending
            .intersection(self.state.under_way())
            .cloned()
            .collect();
        kept.extend(
            self.plan
                .operations
                .iter()
                .flat_map(|operation| operation.change.subjects()),
        );
        kept.extend(self.plan.park.iter().map(|(subject, _)| subject.clone()));
        kept.extend(
            self.plan
                .waiting
                .iter()
                .filter(|(_, reason)| report::passes(reason))
                .map(|(subject, _)| subject.clone()),
        );
        self.traces.retain(|subject, _| kept.contains(subject));
        self.edits.retain(|subject, _| kept.contains(subject));
        // A group is in no plan while the accounts of its new members are being created. So a release by `rollcall apply` is kept while any
        // operation is in flight.
        if self.state.under_way().is_empty() {
            self.released.retain(|subject, _| kept.contains(subject));
        }
        self.pending = kept;
        self.planned_at = Instant::now();
        self.plan_cost = started.elapsed();
    }

    /// Updates, for each planned subject, whether it is left as it is because a feature is off.
    fn note_switched_off(&mut self) {
        if !self.switched_off.is_empty() {
            self.switched_off
                .retain(|subject, _| !self.pending.contains(subject));
        }
        for (subject, reason) in &self.plan.waiting {
            if let WaitReason::SwitchedOff { feature } = reason {
                self.switched_off.insert(subject.clone(), feature);
            }
        }
    }

    /// Milliseconds since this controller was created.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn traffic(&self) -> Traffic<'_> {
        let now_ms = self.now_ms();
        let released = (self.mode == Mode::Manual).then(|| {
            let current = |(subject, revision): (&Subject, &u64)| {
                (self.revision_of(subject) == *revision).then(|| subject.clone())
            };
            self.released.iter().filter_map(current).collect()
        });
        let all = |groups: &[(Subject, BTreeSet<GroupId>)]| {
            groups.iter().flat_map(|(_, groups)| groups).cloned().collect()
        };
        Traffic {
            importing: self.imports > 0 || !self.together.is_empty(),
            unsettled: self.quiet.collects(now_ms),
            stirring: self.quiet.begins(now_ms),
            quiet: Some((&self.quiet, now_ms)),
            released,
            in_rows: all(&self.in_rows),
            awaiting: all(&self.awaiting),
            making: !self.awaiting.is_empty(),
            bulk: self.policy.bulk,
        }
    }

    fn revision_of(&self, subject: &Subject) -> u64 {
        match subject {
            Subject::Person(id) => self.state.person(id).map_or(0, |person| person.revision),
            Subject::Group(id) => self.state.group(id).map_or(0, |group| group.revision),
        }
    }

    /// Parks subjects and performs the operations that need no call. Neither needs a permit.
    fn start_free_operations(&mut self) {
        if self.outdated {
            return;
        }
        let parks = std::mem::take(&mut self.plan.park);
        if !parks.is_empty() {
            let links = jobs::parked_links(&self.state, parks);
            self.state.hold(links.subjects());
            let executor = self.executor.clone();
            self.running
                .spawn(async move { Finished::of(executor.write_links(links).await) });
        }
        let traffic = self.traffic();
        let free: Vec<Operation> = schedule::ready(&self.plan, &self.state, &traffic)
            .filter(|operation| operation.calls == 0)
            .cloned()
            .collect();
        if !free.is_empty() {
            let links = jobs::tied_links(&self.state, &free);
            self.state.hold(links.subjects());
            self.outdated = true;
            let executor = self.executor.clone();
            self.running
                .spawn(async move { Finished::of(executor.write_links(links).await) });
        }
    }

    /// Starts the recovery of every intent that has no operation in flight. Does nothing after the lease is lost: the writes of this
    /// replica would be refused, and it would repeat the recovery with tokens of the new owner.
    fn recover(&mut self) {
        if !self.executor.lease.is_held() {
            return;
        }
        for job in jobs::orphans(&self.state, &self.jobs) {
            let subjects = job.subjects();
            tracing::info!(org.id = %self.org, subjects = subjects.len(), "finding out what became of a request");
            self.state.hold(subjects.clone());
            for subject in &subjects {
                self.may_leave(subject);
            }
            for (person, name) in job.user_names() {
                self.state.hold_name(person, &name);
            }
            let executor = self.executor.clone();
            self.running
                .spawn(async move { Finished::of(job.recover(&executor).await) });
        }
    }
}
