//! The cost model: how many calls each encoding of a change takes, and how encodings are compared.
//!
//! | change | calls |
//! | --- | --- |
//! | new account | 1 |
//! | update, cut-off | 1 if the observed record is whole and fresh, else 2 (read, write) |
//! | bulk import | 1, and [`CostModel::polls`] polls, and one page of new accounts for each [`CostModel::page_rows`] it creates |
//! | row of a bulk import | 0: new account, update or up to [`CostModel::teams_max`] teams; it cannot clear, rename or reactivate |
//! | manager whose account the same plan creates | 0 if that account is created first, else one update, or a row of a second import |
//! | advanced custom fields of one account | 2 (write, read back) |
//! | joining a team | 1 for each [`CostModel::members_max`] people who do not join by a row |
//! | leaving teams | 1 each; 1 in total if the account leaves all its teams, at least two, and memberships were read lately |
//! | leaving all teams after a cut-off | 1 |
//! | new team, deleted team, promotion, demotion | 1 |
//! | new name or description of a team | 1 if its description is known, else 2 |
//! | link, unlink, end of "push now" | 0 |
//!
//! **Patience.** A bulk job ends later than a single call, and a person may be waiting. So the weight of a way counts
//! [`CostModel::patience`] calls more for every import than the import takes. If two ways then have the same weight, the
//! one with more imports is chosen.
//!
//! **Ways that are compared.**
//!
//! - All people by single calls.
//! - All people in rows who can be in a row. New managers are created first by single calls: all who have reports in rows,
//!   or those with two or more, or none. Managers that are then still missing are set by single calls or by a second
//!   import.
//! - If the rows fill more than one import: the same without the people of the last import.
//!
//! Everyone who joins a group and can be in a row joins by a row, if that lowers the number of calls. With at most 200
//! people, the new managers are also tried one by one.
//!
//! **Optimal and bounded.** If one import holds all rows and no person joins more than [`CostModel::teams_max`] teams, no
//! plan of this model has a lower weight: the tests try all other plans for states of up to six people and three groups.
//! Beyond that, the choice of rows and teams is a packing problem: rows are filled by the calls they save, and teams from
//! the smallest. The loss is at most one import and one call for each person (a property in the tests, with small
//! bounds). No plan lets a person leave a team that they are to keep, in order to join it again in a cheaper way: it
//! would take away the person's role and would be visible in Litmos.
//!
//! Sources of the bounds: the vendor's pages on bulk import (2,000 KB, nearly 2,000 users) and on lists (1,000 rows in a
//! page).

/// Most rows of one bulk import.
pub const BULK_ROWS_MAX: usize = 2_000;

/// Most bytes of one bulk import's body. The vendor allows 2,000 KB; this takes 1 KB as 1,000 bytes, the smaller meaning.
pub const BULK_BYTES_MAX: usize = 1_990_000;

/// Number of polls that a bulk job usually needs until it is complete.
pub const BULK_POLLS_EXPECTED: u32 = 2;

/// Teams that one bulk row can name (`Team1` to `Team5`).
pub const BULK_TEAMS_MAX: usize = 5;

/// Rows in one page when the ids of new accounts are read back by created date.
pub const READ_BACK_ROWS: usize = 1_000;

/// Calls that a bulk import must save to be chosen: about the time that a small job takes.
pub const BULK_PATIENCE_CALLS: u32 = 4;

/// Most members added to a team in one call. Litmos documents no maximum; this keeps the body near 40 KB.
pub const MEMBERS_PER_CALL: usize = 1_000;

/// Calls to set the advanced custom fields of one account: one to write, one to read back what Litmos kept.
pub const CUSTOM_FIELDS_CALLS: u32 = 2;

/// The numbers of the cost model. Tests use smaller numbers, so that a state of six people reaches every bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostModel {
    /// Most rows of one import.
    pub rows_max: usize,
    /// Most bytes of one import.
    pub bytes_max: usize,
    /// Polls until an import is complete.
    pub polls: u32,
    /// Most teams of one row.
    pub teams_max: usize,
    /// Number of new accounts that one call reads back.
    pub page_rows: usize,
    /// Calls added to the weight of each import when ways are compared.
    pub patience: u32,
    /// Most people added to a team in one call.
    pub members_max: usize,
}

impl Default for CostModel {
    fn default() -> CostModel {
        CostModel {
            rows_max: BULK_ROWS_MAX,
            bytes_max: BULK_BYTES_MAX,
            polls: BULK_POLLS_EXPECTED,
            teams_max: BULK_TEAMS_MAX,
            page_rows: READ_BACK_ROWS,
            patience: BULK_PATIENCE_CALLS,
            members_max: MEMBERS_PER_CALL,
        }
    }
}

impl CostModel {
    /// Calls of one import: the request, its polls, and reading back the ids of `created` new accounts.
    pub fn import_calls(&self, created: usize) -> u32 {
        (1 + self.polls).saturating_add(calls(created.div_ceil(self.page_rows)))
    }

    /// Calls to add this number of people to one team.
    pub fn join_calls(&self, people: usize) -> u32 {
        calls(people.div_ceil(self.members_max))
    }

    /// Weight of a way: its calls, plus `patience` for each import. The way with the lowest weight is chosen.
    pub fn weight(&self, calls: u32, imports: u32) -> u64 {
        u64::from(calls) + u64::from(imports) * u64::from(self.patience)
    }
}

pub(crate) fn calls(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Number of calls of an import or push of this size, by Okta's guide for Litmos: users + 2 × groups.
pub fn okta_formula(users: usize, groups: usize) -> u64 {
    users as u64 + 2 * groups as u64
}
