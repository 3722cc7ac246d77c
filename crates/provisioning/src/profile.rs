//! Values by field, kept small: two hundred thousand of these live in one process.

use serde::{Deserialize, Serialize};

use crate::Field;

/// What a source wants of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Make it this value, which is not empty.
    Set(&'a str),
    /// A source had set it and now wants it empty.
    Clear,
    /// No source ever spoke of it: leave it as it is.
    Leave,
}

/// Field values in field order. In a person an empty value is a wish to clear; in an account there are no empty values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(Vec<(Field, Box<str>)>);

impl Profile {
    pub fn new() -> Profile {
        Profile::default()
    }

    pub fn get(&self, field: Field) -> Option<&str> {
        self.position(field).ok().map(|at| &*self.0[at].1)
    }

    /// The value, with absent and empty read alike.
    pub fn value(&self, field: Field) -> &str {
        self.get(field).unwrap_or("")
    }

    pub fn wish(&self, field: Field) -> Wish<'_> {
        match self.get(field) {
            None => Wish::Leave,
            Some("") => Wish::Clear,
            Some(value) => Wish::Set(value),
        }
    }

    pub fn set(&mut self, field: Field, value: impl Into<Box<str>>) {
        match self.position(field) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) => self.0.insert(at, (field, value.into())),
        }
    }

    pub fn remove(&mut self, field: Field) {
        if let Ok(at) = self.position(field) {
            self.0.remove(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        self.0.iter().map(|(field, value)| (*field, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, field: Field) -> Result<usize, usize> {
        self.0.binary_search_by_key(&field, |(field, _)| *field)
    }
}

impl<V: Into<Box<str>>> FromIterator<(Field, V)> for Profile {
    fn from_iter<I: IntoIterator<Item = (Field, V)>>(values: I) -> Profile {
        let mut profile = Profile::new();
        for (field, value) in values {
            profile.set(field, value);
        }
        profile.0.shrink_to_fit();
        profile
    }
}
