//! Maps and sets of an org's state, hashed quickly.
//!
//! A start puts millions of ids into maps; the standard library's hash takes a sixth of that time. Seeds differ from process to
//! process, so nobody outside can prepare ids that collide.

use foldhash::fast::RandomState;

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(crate) type HashSet<T> = std::collections::HashSet<T, RandomState>;
