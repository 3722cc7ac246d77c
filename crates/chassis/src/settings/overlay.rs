//! Applies an environment variable to the settings of the file.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::problem::{Origin, Problem};
use super::source::{Origins, numbered};

/// One part of a path in the settings. Indexes sort as numbers, so that section 2 is applied before section 10.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Name(String),
}

/// A variable that sets one value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Overlay<'a> {
    path: Vec<Step>,
    variable: &'a str,
    value: &'a str,
}

impl<'a> Overlay<'a> {
    /// All variables that begin with the prefix and name a section and a key, in the order to apply them.
    pub(crate) fn all(environment: &'a BTreeMap<String, String>, prefix: &str) -> Vec<Overlay<'a>> {
        let mut all: Vec<Overlay<'a>> = environment
            .iter()
            .filter_map(|(variable, value)| {
                let name = variable.strip_prefix(prefix)?.strip_prefix('_')?;
                let path: Vec<Step> = name.split("__").map(step).collect();
                (path.len() > 1).then_some(Overlay {
                    path,
                    variable,
                    value,
                })
            })
            .collect();
        all.sort();
        all
    }

    /// Sets the value at the place that the variable names.
    pub(crate) fn lay<'t>(&self, root: &'t mut Table, origins: &mut Origins) -> Result<(), Problem> {
        let (section, index, inside) = match self.path.as_slice() {
            [Step::Name(section), Step::Index(index), inside @ ..] => (section, Some(*index), inside),
            [Step::Name(section), inside @ ..] => (section, None, inside),
            [] | [Step::Index(_), ..] => return Err(self.reaches_nothing()),
        };
        let (inner, key) = match inside {
            [Step::Name(key)] => (None, key),
            [Step::Name(inner), Step::Name(key)] => (Some(inner), key),
            _ => return Err(self.reaches_nothing()),
        };
        let (mut values, mut place) = match index {
            None => {
                let values = root
                    .entry(section.clone())
                    .or_insert_with(|| Value::Table(Table::new()));
                (values.as_table_mut(), format!("[{section}]"))
            }
            Some(index) => {
                let list = root
                    .entry(section.clone())
                    .or_insert_with(|| Value::Array(Vec::new()));
                let place = numbered(section, index);
                (self.numbered_section(list, &place, index)?, place)
            }
        };
        if let Some(inner) = inner {
            let section = |values: &'t mut Table| {
                let section = values.entry(inner.clone());
                section
                    .or_insert_with(|| Value::Table(Table::new()))
                    .as_table_mut()
            };
            values = values.and_then(section);
            place = format!("{place} {inner}");
        }
        // A value that is not a section is reported when it is read.
        if let Some(values) = values {
            values.insert(key.clone(), Value::String(self.value.to_owned()));
            origins.set(
                format!("{place} {key}"),
                Origin::Variable(self.variable.to_owned()),
            );
        }
        Ok(())
    }

    fn reaches_nothing(&self) -> Problem {
        self.refused(
            "environment",
            "reaches no setting; write PREFIX_SECTION__KEY or PREFIX_SECTION__0__KEY",
        )
    }

    fn numbered_section<'t>(
        &self,
        list: &'t mut Value,
        place: &str,
        index: usize,
    ) -> Result<Option<&'t mut Table>, Problem> {
        let Value::Array(list) = list else { return Ok(None) };
        if index > list.len() {
            let next = list.len();
            return Err(self.refused(
                place,
                &format!("would leave a gap; the next free index is {next}"),
            ));
        }
        if index == list.len() {
            list.push(Value::Table(Table::new()));
        }
        Ok(list[index].as_table_mut())
    }

    fn refused(&self, place: &str, what: &str) -> Problem {
        Problem::new(place, what).written(Some(Origin::Variable(self.variable.to_owned())))
    }
}

fn step(part: &str) -> Step {
    part.parse()
        .map_or_else(|_| Step::Name(part.to_lowercase()), Step::Index)
}
