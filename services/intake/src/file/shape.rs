//! Decodes the text of a file, for the formats that common programs save.

use std::borrow::Cow;

use super::FileError;

/// File formats that are not supported: first bytes, description and remedy.
const FOREIGN: [(&[u8], &str, &str); 7] = [
    (
        b"PK\x03\x04",
        "an Excel workbook or another zip archive",
        "open it and save the sheet as \"CSV UTF-8\"",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook (.xls)",
        "open it and save the sheet as \"CSV UTF-8\"",
    ),
    (b"\x1f\x8b", "packed with gzip", "unpack it first"),
    (b"%PDF", "a PDF", "export the list as CSV"),
    (b"\xff\xfe\0\0", "UTF-32 text", "save it as UTF-8"),
    (
        b"<",
        "a web page or XML",
        "export the list as CSV or JSON lines; a log-in page may have been saved instead of the file",
    ),
    (b"{\\rtf", "a formatted document (RTF)", "save it as plain text"),
];

/// The text of a file, without a byte order mark and a final ^Z. All line ends become `\n`.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, FileError> {
    let start = bytes.trim_ascii_start();
    if let Some((_, what, remedy)) = FOREIGN.iter().find(|(magic, _, _)| start.starts_with(magic)) {
        return Err(FileError::Foreign { what, remedy });
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(utf8(rest, 3)?),
        [first, 0, ..] | [0, first, ..] if first.is_ascii() => {
            return Err(FileError::Foreign {
                what: "UTF-16 text without the mark that says so",
                remedy: "save it as UTF-8",
            });
        }
        bytes => Cow::Borrowed(utf8(bytes, 0)?),
    };
    Ok(with_plain_ends(text))
}

fn utf8(bytes: &[u8], before: usize) -> Result<&str, FileError> {
    std::str::from_utf8(bytes).map_err(|error| FileError::Encoding {
        at: before + error.valid_up_to(),
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, FileError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    text.ok().filter(|_| rest.is_empty()).ok_or(FileError::Foreign {
        what: "UTF-16 text that is damaged or cut",
        remedy: "export it again, as UTF-8",
    })
}

fn with_plain_ends(text: Cow<'_, str>) -> Cow<'_, str> {
    // Old programs end a text with ^Z.
    let end = text.trim_end_matches('\u{1a}').len();
    match text {
        text if text.contains('\r') => Cow::Owned(text[..end].replace("\r\n", "\n").replace('\r', "\n")),
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}
