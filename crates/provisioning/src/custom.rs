//! Values of advanced custom fields. Stored compactly because most people have none.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

static NONE: BTreeMap<String, String> = BTreeMap::new();

/// Custom field values by the name that Litmos shows. Works like a map; an empty one takes only the memory of a pointer.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct CustomValues(
    #[expect(
        clippy::box_collection,
        reason = "an empty map is to take no more than a pointer"
    )]
    Option<Box<BTreeMap<String, String>>>,
);

impl CustomValues {
    pub fn new() -> CustomValues {
        CustomValues::default()
    }

    pub fn clear(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for CustomValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Deref for CustomValues {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &BTreeMap<String, String> {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for CustomValues {
    fn deref_mut(&mut self) -> &mut BTreeMap<String, String> {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for CustomValues {
    fn eq(&self, other: &CustomValues) -> bool {
        **self == **other
    }
}

impl Eq for CustomValues {}

impl PartialEq<BTreeMap<String, String>> for CustomValues {
    fn eq(&self, other: &BTreeMap<String, String>) -> bool {
        **self == *other
    }
}

impl From<BTreeMap<String, String>> for CustomValues {
    fn from(values: BTreeMap<String, String>) -> CustomValues {
        CustomValues((!values.is_empty()).then(|| Box::new(values)))
    }
}

impl From<CustomValues> for BTreeMap<String, String> {
    fn from(values: CustomValues) -> BTreeMap<String, String> {
        values.0.map_or_else(BTreeMap::new, |values| *values)
    }
}

impl FromIterator<(String, String)> for CustomValues {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> CustomValues {
        values.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl<const N: usize> From<[(String, String); N]> for CustomValues {
    fn from(values: [(String, String); N]) -> CustomValues {
        values.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a CustomValues {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
