//! Settings from one TOML file and the environment. All mistakes are reported together.
//!
//! A reader takes the values that it knows by name. All other values are reported as unknown, with the nearest known name. A
//! report names the place, the line or the variable of a mistake, and the remedy. It never repeats a value, because a value may be
//! a secret.
//!
//! The environment wins over the file. `PREFIX_SECTION__KEY` sets `key` in `[section]`. `PREFIX_LIST__0__KEY` sets `key` in the
//! first `[[list]]`; the index after the last one adds a section. One more name reaches a section inside:
//! `PREFIX_SECTION__INNER__KEY`, `PREFIX_LIST__0__INNER__KEY`.
//!
//! Deliberately missing: a derive macro. A function reads each section, so that defaults, bounds and remedies are next to the key
//! that they belong to.

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

/// Settings that are being read.
pub struct Document {
    file: Option<PathBuf>,
    root: Table,
    origins: Origins,
    environment: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

/// Leaves out the values: some are secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("file", &self.file)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Reads the file, if there is one, and applies the environment to it. A secret that is given as `env:NAME` is read from this
    /// environment too.
    ///
    /// # Errors
    /// When the file cannot be read or is not TOML.
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

    /// Reads `[name]`. An absent section is read as an empty one.
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

    /// Ends reading. Reports all values that were not read as unknown.
    ///
    /// # Errors
    /// [`Problems`] with all mistakes that were found.
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
