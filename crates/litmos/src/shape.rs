//! What a whole user record holds.
//!
//! `GET /users/{id}` gives the whole record, whatever that is this year. A list may leave fields out: the public
//! description of `/users/details` has 51 of 53. A list's record counts as whole if it has every field that single reads
//! were seen to have, or every field that is known to exist while none was made. Names are compared without case.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::record::{Slot, wire_fields};

/// Fields that Litmos makes itself, and secrets: never written back, and never kept.
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

/// Known to exist, and not known to Rollcall otherwise.
const ALSO: &str = "profiletype";

/// The name of a field without its case, and in one spelling where public sources have two.
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

/// The fields that single reads were seen to have.
#[derive(Debug, Default)]
pub(crate) struct Shape(Mutex<Option<BTreeSet<String>>>);

impl Shape {
    /// Learns from the record of a single read.
    pub(crate) fn learn(&self, record: &Map<String, Value>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_default().extend(names(record));
    }

    /// The fields that a record must have to be whole.
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

/// Whether a record has all that is demanded.
pub(crate) fn is_whole(record: &Map<String, Value>, demanded: &BTreeSet<String>) -> bool {
    demanded.is_subset(&names(record))
}
