//! Counts of a state that are asked for all the time.

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// People whom no source has deleted.
    pub people: usize,
    /// People who are to be able to log in.
    pub active: usize,
    /// People of the roster who are tied to an account.
    pub linked: usize,
}
