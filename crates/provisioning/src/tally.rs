//! Counts of a world that are asked for all the time, kept as it changes instead of walking it.

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// People whom no source has deleted.
    pub people: usize,
    /// People who are to be able to log in.
    pub active: usize,
    /// People of the roster who are tied to an account.
    pub linked: usize,
    /// Accounts that are somebody's and active.
    pub accounts_in_use: usize,
}

impl Tally {
    /// What one thing counted for before is taken off, and what it counts for now is put on.
    pub(crate) fn recount(&mut self, before: Tally, now: Tally) {
        self.people = self.people + now.people - before.people;
        self.active = self.active + now.active - before.active;
        self.linked = self.linked + now.linked - before.linked;
        self.accounts_in_use = self.accounts_in_use + now.accounts_in_use - before.accounts_in_use;
    }
}
