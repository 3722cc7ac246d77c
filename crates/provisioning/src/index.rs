//! A map from one key to a few values. Nearly always there is only one, which is stored without a set.

use std::collections::BTreeSet;
use std::hash::Hash;

use crate::hash::HashMap;

#[derive(Clone, Debug)]
pub(crate) struct Index<K, V>(HashMap<K, Few<V>>);

#[derive(Clone, Debug)]
enum Few<V> {
    One(V),
    /// Boxed, so that an entry takes no more memory than one value.
    #[expect(clippy::box_collection)]
    Many(Box<BTreeSet<V>>),
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Index<K, V> {
        Index(HashMap::default())
    }
}

impl<K: Eq + Hash, V: Ord> Index<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let few = match self.0.remove(&key) {
            None => Few::One(value),
            Some(Few::One(one)) if one == value => Few::One(one),
            Some(Few::One(one)) => Few::Many(Box::new(BTreeSet::from([one, value]))),
            Some(Few::Many(mut many)) => {
                many.insert(value);
                Few::Many(many)
            }
        };
        self.0.insert(key, few);
    }

    pub(crate) fn remove(&mut self, key: &K, value: &V) {
        let empty = match self.0.get_mut(key) {
            None => false,
            Some(Few::One(one)) => one == value,
            Some(Few::Many(many)) => {
                many.remove(value);
                many.is_empty()
            }
        };
        if empty {
            self.0.remove(key);
        }
    }

    /// The values of the key, sorted.
    pub(crate) fn get<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        let (one, many) = match self.0.get(key) {
            None => (None, None),
            Some(Few::One(one)) => (Some(one), None),
            Some(Few::Many(many)) => (None, Some(many)),
        };
        one.into_iter()
            .chain(many.into_iter().flat_map(|many| many.iter()))
    }

    pub(crate) fn first(&self, key: &K) -> Option<&V> {
        self.get(key).next()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// Number of keys that have a value.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_of_sets_holds(steps in prop::collection::vec((any::<bool>(), 0..4u8, 0..4u8), 0..40)) {
            let mut index = Index::default();
            let mut sets: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
            for (insert, key, value) in steps {
                if insert {
                    index.insert(key, value);
                    sets.entry(key).or_default().insert(value);
                } else {
                    index.remove(&key, &value);
                    sets.entry(key).or_default().remove(&value);
                }
            }
            for key in 0..4 {
                let held: Vec<u8> = index.get(&key).copied().collect();
                prop_assert_eq!(held, sets.get(&key).into_iter().flatten().copied().collect::<Vec<_>>());
            }
            prop_assert_eq!(index.len(), sets.values().filter(|set| !set.is_empty()).count());
        }
    }
}
