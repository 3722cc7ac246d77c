//! Consecutive grants and reports as columns: a thousand of them are a few arrays of numbers, not a thousand messages.
//!
//! Invariant: the lines read are equal to the lines written, in the same order. An unconfirmed append is recognized by this.

use std::collections::HashMap;

use proto::v1;
use rate_tokens::{Class, Epoch, FlowId, GrantId, LedgerRecord, Settled, WorkerId};

use crate::tokens::{class_in, class_out, settlement_in, settlement_out};

/// Most lines of one run. One append has far fewer. An entry that claims more is damaged and must not fill the memory.
const COUNT_MAX: u32 = 1_000_000;

/// Names of the workers and flows of an entry, each once.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    places: HashMap<&'a str, u32>,
    list: Vec<String>,
}

impl<'a> Names<'a> {
    fn place(&mut self, name: &'a str) -> u32 {
        let list = &mut self.list;
        *self.places.entry(name).or_insert_with(|| {
            list.push(name.to_owned());
            u32::try_from(list.len() - 1).expect("an entry has fewer lines than that")
        })
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.list
    }
}

/// Writes the grants at the start of these records as one run.
pub(super) fn grants_out<'a>(
    records: impl Iterator<Item = &'a LedgerRecord>,
    names: &mut Names<'a>,
) -> v1::LedgerGrants {
    let mut run = v1::LedgerGrants::default();
    for record in records {
        let LedgerRecord::Granted {
            grant,
            worker,
            flow,
            class,
            tokens,
            ttl_ms,
        } = record
        else {
            break;
        };
        if run.count == 0 {
            (run.epoch, run.first) = (grant.epoch.get(), grant.number);
        } else if (run.epoch, run.first + u64::from(run.count)) != (grant.epoch.get(), grant.number) {
            break;
        }
        run.count += 1;
        run.worker.push(names.place(worker.as_str()));
        run.flow.push(names.place(flow.as_str()));
        run.class.push(class_out(*class).into());
        run.tokens.push(*tokens);
        run.ttl_ms.push(*ttl_ms);
    }
    shorten(&mut run.worker);
    shorten(&mut run.flow);
    shorten(&mut run.class);
    shorten(&mut run.tokens);
    shorten(&mut run.ttl_ms);
    run
}

pub(super) fn grants_in(run: &v1::LedgerGrants, names: &[String]) -> Option<Vec<LedgerRecord>> {
    let name = |column: &[u32], place| names.get(usize::try_from(at(column, place)?).ok()?);
    let grant = |place: usize| {
        Some(LedgerRecord::Granted {
            grant: GrantId {
                epoch: Epoch::new(run.epoch),
                number: run.first.checked_add(u64::try_from(place).ok()?)?,
            },
            worker: WorkerId::new(name(&run.worker, place)?).ok()?,
            flow: FlowId::new(name(&run.flow, place)?).ok()?,
            class: class_in(at(&run.class, place)?)?,
            tokens: at(&run.tokens, place)?,
            ttl_ms: at(&run.ttl_ms, place)?,
        })
    };
    places(run.count)?.map(grant).collect()
}

/// Writes the reports at the start of these records as one run.
pub(super) fn reports_out<'a>(records: impl Iterator<Item = &'a LedgerRecord>) -> v1::LedgerReports {
    let mut run = v1::LedgerReports::default();
    for record in records {
        let LedgerRecord::Reported {
            grant,
            class,
            settled,
        } = record
        else {
            break;
        };
        if run.count == 0 {
            run.epoch = grant.epoch.get();
        } else if run.epoch != grant.epoch.get() {
            break;
        }
        run.count += 1;
        run.number.push(grant.number);
        run.class.push(class_out(*class).into());
        run.tokens
            .push(u32::try_from(settled.len()).expect("a grant has fewer tokens than that"));
        for Settled { token, settlement } in settled {
            let (settlement, retry_after_ms) = settlement_out(*settlement);
            run.token.push(*token);
            run.settlement.push(settlement.into());
            run.retry_after_ms
                .push(retry_after_ms.map_or(0, |ms| ms.saturating_add(1)));
        }
    }
    shorten(&mut run.class);
    shorten(&mut run.tokens);
    shorten(&mut run.token);
    shorten(&mut run.settlement);
    shorten(&mut run.retry_after_ms);
    run
}

pub(super) fn reports_in(run: &v1::LedgerReports) -> Option<Vec<LedgerRecord>> {
    let mut row = 0;
    let report = |place: usize| {
        let settled = places(at(&run.tokens, place)?)?.map(|_| {
            let settlement = v1::Settlement::try_from(at(&run.settlement, row)?).unwrap_or_default();
            let settled = Settled {
                token: at(&run.token, row)?,
                settlement: settlement_in(settlement, at(&run.retry_after_ms, row)?.checked_sub(1)),
            };
            row += 1;
            Some(settled)
        });
        let settled = settled.collect::<Option<Vec<Settled>>>()?;
        let class: Class = class_in(at(&run.class, place)?)?;
        Some(LedgerRecord::Reported {
            grant: GrantId {
                epoch: Epoch::new(run.epoch),
                number: at(&run.number, place)?,
            },
            class,
            settled,
        })
    };
    places(run.count)?.map(report).collect()
}

/// Shortens a column of equal values to one value.
fn shorten<T: PartialEq>(column: &mut Vec<T>) {
    if let Some((first, rest)) = column.split_first()
        && rest.iter().all(|value| value == first)
    {
        column.truncate(1);
    }
}

fn at<T: Copy>(column: &[T], place: usize) -> Option<T> {
    match column {
        [one] => Some(*one),
        column => column.get(place).copied(),
    }
}

