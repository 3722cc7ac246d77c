//! One value as spreadsheets write it: text marks, errors, formulas, shortened numbers, words for yes and no.

use std::borrow::Cow;

use provisioning::NormalName;

/// Errors of spreadsheets that end with neither `!` nor `?`, in the languages that have their own.
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

/// Why a value is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// The cell shows an error.
    Error,
    Formula,
    /// In single quotation marks on both sides.
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

/// The value of a cell without what a spreadsheet put around it. `names_somebody`: it is an id or a name, not free text.
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

/// Whether nothing stands in a cell.
pub(super) fn is_blank(raw: &str) -> bool {
    raw.trim_matches(is_edge).is_empty()
}

/// Blanks, and what nobody sees at the ends of a value. Selectors and tags end pictures and stay.
fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// `="00123"` and `'00123` say that a value is text. Where free text begins with an apostrophe it is one (`'s-Hertogenbosch`),
/// unless digits or a sign follow, which would be a number or formula without it.
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

/// `#REF!`, `#BEZUG!`, `#¿NOMBRE?` and their like: a number sign, capitals, and `!` or `?`; a few have no such end. So do
/// `Err:502` and a cell that is too narrow for its value.
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

/// `=A1`, `=VLOOKUP(…)`, `=Sheet2!B7`.
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

/// `1E+11`, `1,00E+11`, `1.2e5`: digits, and an exponent with a sign or behind a decimal point. `12e4` may be an id of hex digits.
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
    /// An `x`: yes. A file that marks some lines so and leaves others blank says no by the blank, or says nothing.
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
