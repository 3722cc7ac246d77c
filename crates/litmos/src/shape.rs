//! Fields of a whole user record.
//!
//! `GET /users/{id}` returns the whole record, whatever fields it currently has. A list may omit fields: the public description
//! of `/users/details` has 51 of 53. A record of a list is whole if it has every field that single reads have returned. Before
//! the first single read it must have every known field. Names are compared without case.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::record::{Slot, wire_fields};

/// Fields that Litmos creates itself, and secrets. They are never written back and never kept.
const OUTPUT: [&str; 12] = [
    "fullname",
    "lastlogin",
    "loginkey",
    "password",
    "originalid",
    "originaluserid",
    "createddate",
    "updateddate",
    "createdby",
    "updatedby",
    "points",
    "managername",
];

/// A field that exists and that Rollcall does not use.
const ALSO: &str = "profiletype";

/// Name of a field in lower case, with one spelling where public sources have two.
pub(crate) fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "enabletextnotifications" => "enabletextnotification".to_owned(),
        _ => name,
    }
}

pub(crate) fn is_output(plain: &str) -> bool {
    OUTPUT.contains(&plain)
}

fn names(record: &Map<String, Value>) -> BTreeSet<String> {
    let names = record.keys().map(|name| plain(name));
    names.filter(|name| !is_output(name)).collect()
}

/// Fields that single reads have returned.
#[derive(Debug, Default)]
pub(crate) struct Shape(Mutex<Option<BTreeSet<String>>>);

impl Shape {
    /// Adds the fields of a single read.
    pub(crate) fn learn(&self, record: &Map<String, Value>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_default().extend(names(record));
    }

    /// Fields that a whole record must have.
    pub(crate) fn demanded(&self) -> BTreeSet<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone().unwrap_or_else(|| {
            let fields = wire_fields().filter(|(_, slot)| *slot != Slot::Blank);
            fields
                .map(|(name, _)| plain(name))
                .chain([ALSO.to_owned()])
                .collect()
        })
    }
}

/// True if a record has all demanded fields.
pub(crate) fn is_whole(record: &Map<String, Value>, demanded: &BTreeSet<String>) -> bool {
    demanded.is_subset(&names(record))
}
