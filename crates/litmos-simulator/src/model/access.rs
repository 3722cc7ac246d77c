//! Access levels, and the other codes by which bulk import knows them.

use serde::{Deserialize, Serialize};

/// What a user may do in Litmos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccessLevel {
    /// Everything, the API included.
    #[serde(rename = "Account_Owner")]
    AccountOwner,
    /// All users and teams.
    Administrator,
    /// The teams administered.
    #[serde(rename = "Team_Admin")]
    TeamAdmin,
    /// The teams led.
    #[serde(rename = "Team_Leader")]
    TeamLeader,
    /// Nothing but learning.
    #[default]
    Learner,
}

impl AccessLevel {
    const ALL: [Self; 5] = [
        Self::AccountOwner,
        Self::Administrator,
        Self::TeamAdmin,
        Self::TeamLeader,
        Self::Learner,
    ];

    /// The word in user records.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountOwner => "Account_Owner",
            Self::Administrator => "Administrator",
            Self::TeamAdmin => "Team_Admin",
            Self::TeamLeader => "Team_Leader",
            Self::Learner => "Learner",
        }
    }

    /// Reads the word of a user record, in any case.
    pub(crate) fn from_record(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(word))
    }

    /// Reads a code of bulk import.
    pub(crate) fn from_bulk(code: &str) -> Option<Self> {
        match code.to_ascii_uppercase().as_str() {
            "L" | "5" => Some(Self::Learner),
            "TL" | "4" => Some(Self::TeamLeader),
            "TA" => Some(Self::TeamAdmin),
            "3" => Some(Self::Administrator),
            "2" => Some(Self::AccountOwner),
            _ => None,
        }
    }
}
