//! Litmos's rules for values.

use super::Refusal;
use crate::mode::Lengths;

const FORBIDDEN_IN_USER_NAME: &str = "~`!#$%^&*(){}+|:\"<>?,/";

pub(crate) fn user_name(name: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if !(4..=255).contains(&length) {
        return Err(Refusal::UserNameLength);
    }
    let forbidden = |character: char| {
        FORBIDDEN_IN_USER_NAME.contains(character) || character.is_whitespace() || character.is_control()
    };
    if name.starts_with('_') || name.contains(forbidden) {
        return Err(Refusal::UserNameCharacters);
    }
    Ok(())
}

/// Checks an e-mail address. Empty is valid. Otherwise it needs one `@` with plausible text on both sides.
pub(crate) fn email(address: &str) -> Result<(), Refusal> {
    if address.is_empty() {
        return Ok(());
    }
    let plausible = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !address.contains(char::is_whitespace)
    });
    if plausible {
        Ok(())
    } else {
        Err(Refusal::EmailInvalid)
    }
}

/// Checks a password: 8 to 20 characters of four kinds. Empty means no password. An underscore is not a special character.
pub(crate) fn password(word: &str) -> Result<(), Refusal> {
    let has = |kind: fn(char) -> bool| word.chars().any(kind);
    let strong = (8..=20).contains(&word.chars().count())
        && has(|c| c.is_ascii_uppercase())
        && has(|c| c.is_ascii_lowercase())
        && has(|c| c.is_ascii_digit())
        && has(|c| !c.is_alphanumeric() && c != '_');
    if word.is_empty() || strong {
        Ok(())
    } else {
        Err(Refusal::PasswordWeak)
    }
}

/// Checks that a mobile number has the format that text notifications need.
pub(crate) fn mobile_for_texts(number: &str) -> Result<(), Refusal> {
    let digits = number.strip_prefix('+').unwrap_or_default();
    let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits {
        Ok(())
    } else {
        Err(Refusal::PhoneMobileForm)
    }
}

/// Limits a value to `max` characters: refuses or truncates longer ones, depending on the mode.
pub(crate) fn fit(
    name: &'static str,
    value: String,
    max: usize,
    lengths: Lengths,
) -> Result<String, Refusal> {
    match (value.char_indices().nth(max), lengths) {
        (None, _) => Ok(value),
        (Some(_), Lengths::Refuse) => Err(Refusal::TooLong { name, max }),
        (Some((cut, _)), Lengths::Truncate) => Ok(value[..cut].to_owned()),
    }
}

/// Code of a team or course for bulk imports: its number, and its name without blanks and punctuation, except hyphens.
pub(crate) fn code(number: u32, name: &str) -> String {
    const NAME_PART_MAX: usize = 40;
    let part: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '-')
        .take(NAME_PART_MAX)
        .collect();
    format!("{number}-{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_keep_to_the_vendors_rules() {
        for good in [
            "mira",
            "mira.lund@corp.example",
            "o'neil-x",
            "0042",
            &"x".repeat(255),
        ] {
            assert_eq!(user_name(good), Ok(()), "{good}");
        }
        for short_or_long in ["", "abc", &"x".repeat(256)] {
            assert_eq!(
                user_name(short_or_long),
                Err(Refusal::UserNameLength),
                "{short_or_long}"
            );
        }
        for bad in [
            "mira+lms@corp.example",
            "_mira",
            "mira lund",
            "a/b/c",
            "what?",
            "a,bcd",
        ] {
            assert_eq!(user_name(bad), Err(Refusal::UserNameCharacters), "{bad}");
        }
    }

    #[test]
    fn passwords_need_four_kinds_of_character() {
        assert_eq!(password(""), Ok(()));
        assert_eq!(password("Secret-42x"), Ok(()));
        for weak in [
            "secret-42x",
            "SECRET-42X",
            "Secret-xyz",
            "Secret_42x",
            "Se-42x",
            "Secret-42x-far-too-long",
        ] {
            assert_eq!(password(weak), Err(Refusal::PasswordWeak), "{weak}");
        }
    }

    #[test]
    fn a_value_too_long_is_refused_or_cut_at_a_character() {
        assert_eq!(
            fit("Skype", "åäö".to_owned(), 2, Lengths::Truncate),
            Ok("åä".to_owned())
        );
        assert_eq!(
            fit("Skype", "åäö".to_owned(), 2, Lengths::Refuse),
            Err(Refusal::TooLong {
                name: "Skype",
                max: 2
            })
        );
        assert_eq!(
            fit("Skype", "åä".to_owned(), 2, Lengths::Refuse),
            Ok("åä".to_owned())
        );
    }

    #[test]
    fn a_team_code_drops_blanks_and_apostrophes_and_keeps_hyphens() {
        assert_eq!(
            code(2_041_187, "Field Sales' EMEA - North"),
            "2041187-FieldSalesEMEA-North"
        );
    }
}
