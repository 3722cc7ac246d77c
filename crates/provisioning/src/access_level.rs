use std::fmt;

use serde::{Deserialize, Serialize};

/// What an account may do in Litmos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccessLevel {
    #[serde(rename = "Account_Owner")]
    AccountOwner,
    Administrator,
    #[serde(rename = "Team_Admin")]
    TeamAdmin,
    #[serde(rename = "Team_Leader")]
    TeamLeader,
    Learner,
}

/// A text that is not one of the five access levels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no Litmos access level; use Account_Owner, Administrator, Team_Admin, Team_Leader or Learner"
)]
pub struct UnknownAccessLevel(pub String);

impl AccessLevel {
    pub const ALL: [AccessLevel; 5] = [
        AccessLevel::AccountOwner,
        AccessLevel::Administrator,
        AccessLevel::TeamAdmin,
        AccessLevel::TeamLeader,
        AccessLevel::Learner,
    ];

    /// The spelling in user records, for reading and writing.
    pub fn as_litmos(self) -> &'static str {
        match self {
            AccessLevel::AccountOwner => "Account_Owner",
            AccessLevel::Administrator => "Administrator",
            AccessLevel::TeamAdmin => "Team_Admin",
            AccessLevel::TeamLeader => "Team_Leader",
            AccessLevel::Learner => "Learner",
        }
    }

    /// The code in bulk imports, which differs from the spelling in user records.
    pub fn bulk_code(self) -> &'static str {
        match self {
            AccessLevel::AccountOwner => "2",
            AccessLevel::Administrator => "3",
            AccessLevel::TeamAdmin => "TA",
            AccessLevel::TeamLeader => "TL",
            AccessLevel::Learner => "L",
        }
    }

    /// Parses a level in any letter case, with `_`, `-`, a space or nothing between its words.
    ///
    /// # Errors
    /// [`UnknownAccessLevel`] with the text. Its message lists the five levels.
    pub fn parse(text: &str) -> Result<AccessLevel, UnknownAccessLevel> {
        let squeezed = |s: &str| -> String {
            s.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect()
        };
        let wanted = squeezed(text);
        AccessLevel::ALL
            .into_iter()
            .find(|level| squeezed(level.as_litmos()) == wanted)
            .ok_or_else(|| UnknownAccessLevel(text.chars().take(60).collect()))
    }
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_litmos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_read_back_from_its_own_spelling_and_from_loose_ones() {
        for level in AccessLevel::ALL {
            assert_eq!(AccessLevel::parse(level.as_litmos()), Ok(level));
            assert_eq!(
                AccessLevel::parse(&level.as_litmos().to_lowercase().replace('_', " ")),
                Ok(level)
            );
        }
        assert!(AccessLevel::parse("Owner").is_err());
        assert!(AccessLevel::parse("").is_err());
    }
}
