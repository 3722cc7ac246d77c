//! Normal form for comparing text that is not case exact.

use unicode_normalization::UnicodeNormalization;

/// NFC, lower case with `ß` as `ss`, final sigma as sigma and `İ` as a plain `i`, then NFC again.
///
/// This is close to full Unicode case folding for every script that has case. With lower-casing alone, the three special letters
/// would separate names that people regard as equal. Dotless `ı` is unchanged.
pub(crate) fn normal_form(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            'ß' | 'ẞ' => folded.push_str("ss"),
            'İ' => folded.push('i'),
            'ς' => folded.push('σ'),
            c => folded.extend(c.to_lowercase()),
        }
    }
    folded.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::normal_form;

    #[test]
    fn spellings_of_one_name_have_one_normal_form() {
        for (a, b) in [
            ("Mira.Lund@CORP.example", "mira.lund@corp.example"),
            ("José", "JOSE\u{301}"),
            ("STRASSE", "straße"),
            ("İstanbul", "istanbul"),
            ("ΝΙΚΟΣ", "νικος"),
        ] {
            assert_eq!(normal_form(a), normal_form(b), "{a} and {b}");
        }
    }

    #[test]
    fn different_letters_stay_different() {
        assert_ne!(normal_form("jose"), normal_form("josé"));
        assert_ne!(normal_form("ısa"), normal_form("isa"));
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in ".{0,24}") {
            let once = normal_form(&text);
            proptest::prop_assert_eq!(normal_form(&once), once);
        }
    }
}
