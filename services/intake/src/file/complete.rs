//! When a file is the whole truth of its source, and who is then gone.
//!
//! A file that was cut between two lines looks like a shorter file, and everybody behind the cut like a leaver. So the
//! end must be message: by the file's own last line, `#end 12` (in JSON lines `{"end": 12}`), or by whoever knows how many
//! people the source exported. A file that says it and holds as many people, all of whose lines were taken, was read
//! whole; nothing else can make a [`CompleteRead`], and without one nobody can be found absent.

use std::collections::BTreeSet;

use bus::EventBody;
use provisioning::{NormalName, Person, SourceId};

use super::{BadLine, RosterFile, json};

/// Above this share of a source's people, absences need a person's consent. Okta's import safeguard uses the same.
const CONSENT_ABOVE_PERCENT: usize = 20;

/// What a file says of its own end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The line that says the number of people, and the number.
    message: Option<(u64, usize)>,
    /// Whether the last line ends with a line break.
    terminated: bool,
    /// Whether a quotation mark of a CSV is left open.
    open_quote: bool,
}

impl End {
    /// Takes the end line off a file whose lines end with `\n`. Blank rows behind it, as spreadsheets write them, are no lines.
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

    /// The end of an array, which cannot be cut without notice.
    pub(super) fn of_array(message: Option<(u64, usize)>) -> End {
        End {
            message,
            terminated: true,
            open_quote: false,
        }
    }

    /// What is wrong with the end line, if nothing else explains why it counts otherwise.
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

/// The number in `#end 12`, however a spreadsheet wrote it, or in `{"end": 12}`.
fn stated_people(line: &str) -> Option<usize> {
    let line = line.trim();
    if let Some(rest) = line.trim_start_matches('"').strip_prefix("#end") {
        let number = rest.trim_matches(|c: char| ",;|\"".contains(c) || c.is_whitespace() || c.is_control());
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return digits.then(|| number.parse().ok()).flatten();
    }
    line.starts_with('{').then(|| json::end(line)).flatten()
}

/// Why nothing is concluded from who is not in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    #[error("{count} of its lines could not be taken, first line {}: {}; correct them at the source", .first.line, .first.reason)]
    BadLines { count: usize, first: BadLine },
    #[error("it holds nobody, and nobody is no proof that everybody left")]
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

/// Proof that a file was read to its end and every line of it was taken: who of its source is not in it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteRead {
    names: BTreeSet<NormalName>,
    external_ids: BTreeSet<String>,
}

impl RosterFile {
    /// Whether the end line counts right: people, or rows where a person has several. A cut takes the end line away, so
    /// neither can be met by chance; a number from elsewhere is of people.
    fn counts(&self, message: usize) -> bool {
        message == self.people.len() || message == self.rows
    }

    /// The proof that this is the whole of its source; `announced` is how many people that exported, if it said so
    /// elsewhere than in the file.
    ///
    /// # Errors
    /// Why nothing may be concluded.
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

/// Somebody of the source who has access and is not in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    pub user_name: String,
    /// How the source knows the person: the external id, or the user name.
    pub known_as: String,
}

/// Who of a source's people with access is not in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absences {
    /// How many people of the source have access.
    pub of: usize,
    pub absent: Vec<Absence>,
}

impl CompleteRead {
    /// Who of this source is in the roster with access, and not in the file by name or by external id.
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
    /// Whether they are so many that a person must agree first.
    pub fn need_consent(&self) -> bool {
        self.absent.len() * 100 > self.of * CONSENT_ABOVE_PERCENT
    }

    /// As events: each ends the access of one person.
    pub fn bodies(&self) -> impl Iterator<Item = EventBody> {
        self.absent.iter().map(|absence| EventBody::PersonLeft {
            person: absence.known_as.clone(),
        })
    }
}
