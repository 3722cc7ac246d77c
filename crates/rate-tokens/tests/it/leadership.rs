//! A governor of many orgs and its ledger: entries written, kept, deleted and read again, and responses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rate_tokens::{
    BudgetSettings, Class, Command, Distrust, End, Entry, Epoch, FlowId, GrantId, Input, Leadership,
    LedgerRecord, Line, Moment, OrgName, Pacing, ReportError, RequestError, RequestId, ResponseBody,
    SNAPSHOT_EVERY, Settled, Stamp, Terms, TokenRequest, TokenResponse, WANT_MAX, WorkerId,
};

use crate::harness::{ANSWERED, ms};

/// A log that never fails, and the service around it.
struct Shell {
    now: u64,
    log: Vec<Entry>,
    next_sequence: u64,
    appends: usize,
    leadership: Leadership,
    next_request: u64,
    answers: VecDeque<TokenResponse>,
}

fn org(n: usize) -> OrgName {
    OrgName::new(&format!("org-{n}")).unwrap()
}

fn settings(orgs: usize) -> BTreeMap<OrgName, BudgetSettings> {
    let terms = Terms {
        pacing: Pacing::Unpaced,
        ..Terms::per_minute(100)
    };
    (0..orgs)
        .map(|n| (org(n), BudgetSettings::new(terms.clone()).unwrap()))
        .collect()
}

