use std::fmt;

use serde::{Deserialize, Serialize};

/// How soon a request should go: lower in this list waits for higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Cuts somebody's access.
    Urgent,
    /// A person waits for the answer.
    Interactive,
    /// Creates and updates that follow a change in the roster.
    Normal,
    /// Imports, discovery, drift checks: important, never in a hurry.
    Background,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Urgent, Class::Interactive, Class::Normal, Class::Background];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Urgent => "urgent",
            Class::Interactive => "interactive",
            Class::Normal => "normal",
            Class::Background => "background",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
