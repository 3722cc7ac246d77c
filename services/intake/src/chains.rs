//! Decides which events may be processed in parallel.
//!
//! Events about the same person keep the order of the feed; all others run in parallel. One event may name a person by external id and the
//! next by user name, so events that share any of these names are in one chain.

use std::collections::HashMap;

use bus::{Delivery, EventBody};
use provisioning::NormalName;

/// Events to process one after the other.
pub(crate) type Chain = Vec<Delivery>;

/// Splits events into steps to process one after the other. The chains of one step may run in parallel.
pub(crate) fn steps(events: Vec<Delivery>) -> Vec<Vec<Chain>> {
    let mut steps: Vec<Vec<Chain>> = Vec::new();
    let mut people: Vec<Delivery> = Vec::new();
    for event in events {
        match names(&event).is_empty() {
            false => people.push(event),
            // An event about a group is a step of its own, because later events may need the group.
            true => {
                if !people.is_empty() {
                    steps.push(chains(std::mem::take(&mut people)));
                }
                steps.push(vec![vec![event]]);
            }
        }
    }
    if !people.is_empty() {
        steps.push(chains(people));
    }
    steps
}

fn chains(events: Vec<Delivery>) -> Vec<Chain> {
    let links: Vec<Vec<String>> = events.iter().map(names).collect();
    let chain_of = chain_numbers(&links);
    let mut chains: Vec<Chain> = Vec::new();
    let mut place: HashMap<usize, usize> = HashMap::new();
    for (event, number) in events.into_iter().zip(chain_of) {
        let at = *place.entry(number).or_insert_with(|| {
            chains.push(Vec::new());
            chains.len() - 1
        });
        chains[at].push(event);
    }
    chains
}

/// The chain number of each event. Two events that share a name, directly or through other events, have the same number.
fn chain_numbers(links: &[Vec<String>]) -> Vec<usize> {
    fn root(parents: &mut [usize], mut at: usize) -> usize {
        while parents[at] != at {
            parents[at] = parents[parents[at]];
            at = parents[at];
        }
        at
    }
    let mut parents: Vec<usize> = (0..links.len()).collect();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, names) in links.iter().enumerate() {
        for name in names {
            let other = *first.entry(name).or_insert(at);
            let (one, two) = (root(&mut parents, other), root(&mut parents, at));
            parents[two] = one;
        }
    }
    (0..links.len()).map(|at| root(&mut parents, at)).collect()
}

/// All names that an event uses for its person. Empty for an event about a group only.
fn names(delivery: &Delivery) -> Vec<String> {
    let scope = format!("{}/{}", delivery.org, delivery.source);
    let external = |id: &str| format!("{scope} id {id}");
    let named = |name: &str| format!("{} name {}", delivery.org, NormalName::of(name).as_str());
    match &delivery.event.body {
        EventBody::PersonUpserted {
            external_id,
            user_name,
            ..
        } => {
            let mut names = vec![named(user_name)];
            names.extend(Some(external(external_id)).filter(|_| !external_id.is_empty()));
            names
        }
        EventBody::PersonDeleted { person }
        | EventBody::PersonLeft { person }
        | EventBody::MembershipChanged { person, .. } => vec![external(person), named(person)],
        EventBody::GroupUpserted { .. } | EventBody::GroupDeleted { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_share_a_name_are_in_one_chain_and_others_are_not() {
        let links: Vec<Vec<String>> = [&["E1", "mira"][..], &["E2", "zed"], &["mira"], &["E1"], &["kim"]]
            .iter()
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        assert_eq!(chain_numbers(&links), [0, 1, 0, 0, 4]);
    }
}
