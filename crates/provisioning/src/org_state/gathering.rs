//! Collects members while an org state is filled for the first time: hundreds of thousands, mostly in order.
//!
//! A B-tree compares about 17 ids to insert one more, each in another place of memory. If the members are collected first and sorted once,
//! each id is compared only with its neighbours.

use std::collections::BTreeMap;
use std::hash::Hash;

use super::WantedMember;
use crate::hash::HashMap;
use crate::{AccountId, GroupId, PersonId, TeamId};

#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    pub(super) wanted: Lists<GroupId, PersonId, WantedMember>,
    pub(super) members: Lists<TeamId, AccountId, ()>,
}

/// The changes of each list in the order of their arrival: a key with its value, or `None` if the key was removed.
#[derive(Clone, Debug)]
pub(super) struct Lists<L, K, V>(HashMap<L, Vec<(K, Option<V>)>>);

impl<L, K, V> Default for Lists<L, K, V> {
    fn default() -> Lists<L, K, V> {
        Lists(HashMap::default())
    }
}

impl<L: Eq + Hash, K: Ord, V> Lists<L, K, V> {
    pub(super) fn push(&mut self, list: L, key: K, value: Option<V>) {
        self.0.entry(list).or_default().push((key, value));
    }

    /// The lists with the last value of each key.
    pub(super) fn into_sorted(self) -> HashMap<L, BTreeMap<K, V>> {
        let sorted = |changes: Vec<(K, Option<V>)>| {
            let last: BTreeMap<K, Option<V>> = changes.into_iter().collect();
            last.into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect()
        };
        self.0
            .into_iter()
            .map(|(list, changes)| (list, sorted(changes)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_change_counts(changes in prop::collection::vec((0..2u8, 0..5u8, prop::option::of(0..3u8)), 0..40)) {
            let (mut lists, mut model) = (Lists::default(), HashMap::<u8, BTreeMap<u8, u8>>::default());
            for (list, key, value) in changes {
                lists.push(list, key, value);
                let list = model.entry(list).or_default();
                match value {
                    Some(value) => list.insert(key, value),
                    None => list.remove(&key),
                };
            }
            prop_assert_eq!(lists.into_sorted(), model);
        }
    }
}
