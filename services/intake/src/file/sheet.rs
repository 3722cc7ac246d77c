//! Reads CSV files as spreadsheets write them: with one of four separators, a first line `sep=;`, blank rows, and columns without a name.

use csv::{Position, ReaderBuilder, StringRecord};

use super::{FileError, cell};

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A header with named columns, and the rows below it.
pub(super) struct Sheet<'a> {
    text: &'a str,
    separator: u8,
    /// Number of lines before `text`.
    before: u64,
    pub(super) header: StringRecord,
}

impl<'a> Sheet<'a> {
    /// Reads the header. `known` tells whether a column name is known. The separator that gives the most known columns is used.
    pub(super) fn open(text: &'a str, known: impl Fn(&str) -> bool) -> Result<Sheet<'a>, FileError> {
        let (message, text, before) = match separator_line(text)? {
            Some((separator, rest)) => (Some(separator), rest, 1),
            None => (None, text, 0),
        };
        let mut best: Option<(usize, Sheet<'a>)> = None;
        for separator in SEPARATORS
            .into_iter()
            .filter(|_| message.is_none())
            .chain(message)
        {
            let header = rows(text, separator).find(|row| !row.as_ref().is_ok_and(is_blank));
            let Some(Ok(header)) = header else { continue };
            let columns = header.iter().filter(|name| known(name)).count();
            if best.as_ref().is_none_or(|(most, _)| columns > *most) {
                let sheet = Sheet {
                    text,
                    separator,
                    before,
                    header,
                };
                best = Some((columns, sheet));
            }
        }
        best.map(|(_, sheet)| sheet).ok_or(FileError::Empty)
    }

    /// The rows below the header that are not blank, with their lines. A row with a wrong number of columns has a problem.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + use<'_, 'a> {
        let columns = self.header.len();
        // A row may leave out columns without a name at the end.
        let names = self.header.iter().enumerate();
        let named = names.filter(|(_, name)| !cell::is_blank(name)).last();
        let named = named.map_or(0, |(at, _)| at + 1);
        let separator = char::from(self.separator);
        let rows = rows(self.text, self.separator);
        let mut below = rows.skip_while(|row| row.as_ref().is_ok_and(is_blank));
        below.next();
        let rows = below.filter(|row| !row.as_ref().is_ok_and(is_blank));
        rows.map(move |row| {
            let place = match &row {
                Ok(record) => record.position().cloned(),
                Err(error) => error.position().cloned(),
            };
            let line = place.map_or(0, |place| self.line(&place));
            match row {
                Err(error) => Row {
                    line,
                    cells: StringRecord::new(),
                    problem: Some(format!("it cannot be read as CSV: {error}; export the file again")),
                },
                Ok(cells) => {
                    let extra = cells.iter().skip(columns).any(|cell| !cell::is_blank(cell));
                    let problem = (cells.len() < named || extra).then(|| {
                        format!(
                            "it has {} columns and the header has {columns}; put a value that holds {separator:?} in double quotation marks",
                            cells.len(),
                        )
                    });
                    Row { line, cells, problem }
                }
            }
        })
    }

    /// The line where a row begins. The position from the reader includes the blank lines before the row.
    fn line(&self, place: &Position) -> u64 {
        let start = usize::try_from(place.byte()).unwrap_or_default();
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| **byte == b'\n').count() as u64;
        self.before + place.line() + blank
    }
}

/// One row of a sheet.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: StringRecord,
    pub(super) problem: Option<String>,
}

fn rows(text: &str, separator: u8) -> impl Iterator<Item = csv::Result<StringRecord>> {
    let reader = ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    reader.into_records()
}

fn is_blank(row: &StringRecord) -> bool {
    row.iter().all(cell::is_blank)
}

/// The separator in a first line `sep=;`, and the text after that line.
fn separator_line(text: &str) -> Result<Option<(u8, &str)>, FileError> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim_matches('"');
    let Some(message) = line
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))
        .map(|_| &line[4..])
    else {
        return Ok(None);
    };
    match message.trim_end_matches(['"', ' ']).as_bytes() {
        [separator] if separator.is_ascii() && !separator.is_ascii_alphanumeric() && *separator != b'"' => {
            Ok(Some((*separator, rest)))
        }
        _ => Err(FileError::Separator {
            message: message.to_owned(),
        }),
    }
}