impl Shell {
    fn new(orgs: usize) -> Shell {
        let mut shell = Shell {
            now: 1_000_000,
            log: Vec::new(),
            next_sequence: 1,
            appends: 0,
            leadership: Leadership::new(settings(orgs), Epoch::new(1), 0),
            next_request: 0,
            answers: VecDeque::new(),
        };
        shell.go();
        shell
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    fn perform(&mut self, command: Command) -> Input {
        match command {
            Command::Read { from } => Input::Read {
                entries: self
                    .log
                    .iter()
                    .filter(|entry| entry.sequence >= from)
                    .cloned()
                    .collect(),
                distrust: Distrust::Nobody,
            },
            Command::Append { after, lines } => {
                let newest = self.log.last().map_or(0, |entry| entry.sequence);
                if after != newest {
                    return Input::Fenced;
                }
                let sequence = self.next_sequence;
                self.next_sequence += 1;
                self.appends += 1;
                self.log.push(Entry {
                    sequence,
                    written: Stamp {
                        server_ms: self.now,
                        ..Stamp::default()
                    },
                    lines: Some(Arc::unwrap_or_clone(lines)),
                });
                Input::Appended { sequence }
            }
            Command::Trim { before } => {
                self.log.retain(|entry| entry.sequence >= before);
                Input::Appended { sequence: before }
            }
        }
    }

    /// Performs everything that is due now.
    fn go(&mut self) {
        while let Some(command) = self.leadership.next(self.moment()) {
            let input = self.perform(command);
            self.leadership.handle(self.moment(), input);
        }
        self.answers.extend(self.leadership.take_responses());
    }

    /// Lets time pass and runs the leadership at each of its wake-up times.
    fn pass(&mut self, time: Duration) {
        let end = self.moment() + time;
        while let Some(wake) = self.leadership.wake().filter(|wake| *wake <= end) {
            self.now = wake.as_millis().max(self.now);
            self.go();
        }
        self.now = end.as_millis();
        self.go();
    }

    fn request(&mut self, of: &OrgName, want: u32) -> Result<(), RequestError> {
        self.next_request += 1;
        let request = TokenRequest {
            id: RequestId::new(self.next_request),
            worker: WorkerId::new("worker").unwrap(),
            flow: FlowId::new("flow").unwrap(),
            class: Class::Normal,
            want,
            deadline: self.moment() + ms(3_000),
        };
        self.leadership.request(self.moment(), of, request)
    }

    fn grants(&mut self) -> Vec<GrantId> {
        let body = self.answers.drain(..).filter_map(|answer| match answer.body {
            ResponseBody::Grant { grant, .. } => Some(grant),
            ResponseBody::Wait { .. } => None,
        });
        body.collect()
    }

    fn use_one(&mut self, of: &OrgName) {
        self.request(of, 1).unwrap();
        self.go();
        for grant in self.grants() {
            let settled = [Settled {
                token: 0,
                settlement: ANSWERED,
            }];
            self.leadership
                .report(Moment::from_millis(self.now), of, grant, &settled)
                .unwrap();
        }
        self.go();
    }

    /// Starts another governor on the same log.
    fn succeed(&mut self) {
        self.leadership = Leadership::new(
            settings(self.leadership.statuses(self.moment()).count()),
            Epoch::new(1),
            0,
        );
        self.go();
    }
}

#[test]
fn what_was_decided_for_a_thousand_orgs_is_one_append() {
    let mut shell = Shell::new(1_000);
    let before = shell.appends;
    for n in 0..1_000 {
        shell.request(&org(n), 1).unwrap();
    }
    shell.go();
    assert_eq!(shell.grants().len(), 1_000);
    assert_eq!(shell.appends, before + 1);
}

#[test]
fn the_log_stays_short_and_a_successor_knows_all_sums() {
    let mut shell = Shell::new(3);
    let mut longest = 0;
    for _ in 0..2_000 {
        shell.use_one(&org(0));
        shell.pass(ms(700));
        longest = longest.max(shell.log.len());
    }
    // Each use makes two entries. A horizon of 150 s and a snapshot interval of 60 s cover 300 of the 2,000 uses.
    assert!(longest < 700, "{longest} entries");
    let before = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    assert_eq!(before.classes.normal.answered, 2_000);
    shell.succeed();
    let after = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    assert_eq!(after.classes.normal.granted, 2_000);
    assert_eq!(after.classes.normal.answered, 2_000);
    assert!(after.cooling > 0 && after.cooling <= before.cooling);
    assert_eq!(after.epoch.get(), before.epoch.get() + 1);
}

#[test]
fn an_idle_governor_writes_little_and_is_never_forgotten() {
    let mut shell = Shell::new(2_000);
    let before = shell.appends;
    shell.pass(Duration::from_secs(24 * 3_600));
    assert!(
        shell.appends - before <= 24 * 60 + 1,
        "{}",
        shell.appends - before
    );
    assert!(
        !shell.log.is_empty() && shell.log.len() < 10,
        "{}",
        shell.log.len()
    );
}

#[test]
fn a_large_backlog_of_orgs_is_written_in_pieces() {
    let mut shell = Shell::new(5_000);
    for n in 0..5_000 {
        shell.request(&org(n), 1).unwrap();
    }
    shell.go();
    assert_eq!(shell.grants().len(), 5_000);
    shell.pass(SNAPSHOT_EVERY * 2);
    let most = shell
        .log
        .iter()
        .filter_map(|entry| entry.lines.as_ref())
        .map(Vec::len)
        .max();
    assert!(most.unwrap() <= rate_tokens::LINES_MAX + 10, "{most:?}");
}

#[test]
fn an_entry_that_cannot_be_read_means_silence_said_and_inherited() {
    let mut shell = Shell::new(2);
    shell.use_one(&org(0));
    if let Some(entry) = shell.log.last_mut() {
        entry.lines = None;
    }
    shell.succeed();
    for _ in 0..2 {
        let status = shell.leadership.status(shell.moment(), &org(1)).unwrap();
        assert!(status.closed_for_ms.unwrap() > 60_000, "{status:?}");
        assert!(shell.leadership.anomalies().damaged_entries > 0);
        shell.pass(ms(10_000));
        shell.succeed();
    }
    // The silence ends once everything that the entry may have granted has cooled.
    shell.pass(Duration::from_secs(120));
    shell.request(&org(1), 1).unwrap();
    shell.go();
    assert_eq!(shell.grants().len(), 1);
}

#[test]
fn a_ledger_that_ends_before_what_is_known_proves_nothing() {
    let mut shell = Shell::new(1);
    shell.use_one(&org(0));
    let known = shell.leadership.last();
    shell.log.pop();
    shell.leadership = Leadership::new(settings(1), Epoch::new(1), known);
    shell.go();
    let status = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    assert!(status.closed_for_ms.unwrap() > 60_000, "{status:?}");
}

#[test]
fn a_grant_that_the_ledger_does_not_know_ends_the_reign_and_a_deposed_governor_does_not_blame_the_ledger() {
    let unheard_of = GrantId {
        epoch: Epoch::new(7),
        number: 3,
    };
    let mut shell = Shell::new(1);
    shell.leadership.seen(&org(0), unheard_of);
    shell.go();
    assert_eq!(
        shell.leadership.end(),
        Some(End::WentBack { seen: Epoch::new(7) })
    );

    let mut shell = Shell::new(1);
    let mut successor = shell.leadership.clone();
    std::mem::swap(&mut shell.leadership, &mut successor);
    shell.leadership = Leadership::new(settings(1), Epoch::new(7), 0);
    shell.go();
    std::mem::swap(&mut shell.leadership, &mut successor);
    shell.leadership.seen(&org(0), unheard_of);
    shell.go();
    assert_eq!(shell.leadership.end(), Some(End::Fenced));
}

#[test]
fn bad_input_is_answered_by_name_counted_and_changes_no_sum() {
    let mut shell = Shell::new(1);
    shell.use_one(&org(0));
    let before = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    let stranger = OrgName::new("stranger").unwrap();
    let said = |error: RequestError| error.to_string();
    assert!(said(shell.request(&stranger, 1).unwrap_err()).starts_with("org stranger is not in"));
    assert!(said(shell.request(&org(0), 0).unwrap_err()).contains("at least one"));
    assert!(said(shell.request(&org(0), 1_000_000).unwrap_err()).contains(&WANT_MAX.to_string()));
    let unknown = GrantId {
        epoch: Epoch::new(1),
        number: 99,
    };
    let report = |shell: &mut Shell, grant, settlement| {
        let settled = [Settled { token: 0, settlement }];
        let now = shell.moment();
        shell.leadership.report(now, &org(0), grant, &settled)
    };
    assert!(matches!(
        report(&mut shell, unknown, ANSWERED),
        Err(ReportError::UnknownGrant(_))
    ));
    // Reporting a permit as used twice is a repeated report. Reporting it first as used and then as unused is a
    // contradiction.
    let first = GrantId {
        epoch: before.epoch,
        number: 1,
    };
    assert_eq!(report(&mut shell, first, ANSWERED).unwrap().repeated, 1);
    assert_eq!(
        report(&mut shell, first, rate_tokens::Settlement::Unused)
            .unwrap()
            .contradictions,
        1
    );
    shell.go();
    let odd = shell.leadership.anomalies();
    assert!(
        odd.unknown_orgs == 1
            && odd.refused_requests == 2
            && odd.unknown_grants == 1
            && odd.contradictions == 1,
        "{odd:?}"
    );
    let after = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    assert_eq!(after.classes, before.classes);
    assert_eq!(after.cooling, before.cooling);
}

#[test]
fn a_rejected_append_frees_its_grants_and_keeps_its_reports() {
    let mut shell = Shell::new(1);
    shell.request(&org(0), 1).unwrap();
    let now = shell.moment();
    assert!(matches!(shell.leadership.next(now), Some(Command::Append { .. })));
    shell.leadership.handle(now, Input::Rejected);
    let answers = shell.leadership.take_responses();
    assert!(
        matches!(
            answers[..],
            [TokenResponse {
                body: ResponseBody::Wait { .. },
                ..
            }]
        ),
        "{answers:?}"
    );
    assert_eq!(shell.leadership.status(now, &org(0)).unwrap().held, 0);

    shell.use_one(&org(0));
    let reported = |line: &Line| matches!(line.record, LedgerRecord::Reported { .. });
    let written = shell
        .log
        .iter()
        .flat_map(|entry| entry.lines.iter().flatten())
        .filter(|line| reported(line))
        .count();
    shell.request(&org(0), 1).unwrap();
    shell.go();
    let grant = shell.grants()[0];
    let settled = [Settled {
        token: 0,
        settlement: ANSWERED,
    }];
    shell.leadership.report(now, &org(0), grant, &settled).unwrap();
    assert!(matches!(shell.leadership.next(now), Some(Command::Append { .. })));
    shell.leadership.handle(now, Input::Rejected);
    shell.go();
    let after = shell
        .log
        .iter()
        .flat_map(|entry| entry.lines.iter().flatten())
        .filter(|line| reported(line))
        .count();
    assert_eq!(after, written + 1);
}

#[test]
fn while_an_append_is_in_doubt_asks_are_answered_in_time_and_then_go_on() {
    let mut shell = Shell::new(1);
    shell.request(&org(0), 1).unwrap();
    let command = shell.leadership.next(shell.moment());
    assert!(matches!(command, Some(Command::Append { .. })));
    shell.leadership.handle(shell.moment(), Input::Unknown);
    assert_eq!(
        shell.leadership.take_responses().len(),
        1,
        "the worker is told to ask again"
    );
    shell.request(&org(0), 1).unwrap();
    // The unconfirmed append is read again and turns out to be stored.
    if let Some(command) = command {
        shell.perform(command);
    }
    shell.go();
    assert_eq!(shell.grants().len(), 1);
    let status = shell.leadership.status(shell.moment(), &org(0)).unwrap();
    assert_eq!((status.held, status.classes.normal.unused), (1, 1));
}
