//! Who is in a group or a team, in id order; quick to fill with hundreds of thousands.

use std::collections::BTreeMap;

/// An ordered map that can be filled first and put in order afterwards: ordering all of one group at once finds its ids
/// close at hand, where putting one here and one there looks for each anew.
#[derive(Clone, Debug)]
pub(crate) struct Roll<K, V> {
    known: BTreeMap<K, V>,
    /// Put or dropped (`None`) since filling began, in that order.
    filling: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Roll<K, V> {
    fn default() -> Roll<K, V> {
        Roll {
            known: BTreeMap::new(),
            filling: Vec::new(),
        }
    }
}

impl<K: Ord, V> Roll<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.known.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.known.remove(key);
    }

    /// Takes a change without putting it in its place. Until [`Roll::settle`] it is not seen.
    pub(crate) fn fill(&mut self, key: K, value: Option<V>) {
        self.filling.push((key, value));
    }

    /// Puts everything in its place; of several words about one key the last counts.
    pub(crate) fn settle(&mut self) {
        let mut changes = std::mem::take(&mut self.filling);
        changes.sort_by(|(a, _), (b, _)| a.cmp(b));
        changes.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        if self.known.is_empty() {
            let there = changes.into_iter();
            self.known = there.filter_map(|(key, value)| Some((key, value?))).collect();
            return;
        }
        for (key, value) in changes {
            match value {
                Some(value) => self.insert(key, value),
                None => self.remove(&key),
            }
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.known.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.known.iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.known.keys()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn filling_comes_to_the_same_as_putting(
            before in prop::collection::vec((0..9u8, prop::option::of(any::<u8>())), 0..20),
            filled in prop::collection::vec((0..9u8, prop::option::of(any::<u8>())), 0..40),
        ) {
            let (mut roll, mut model) = (Roll::default(), BTreeMap::new());
            for (key, value) in &before {
                match value {
                    Some(value) => {
                        roll.insert(*key, *value);
                        model.insert(*key, *value);
                    }
                    None => {
                        roll.remove(key);
                        model.remove(key);
                    }
                }
            }
            for (key, value) in filled {
                roll.fill(key, value);
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            roll.settle();
            prop_assert!(roll.iter().eq(&model));
            prop_assert_eq!(roll.len(), model.len());
        }
    }
}
