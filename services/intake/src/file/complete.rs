//! Proves that a file is complete, and finds the people of its source that are not in it.
//!
//! A file that was cut between two lines looks like a shorter file, and everyone after the cut looks like a leaver. So the number of people
//! must be stated: by the last line of the file, `#end 12` (in JSON lines `{"end": 12}`), or by a person who knows how many people the
//! source exported. A file is complete if this number matches and all its lines were accepted. Only then a [`CompleteRead`] is created, and
//! only a [`CompleteRead`] can find absent people.

use std::collections::BTreeSet;

use bus::EventBody;
use provisioning::{NormalName, Person, SourceId};

use super::{BadLine, RosterFile, json};

/// Share of a source's people, in percent, above which absences need the consent of an admin. Okta's import safeguard uses the same value.
const CONSENT_ABOVE_PERCENT: usize = 20;

/// The end of a file: the stated number of people, and signs of a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The line that states the number of people, and the number.
    message: Option<(u64, usize)>,
    /// True if the last line ends with a line break.
    terminated: bool,
    /// True if a quotation mark in a CSV file is not closed.
    open_quote: bool,
}

impl End {
    /// Splits the end line from a file whose lines end with `\n`. Blank rows after it, as spreadsheets write them, are ignored.
    pub(super) fn split(text: &str) -> (&str, End) {
        let mut end_of_last = text.len();
        let (start, last) = loop {
            let start = text[..end_of_last].rfind('\n').map_or(0, |at| at + 1);
            let line = &text[start..end_of_last];
            if start == 0 || !is_blank_row(line) {
                break (start, line);
            }
            end_of_last = start - 1;
        };
        let message = stated_people(last);
        let body = if message.is_some() { &text[..start] } else { text };
        let json = body.trim_start().starts_with('{');
        let end = End {
            message: message.map(|people| (body.lines().count() as u64 + 1, people)),
            terminated: text.ends_with('\n'),
            open_quote: !json && body.matches('"').count() % 2 == 1,
        };
        (body, end)
    }

    /// The end of a JSON array. A cut array is not valid JSON.
    pub(super) fn of_array(message: Option<(u64, usize)>) -> End {
        End {
            message,
            terminated: true,
            open_quote: false,
        }
    }

    /// Reports an end line with a wrong number. `None` if the number is right, or if bad lines may explain the difference.
    pub(super) fn contradiction(&self, file: &RosterFile) -> Option<BadLine> {
        let (line, message) = self.message.filter(|_| file.bad.is_empty())?;
        (!file.counts(message)).then(|| BadLine {
            line,
            reason: format!(
                "it says that there are {message} people, but {} were read; export the file again",
                file.people.len()
            ),
        })
    }
}

fn is_blank_row(line: &str) -> bool {
    line.chars()
        .all(|c| c.is_whitespace() || c.is_control() || ",;|\"".contains(c))
}

/// The number in `#end 12`, also with separators and quotation marks of a spreadsheet, or in `{"end": 12}`.
fn stated_people(line: &str) -> Option<usize> {
    let line = line.trim();
    if let Some(rest) = line.trim_start_matches('"').strip_prefix("#end") {
        let number = rest.trim_matches(|c: char| ",;|\"".contains(c) || c.is_whitespace() || c.is_control());
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return digits.then(|| number.parse().ok()).flatten();
    }
    line.starts_with('{').then(|| json::end(line)).flatten()
}

/// Why a file does not count as complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    #[error("{count} of its lines could not be used, first line {}: {}; correct them at the source", .first.line, .first.reason)]
    BadLines { count: usize, first: BadLine },
    #[error("it contains no people, and an empty file cuts nobody off")]
    Nobody,
    #[error("its last line does not end with a line break, so it may be cut; export it again")]
    CutLine,
    #[error(
        "a quotation mark is left open, so it may be cut; inside a value write it twice, and the value in quotation marks"
    )]
    OpenQuote,
    #[error(
        "it does not say that it is whole, and a file cut between two lines looks the same; end it with the line #end N ({{\"end\": N}} in JSON lines), or give --people N, where N is how many people its source exported"
    )]
    NoEnd,
    #[error("{announced} people were announced and {read} were read; export it again")]
    Count { announced: usize, read: usize },
}

