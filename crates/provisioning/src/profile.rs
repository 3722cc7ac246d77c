//! Profile values by field. Stored compactly because one process holds 200 000 profiles.

use serde::{Deserialize, Serialize};

use crate::Field;

/// What a source wants in one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesiredValue<'a> {
    /// Set it to this value, which is not empty.
    Set(&'a str),
    /// Clear it: a source had set it and now wants it empty.
    Clear,
    /// Leave it as it is: no source has said anything about it.
    Leave,
}

/// Field values in field order. In a person, an empty value means: clear the field. An account has no empty values.
///
/// All values are stored in one text, one after the other: a profile needs two allocations, however many fields it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Field, String)>", into = "Vec<(Field, String)>")]
pub struct Profile {
    text: Box<str>,
    /// The end of each value in `text`. A value begins at the end of the value before.
    ends: Box<[End]>,
}

/// A field, and the end of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    field: Field,
    /// As bytes, so that an entry takes 5 bytes without padding.
    at: [u8; 4],
}

impl End {
    fn new(field: Field, at: usize) -> End {
        let at = u32::try_from(at).expect("no message holds four gigabytes");
        End {
            field,
            at: at.to_le_bytes(),
        }
    }

    fn at(self) -> usize {
        u32::from_le_bytes(self.at) as usize
    }
}

impl Profile {
    pub fn new() -> Profile {
        Profile::default()
    }

    pub fn get(&self, field: Field) -> Option<&str> {
        self.position(field).ok().map(|at| self.at(at))
    }

    /// The value; empty if the field is absent.
    pub fn value(&self, field: Field) -> &str {
        self.get(field).unwrap_or("")
    }

    pub fn desired(&self, field: Field) -> DesiredValue<'_> {
        match self.get(field) {
            None => DesiredValue::Leave,
            Some("") => DesiredValue::Clear,
            Some(value) => DesiredValue::Set(value),
        }
    }

    pub fn set(&mut self, field: Field, value: impl AsRef<str>) {
        let (before, after) = match self.position(field) {
            Ok(at) => (at, at + 1),
            Err(at) => (at, at),
        };
        let value = Some((field, value.as_ref()));
        *self = Profile::of_sorted(
            self.iter()
                .take(before)
                .chain(value)
                .chain(self.iter().skip(after)),
        );
    }

    pub fn remove(&mut self, field: Field) {
        if self.position(field).is_ok() {
            *self = Profile::of_sorted(self.iter().filter(|(other, _)| *other != field));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> + Clone {
        self.ends
            .iter()
            .enumerate()
            .map(|(at, end)| (end.field, self.at(at)))
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn at(&self, at: usize) -> &str {
        let end = |at: usize| self.ends[at].at();
        let start = at.checked_sub(1).map_or(0, end);
        &self.text[start..end(at)]
    }

    fn position(&self, field: Field) -> Result<usize, usize> {
        self.ends.binary_search_by_key(&field, |end| end.field)
    }

    /// Creates a profile from values in field order. Each field may appear once.
    fn of_sorted<'a>(values: impl Iterator<Item = (Field, &'a str)> + Clone) -> Profile {
        let mut text = String::with_capacity(values.clone().map(|(_, value)| value.len()).sum());
        let mut ends = Vec::with_capacity(values.clone().count());
        for (field, value) in values {
            text.push_str(value);
            ends.push(End::new(field, text.len()));
        }
        Profile {
            text: text.into(),
            ends: ends.into(),
        }
    }
}

/// If a field appears twice, its last value is used.
impl<V: AsRef<str>> FromIterator<(Field, V)> for Profile {
    fn from_iter<I: IntoIterator<Item = (Field, V)>>(values: I) -> Profile {
        let mut values: Vec<(Field, V)> = values.into_iter().collect();
        values.sort_by_key(|(field, _)| *field);
        let last = values
            .iter()
            .enumerate()
            .filter(|(at, (field, _))| values.get(at + 1).is_none_or(|(next, _)| next != field));
        Profile::of_sorted(last.map(|(_, (field, value))| (*field, value.as_ref())))
    }
}

impl From<Vec<(Field, String)>> for Profile {
    fn from(values: Vec<(Field, String)>) -> Profile {
        values.into_iter().collect()
    }
}

impl From<Profile> for Vec<(Field, String)> {
    fn from(profile: Profile) -> Vec<(Field, String)> {
        profile
            .iter()
            .map(|(field, value)| (field, value.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn field() -> impl Strategy<Value = Field> {
        prop::sample::select(Field::ALL)
    }

    proptest! {
        #[test]
        fn a_profile_is_a_map_from_field_to_value(
            first in prop::collection::vec((field(), "\\PC{0,6}"), 0..12),
            edits in prop::collection::vec((field(), prop::option::of("\\PC{0,6}")), 0..12),
        ) {
            let mut model: BTreeMap<Field, String> = first.iter().cloned().collect();
            let mut profile: Profile = first.into_iter().collect();
            for (field, edit) in edits {
                match edit {
                    Some(value) => {
                        profile.set(field, &value);
                        model.insert(field, value);
                    }
                    None => {
                        profile.remove(field);
                        model.remove(&field);
                    }
                }
                prop_assert_eq!(profile.get(field), model.get(&field).map(String::as_str));
            }
            prop_assert!(profile.iter().eq(model.iter().map(|(field, value)| (*field, value.as_str()))));
            prop_assert_eq!(profile.is_empty(), model.is_empty());
            prop_assert_eq!(profile, model.into_iter().collect());
        }
    }
}
