//! Lines of the ledger as protobuf messages.

use prost::Message as _;
use proto::v1::{self, ledger_run};
use rate_tokens::{Class, ClassCounts, Entry, Epoch, GrantId, LedgerRecord, Line, OrgName, PerClass, Stamp};

use super::run::{Names, grants_in, grants_out, reports_in, reports_out};
use crate::tokens::{class_in, class_out, grant_in, grant_out};

pub(super) fn write(lines: &[Line], written: Stamp) -> v1::LedgerEntry {
    let (boot, boot_ms) = written.boot.unwrap_or_default();
    let mut names = Names::default();
    let mut runs = Vec::new();
    let mut left = lines;
    while let Some(Line { org, record }) = left.first() {
        let of_org = left.iter().take_while(|line| line.org == *org);
        let (taken, record) = run_out(record, of_org.map(|line| &line.record), &mut names);
        left = left.get(taken..).unwrap_or_default();
        runs.push(v1::LedgerRun {
            org: org.as_ref().map(ToString::to_string).unwrap_or_default(),
            record: Some(record),
        });
    }
    v1::LedgerEntry {
        runs,
        wall_ms: written.wall_ms,
        boot_ms,
        boot,
        names: names.into_list(),
    }
}

/// Reads an entry. Its lines are `None` if any part cannot be read: half an entry proves nothing.
pub(super) fn read(sequence: u64, server_ms: u64, payload: &[u8]) -> Entry {
    let Ok(entry) = v1::LedgerEntry::decode(payload) else {
        let written = Stamp {
            server_ms,
            ..Stamp::default()
        };
        return Entry {
            sequence,
            written,
            lines: None,
        };
    };
    let lines: Option<Vec<Vec<Line>>> = entry
        .runs
        .into_iter()
        .map(|run| run_in(run, &entry.names))
        .collect();
    Entry {
        sequence,
        written: Stamp {
            server_ms,
            wall_ms: entry.wall_ms,
            boot: (entry.boot > 0).then_some((entry.boot, entry.boot_ms)),
        },
        lines: lines.map(|lines| lines.into_iter().flatten().collect()),
    }
}

/// Writes the first record, together with those that fit in its run. Returns how many these are.
fn run_out<'a>(
    first: &'a LedgerRecord,
    records: impl Iterator<Item = &'a LedgerRecord>,
    names: &mut Names<'a>,
) -> (usize, ledger_run::Record) {
    use ledger_run::Record;
    let lines = |count: u32| usize::try_from(count).expect("they are in memory");
    let record = match first {
        LedgerRecord::Granted { .. } => {
            let run = grants_out(records, names);
            return (lines(run.count), Record::Grants(run));
        }
        LedgerRecord::Reported { .. } => {
            let run = reports_out(records);
            return (lines(run.count), Record::Reports(run));
        }
        LedgerRecord::Epoch { epoch } => Record::Epoch(epoch.get()),
        LedgerRecord::Expired { grant, class, tokens } => Record::Expired(v1::LedgerExpired {
            grant: Some(grant_out(*grant)),
            class: class_out(*class).into(),
            tokens: tokens.clone(),
        }),
        LedgerRecord::Adapted {
            working_limit,
            stretch,
        } => Record::Adapted(v1::LedgerAdapted {
            working_limit: *working_limit,
            stretch: u32::from(*stretch),
        }),
        LedgerRecord::Silent => Record::Silent(v1::LedgerSilent {}),
        LedgerRecord::Carried {
            working_limit,
            stretch,
            counts,
            newest,
        } => Record::Carried(v1::LedgerCarried {
            working_limit: *working_limit,
            stretch: u32::from(*stretch),
            counts: Class::ALL
                .into_iter()
                .map(|class| counts_out(class, counts.get(class)))
                .collect(),
            newest: newest.map(grant_out),
        }),
    };
    (1, record)
}

fn counts_out(class: Class, counts: &ClassCounts) -> v1::LedgerCounts {
    v1::LedgerCounts {
        class: class_out(class).into(),
        granted: counts.granted,
        answered: counts.answered,
        refused: counts.refused,
        unknown: counts.unknown,
        unused: counts.unused,
        expired: counts.expired,
        put_off: counts.put_off,
    }
}

fn run_in(run: v1::LedgerRun, names: &[String]) -> Option<Vec<Line>> {
    let org = match run.org.as_str() {
        "" => None,
        org => Some(OrgName::new(org).ok()?),
    };
    let line = |record| Line {
        org: org.clone(),
        record,
    };
    Some(records_in(run.record?, names)?.into_iter().map(line).collect())
}

