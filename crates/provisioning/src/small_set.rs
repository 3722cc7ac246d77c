//! A set of a few: what hundreds of thousands of things have two or three of each.

/// An ordered set in one piece of memory, no larger than what is in it. Putting into it costs a move of what comes after:
/// nobody is in thousands of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SmallSet<T>(Vec<T>);

impl<T> Default for SmallSet<T> {
    fn default() -> SmallSet<T> {
        SmallSet(Vec::new())
    }
}

/// From this many on, room is made for several at once.
const FEW: usize = 8;

impl<T: Ord> SmallSet<T> {
    pub(crate) fn insert(&mut self, item: T) {
        if let Err(at) = self.0.binary_search(&item) {
            if self.0.len() < FEW {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, item);
        }
    }

    pub(crate) fn remove(&mut self, item: &T) {
        if let Ok(at) = self.0.binary_search(item) {
            self.0.remove(at);
        }
    }
}

impl<'a, T> IntoIterator for &'a SmallSet<T> {
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
        fn a_small_set_is_an_ordered_set(edits in prop::collection::vec((0..20u8, any::<bool>()), 0..60)) {
            let (mut set, mut model) = (SmallSet::default(), BTreeSet::new());
            for (item, put) in edits {
                if put {
                    set.insert(item);
                    model.insert(item);
                } else {
                    set.remove(&item);
                    model.remove(&item);
                }
                prop_assert!(set.into_iter().eq(&model));
            }
        }
    }
}
