//! One section, read value by value.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use toml::{Table, Value};

use super::names::{kind, nearest};
use super::problem::Problem;

/// One `[section]` that is being read.
///
/// Each method takes one value by its key. If the value is wrong, the method reports the mistake and returns a replacement, so that
/// later mistakes are found too. The replacement is never used, because `Document::finish` then returns an error.
pub struct Section<'a> {
    place: String,
    values: Table,
    known: Vec<&'static str>,
    environment: &'a BTreeMap<String, String>,
    problems: &'a mut Vec<Problem>,
}

/// Leaves out the values: some are secrets.
impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        place: String,
        values: Table,
        environment: &'a BTreeMap<String, String>,
        problems: &'a mut Vec<Problem>,
    ) -> Section<'a> {
        Section {
            place,
            values,
            known: Vec::new(),
            environment,
            problems,
        }
    }

    pub(crate) fn report_unknown(mut self) {
        let left: Vec<String> = self.values.keys().cloned().collect();
        for key in left {
            let what = format!("is no setting{}", nearest(&key, &self.known));
            self.problem(&key, what);
        }
    }

    pub fn problem(&mut self, key: &str, what: impl Into<String>) {
        self.problems
            .push(Problem::new(format!("{} {key}", self.place), what));
    }

    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, format!("is {}; write a text in quotes", kind(&other)));
                None
            }
        }
    }

    pub fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A required text. If it is missing, this reports it and returns an empty text.
    pub fn required_text(&mut self, key: &'static str, what_for: &str) -> String {
        let there = self.has(key);
        let text = self.text(key).unwrap_or_default();
        if !there {
            self.problem(key, format!("is missing: {what_for}"));
        }
        text
    }

    /// A whole number from `min` to `max`. The environment has only texts, so a number in quotes is accepted too.
    pub fn number_or(&mut self, key: &'static str, default: u64, min: u64, max: u64) -> u64 {
        let number = match self.take(key) {
            None => return default,
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => number,
            None => {
                self.problem(key, format!("must be a whole number from {min} to {max}"));
                default
            }
        }
    }

    /// `true` or `false`. The environment has only texts, so the words in quotes are accepted too.
    pub fn flag_or(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(flag)) => flag,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(other) => {
                self.problem(key, format!("is {}; write true or false", kind(&other)));
                default
            }
        }
    }

    /// A list of texts, or one text with commas.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        match self.take(key)? {
            Value::Array(list) if list.iter().all(Value::is_str) => Some(
                list.into_iter()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect(),
            ),
            Value::String(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            other => {
                self.problem(key, format!("is {}; write a list of texts", kind(&other)));
                None
            }
        }
    }

    /// A secret: the value itself, `env:NAME` or `file:PATH`.
    pub fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        let text = self.text(key)?;
        match self.resolve(&text) {
            Ok(secret) => Some(secret),
            Err(what) => {
                self.problem(key, what);
                None
            }
        }
    }

    /// Reads a section inside this one: `[store.limits]` or, in a list, `[guest.limits]`. An absent section is read as an empty one.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let values = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(values)) => values,
            Some(other) => {
                self.problem(key, format!("is {}; write a section", kind(&other)));
                Table::new()
            }
        };
        let place = format!("{} {key}", self.place);
        let mut section = Section::new(place, values, self.environment, self.problems);
        let result = read(&mut section);
        section.report_unknown();
        result
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key)
    }

    fn resolve(&self, text: &str) -> Result<SecretString, String> {
        let read;
        let (value, named) = if let Some(name) = text.strip_prefix("env:") {
            let value = self.environment.get(name);
            let value = value.ok_or_else(|| format!("names the variable {name}, which is not set"))?;
            (value.as_str(), format!("names the variable {name}, which "))
        } else if let Some(path) = text.strip_prefix("file:") {
            read = std::fs::read_to_string(path)
                .map_err(|error| format!("names the file {path}, which cannot be read: {error}"))?;
            (read.as_str(), format!("names the file {path}, which "))
        } else {
            (text, String::new())
        };
        let value = value.trim();
        if value.is_empty() {
            return Err(format!("{named}is empty"));
        }
        Ok(SecretString::from(value))
    }
}
