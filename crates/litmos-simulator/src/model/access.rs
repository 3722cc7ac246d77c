//! Access levels, and their codes in bulk imports.

use serde::{Deserialize, Serialize};

/// Access level: the rights of a user in Litmos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccessLevel {
    /// May do everything, including API calls.
    #[serde(rename = "Account_Owner")]
    AccountOwner,
    /// May manage all users and teams.
    Administrator,
    /// May manage the teams where the user is an admin.
    #[serde(rename = "Team_Admin")]
    TeamAdmin,
    /// May manage the teams where the user is a leader.
    #[serde(rename = "Team_Leader")]
    TeamLeader,
    /// May only learn.
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

    /// Name in user records.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountOwner => "Account_Owner",
            Self::Administrator => "Administrator",
            Self::TeamAdmin => "Team_Admin",
            Self::TeamLeader => "Team_Leader",
            Self::Learner => "Learner",
        }
    }

    /// Parses the name in a user record, in any letter case.
    pub(crate) fn from_record(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(word))
    }

    /// Parses a code of bulk imports.
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
