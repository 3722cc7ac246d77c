//! Mistakes in the settings, as texts for a person.

use std::fmt;
use std::path::PathBuf;

/// The place where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the settings file, on this line, counted from 1.
    Line(usize),
    /// In the environment variable of this name.
    Variable(String),
}

/// One mistake, with its place and remedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Place in the settings, such as `[store] url` or `[[list]] #2 key`.
    pub place: String,
    /// The mistake and the remedy.
    pub what: String,
    /// The place where the value, or the section without it, was written. `None` if nothing was written.
    pub origin: Option<Origin>,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem {
            place: place.into(),
            what: what.into(),
            origin: None,
        }
    }

    pub(crate) fn written(mut self, origin: Option<Origin>) -> Problem {
        self.origin = origin;
        self
    }
}

/// All mistakes in the settings, at least one.
#[derive(Debug, thiserror::Error)]
pub struct Problems {
    pub file: Option<PathBuf>,
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self
            .file
            .as_ref()
            .map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
        write!(f, "the settings of {file} cannot be used:")?;
        for problem in &self.problems {
            f.write_str("\n  ")?;
            match &problem.origin {
                Some(Origin::Line(line)) => write!(f, "{file}:{line}: ")?,
                Some(Origin::Variable(name)) => write!(f, "{name}: ")?,
                None => {}
            }
            write!(f, "{}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}
