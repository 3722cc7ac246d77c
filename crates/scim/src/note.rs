//! Attributes that were accepted but not used as sent.

use std::fmt;

/// Most notes kept per request. More would only repeat the first ones.
const MAX_NOTES: usize = 50;
/// Longest attribute name repeated in a note, in characters.
const MAX_NAME_CHARS: usize = 120;

/// Reason why an attribute was not used as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteReason {
    UnknownAttribute,
    ReadAsText,
    FurtherPrimary,
    NoSuchValue,
    NestedGroup,
    NullIgnored,
}

/// The name of one attribute that was ignored, or read differently than sent. A note never contains values, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    attribute: String,
    reason: NoteReason,
}

impl Note {
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    pub fn reason(&self) -> NoteReason {
        self.reason
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.attribute;
        match self.reason {
            NoteReason::UnknownAttribute => write!(f, "{name} is not an attribute known here; ignored"),
            NoteReason::ReadAsText => write!(f, "{name} was not text; read as text"),
            NoteReason::FurtherPrimary => write!(f, "{name} had more than one primary; the first counts"),
            NoteReason::NoSuchValue => write!(f, "{name} matched no value; nothing was done"),
            NoteReason::NestedGroup => {
                write!(f, "{name} named a group; Litmos teams hold users only, ignored")
            }
            NoteReason::NullIgnored => write!(f, "{name} was null; left as it was"),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    pub(crate) fn add(&mut self, attribute: &str, reason: NoteReason) {
        let attribute: String = attribute.chars().take(MAX_NAME_CHARS).collect();
        let note = Note { attribute, reason };
        if self.0.len() < MAX_NOTES && !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Note> {
        self.0
    }
}
