//! The search for an order: whether a history of overlapping calls is one that a sequential object could have had.
//!
//! The algorithm of Wing and Gong, with the visited configurations remembered as Lowe proposed: calls are put in order one by
//! one; only a call that began before every unordered call ended may be next, and the object must be able to give its
//! answer. A call whose outcome nobody heard may come at any time after it began, or never.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// An object that does one call after the other.
pub(crate) trait Sequential {
    type State: Clone + Debug + Eq + Hash;
    type Call;

    fn initial(&self) -> Self::State;

    /// The states in which the object may be after this call, with the answer that was given; none when it cannot answer so.
    fn after(&self, state: &Self::State, call: &Self::Call) -> Vec<Self::State>;
}

/// A call and when it was under way, by one monotonic clock.
#[derive(Clone, Debug)]
pub(crate) struct Timed<C> {
    pub(crate) call: C,
    pub(crate) invoked: u64,
    /// `None`: nobody heard what came of it.
    pub(crate) returned: Option<u64>,
}

/// What the search found.
#[derive(Debug)]
pub(crate) enum Verdict<S> {
    /// There is an order.
    Linearizable { steps: usize },
    /// There is none; how far the best attempt came.
    Violation {
        steps: usize,
        /// Calls of the longest order, by place in the history.
        longest: Vec<usize>,
        /// The state after them.
        state: S,
        /// Calls that could have been next by their times, and whose answers do not fit.
        stuck: Vec<usize>,
    },
    /// The bound was reached.
    Undecided { steps: usize },
}

/// Configurations that are looked at for one history; past it the search gives up.
const STEPS_MAX: usize = 3_000_000;

/// A set of calls by their places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Places(Box<[u64]>);

impl Places {
    fn none(of: usize) -> Places {
        Places(vec![0; of.div_ceil(64)].into())
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    fn with(&self, place: usize) -> Places {
        let mut with = self.clone();
        with.0[place / 64] |= 1 << (place % 64);
        with
    }
}

struct Configuration<S> {
    ordered: Places,
    order: Vec<usize>,
    /// Ordered calls whose outcome is known.
    known: usize,
    state: S,
}

/// Looks for an order of the calls, which need not be sorted.
pub(crate) fn search<O: Sequential>(object: &O, history: &[Timed<O::Call>]) -> Verdict<O::State> {
    let mut places: Vec<usize> = (0..history.len()).collect();
    places.sort_by_key(|place| history[*place].invoked);
    let known = history.iter().filter(|call| call.returned.is_some()).count();
    let first = Configuration {
        ordered: Places::none(history.len()),
        order: Vec::new(),
        known: 0,
        state: object.initial(),
    };
    let mut visited = HashSet::from([(first.ordered.clone(), first.state.clone())]);
    let mut longest = (
        0,
        Vec::new(),
        first.state.clone(),
        next(history, &places, &first.ordered),
    );
    let mut stack = vec![first];
    let mut steps = 0;
    while let Some(here) = stack.pop() {
        if here.known == known {
            return Verdict::Linearizable { steps };
        }
        steps += 1;
        if steps > STEPS_MAX {
            return Verdict::Undecided { steps };
        }
        let candidates = next(history, &places, &here.ordered);
        if here.known > longest.0 {
            longest = (
                here.known,
                here.order.clone(),
                here.state.clone(),
                candidates.clone(),
            );
        }
        // The last one pushed is looked at first: those that began early, and of them those whose outcome is known.
        let (heard, unheard): (Vec<usize>, Vec<usize>) = candidates
            .into_iter()
            .partition(|place| history[*place].returned.is_some());
        for place in unheard.into_iter().rev().chain(heard.into_iter().rev()) {
            let heard = history[place].returned.is_some();
            for state in object.after(&here.state, &history[place].call) {
                // What was not heard and changes nothing need not be put in order.
                if !heard && state == here.state {
                    continue;
                }
                let ordered = here.ordered.with(place);
                if !visited.insert((ordered.clone(), state.clone())) {
                    continue;
                }
                let mut order = here.order.clone();
                order.push(place);
                stack.push(Configuration {
                    ordered,
                    order,
                    known: here.known + usize::from(heard),
                    state,
                });
            }
        }
    }
    let (_, longest, state, stuck) = longest;
    Verdict::Violation {
        steps,
        longest,
        state,
        stuck,
    }
}

/// The calls that may be next: each began before all the others that are left had ended.
fn next<C>(history: &[Timed<C>], by_invocation: &[usize], ordered: &Places) -> Vec<usize> {
    let left = by_invocation.iter().copied().filter(|place| !ordered.has(*place));
    let mut next = Vec::new();
    let mut first_end = u64::MAX;
    for place in left {
        let call = &history[place];
        if call.invoked > first_end {
            break;
        }
        first_end = first_end.min(call.returned.unwrap_or(u64::MAX));
        next.push(place);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One number that is written and read.
    struct Register;

    enum Call {
        Write(u32),
        Read(u32),
    }

    impl Sequential for Register {
        type State = u32;
        type Call = Call;

        fn initial(&self) -> u32 {
            0
        }

        fn after(&self, state: &u32, call: &Call) -> Vec<u32> {
            match call {
                Call::Write(value) => vec![*value],
                Call::Read(value) if value == state => vec![*state],
                Call::Read(_) => Vec::new(),
            }
        }
    }

    fn at(invoked: u64, returned: u64, call: Call) -> Timed<Call> {
        let returned = (returned > 0).then_some(returned);
        Timed {
            call,
            invoked,
            returned,
        }
    }

    fn holds(history: Vec<Timed<Call>>) -> bool {
        matches!(search(&Register, &history), Verdict::Linearizable { .. })
    }

    #[test]
    fn calls_that_overlap_may_come_in_either_order_and_others_may_not() {
        use Call::{Read, Write};
        assert!(holds(vec![
            at(1, 9, Write(1)),
            at(2, 3, Read(0)),
            at(4, 5, Read(1))
        ]));
        assert!(!holds(vec![
            at(1, 9, Write(1)),
            at(2, 3, Read(1)),
            at(4, 5, Read(0))
        ]));
        assert!(!holds(vec![at(1, 2, Write(1)), at(3, 4, Read(0))]));
    }

    #[test]
    fn what_nobody_heard_of_may_have_happened_late_or_never() {
        use Call::{Read, Write};
        assert!(holds(vec![
            at(1, 0, Write(1)),
            at(2, 3, Read(0)),
            at(4, 5, Read(1))
        ]));
        assert!(holds(vec![
            at(1, 0, Write(1)),
            at(2, 3, Read(0)),
            at(4, 5, Read(0))
        ]));
        assert!(!holds(vec![
            at(1, 0, Write(1)),
            at(2, 3, Read(1)),
            at(4, 5, Read(0))
        ]));
    }
}
