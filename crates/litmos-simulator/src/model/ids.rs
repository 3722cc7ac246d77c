//! Identifiers. In the API: opaque case-sensitive strings in one of the two formats that Litmos has used. Internally: the
//! integers that its web pages show.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// Id of a user in the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

/// Id of a team in the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TeamId(pub String);

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for TeamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `OriginalId` of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserKey(pub(crate) u32);

/// `OriginalTeamId` of a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TeamKey(pub(crate) u32);

/// `OriginalId` of a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CourseKey(pub(crate) u32);

/// Every n-th id has the older, shorter format.
const OLDER_SHAPE_EVERY: u32 = 4;

/// Generates unique ids.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    chance: Chance,
    last_user: u32,
    last_team: u32,
    last_job: u32,
    last_course: u32,
    /// Separate random numbers, so that courses do not change the ids of users and teams.
    course_chance: Chance,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            last_user: 4_100_000,
            last_team: 2_041_000,
            last_job: 880_000,
            last_course: 5_857_000,
            course_chance: Chance::new(seed ^ 0xC0_4E5E),
        }
    }

    pub(crate) fn user(&mut self) -> (UserId, UserKey) {
        self.last_user += 1;
        (
            UserId(opaque(&mut self.chance, self.last_user)),
            UserKey(self.last_user),
        )
    }

    pub(crate) fn team(&mut self) -> (TeamId, TeamKey) {
        self.last_team += 1;
        (
            TeamId(opaque(&mut self.chance, self.last_team)),
            TeamKey(self.last_team),
        )
    }

    pub(crate) fn job(&mut self) -> String {
        self.last_job += 1;
        opaque(&mut self.chance, self.last_job)
    }

    pub(crate) fn course(&mut self) -> (String, CourseKey) {
        self.last_course += 1;
        (
            opaque(&mut self.course_chance, self.last_course),
            CourseKey(self.last_course),
        )
    }

    /// New id for a module of a course.
    pub(crate) fn module(&mut self) -> String {
        opaque(&mut self.course_chance, 1)
    }

    /// New secret part of a login URL.
    pub(crate) fn secret(&mut self) -> String {
        bytes::<16>(&mut self.chance)
    }
}

/// 8 or 16 random bytes in the format of .NET's `UrlTokenEncode`: the last digit is the number of padding characters.
fn opaque(chance: &mut Chance, number: u32) -> String {
    if number.is_multiple_of(OLDER_SHAPE_EVERY) {
        format!("{}1", bytes::<8>(chance))
    } else {
        format!("{}2", bytes::<16>(chance))
    }
}

fn bytes<const LENGTH: usize>(chance: &mut Chance) -> String {
    let mut bytes = [0; LENGTH];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&chance.next().to_le_bytes()[..chunk.len()]);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_both_shapes_and_never_twice() {
        let mut ids = Ids::new(3);
        let all: Vec<String> = (0..2000).map(|_| ids.user().0.0).collect();
        let (older, newer): (Vec<_>, Vec<_>) = all.iter().partition(|id| id.len() == 12);
        assert!(older.iter().all(|id| id.ends_with('1')) && older.len() == 500);
        assert!(newer.iter().all(|id| id.len() == 23 && id.ends_with('2')));
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 2000);
    }
}