/// Proof that a file was read to its end and every line was accepted. People of its source that are not in it have left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteRead {
    names: BTreeSet<NormalName>,
    external_ids: BTreeSet<String>,
}

impl RosterFile {
    /// True if the number in the end line is the number of people or of rows (a person may have several rows). A cut removes the end line,
    /// so neither number can match by chance. A number from outside the file must be the number of people.
    fn counts(&self, message: usize) -> bool {
        message == self.people.len() || message == self.rows
    }

    /// Proves that the file contains all people of its source. `announced` is the number of exported people, if it is known from outside
    /// the file.
    ///
    /// # Errors
    /// Returns the reason why the file does not count as complete.
    pub fn complete(&self, announced: Option<usize>) -> Result<CompleteRead, Incomplete> {
        if let Some(first) = self.bad.first() {
            return Err(Incomplete::BadLines {
                count: self.bad.len(),
                first: first.clone(),
            });
        }
        if self.people.is_empty() {
            return Err(Incomplete::Nobody);
        }
        if !self.end.terminated {
            return Err(Incomplete::CutLine);
        }
        if self.end.open_quote {
            return Err(Incomplete::OpenQuote);
        }
        let read = self.people.len();
        let message = self.end.message.map(|(_, people)| people);
        if message.is_none() && announced.is_none() {
            return Err(Incomplete::NoEnd);
        }
        let wrong_end = message.filter(|message| !self.counts(*message));
        if let Some(announced) = wrong_end.or(announced.filter(|announced| *announced != read)) {
            return Err(Incomplete::Count { announced, read });
        }
        let mut proof = CompleteRead {
            names: BTreeSet::new(),
            external_ids: BTreeSet::new(),
        };
        for person in &self.people {
            if let EventBody::PersonUpserted {
                user_name,
                external_id,
                ..
            } = &person.body
            {
                proof.names.insert(NormalName::of(user_name));
                proof
                    .external_ids
                    .extend(Some(external_id.clone()).filter(|id| !id.is_empty()));
            }
        }
        Ok(proof)
    }
}

/// A person of the source who has access and is not in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    pub user_name: String,
    /// External id of the person at the source, or the user name if there is none.
    pub known_as: String,
}

/// The people of a source who have access and are not in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absences {
    /// Number of people of the source who have access.
    pub of: usize,
    pub absent: Vec<Absence>,
}

impl CompleteRead {
    /// Finds the people of this source who have access in the roster and are not in the file, by user name or external id.
    pub fn absences<'a>(&self, people: impl IntoIterator<Item = &'a Person>, source: &SourceId) -> Absences {
        let mut absences = Absences {
            of: 0,
            absent: Vec::new(),
        };
        for person in people.into_iter().filter(|person| person.wanted_active()) {
            let Some(mark) = person.sources.get(source) else {
                continue;
            };
            absences.of += 1;
            let named = self.names.contains(&NormalName::of(&person.user_name));
            let external = mark.external_id.as_ref();
            if !named && external.is_none_or(|id| !self.external_ids.contains(id)) {
                absences.absent.push(Absence {
                    user_name: person.user_name.clone(),
                    known_as: external.unwrap_or(&person.user_name).clone(),
                });
            }
        }
        absences
    }
}

impl Absences {
    /// True if there are so many absences that an admin must consent first.
    pub fn need_consent(&self) -> bool {
        self.absent.len() * 100 > self.of * CONSENT_ABOVE_PERCENT
    }

    /// The events for the absences. Each ends the access of one person.
    pub fn bodies(&self) -> impl Iterator<Item = EventBody> {
        self.absent.iter().map(|absence| EventBody::PersonLeft {
            person: absence.known_as.clone(),
        })
    }
}
