//! A sorted set for a few items.
//!
//! Most people are in a few groups. A B-tree allocates room for eleven keys, which for 200 000 people would be most of the memory of the
//! memberships. This set allocates exactly what it holds.

/// The items in order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Few<T>(Box<[T]>);

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few(Box::default())
    }
}

impl<T: Ord> Few<T> {
    pub(super) fn insert(&mut self, thing: T) {
        if let Err(place) = self.0.binary_search(&thing) {
            let mut things = std::mem::take(&mut self.0).into_vec();
            things.reserve_exact(1);
            things.insert(place, thing);
            self.0 = things.into_boxed_slice();
        }
    }

    pub(super) fn remove(&mut self, thing: &T) {
        if let Ok(place) = self.0.binary_search(thing) {
            let mut things = std::mem::take(&mut self.0).into_vec();
            things.remove(place);
            self.0 = things.into_boxed_slice();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.0.first()
    }

    pub(super) fn contains(&self, thing: &T) -> bool {
        self.0.binary_search(thing).is_ok()
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_tree_would(steps in prop::collection::vec((any::<bool>(), 0_u8..12), 0..60)) {
            let (mut few, mut tree) = (Few::default(), BTreeSet::new());
            for (put, thing) in steps {
                if put {
                    few.insert(thing);
                    tree.insert(thing);
                } else {
                    few.remove(&thing);
                    tree.remove(&thing);
                }
                prop_assert_eq!(few.contains(&thing), tree.contains(&thing));
                prop_assert!((&few).into_iter().eq(&tree));
            }
        }
    }
}
