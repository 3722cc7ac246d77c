//! Settings from one TOML file and the environment, with every mistake reported at once.
//!
//! A reader takes the values it knows by name; what it did not take is unknown and reported. The environment wins over
//! the file: `PREFIX_SECTION__KEY` sets `key` in `[section]`, `PREFIX_ORG__0__KEY` sets `key` in the first `[[org]]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::{Table, Value};

/// One mistake: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Such as `[nats] url` or `[[org]] #2 api_key`.
    pub place: String,
    pub what: String,
}

/// All mistakes of the settings, never empty.
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
            write!(f, "\n  {}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}

/// The settings, being read.
#[derive(Debug)]
pub struct Document {
    file: Option<PathBuf>,
    root: Table,
    problems: Vec<Problem>,
}

/// One `[section]`, being read.
#[derive(Debug)]
pub struct Section<'a> {
    place: String,
    values: Table,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl Document {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        prefix: &str,
    ) -> Result<Document, Problems> {
        let fail = |what: String| Problems {
            file: file.map(Path::to_owned),
            problems: vec![Problem {
                place: "file".to_owned(),
                what,
            }],
        };
        let mut root = match file {
            None => Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| fail(format!("cannot be read: {error}")))?;
                text.parse::<Table>()
                    .map_err(|error| fail(format!("is no TOML: {error}")))?
            }
        };
        let overrides: BTreeMap<String, String> = environment
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix(prefix)?.strip_prefix('_')?.to_owned(), value))
            })
            .filter(|(name, _)| name.contains("__"))
            .collect();
        for (name, value) in overrides {
            let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
            lay(&mut root, &path, &value);
        }
        Ok(Document {
            file: file.map(Path::to_owned),
            root,
            problems: Vec::new(),
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
                    format!("is {}; write a section", kind(&other)),
                );
                Table::new()
            }
        };
        read_section(format!("[{name}]"), values, &mut self.problems, read)
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
                    format!("is {}; write sections", kind(&other)),
                );
                Vec::new()
            }
        };
        let mut all = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = format!("[[{name}]] #{}", index + 1);
            match value {
                Value::Table(values) => all.push(read_section(place, values, &mut self.problems, &mut read)),
                other => self.problem(place, format!("is {}; write a section", kind(&other))),
            }
        }
        all
    }

    pub fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem {
            place: place.into(),
            what: what.into(),
        });
    }

    /// Ends reading: what is left is unknown.
    ///
    /// # Errors
    /// [`Problems`] with everything that was found wrong.
    pub fn finish(mut self, known: &[&str]) -> Result<(), Problems> {
        for name in std::mem::take(&mut self.root).keys() {
            let hint = nearest(name, known);
            self.problem(
                format!("[{name}]"),
                format!("is no section of the settings{hint}"),
            );
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Problems {
            file: self.file,
            problems: self.problems,
        })
    }
}

fn read_section<T>(
    place: String,
    values: Table,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Section<'_>) -> T,
) -> T {
    let mut section = Section {
        place,
        values,
        known: Vec::new(),
        problems,
    };
    let result = read(&mut section);
    let left: Vec<String> = section.values.keys().cloned().collect();
    for key in left {
        let what = format!("is no setting{}", nearest(&key, &section.known));
        section.problem(&key, what);
    }
    result
}

impl Section<'_> {
    pub fn problem(&mut self, key: &str, what: impl Into<String>) {
        let place = format!("{} {key}", self.place);
        self.problems.push(Problem {
            place,
            what: what.into(),
        });
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key)
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

    /// A text that must be there; an empty one stands in for it when it is not.
    pub fn required_text(&mut self, key: &'static str, what_for: &str) -> String {
        let there = self.values.contains_key(key);
        let text = self.text(key).unwrap_or_default();
        if !there {
            self.problem(key, format!("is missing: {what_for}"));
        }
        text
    }

    /// A whole number from `min` to `max`.
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

    pub fn flag_or(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(flag)) => flag,
            Some(other) => {
                self.problem(key, format!("is {}; write true or false", kind(&other)));
                default
            }
        }
    }

    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        match self.take(key)? {
            Value::Array(list) if list.iter().all(Value::is_str) => Some(
                list.into_iter()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect(),
            ),
            Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
            other => {
                self.problem(key, format!("is {}; write a list of texts", kind(&other)));
                None
            }
        }
    }

    /// A secret: the value itself, `env:NAME` or `file:PATH`.
    pub fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        let text = self.text(key)?;
        match resolve(&text) {
            Ok(secret) => Some(SecretString::from(secret)),
            Err(what) => {
                self.problem(key, what);
                None
            }
        }
    }
}