fn records_in(record: ledger_run::Record, names: &[String]) -> Option<Vec<LedgerRecord>> {
    use ledger_run::Record;
    let record = match record {
        Record::Grants(run) => return grants_in(&run, names),
        Record::Reports(run) => return reports_in(&run),
        Record::Epoch(epoch) => LedgerRecord::Epoch {
            epoch: Epoch::new(epoch),
        },
        Record::Expired(expired) => LedgerRecord::Expired {
            grant: grant(expired.grant)?,
            class: class_in(expired.class)?,
            tokens: expired.tokens,
        },
        Record::Adapted(adapted) => LedgerRecord::Adapted {
            working_limit: adapted.working_limit,
            stretch: u8::try_from(adapted.stretch).ok()?,
        },
        Record::Silent(_) => LedgerRecord::Silent,
        Record::Carried(carried) => {
            let mut counts = PerClass::<ClassCounts>::default();
            for of_class in &carried.counts {
                *counts.get_mut(class_in(of_class.class)?) = counts_in(of_class);
            }
            LedgerRecord::Carried {
                working_limit: carried.working_limit,
                stretch: u8::try_from(carried.stretch).ok()?,
                counts: Box::new(counts),
                newest: grant(carried.newest),
            }
        }
    };
    Some(vec![record])
}

fn grant(grant: Option<v1::GrantRef>) -> Option<GrantId> {
    grant.map(grant_in)
}

fn counts_in(counts: &v1::LedgerCounts) -> ClassCounts {
    ClassCounts {
        waiting: 0,
        granted: counts.granted,
        answered: counts.answered,
        refused: counts.refused,
        unknown: counts.unknown,
        unused: counts.unused,
        expired: counts.expired,
        put_off: counts.put_off,
    }
}

#[cfg(test)]
mod tests {
    use rate_tokens::{FlowId, Outcome, Settled, Settlement, WorkerId};

    use super::*;

    #[test]
    fn every_kind_of_line_reads_back_as_it_was_written() {
        let grant = GrantId {
            epoch: Epoch::new(3),
            number: 17,
        };
        let counts = PerClass {
            urgent: ClassCounts {
                granted: 7,
                answered: 5,
                expired: 1,
                ..ClassCounts::default()
            },
            ..PerClass::default()
        };
        let settlements = [
            Settlement::Unused,
            Settlement::Used(Outcome::Answered),
            Settlement::Used(Outcome::Refused {
                retry_after_ms: Some(1_500),
            }),
            Settlement::Used(Outcome::Refused { retry_after_ms: None }),
            Settlement::Used(Outcome::Unknown),
        ];
        let settled = (0_u32..)
            .zip(settlements)
            .map(|(token, settlement)| Settled { token, settlement });
        let records = [
            LedgerRecord::Epoch { epoch: grant.epoch },
            LedgerRecord::Granted {
                grant,
                worker: WorkerId::new("worker").unwrap(),
                flow: FlowId::new("flow").unwrap(),
                class: Class::Background,
                tokens: 5,
                ttl_ms: 10_000,
            },
            LedgerRecord::Reported {
                grant,
                class: Class::Urgent,
                settled: settled.collect(),
            },
            LedgerRecord::Expired {
                grant,
                class: Class::Normal,
                tokens: vec![0, 4],
            },
            LedgerRecord::Adapted {
                working_limit: 80,
                stretch: 2,
            },
            LedgerRecord::Silent,
            LedgerRecord::Carried {
                working_limit: 80,
                stretch: 2,
                counts: Box::new(counts),
                newest: Some(grant),
            },
        ];
        let org = OrgName::new("acme").ok();
        let lines: Vec<Line> = records
            .into_iter()
            .map(|record| Line {
                org: org
                    .clone()
                    .filter(|_| !matches!(record, LedgerRecord::Epoch { .. })),
                record,
            })
            .collect();
        let written = Stamp {
            server_ms: 5,
            wall_ms: 6,
            boot: Some((7, 8)),
        };
        let entry = read(17, 5, &write(&lines, written).encode_to_vec());
        assert_eq!(
            entry,
            Entry {
                sequence: 17,
                written,
                lines: Some(lines)
            }
        );
    }

    #[test]
    fn what_is_no_entry_is_unreadable_and_not_empty() {
        assert_eq!(read(1, 1, b"\xff\xff not an entry").lines, None);
        let without_record = v1::LedgerEntry {
            runs: vec![v1::LedgerRun::default()],
            ..v1::LedgerEntry::default()
        };
        assert_eq!(read(1, 1, &without_record.encode_to_vec()).lines, None);
    }
}
