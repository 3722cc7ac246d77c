//! Settings from one TOML file and the environment, with every mistake reported at once.
//!
//! A reader takes the values it knows by name; what it did not take is unknown and reported, with the nearest name
//! that is known. A mistake names its place, the line or the variable it comes from, and the remedy; it never repeats
//! a value, which may be a secret.
//!
//! The environment wins over the file: `PREFIX_SECTION__KEY` sets `key` in `[section]`, `PREFIX_DOOR__0__KEY` sets
//! `key` in the first `[[door]]`, and the index after the last one adds a section. One name more reaches the section
//! inside: `PREFIX_SECTION__INNER__KEY`, `PREFIX_DOOR__0__INNER__KEY`.
//!
//! There is deliberately no derive here: a section is read by a function, so that defaults, bounds and remedies stand
//! beside the key they belong to.

mod names;
mod overlay;
mod problem;
mod section;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use problem::{Origin, Problem, Problems};
pub use section::Section;

use names::nearest;
use overlay::Overlay;
use source::Origins;

/// The settings, being read.
pub struct Document {
    file: Option<PathBuf>,
    root: Table,
    origins: Origins,
    environment: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

/// The values stay out: some are secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("file", &self.file)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Reads the file, if there is one, and lays the environment over it. The environment is also where a secret given
    /// as `env:NAME` is looked up.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        prefix: &str,
    ) -> Result<Document, Problems> {
        let (mut root, mut origins) = match file {
            None => (Table::new(), Origins::default()),
            Some(path) => source::read(path).map_err(|problem| Problems {
                file: file.map(Path::to_owned),
                problems: vec![problem],
            })?,
        };
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let mut problems = Vec::new();
        for overlay in Overlay::all(&environment, prefix) {
            if let Err(problem) = overlay.lay(&mut root, &mut origins) {
                problems.push(problem);
            }
        }
        Ok(Document {
            file: file.map(Path::to_owned),
            root,
            origins,
            environment,
            problems,
        })
    }

    /// Reads `[name]`; an absent section is an empty one.
    pub fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let values = match self.root.remove(name) {
            None => Table::new(),
            Some(Value::Table(values)) => values,
            Some(other) => {
                self.problem(
                    format!("[{name}]"),
                    format!("is {}; write a section", names::kind(&other)),
                );
                Table::new()
            }
        };
        self.read_section(format!("[{name}]"), values, read)
    }

    /// Reads every `[[name]]`.
    pub fn sections<T>(&mut self, name: &'static str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let list = match self.root.remove(name) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(single @ Value::Table(_)) => {
                self.problem(
                    format!("[{name}]"),
                    format!("can stand more than once; write [[{name}]]"),
                );
                vec![single]
            }
            Some(other) => {
                self.problem(
                    format!("[[{name}]]"),
                    format!("is {}; write sections", names::kind(&other)),
                );
                Vec::new()
            }
        };
        let mut all = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = source::numbered(name, index);
            match value {
                Value::Table(values) => all.push(self.read_section(place, values, &mut read)),
                other => self.problem(place, format!("is {}; write a section", names::kind(&other))),
            }
        }
        all
    }

    pub fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem::new(place, what));
    }

    /// Ends reading: what is left is unknown.
    ///
    /// # Errors
    /// [`Problems`] with everything that was found wrong.
    pub fn finish(mut self, known: &[&str]) -> Result<(), Problems> {
        for (name, value) in std::mem::take(&mut self.root) {
            let hint = nearest(&name, known);
            if value.is_table() || value.is_array() {
                self.problem(
                    format!("[{name}]"),
                    format!("is no section of the settings{hint}"),
                );
            } else {
                self.problem(
                    name,
                    "stands outside any section; put it below the [section] it belongs to",
                );
            }
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        for problem in &mut self.problems {
            problem.origin = problem.origin.take().or_else(|| self.origins.of(&problem.place));
        }
        Err(Problems {
            file: self.file,
            problems: self.problems,
        })
    }

    fn read_section<T>(
        &mut self,
        place: String,
        values: Table,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut section = Section::new(place, values, &self.environment, &mut self.problems);
        let result = read(&mut section);
        section.report_unknown();
        result
    }
}
