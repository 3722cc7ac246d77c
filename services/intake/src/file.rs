//! Converts roster files to events. A file is CSV with a header line, JSON lines, or an array of JSON objects.
//!
//! A line that cannot be read is reported with its number, the column and the remedy; the other lines are processed. Columns are found by
//! name, in any order: `external_id`, `user_name`, `active`, `access_level`, `manager`, `groups` (separated by `;`), `custom:NAME` for the
//! advanced custom field that Litmos shows as NAME, and any field of a Litmos user (`FirstName` or `first_name`, `JobTitle`, `CustomField1`
//! ...). An empty value clears a field. An empty `active` or a missing column changes nothing. A JSON file may also contain groups
//! ([`add_groups`] reads the CSV form).
//!
//! Changes that a spreadsheet made to a list are repaired if the repair is certain (`cell`, `sheet`, `shape`), and reported otherwise. Rows
//! of one person are joined (`people`). The same file gives the same result, in any order of its rows.
//!
//! People who are not in a file count as leavers only if the file was proven to be complete: [`CompleteRead`].

mod cell;
mod column;
mod complete;
mod groups;
mod json;
mod people;
mod row;
mod shape;
mod sheet;
mod table;

use bus::{Event, EventBody};

pub use complete::{Absence, Absences, CompleteRead, Incomplete};
pub use groups::add_groups;

/// A line of the file that was refused, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: u64,
    pub reason: String,
}

/// A repair in a line that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub line: u64,
    pub text: String,
}

/// An event about a person or group in the file, with its first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub line: u64,
    pub body: EventBody,
}

/// The content of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterFile {
    pub people: Vec<Entry>,
    /// Events about the groups themselves, not about memberships.
    pub groups: Vec<Entry>,
    pub bad: Vec<BadLine>,
    pub notes: Vec<Note>,
    /// Number of rows about people. It is higher than the number of people if a person has several rows.
    rows: usize,
    end: complete::End,
}

/// Why a whole file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("byte {at} is not UTF-8 text; save the file as UTF-8 (in Excel: \"CSV UTF-8\")")]
    Encoding { at: usize },
    #[error("the file is {what}; {remedy}")]
    Foreign {
        what: &'static str,
        remedy: &'static str,
    },
    #[error("the first line names the separator {message:?}; use one character, such as sep=;")]
    Separator { message: String },
    #[error("the header has no column {missing:?}; it has: {found}")]
    Column { missing: &'static str, found: String },
    #[error(
        "the header names columns that mean nothing here: {unknown}; use user_name, external_id, active, access_level, manager, groups, custom:NAME or Litmos field names"
    )]
    Unknown { unknown: String },
    #[error(
        "the header names columns that mean nothing here: {unknown}; use group, user_name, external_id, description, parent, deleted"
    )]
    UnknownOfGroups { unknown: String },
    #[error("the header names {twice} twice; keep one of the columns")]
    Twice { twice: String },
    #[error("line {line} is not JSON: {message}; export the file again")]
    Json { line: u64, message: String },
    #[error(
        "line {line} begins a JSON object that goes on in the next line; write each object on one line, or all of them as one array"
    )]
    Spread { line: u64 },
    #[error("the file is empty")]
    Empty,
}

/// Reads a file: JSON lines if its first character is `{`, a JSON array if it is `[`, CSV otherwise.
///
/// # Errors
/// Returns an error if the file as a whole has none of these formats.
pub fn read(bytes: &[u8]) -> Result<RosterFile, FileError> {
    let text = shape::text(bytes)?;
    if text.trim_start().starts_with('[') {
        let (file, end) = json::array(&text)?;
        return Ok(closed(file, end));
    }
    let (body, end) = complete::End::split(&text);
    let file = match body.trim_start().chars().next() {
        None => return Err(FileError::Empty),
        Some('{') => json::lines(body)?,
        Some(_) => table::read(body)?,
    };
    Ok(closed(file, end))
}

fn closed(mut file: RosterFile, end: complete::End) -> RosterFile {
    file.bad.extend(end.contradiction(&file));
    file.bad.sort_by_key(|bad| bad.line);
    file.notes.sort_by_key(|note| note.line);
    file.end = end;
    file
}

impl RosterFile {
    /// Marks every person as part of a complete list. A person who left by an earlier list then returns.
    pub fn mark_complete(&mut self) {
        for entry in &mut self.people {
            if let EventBody::PersonUpserted {
                from_complete_list, ..
            } = &mut entry.body
            {
                *from_complete_list = true;
            }
        }
    }
}

/// Creates the event for one entry of a file. The same entry of the same load always gives the same event id.
pub fn event(body: EventBody, load_id: &str, index: usize, happened_at_ms: u64) -> Event {
    Event {
        event_id: format!("{load_id}-{index}"),
        happened_at_ms,
        in_order: true,
        body,
    }
}

#[cfg(test)]
mod tests;
