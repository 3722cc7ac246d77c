//! Parses the bytes of a request as JSON.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::error::ScimError;

/// Parses a body as JSON, with or without a byte order mark, and keeps every digit of its numbers.
///
/// Users and groups have no numeric attributes, but some clients send ids as numbers. A number that a JSON reader would round or
/// shorten (`12345678901234567890123`, `1.10`) becomes the text as sent.
///
/// # Errors
/// `invalidSyntax`, with the problem and its position.
pub fn read_json(bytes: &[u8]) -> Result<Value, ScimError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ScimError::invalid_syntax(
            "the body is written in UTF-16; send it in UTF-8",
        ));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ScimError::invalid_syntax(format!(
            "the body is not UTF-8 from byte {} on; send it in UTF-8",
            error.valid_up_to() + 1
        ))
    })?;
    if text.trim().is_empty() {
        return Err(ScimError::invalid_syntax("the body is empty; send a JSON object"));
    }
    let kept = with_kept_digits(text);
    serde_json::from_str(&kept).map_err(|error| {
        // The position refers to the body as sent.
        let error = serde_json::from_str::<Value>(text).err().unwrap_or(error);
        ScimError::invalid_syntax(format!("the body is no JSON: {error}"))
    })
}

/// Puts quotes around numbers that would lose digits.
fn with_kept_digits(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut kept = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let start = at;
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
                {
                    at += 1;
                }
                if loses_digits(&text[start..at]) {
                    kept.push_str(&text[copied..start]);
                    kept.push('"');
                    kept.push_str(&text[start..at]);
                    kept.push('"');
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[copied..]);
    Cow::Owned(kept)
}

/// Position after the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// True if the text is a JSON number that would be written back differently.
fn loses_digits(word: &str) -> bool {
    if word.len() < 10 && word.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    match word.parse::<Number>() {
        Ok(number) => number.to_string() != word,
        // A number out of range is still a number. For other text, the JSON reader reports the error.
        Err(_) => is_number(word),
    }
}

/// Follows the grammar of RFC 8259 section 6.
fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}
