//! The written cost model: what each way of saying a change costs in requests, and how ways are compared.
//!
//! | change | calls |
//! | --- | --- |
//! | new account | 1 |
//! | update, cut-off | 1 if the observed record is whole and fresh, else 2 (read, write) |
//! | bulk import | 1, and [`CostModel::polls`] polls, and one page of new accounts for each [`CostModel::page_rows`] it creates |
//! | row of a bulk import | 0: new account, update or up to [`CostModel::teams_max`] teams; it clears, renames and revives nothing |
//! | manager who is made in the same plan | 0 where the manager's account stands first, else one update, or a row of a second import |
//! | advanced custom fields of one account | 2 (write, read back) |
//! | joining a team | 1 for each [`CostModel::members_max`] people whom no row carries |
//! | leaving teams | 1 each; 1 in all where every team is left, no fewer than two, and memberships were read lately |
//! | leaving all teams after a cut-off | 1 |
//! | new team, deleted team, promotion, demotion | 1 |
//! | new name or description of a team | 1 where its description is known, else 2 |
//! | link, unlink, end of "push now" | 0 |
//!
//! **Patience.** A bulk job answers later than a single call, and somebody may be waiting. So when ways are compared,
//! every import is charged [`CostModel::patience`] calls more than it takes; of two ways that then weigh the same the
//! one with more imports is taken.
//!
//! **Ways that are compared.** Everybody by single calls; or everybody in rows who can be, where managers who are new
//! themselves are made first by single calls (all who have reports in rows, those with two, or none) and what is then
//! still missing is set by single calls or by a second import; and, where rows fill more than one import, the same
//! with the last import's people taken out. Rows carry of a group whoever can be in a row, where that leaves fewer calls.
//!
//! Up to two hundred people, those managers are also tried one by one.
//!
//! **Exact and bounded.** While one import holds all rows and no row is wanted in more than
//! [`CostModel::teams_max`] teams, no plan of this model weighs less: the tests try every other plan of worlds of up
//! to six people and three groups. Beyond that, choosing rows and teams is a packing problem: rows are filled by value
//! and teams from the smallest, and what is lost is at most one import and one call a person (a property in the tests,
//! over small bounds). Leaving a team that is to stay, to come back by a cheaper way, is no way at all: it takes a role
//! away and is seen.
//!
//! Sources of the bounds: the vendor's pages on bulk import (2,000 KB, nearly 2,000 users) and lists (1,000 rows a
//! page).

/// Most rows of one bulk import.
pub const BULK_ROWS_MAX: usize = 2_000;

/// Most bytes of one bulk import's body. The vendor says 2,000 KB; read as thousands, which is safe either way.
pub const BULK_BYTES_MAX: usize = 1_990_000;

/// Polls that a bulk job usually needs until it says that it is complete.
pub const BULK_POLLS_EXPECTED: u32 = 2;

/// Teams that one bulk row can name (`Team1` to `Team5`).
pub const BULK_TEAMS_MAX: usize = 5;

/// Rows of one page when new ids are read back by created date.
pub const READ_BACK_ROWS: usize = 1_000;

/// Calls that a bulk import must save before one goes that way: about the time that a small job takes.
pub const BULK_PATIENCE_CALLS: u32 = 4;

/// Members added to a team in one call. Litmos documents no maximum; this keeps the body near 40 KB.
pub const MEMBERS_PER_CALL: usize = 1_000;

/// Calls of setting somebody's advanced custom fields: the write, and reading back what was kept of it.
pub const CUSTOM_FIELDS_CALLS: u32 = 2;

/// The numbers of the model. Smaller ones let a state of six people meet every bound.
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
    /// New accounts that one call reads back.
    pub page_rows: usize,
    /// Calls that an import is charged beyond what it takes, when ways are compared.
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
    /// Calls of one import: the request, its polls, and reading back the ids of those it creates.
    pub fn import_calls(&self, created: usize) -> u32 {
        (1 + self.polls).saturating_add(calls(created.div_ceil(self.page_rows)))
    }

    /// Calls of adding so many people to one team.
    pub fn join_calls(&self, people: usize) -> u32 {
        calls(people.div_ceil(self.members_max))
    }

    /// What ways are compared by.
    pub fn weight(&self, calls: u32, imports: u32) -> u64 {
        u64::from(calls) + u64::from(imports) * u64::from(self.patience)
    }
}

pub(crate) fn calls(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What Okta's guide for Litmos says an import or push of this size takes: users + 2 × groups.
pub fn okta_formula(users: usize, groups: usize) -> u64 {
    users as u64 + 2 * groups as u64
}
