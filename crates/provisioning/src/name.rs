//! Names: a normal form for comparison, and a repaired form for display.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;

/// A name in its normal form for comparison. The steps, in order: remove invisible characters; make each run of whitespace one space;
/// remove leading and trailing whitespace; NFC; lower case, with `ß` as `ss` and without the dot above that lower-casing the Turkish `İ`
/// leaves behind; NFC again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NormalName(Box<str>);

impl NormalName {
    pub fn of(name: &str) -> NormalName {
        if is_plain(name) {
            return NormalName(name.to_ascii_lowercase().into());
        }
        let visible = squeezed(name.chars().filter(|c| !is_invisible(*c)), name.len());
        if visible.is_ascii() {
            return NormalName(visible.to_ascii_lowercase().into());
        }
        let mut folded = String::with_capacity(visible.len());
        for c in visible.nfc() {
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

    /// True if the name is empty or contained only whitespace and invisible characters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for NormalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the name for display: without invisible characters, with each run of whitespace as one space, without leading and trailing
/// whitespace. Letter case and accents stay. A joiner or variation selector after a non-ASCII character stays if it changes what is
/// visible: `👩‍💻` is one symbol, and Persian words need their joiners.
///
/// Names with the same repaired form have the same [`NormalName`].
pub fn repaired(name: &str) -> Cow<'_, str> {
    let seen = |c: char| c == ' ' || (!c.is_whitespace() && !is_invisible(c));
    if name.chars().all(seen) && !name.contains("  ") && name.trim() == name {
        return Cow::Borrowed(name);
    }
    let mut kept = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if !is_invisible(c) {
            kept.push(c);
            continue;
        }
        let after_shaped = kept.chars().next_back().is_some_and(|last| {
            !last.is_ascii() && !last.is_whitespace() && (!is_invisible(last) || is_selector(last))
        });
        let stays = match c {
            '\u{200C}' | '\u{200D}' => {
                let mut rest = chars.clone();
                let next = rest.find(|next| !is_invisible(*next));
                after_shaped && next.is_some_and(|next| !next.is_ascii() && !next.is_whitespace())
            }
            c if is_selector(c) => after_shaped && !kept.chars().next_back().is_some_and(is_selector),
            _ => false,
        };
        if stays {
            kept.push(c);
        }
    }
    match squeezed(kept.chars(), kept.len()) {
        same if same == name => Cow::Borrowed(name),
        repaired => Cow::Owned(repaired),
    }
}

/// True if this name certainly is its own normal form, except for letter case. True for most names.
fn is_plain(name: &str) -> bool {
    let mut before = b' ';
    for byte in name.bytes() {
        let plain = match byte {
            b' ' => before != b' ',
            byte => byte.is_ascii_graphic(),
        };
        if !plain {
            return false;
        }
        before = byte;
    }
    name.is_empty() || before != b' '
}

/// Makes each run of whitespace one space, and removes leading and trailing whitespace.
fn squeezed(chars: impl Iterator<Item = char>, capacity: usize) -> String {
    let mut text = String::with_capacity(capacity);
    let mut blank = false;
    for c in chars {
        if c.is_whitespace() {
            blank = !text.is_empty();
            continue;
        }
        if blank {
            text.push(' ');
            blank = false;
        }
        text.push(c);
    }
    text
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// True if the character is invisible: a control character that is not whitespace, or one that Unicode lists as
/// `Default_Ignorable_Code_Point`, including reserved ranges.
pub fn is_invisible(c: char) -> bool {
    match c {
        c if c.is_control() => !c.is_whitespace(),
        ..'\u{AD}' => false,
        '\u{AD}' // soft hyphen
        | '\u{34F}' // combining grapheme joiner
        | '\u{61C}' // Arabic letter mark
        | '\u{115F}'..='\u{1160}' // Hangul fillers
        | '\u{17B4}'..='\u{17B5}' // Khmer inherent vowels
        | '\u{180B}'..='\u{180F}' // Mongolian selectors
        | '\u{200B}'..='\u{200F}' // zero width space, joiners, direction marks
        | '\u{202A}'..='\u{202E}' // direction embeddings and overrides
        | '\u{2060}'..='\u{206F}' // word joiner, invisible operators, direction isolates
        | '\u{3164}' // Hangul filler
        | '\u{FE00}'..='\u{FE0F}' // variation selectors
        | '\u{FEFF}' // byte order mark
        | '\u{FFA0}' // halfwidth Hangul filler
        | '\u{FFF0}'..='\u{FFF8}' // reserved
        | '\u{1BCA0}'..='\u{1BCA3}' // shorthand format controls
        | '\u{1D173}'..='\u{1D17A}' // musical format controls
        | '\u{E0000}'..='\u{E0FFF}' // tags and variation selectors
        => true,
        _ => false,
    }
}

/// A short key of a normal name, for indexes that need not return the name: the first 16 bytes of its SHA-256, as in the keys of the
/// roster's own indexes. It saves memory: 200 000 people have half a million names.
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

/// The first of Litmos's rules that this user name breaks (vendor page "password and username restrictions").
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
    fn names_that_look_alike_have_one_normal_form_and_are_repaired() {
        let looks = |seen: &str, written: &[&str]| {
            for name in written {
                assert_eq!(NormalName::of(name), NormalName::of(seen), "{name:?}");
                assert_eq!(repaired(name), seen, "{name:?}");
            }
        };
        looks(
            "mira@corp.example",
            &[
                "mira@corp.example\u{200B}",
                "\u{FEFF}mira@corp.example",
                "\u{202A}mira@corp.example\u{202C}",
                "mira\u{AD}@corp.example",
                "mira@corp.example\u{2060}",
                "mira\u{200D}@corp.example",
                "\u{2066}mira@corp.example\u{2069}",
                "mira\u{3164}@corp\u{115F}.example",
                "mira\u{FE0F}@corp.example\u{E0061}",
                "\u{1F}mira@corp.example\u{0}",
            ],
        );
        looks(
            "Sales Team",
            &[
                "Sales\u{A0}Team",
                "Sales  Team",
                "Sales Team\u{200B}",
                "\tSales\u{3000}\t Team ",
                "Sales\u{2009}\u{200B}\u{202F}Team",
                "Sales\r\nTeam",
            ],
        );
        assert_ne!(NormalName::of("SalesTeam"), NormalName::of("Sales Team"));
    }

    #[test]
    fn what_shapes_visible_characters_stays_for_display_and_never_tells_names_apart() {
        for name in [
            "Team 👩\u{200D}💻",
            "می\u{200C}خواهم",
            "Love ❤\u{FE0F}",
            "❤\u{FE0F}\u{200D}🔥",
        ] {
            assert_eq!(repaired(name), name);
            let bare: String = name.chars().filter(|c| !is_invisible(*c)).collect();
            assert_eq!(NormalName::of(name), NormalName::of(&bare));
        }
        assert_eq!(repaired("a\u{200C}b é\u{200D}"), "ab é");
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
        fn repairing_twice_changes_nothing_and_keeps_the_normal_form(
            name in "[aB é❤👩\u{200B}\u{200C}\u{200D}\u{FE0F}\u{A0}\u{AD}\u{3164}\u{307}İ\t\u{1}]{0,12}|\\PC{0,24}"
        ) {
            let once = repaired(&name).into_owned();
            proptest::prop_assert_eq!(repaired(&once), once.as_str());
            proptest::prop_assert_eq!(NormalName::of(&once), NormalName::of(&name));
            let normal = NormalName::of(&name);
            proptest::prop_assert_eq!(NormalName::of(normal.as_str()), normal.clone());
            proptest::prop_assert!(!normal.as_str().chars().any(is_invisible));
            proptest::prop_assert!(!normal.as_str().contains("  "));
        }

        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{0,24}") {
            let once = NormalName::of(&name);
            proptest::prop_assert_eq!(NormalName::of(once.as_str()), once);
        }
    }
}
