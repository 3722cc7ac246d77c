//! Format of request and response bodies, as in a tolerant WCF service.

use std::borrow::Cow;

use crate::model::Refusal;
use crate::wire::Format;

/// Format of a `Content-Type`, ignoring its parameters.
pub(super) fn named(content_type: &str) -> Option<Format> {
    let media = content_type.split(';').next().unwrap_or_default().to_lowercase();
    if media.contains("json") {
        Some(Format::Json)
    } else if media.contains("xml") {
        Some(Format::Xml)
    } else {
        None
    }
}

/// Format of a body without a known `Content-Type`.
pub(super) fn guessed(body: &str) -> Format {
    if body.trim_start().starts_with('<') {
        Format::Xml
    } else {
        Format::Json
    }
}

/// Text of a body in UTF-8 or UTF-16, without its byte order mark.
pub(super) fn decoded<'b>(content_type: &str, body: &'b [u8]) -> Result<Cow<'b, str>, Refusal> {
    let unreadable = |why: &str| Refusal::BodyUnreadable(why.to_owned());
    let charset = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"').to_lowercase());
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks(2)
            .map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or(0)]))
            .collect();
        String::from_utf16(&units)
            .map(Cow::Owned)
            .map_err(|_| unreadable("it is not UTF-16"))
    };
    match (charset.as_deref(), body) {
        (_, [0xFF, 0xFE, rest @ ..]) => utf16(rest, u16::from_le_bytes),
        (_, [0xFE, 0xFF, rest @ ..]) => utf16(rest, u16::from_be_bytes),
        (Some("utf-16" | "utf-16le" | "unicode"), bytes) => utf16(bytes, u16::from_le_bytes),
        (Some("utf-16be"), bytes) => utf16(bytes, u16::from_be_bytes),
        (None | Some("utf-8" | "utf8" | "us-ascii"), bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
            Ok(Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)))
        }
        (Some(other), _) => Err(unreadable(&format!("the character set {other} is not supported"))),
    }
}

/// Format requested by an `Accept` header: the one with the highest weight, the first of equal ones, and XML by default.
pub(super) fn accepted(accept: &str) -> Format {
    let mut best = (0.0, Format::Xml);
    for entry in accept.split(',') {
        let weight = entry
            .split(';')
            .skip(1)
            .filter_map(|parameter| parameter.trim().strip_prefix("q="))
            .find_map(|weight| weight.trim().parse::<f64>().ok())
            .unwrap_or(1.0);
        if let Some(format) = named(entry).filter(|_| weight > best.0) {
            best = (weight, format);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_and_byte_order_marks_are_read_and_other_character_sets_are_not() {
        let read = |content_type: &str, body: &[u8]| decoded(content_type, body).ok().map(Cow::into_owned);
        let little: Vec<u8> = "\u{feff}<å/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "<å/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read("text/xml", &little).as_deref(), Some("<å/>"));
        assert_eq!(
            read("text/xml; charset=\"UTF-16BE\"", &big).as_deref(),
            Some("<å/>")
        );
        assert_eq!(read("", "\u{feff}{}".as_bytes()).as_deref(), Some("{}"));
        assert_eq!(read("text/xml; charset=iso-8859-1", b"<a/>"), None);
        assert_eq!(read("text/xml", b"<\xe5/>"), None);
    }
}
