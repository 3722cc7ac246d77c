//! Roster files: CSV with a header line, JSON lines, or an array of JSON objects, as events.
//!
//! A line that cannot be read is reported with its number, the column and the remedy; the rest goes on. Columns are found
//! by name, whatever their order: `external_id`, `user_name`, `active`, `access_level`, `manager`, `groups` (separated by
//! `;`), `custom:NAME` for the advanced custom field that Litmos shows as NAME, and any field of a Litmos user
//! (`FirstName` or `first_name`, `JobTitle`, `CustomField1` ...). An empty value of a field clears it; an empty `active`
//! and a column that is not there leave it. JSON may hold groups, too ([`groups`](add_groups) has the CSV form).
//!
//! What a spreadsheet does to a list is taken back where that is certain (`cell`, `sheet`, `shape`), and reported where it
//! is not. Rows of one person are joined (`people`). The same file gives the same result, in any order of its rows.
//!
//! Nothing is concluded from who is not in a file, unless the file is proven to be read whole: [`CompleteRead`].

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

/// A line of the file that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: u64,
    pub reason: String,
}

/// Something that was repaired in a line that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub line: u64,
    pub text: String,
}

/// What the file says of a person or a group, and the first line that says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub line: u64,
    pub body: EventBody,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterFile {
    pub people: Vec<Entry>,
    /// What the file says of groups themselves, not of who is in them.
    pub groups: Vec<Entry>,
    pub bad: Vec<BadLine>,
    pub notes: Vec<Note>,
    /// Rows about people that were read: more than people where somebody has several.
    rows: usize,
    end: complete::End,
}

/// The file as a whole cannot be read.
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

/// Reads a file; JSON lines if its first character is `{`, a JSON array if it is `[`, CSV otherwise.
///
/// # Errors
/// When it is no file of this sort at all.
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
    /// Marks every person as one of a complete list: who was let go by an earlier one is back.
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

/// A part of a file as an event: the same part of the same load makes the same event.
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
