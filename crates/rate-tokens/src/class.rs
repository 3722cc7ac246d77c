use std::fmt;

use serde::{Deserialize, Serialize};

/// Priority of a request, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Removes a leaver's access.
    Urgent,
    /// A person waits for the answer.
    Interactive,
    /// Creates and updates that follow a change in the roster.
    Normal,
    /// Imports, discovery and drift checks. Important, but never urgent.
    Background,
}

impl Class {
    pub const ALL: [Class; 4] = [
        Class::Urgent,
        Class::Interactive,
        Class::Normal,
        Class::Background,
    ];

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

/// One value for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerClass<T> {
    pub urgent: T,
    pub interactive: T,
    pub normal: T,
    pub background: T,
}

impl<T> PerClass<T> {
    pub fn get(&self, class: Class) -> &T {
        match class {
            Class::Urgent => &self.urgent,
            Class::Interactive => &self.interactive,
            Class::Normal => &self.normal,
            Class::Background => &self.background,
        }
    }

    pub fn get_mut(&mut self, class: Class) -> &mut T {
        match class {
            Class::Urgent => &mut self.urgent,
            Class::Interactive => &mut self.interactive,
            Class::Normal => &mut self.normal,
            Class::Background => &mut self.background,
        }
    }
}
