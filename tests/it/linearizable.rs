//! Writes to one resource are linearizable, through any number of gateways.
//!
//! Clients ask random things of two gateways at once while these are killed, paused and fed late. What they asked and
//! were told is searched for an order in which one sequential store would have answered the same. Each family of names
//! is a history of its own: names and the resources that bear them concern nobody outside.

mod clients;
mod clocks;
mod history;
mod lag;
mod live;
mod model;
mod planted;
mod search;
mod store;
mod work;

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use history::{Answer, Call, Kind};
use model::{Resources, State, shared_versions};
use search::{Timed, Verdict, search};

/// What was checked so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    histories: usize,
    calls: usize,
    unheard: usize,
    steps_most: usize,
    longest: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories, {} calls ({} without an answer), longest search {} steps and {:.0} ms",
            self.histories,
            self.calls,
            self.unheard,
            self.steps_most,
            self.longest.as_secs_f64() * 1e3
        )
    }
}

/// Whether a history is linearizable; else why not.
pub(crate) fn check(kind: Kind, history: &[Timed<Call>], figures: &mut Figures) -> Result<(), String> {
    let object = Resources::of(kind, history.iter().map(|timed| &timed.call));
    let started = Instant::now();
    let verdict = search(&object, history);
    figures.histories += 1;
    figures.calls += history.len();
    figures.unheard += history.iter().filter(|timed| timed.returned.is_none()).count();
    figures.longest = figures.longest.max(started.elapsed());
    let (Verdict::Linearizable { steps } | Verdict::Violation { steps, .. } | Verdict::Undecided { steps }) =
        &verdict;
    figures.steps_most = figures.steps_most.max(*steps);
    described(kind, history, verdict)
}

/// The verdict in words, with the whole history.
pub(crate) fn described(kind: Kind, history: &[Timed<Call>], verdict: Verdict<State>) -> Result<(), String> {
    let line = |place: usize| {
        let Timed {
            call,
            invoked,
            returned,
        } = &history[place];
        let until = returned.map_or_else(|| "?".to_owned(), |returned| returned.to_string());
        let answer = call
            .answer
            .as_ref()
            .map_or_else(|| "no answer".to_owned(), |answer| format!("{answer:?}"));
        format!(
            "  #{} {invoked}..{until} {:?}\n      -> {answer}",
            call.number, call.request
        )
    };
    let lines = |places: &[usize]| {
        places
            .iter()
            .map(|place| line(*place))
            .collect::<Vec<_>>()
            .join("\n")
    };
    match verdict {
        Verdict::Undecided { steps } => Err(format!(
            "{kind:?}: no order found and none excluded after {steps} steps"
        )),
        Verdict::Violation {
            longest,
            state,
            stuck,
            steps,
        } => {
            let ordered: BTreeSet<usize> = longest.iter().copied().collect();
            let mut left: Vec<usize> = (0..history.len())
                .filter(|place| !ordered.contains(place))
                .collect();
            left.sort_by_key(|place| history[*place].invoked);
            Err(format!(
                "{kind:?}: no order explains these answers ({steps} steps). The longest order that does:\n{}\nleaves {state:#?}\n\
                 and none of these fits next:\n{}\nLeft besides:\n{}",
                lines(&longest),
                lines(&stuck),
                lines(
                    &left
                        .into_iter()
                        .filter(|place| !stuck.contains(place))
                        .collect::<Vec<_>>()
                )
            ))
        }
        Verdict::Linearizable { .. } => {
            let shared = shared_versions(history.iter().map(|timed| &timed.call));
            let odd = history.iter().filter_map(|timed| match &timed.call.answer {
                Some(Answer::Other(status, message)) => Some(format!("{status}: {message}")),
                _ => None,
            });
            let problems: Vec<String> = shared.into_iter().chain(odd).collect();
            if problems.is_empty() {
                Ok(())
            } else {
                Err(problems.join("\n"))
            }
        }
    }
}
