//! Counts of an org state that are read often.

/// Numbers of people in an org state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// People that no source has deleted.
    pub people: usize,
    /// People who are to be able to log in.
    pub active: usize,
    /// People in the roster who are linked to an account.
    pub linked: usize,
}