fn resolve(text: &str) -> Result<String, String> {
    let value = if let Some(name) = text.strip_prefix("env:") {
        std::env::var(name).map_err(|_| format!("names the variable {name}, which is not set"))?
    } else if let Some(path) = text.strip_prefix("file:") {
        std::fs::read_to_string(path)
            .map_err(|error| format!("names the file {path}, which cannot be read: {error}"))?
    } else {
        text.to_owned()
    };
    let value = value.trim();
    if value.is_empty() {
        Err("is empty".to_owned())
    } else {
        Ok(value.to_owned())
    }
}

fn lay(table: &mut Table, path: &[String], text: &str) {
    let [key, rest @ ..] = path else { return };
    match rest {
        [] => {
            table.insert(key.clone(), scalar(text));
        }
        [index, deeper @ ..] if !deeper.is_empty() && index.parse::<usize>().is_ok() => {
            let index: usize = index.parse().unwrap_or_default();
            let list = table
                .entry(key.clone())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                // An index one past the end adds a section; a larger one would leave holes and is left to be reported.
                if index == list.len() {
                    list.push(Value::Table(Table::new()));
                }
                if let Some(Value::Table(inner)) = list.get_mut(index) {
                    lay(inner, deeper, text);
                }
            }
        }
        _ => {
            if let Value::Table(inner) = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()))
            {
                lay(inner, rest, text);
            }
        }
    }
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        other => Value::String(other.to_owned()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "a switch",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// `; did you mean ...?` where something similar is known, else the known ones.
fn nearest(wrong: &str, known: &[&str]) -> String {
    let best = known.iter().map(|name| (distance(wrong, name), *name)).min();
    match best {
        Some((steps, name)) if steps <= 3 => format!("; did you mean {name}?"),
        Some(_) => format!("; known here: {}", known.join(", ")),
        None => String::new(),
    }
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str, environment: &[(&str, &str)]) -> (Document, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rollcall.toml");
        std::fs::write(&file, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (Document::load(Some(&file), environment, "APP").unwrap(), dir)
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_place_and_remedy() {
        let (mut document, _dir) = document(
            "[natz]\n[scim]\nlisten = 8080\nlissten = 'x'\n[[org]]\nlimit = 'many'\n[[org]]\nid = 'b'\nkey = 'env:APP_NO_SUCH_VARIABLE'\n",
            &[],
        );
        document.section("scim", |scim| scim.text("listen"));
        document.sections("org", |org| {
            org.required_text("id", "a short name for the account");
            org.number_or("limit", 100, 1, 10_000);
            org.secret("key").is_some()
        });
        let problems = document.finish(&["nats", "scim", "org"]).unwrap_err();
        let said: Vec<String> = problems
            .problems
            .iter()
            .map(|p| format!("{}: {}", p.place, p.what))
            .collect();
        assert_eq!(
            said,
            [
                "[scim] listen: is a number; write a text in quotes",
                "[scim] lissten: is no setting; did you mean listen?",
                "[[org]] #1 id: is missing: a short name for the account",
                "[[org]] #1 limit: must be a whole number from 1 to 10000",
                "[[org]] #2 key: names the variable APP_NO_SUCH_VARIABLE, which is not set",
                "[natz]: is no section of the settings; did you mean nats?",
            ]
        );
    }

    #[test]
    fn the_environment_wins_over_the_file_and_reaches_into_lists() {
        let (mut document, _dir) = document(
            "[scim]\nlisten = 'a'\n[[org]]\nid = 'one'\n",
            &[
                ("APP_SCIM__LISTEN", "b"),
                ("APP_ORG__0__ID", "uno"),
                ("APP_ORG__1__ID", "due"),
                ("APP_LOG", "info"),
            ],
        );
        assert_eq!(
            document.section("scim", |scim| scim.text("listen")).as_deref(),
            Some("b")
        );
        let ids = document.sections("org", |org| org.required_text("id", "name"));
        assert_eq!(ids, ["uno", "due"]);
        document.finish(&[]).unwrap();
    }
}