fn places(count: u32) -> Option<std::ops::Range<usize>> {
    (count <= COUNT_MAX).then_some(0..usize::try_from(count).ok()?)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use rate_tokens::{Line, OrgName, Outcome, Settlement, Stamp};

    use super::super::line;
    use super::*;

    const SETTLEMENTS: [Settlement; 5] = [
        Settlement::Unused,
        Settlement::Used(Outcome::Answered),
        Settlement::Used(Outcome::Refused {
            retry_after_ms: Some(0),
        }),
        Settlement::Used(Outcome::Refused { retry_after_ms: None }),
        Settlement::Used(Outcome::Unknown),
    ];

    struct Dice(u64);

    impl Dice {
        fn below(&mut self, faces: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % faces
        }

        fn pick<T: Copy>(&mut self, from: &[T]) -> T {
            from[usize::try_from(self.below(from.len() as u64)).unwrap()]
        }
    }

    /// Grants and reports. Most of them continue the run of the one before; some do not.
    fn lines(dice: &mut Dice) -> Vec<Line> {
        let (mut org, mut number, mut epoch) = ("acme", 1, 1);
        let count = dice.below(40);
        let line = |_| {
            if dice.below(8) == 0 {
                org = dice.pick(&["acme", "other"]);
            }
            if dice.below(8) == 0 {
                (number, epoch) = (dice.below(1 << 40), dice.below(3));
            }
            number += 1;
            let grant = GrantId {
                epoch: Epoch::new(epoch),
                number: number - dice.below(2),
            };
            let class = dice.pick(&[Class::Normal, Class::Normal, Class::Urgent]);
            let record = if dice.below(3) > 0 {
                LedgerRecord::Granted {
                    grant,
                    worker: WorkerId::new(dice.pick(&["worker", "another"])).unwrap(),
                    flow: FlowId::new(&format!("flow-{}", dice.below(5))).unwrap(),
                    class,
                    tokens: 1 + u32::try_from(dice.below(2)).unwrap(),
                    ttl_ms: 10_000,
                }
            } else {
                let settled = (0..dice.below(4)).map(|token| Settled {
                    token: u32::try_from(token).unwrap(),
                    settlement: dice.pick(&SETTLEMENTS),
                });
                LedgerRecord::Reported {
                    grant,
                    class,
                    settled: settled.collect(),
                }
            };
            let org = OrgName::new(org).ok();
            Line { org, record }
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn whatever_is_in_a_row_reads_back_line_by_line() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut longest = 0;
        for _ in 0..5_000 {
            let lines = lines(&mut dice);
            let entry = line::write(&lines, Stamp::default());
            longest = longest.max(lines.len() - entry.runs.len());
            let read = line::read(1, 0, &entry.encode_to_vec());
            assert_eq!(read.lines, Some(lines));
        }
        assert!(longest > 10, "nothing was in a row: {longest}");
    }

    #[test]
    fn a_grant_and_its_report_are_a_few_bytes() {
        let grant = |number: u64| GrantId {
            epoch: Epoch::new(40),
            number: 1_000_000 + number,
        };
        let granted = |number: u64| LedgerRecord::Granted {
            grant: grant(number),
            worker: WorkerId::new("pusher-0190b1c2d3e4f5061728394a5b6c7d8e").unwrap(),
            flow: FlowId::new(&format!("flow-{}", number % 100)).unwrap(),
            class: Class::Normal,
            tokens: 1,
            ttl_ms: 10_000,
        };
        let reported = |number: u64| LedgerRecord::Reported {
            grant: grant(number),
            class: Class::Normal,
            settled: vec![Settled {
                token: 0,
                settlement: Settlement::Used(Outcome::Answered),
            }],
        };
        let records = (0..1_000).map(granted).chain((0..1_000).map(reported));
        let line = |record| Line {
            org: OrgName::new("acme").ok(),
            record,
        };
        let lines: Vec<Line> = records.map(line).collect();
        let bytes = line::write(&lines, Stamp::default()).encoded_len();
        assert!(bytes < 1_000 * 10, "{bytes}");
    }

    #[test]
    fn two_reports_of_one_grant_stay_two() {
        let report = |token| Line {
            org: OrgName::new("acme").ok(),
            record: LedgerRecord::Reported {
                grant: GrantId {
                    epoch: Epoch::new(1),
                    number: 1,
                },
                class: Class::Normal,
                settled: vec![Settled {
                    token,
                    settlement: Settlement::Unused,
                }],
            },
        };
        let lines = vec![report(0), report(1)];
        let entry = line::write(&lines, Stamp::default());
        assert_eq!(entry.runs.len(), 1);
        assert_eq!(line::read(1, 0, &entry.encode_to_vec()).lines, Some(lines));
    }

    #[test]
    fn columns_that_end_too_early_and_absurd_counts_are_damage() {
        let names = vec!["worker".to_owned(), "flow".to_owned()];
        let run = v1::LedgerGrants {
            count: 3,
            epoch: 1,
            first: 1,
            worker: vec![0],
            flow: vec![1],
            class: vec![v1::TokenClass::Normal.into()],
            tokens: vec![1],
            ttl_ms: vec![1],
        };
        assert_eq!(grants_in(&run, &names).map(|grants| grants.len()), Some(3));
        for damaged in [
            v1::LedgerGrants {
                flow: vec![1, 1],
                ..run.clone()
            },
            v1::LedgerGrants {
                worker: vec![2],
                ..run.clone()
            },
            v1::LedgerGrants {
                tokens: vec![],
                ..run.clone()
            },
            v1::LedgerGrants {
                count: u32::MAX,
                ..run.clone()
            },
            v1::LedgerGrants {
                first: u64::MAX,
                ..run
            },
        ] {
            assert_eq!(grants_in(&damaged, &names), None, "{damaged:?}");
        }
    }
}
