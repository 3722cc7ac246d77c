//! Reads one value as spreadsheets write it: text marks, errors, formulas, shortened numbers, words for yes and no.

use std::borrow::Cow;

use provisioning::NormalName;

/// Spreadsheet errors that do not end with `!` or `?`, in all languages that have their own.
const ERRORS: [&str; 11] = [
    "#N/A",
    "#NV",
    "#N/D",
    "#N/B",
    "#I/T",
    "#N/V",
    "#YOK",
    "#HIÁNYZIK",
    "#Н/Д",
    "#N/DISP",
    "#GETTING_DATA",
];

const YES: [&str; 24] = [
    "true",
    "t",
    "yes",
    "y",
    "1",
    "on",
    "x",
    "✓",
    "ja",
    "j",
    "wahr",
    "oui",
    "vrai",
    "si",
    "sí",
    "verdadero",
    "sim",
    "verdadeiro",
    "vero",
    "tak",
    "enabled",
    "active",
    "aktiv",
    "actif",
];

const NO: [&str; 20] = [
    "false", "f", "no", "n", "0", "off", "nein", "falsch", "non", "faux", "falso", "não", "nao", "nie",
    "nej", "nei", "disabled", "inactive", "inaktiv", "inactif",
];

/// Why the text of a cell is not a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// The cell shows an error.
    Error,
    Formula,
    /// The text is in single quotation marks.
    SingleQuotes,
    /// A long number that was rounded, such as `1E+11`.
    Shortened,
}

impl NoValue {
    pub(super) fn reason(&self, column: &str, value: &str) -> String {
        let (problem, remedy) = match self {
            NoValue::Error => (
                "is an error of a spreadsheet, no value",
                "correct the cell and export the file again",
            ),
            NoValue::Formula => (
                "is a formula, no value",
                "export the file with values in place of formulas",
            ),
            NoValue::SingleQuotes => (
                "stands in single quotation marks",
                "leave them out, or use double ones",
            ),
            NoValue::Shortened => (
                "is a number that a spreadsheet has shortened, and the digits are lost",
                "give the column the format Text where the file is made, and export it again",
            ),
        };
        format!("{column}: {value:?} {problem}; {remedy}")
    }
}

/// The value of a cell, without the marks that a spreadsheet put around it. `names_somebody` means that the value identifies a person and
/// is not free text.
///
/// # Errors
/// Returns the reason if the text is not a value.
pub(super) fn clean(raw: &str, names_somebody: bool) -> Result<Cow<'_, str>, NoValue> {
    let value = raw.trim_matches(is_edge);
    let value = without_mark(value, names_somebody)?;
    if is_error(&value) {
        return Err(NoValue::Error);
    }
    if is_formula(&value) {
        return Err(NoValue::Formula);
    }
    if names_somebody && is_shortened(&value) {
        return Err(NoValue::Shortened);
    }
    Ok(value)
}

/// True if a cell is empty.
pub(super) fn is_blank(raw: &str) -> bool {
    raw.trim_matches(is_edge).is_empty()
}

/// True if a character is removed at the ends of a value: white space and invisible characters. Variation selectors and tags belong to
/// emoji and stay.
fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Removes a text mark: `="00123"` and `'00123` mark a value as text. In free text, an apostrophe at the start is part of the value
/// (`'s-Hertogenbosch`). But before a digit or sign it is a mark, because the value would be a number or formula without it.
fn without_mark(value: &str, names_somebody: bool) -> Result<Cow<'_, str>, NoValue> {
    let quoted = value.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    if let Some(inner) = quoted {
        let single = inner.replace("\"\"", "");
        if single.contains('"') {
            return Err(NoValue::Formula);
        }
        return Ok(Cow::Owned(
            inner.replace("\"\"", "\"").trim_matches(is_edge).to_owned(),
        ));
    }
    let Some(rest) = value.strip_prefix('\'') else {
        return Ok(Cow::Borrowed(value));
    };
    if names_somebody && rest.len() > 1 && rest.ends_with('\'') {
        return Err(NoValue::SingleQuotes);
    }
    let mark = names_somebody || rest.starts_with(|c: char| c.is_ascii_digit() || "=+-@".contains(c));
    let value = if mark { rest.trim_matches(is_edge) } else { value };
    Ok(Cow::Borrowed(value))
}

/// True if the value is a spreadsheet error, such as `#REF!`, `#BEZUG!` or `#¿NOMBRE?`: a number sign, capitals, and `!` or `?`. Errors
/// without this end are in `ERRORS`. `Err:502` and the `###` of a cell that is too narrow are errors too.
fn is_error(value: &str) -> bool {
    let Some(rest) = value.strip_prefix('#') else {
        let code = value.strip_prefix("Err:").unwrap_or_default();
        return code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    };
    if rest.len() >= 2 && rest.chars().all(|c| c == '#') {
        return true;
    }
    let capitals = value.to_uppercase();
    if ERRORS.contains(&capitals.as_str()) {
        return true;
    }
    let Some(word) = rest.strip_suffix(['!', '?']) else {
        return false;
    };
    let letters =
        |c: char| (c.is_alphabetic() && !c.is_lowercase()) || c.is_ascii_digit() || "/_¡¿.".contains(c);
    word.chars().all(letters) && word.chars().any(char::is_alphabetic)
}

/// True if the value is a formula, such as `=A1`, `=VLOOKUP(…)` or `=Sheet2!B7`.
fn is_formula(value: &str) -> bool {
    let Some(rest) = value.strip_prefix('=') else {
        return false;
    };
    let name_end = rest
        .find(|c: char| !(c.is_alphanumeric() || "._$".contains(c)))
        .unwrap_or(rest.len());
    let (name, behind) = rest.split_at(name_end);
    let refers = name.starts_with(|c: char| c.is_alphabetic() || c == '$')
        && name.ends_with(|c: char| c.is_ascii_digit());
    (!name.is_empty() && behind.starts_with(['(', '!'])) || (refers && !behind.starts_with(' '))
}

/// True if the value is a shortened number, such as `1E+11`, `1,00E+11` or `1.2e5`: digits, and an exponent with a sign or after a decimal
/// point. `12e4` is not one: it may be an id of hex digits.
fn is_shortened(value: &str) -> bool {
    let Some((mantissa, exponent)) = value.split_once(['e', 'E']) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let exponent_digits = exponent.strip_prefix(['+', '-']);
    let (whole, decimal) = match mantissa.split_once(['.', ',', '٫']) {
        None => (mantissa, None),
        Some((whole, part)) => (whole, Some(part)),
    };
    digits(whole)
        && decimal.is_none_or(digits)
        && digits(exponent_digits.unwrap_or(exponent))
        && (decimal.is_some() || exponent_digits.is_some())
}

/// A word for yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Yes,
    No,
    /// An `x`, which means yes. If a file marks some lines with `x` and leaves others blank, a blank may mean no or unknown.
    Cross,
}

pub(super) fn flag(text: &str) -> Option<Flag> {
    let word = NormalName::of(text);
    match word.as_str() {
        "x" | "✓" => Some(Flag::Cross),
        word if YES.contains(&word) => Some(Flag::Yes),
        word if NO.contains(&word) => Some(Flag::No),
        _ => None,
    }
}
