//! Names as keys: one normal form for comparing, the original kept for display.

use std::fmt;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;

/// A name folded for comparison: NFC, then lower case with `ß` as `ss` and without the dot above that lower-casing
/// the Turkish `İ` leaves behind, here or at the source, then NFC again, with outer blanks dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NormalName(Box<str>);

impl NormalName {
    pub fn of(name: &str) -> NormalName {
        let trimmed = name.trim();
        if trimmed.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            return NormalName(trimmed.into());
        }
        if trimmed.is_ascii() {
            return NormalName(trimmed.to_ascii_lowercase().into());
        }
        let mut folded = String::with_capacity(trimmed.len());
        for c in trimmed.nfc() {
            match c {
                'ß' | 'ẞ' => folded.push_str("ss"),
                'İ' => folded.push('i'),
                '\u{307}' if folded.ends_with('i') => {}
                'ς' => folded.push('σ'),
                c => folded.extend(c.to_lowercase()),
            }
        }
        NormalName(folded.nfc().collect::<String>().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is empty or only blanks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for NormalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A normal name in an index that need not give it back: sixteen bytes of its SHA-256, as in the keys of the roster's
/// own indexes. Two hundred thousand people go by half a million names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameKey([u8; 16]);

impl NameKey {
    pub(crate) fn of(name: &NormalName) -> NameKey {
        let digest = Sha256::digest(name.as_str().as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        NameKey(key)
    }
}

/// Why Litmos would refuse a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserNameProblem {
    #[error("has fewer than 4 characters; Litmos takes 4 to 255")]
    TooShort,
    #[error("has more than 255 characters; Litmos takes 4 to 255")]
    TooLong,
    #[error("begins with an underscore, which Litmos refuses")]
    LeadingUnderscore,
    #[error("holds {0:?}, which Litmos refuses in user names; map the user name to an attribute without it")]
    Forbidden(char),
}

/// The first rule of Litmos's user names that this one breaks (vendor page "password and username restrictions").
pub fn user_name_problem(user_name: &str) -> Option<UserNameProblem> {
    let chars = user_name.chars().count();
    if let Some(bad) = user_name
        .chars()
        .find(|c| "~`!#$%^&*(){}+|:\"<>?,/".contains(*c) || c.is_whitespace() || c.is_control())
    {
        return Some(UserNameProblem::Forbidden(bad));
    }
    if user_name.starts_with('_') {
        return Some(UserNameProblem::LeadingUnderscore);
    }
    match chars {
        0..4 => Some(UserNameProblem::TooShort),
        4..=255 => None,
        _ => Some(UserNameProblem::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_person_would_call_the_same_have_one_normal_form() {
        for (a, b) in [
            ("Mira.Lund@corp.example", "mira.lund@CORP.example "),
            ("José", "JOSE\u{301}"),
            ("STRASSE", "straße"),
            ("İstanbul", "istanbul"),
            ("İSTANBUL", "i\u{307}stanbul"),
            ("ΝΙΚΟΣ", "νικος"),
        ] {
            assert_eq!(NormalName::of(a), NormalName::of(b), "{a} and {b}");
        }
        assert_ne!(NormalName::of("jose"), NormalName::of("josé"));
    }

    #[test]
    fn user_names_that_litmos_refuses_are_named_with_the_rule() {
        assert_eq!(
            user_name_problem("a+b@corp.example"),
            Some(UserNameProblem::Forbidden('+'))
        );
        assert_eq!(user_name_problem("abc"), Some(UserNameProblem::TooShort));
        assert_eq!(
            user_name_problem("_abcd"),
            Some(UserNameProblem::LeadingUnderscore)
        );
        assert_eq!(
            user_name_problem(&"x".repeat(256)),
            Some(UserNameProblem::TooLong)
        );
        assert_eq!(user_name_problem("o'hara-smith_2@corp.example"), None);
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{0,24}") {
            let once = NormalName::of(&name);
            proptest::prop_assert_eq!(NormalName::of(once.as_str()), once);
        }
    }
}
