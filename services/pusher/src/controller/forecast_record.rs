//! Forecast records: the forecast of the current run, and how accurate past forecasts were.
//!
//! A run begins with the first operation that starts while no other work is in flight. It ends when no work is left. Its forecast is made
//! at the start, and again at the next start of an operation after the roster has changed. Only the owner of the org writes runs. If an
//! owner crashes during a run, the next owner deletes its record, because its duration is unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{LinksKey, LinksValue};
use provisioning::{Forecast, OrgId, Plan, PlanHash, RUNS_KEPT, Run, Track};

use crate::forecast::{Expectation, Pace, Step, expect};

/// Weight of a new measurement in the moving average, in percent.
const MEASURED_PERCENT: u32 = 20;

#[derive(Debug)]
pub(super) struct ForecastRecords {
    org: OrgId,
    /// Ended runs, by start time.
    past: BTreeMap<(u64, PlanHash), Run>,
    now: Option<Run>,
    pace: Pace,
    /// The roster has changed since the last forecast.
    joined: bool,
    expectation: Expectation,
    changed: Vec<(LinksKey, Option<LinksValue>)>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl ForecastRecords {
    pub(super) fn new(org: OrgId, runs: Vec<Run>, pace: Pace) -> ForecastRecords {
        let mut forecast_records = ForecastRecords {
            org,
            past: BTreeMap::new(),
            now: None,
            pace,
            joined: false,
            expectation: Expectation::default(),
            changed: Vec::new(),
        };
        for run in runs {
            match run.ended_at_ms {
                Some(_) => {
                    forecast_records
                        .past
                        .insert((run.started_at_ms, run.id.clone()), run);
                }
                // The duration of this run is unknown, because its owner is gone.
                None => forecast_records
                    .changed
                    .push((forecast_records.key(&run.id), None)),
            }
        }
        forecast_records
    }

    fn key(&self, id: &PlanHash) -> LinksKey {
        LinksKey::Run(self.org.clone(), id.clone())
    }

    pub(super) fn track(&self) -> Track {
        Track::of(self.past.values())
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.now.iter().chain(self.past.values().rev())
    }

    /// The run that operations starting now belong to.
    pub(super) fn run_id(&self) -> Option<&PlanHash> {
        self.now.as_ref().map(|run| &run.id)
    }

    /// The last computed expectation.
    pub(super) fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    /// Computes and stores the expectation for these steps.
    pub(super) fn expect(&mut self, steps: &[Step]) -> &Expectation {
        self.expectation = expect(steps, &self.pace);
        &self.expectation
    }

    pub(super) fn forecast(&mut self, steps: &[Step], now_ms: u64) -> Forecast {
        let expected_ms = millis(self.expect(steps).all);
        let calls = steps.iter().map(|step| step.calls).sum();
        self.track().forecast(now_ms, calls, expected_ms)
    }

    /// Notes that the roster changed: the forecast of the current run no longer covers all work.
    pub(super) fn changes_joined(&mut self) {
        self.joined = true;
    }

    /// Notes that an operation of this plan is about to start. `steps` returns all remaining work.
    pub(super) fn starts(&mut self, plan: &Plan, steps: impl FnOnce() -> Vec<Step>, now_ms: u64) {
        match &self.now {
            None => {
                let forecast = self.forecast(&steps(), now_ms);
                self.now = Some(Run {
                    id: plan.hash(),
                    started_at_ms: now_ms,
                    ended_at_ms: None,
                    forecast,
                    revisions: 0,
                    calls: 0,
                    operations: 0,
                });
                self.write_now();
            }
            Some(_) if self.joined => {
                let forecast = self.forecast(&steps(), now_ms);
                if let Some(run) = &mut self.now {
                    run.forecast = forecast;
                    run.revisions += 1;
                    (run.calls, run.operations) = (0, 0);
                }
                self.write_now();
            }
            Some(_) => {}
        }
        self.joined = false;
    }

    /// Notes that an operation ended, and how many permits it used.
    pub(super) fn performed(&mut self, calls: u32) {
        if let Some(run) = &mut self.now {
            run.operations += 1;
            run.calls = run.calls.saturating_add(calls);
        }
    }

    /// Ends the current run: no work is left and nothing is in flight.
    pub(super) fn ended(&mut self, now_ms: u64) {
        let Some(run) = self.now.take() else { return };
        let run = Run {
            ended_at_ms: Some(now_ms),
            ..run
        };
        self.changed
            .push((self.key(&run.id), Some(LinksValue::Run(run.clone()))));
        self.past.insert((run.started_at_ms, run.id.clone()), run);
        while self.past.len() > RUNS_KEPT
            && let Some(((_, id), _)) = self.past.pop_first()
        {
            self.changed.push((self.key(&id), None));
        }
    }

    /// The records to write. A record without a value is to be deleted.
    pub(super) fn take_changes(&mut self) -> Vec<(LinksKey, Option<LinksValue>)> {
        std::mem::take(&mut self.changed)
    }

    /// Adds the duration of a single call, from its permit to its outcome, to the average latency.
    pub(super) fn measured_call(&mut self, took: Duration) {
        let average = &mut self.pace.latency;
        *average = (*average * (100 - MEASURED_PERCENT) + took * MEASURED_PERCENT) / 100;
    }

    fn write_now(&mut self) {
        if let Some(run) = &self.now {
            self.changed
                .push((self.key(&run.id), Some(LinksValue::Run(run.clone()))));
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::schedule::tests::{plan_of, state_of_newcomers};

    fn forecast_records(runs: Vec<Run>) -> ForecastRecords {
        let pace = Pace {
            token: Duration::from_millis(600),
            burst: 1,
            latency: Duration::from_millis(100),
            row: Duration::ZERO,
        };
        ForecastRecords::new(OrgId::parse("acme").unwrap(), runs, pace)
    }

    fn starts(forecast_records: &mut ForecastRecords, plan: &Plan, now_ms: u64) {
        forecast_records.starts(plan, || crate::forecast::steps(plan), now_ms);
    }

    #[test]
    fn a_run_is_judged_by_the_last_forecast_and_kept() {
        let mut forecast_records = forecast_records(Vec::new());
        starts(
            &mut forecast_records,
            &plan_of(&state_of_newcomers(10), false),
            1_000,
        );
        let first = forecast_records.runs().next().unwrap().clone();
        assert_eq!(first.forecast.expected_ms, 9 * 600 + 100);
        forecast_records.performed(1);
        forecast_records.changes_joined();
        starts(
            &mut forecast_records,
            &plan_of(&state_of_newcomers(20), false),
            2_000,
        );
        for _ in 0..20 {
            forecast_records.performed(1);
        }
        forecast_records.ended(2_000 + 19 * 600 + 100);
        let run = forecast_records.runs().next().unwrap();
        assert_eq!((run.id.clone(), run.revisions, run.calls), (first.id, 1, 20));
        assert_eq!(run.was_right(), Some(true));
        assert_eq!(
            (forecast_records.track().runs, forecast_records.track().right),
            (1, 1)
        );
        assert_eq!(forecast_records.take_changes().len(), 3, "begun, revised, ended");
    }

    #[test]
    fn a_run_left_behind_by_a_crash_is_forgotten_without_a_verdict() {
        let mut before = forecast_records(Vec::new());
        starts(&mut before, &plan_of(&state_of_newcomers(3), false), 1_000);
        let left: Vec<Run> = before.runs().cloned().collect();
        let mut after = forecast_records(left);
        assert_eq!(after.track().runs, 0);
        assert!(matches!(after.take_changes().as_slice(), [(_, None)]));
    }

    #[test]
    fn only_the_latest_runs_are_kept() {
        let mut forecast_records = forecast_records(Vec::new());
        for n in 0..(RUNS_KEPT as u64 + 5) {
            starts(
                &mut forecast_records,
                &plan_of(&state_of_newcomers(1 + n as usize), false),
                n * 1_000,
            );
            forecast_records.ended(n * 1_000 + 500);
        }
        assert_eq!(forecast_records.runs().count(), RUNS_KEPT);
        let gone = forecast_records
            .take_changes()
            .into_iter()
            .filter(|(_, value)| value.is_none());
        assert_eq!(gone.count(), 5);
    }
}
