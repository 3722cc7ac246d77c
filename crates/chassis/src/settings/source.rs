//! Reads the settings file, with the line of each value.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem};

/// Place of the section at `index` in a list of sections. The place is counted from 1.
pub(crate) fn numbered(name: &str, index: usize) -> String {
    format!("[[{name}]] #{}", index + 1)
}

/// Origin of each place in the settings.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub(crate) fn set(&mut self, place: String, origin: Origin) {
        self.0.insert(place, origin);
    }

    /// Origin of the value at this place, or of the section around it.
    pub(crate) fn of(&self, place: &str) -> Option<Origin> {
        let around = || place.rsplit_once(' ').map(|(section, _)| section);
        self.0.get(place).or_else(|| self.0.get(around()?)).cloned()
    }
}

/// Reads a file. An error does not quote the line, as the TOML library would: the line may contain a secret.
pub(crate) fn read(path: &Path) -> Result<(Table, Origins), Problem> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::new("file", format!("cannot be read: {error}")))?;
    let broken = |error: &toml::de::Error| {
        let line = error.span().map(|span| Origin::Line(line(&text, span.start)));
        Problem::new("file", format!("is no TOML: {}", error.message())).written(line)
    };
    let table = text.parse::<Table>().map_err(|error| broken(&error))?;
    let spanned = DeTable::parse(&text).map_err(|error| broken(&error))?;
    Ok((table, origins(&text, spanned.get_ref())))
}

fn origins(text: &str, root: &DeTable<'_>) -> Origins {
    let mut origins = Origins::default();
    for (name, value) in root {
        let at = Origin::Line(line(text, name.span().start));
        let name = name.get_ref();
        match value.get_ref() {
            DeValue::Table(section) => {
                origins.set(format!("[{name}]"), at);
                keys(text, &format!("[{name}]"), section, &mut origins);
            }
            DeValue::Array(list) => {
                origins.set(format!("[{name}]"), at);
                for (index, value) in list.iter().enumerate() {
                    let place = numbered(name, index);
                    origins.set(place.clone(), Origin::Line(line(text, value.span().start)));
                    if let DeValue::Table(section) = value.get_ref() {
                        keys(text, &place, section, &mut origins);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                origins.set(format!("[{name}]"), at.clone());
                origins.set(name.to_string(), at);
            }
        }
    }
    origins
}

/// Adds the keys of a section, and those of the sections in it.
fn keys(text: &str, place: &str, section: &DeTable<'_>, origins: &mut Origins) {
    for (key, value) in section {
        let at = Origin::Line(line(text, key.span().start));
        let place = format!("{place} {}", key.get_ref());
        origins.set(place.clone(), at);
        if let DeValue::Table(inner) = value.get_ref() {
            keys(text, &place, inner, origins);
        }
    }
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
