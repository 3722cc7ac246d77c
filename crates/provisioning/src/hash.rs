//! Maps and sets of an org state, with a fast hash.
//!
//! A start inserts millions of ids into maps, and the standard library's hash would take a sixth of that time. Seeds differ between
//! processes, so an attacker cannot prepare ids that collide.

use foldhash::fast::RandomState;

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(crate) type HashSet<T> = std::collections::HashSet<T, RandomState>;
