//! Lines of the ledger as messages.

use prost::Message as _;
use proto::v1::{self, ledger_line};
use rate_tokens::{
    Class, ClassCounts, Entry, Epoch, FlowId, GrantId, LedgerRecord, Line, OrgName, PerClass, Stamp, WorkerId,
};

use crate::tokens::{class_in, class_out, grant_in, grant_out, token_in, token_out};

pub(super) fn write(lines: &[Line], written: Stamp) -> v1::LedgerEntry {
    let (boot, boot_ms) = written.boot.unwrap_or_default();
    v1::LedgerEntry {
        lines: lines.iter().map(line_out).collect(),
        wall_ms: written.wall_ms,
        boot_ms,
        boot,
    }
}

/// No lines if any part of it cannot be read: half an entry proves nothing.
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
    Entry {
        sequence,
        written: Stamp {
            server_ms,
            wall_ms: entry.wall_ms,
            boot: (entry.boot > 0).then_some((entry.boot, entry.boot_ms)),
        },
        lines: entry.lines.into_iter().map(line_in).collect(),
    }
}

fn line_out(line: &Line) -> v1::LedgerLine {
    v1::LedgerLine {
        org: line.org.as_ref().map(ToString::to_string).unwrap_or_default(),
        record: Some(record_out(&line.record)),
    }
}

fn record_out(record: &LedgerRecord) -> ledger_line::Record {
    use ledger_line::Record;
    match record {
        LedgerRecord::Epoch { epoch } => Record::Epoch(epoch.get()),
        LedgerRecord::Granted {
            grant,
            worker,
            flow,
            class,
            tokens,
            ttl_ms,
        } => Record::Granted(v1::LedgerGranted {
            grant: Some(grant_out(*grant)),
            worker: worker.to_string(),
            flow: flow.to_string(),
            class: class_out(*class).into(),
            tokens: *tokens,
            ttl_ms: *ttl_ms,
        }),
        LedgerRecord::Reported {
            grant,
            class,
            settled,
        } => Record::Reported(v1::LedgerReported {
            grant: Some(grant_out(*grant)),
            class: class_out(*class).into(),
            tokens: settled.iter().map(token_out).collect(),
        }),
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
    }
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

fn line_in(line: v1::LedgerLine) -> Option<Line> {
    let org = match line.org.as_str() {
        "" => None,
        org => Some(OrgName::new(org).ok()?),
    };
    Some(Line {
        org,
        record: record_in(line.record?)?,
    })
}

fn record_in(record: ledger_line::Record) -> Option<LedgerRecord> {
    use ledger_line::Record;
    Some(match record {
        Record::Epoch(epoch) => LedgerRecord::Epoch {
            epoch: Epoch::new(epoch),
        },
        Record::Granted(granted) => LedgerRecord::Granted {
            grant: grant(granted.grant)?,
            worker: WorkerId::new(&granted.worker).ok()?,
            flow: FlowId::new(&granted.flow).ok()?,
            class: class_in(granted.class)?,
            tokens: granted.tokens,
            ttl_ms: granted.ttl_ms,
        },
        Record::Reported(reported) => LedgerRecord::Reported {
            grant: grant(reported.grant)?,
            class: class_in(reported.class)?,
            settled: reported.tokens.iter().map(token_in).collect(),
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
    })
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
    use rate_tokens::{Outcome, Settled, Settlement};

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
            lines: vec![v1::LedgerLine::default()],
            ..v1::LedgerEntry::default()
        };
        assert_eq!(read(1, 1, &without_record.encode_to_vec()).lines, None);
    }
}
