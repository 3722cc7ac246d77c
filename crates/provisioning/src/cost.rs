//! The written cost model: what each way of saying a change costs in requests.
//!
//! Source of the bounds: the vendor's pages on bulk import (2,000 KB, nearly 2,000 users) and lists (1,000 rows a page).

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

/// Calls that a bulk import must save before one goes that way: a job answers later than a single call, and somebody
/// may be waiting. Four calls are about the time that a small job takes.
pub const BULK_PATIENCE_CALLS: u32 = 4;

/// Members added to a team in one call. Litmos documents no maximum; this keeps the body near 40 KB.
pub const MEMBERS_PER_CALL: usize = 1_000;

/// Calls of one bulk import: the request, its polls, and reading back the ids of those it creates.
pub fn bulk_calls(created: usize) -> u32 {
    let pages = created.div_ceil(READ_BACK_ROWS);
    1 + BULK_POLLS_EXPECTED + u32::try_from(pages).unwrap_or(u32::MAX)
}

/// What Okta's guide for Litmos says an import or push of this size takes: users + 2 × groups.
pub fn okta_formula(users: usize, groups: usize) -> u64 {
    users as u64 + 2 * groups as u64
}
