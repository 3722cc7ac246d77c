//! Rows about a person or a group, before the rows of one person are joined.

use std::collections::BTreeMap;

use bus::EventBody;
use provisioning::{AccessLevel, NormalName, is_invisible, repaired};

use super::cell::{self, Flag, NoValue};
use super::column::Column;

/// A row about a person. A row with a problem keeps the external id and user name, if they are readable.
#[derive(Clone, Debug, Default)]
pub(super) struct PersonRow {
    pub(super) line: u64,
    pub(super) external_id: String,
    pub(super) user_name: String,
    pub(super) active: Option<Flag>,
    /// The column `active` exists and is empty in this row.
    pub(super) active_is_blank: bool,
    pub(super) access_level: Option<String>,
    pub(super) manager: Option<String>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) custom_fields: BTreeMap<String, String>,
    /// Repairs in the row.
    pub(super) repairs: Vec<String>,
    errors: Vec<(String, String)>,
    problem: Option<String>,
}

impl PersonRow {
    pub(super) fn at(line: u64) -> PersonRow {
        PersonRow {
            line,
            ..PersonRow::default()
        }
    }

    /// Sets a value. An invalid value becomes the problem of the row. `name` is the column name as written in the file.
    pub(super) fn set(&mut self, column: &Column, name: &str, raw: &str) {
        if *column == Column::Groups {
            return self.set_groups(name, raw.split(';'));
        }
        let Some(value) = self.clean(name, raw, column.names_somebody()) else {
            return;
        };
        match column {
            Column::ExternalId => self.external_id = seen("external_id", raw, &value, &mut self.repairs),
            Column::UserName => self.user_name = seen("user_name", raw, &value, &mut self.repairs),
            Column::Active if value.is_empty() => self.active_is_blank = true,
            Column::Active => {
                self.active = cell::flag(&value);
                if self.active.is_none() {
                    self.refuse(format!("{name} is {value:?}; write yes or no"));
                }
            }
            Column::AccessLevel if value.is_empty() => {}
            Column::AccessLevel => match AccessLevel::parse(&value) {
                Ok(_) => self.access_level = Some(value),
                Err(error) => self.refuse(format!("{name}: {error}")),
            },
            Column::Manager => self.manager = Some(repaired(&value).into_owned()),
            Column::Groups => {}
            Column::Field(field) => {
                self.attributes.insert(field.wire().to_owned(), value);
            }
            Column::Custom(field) => {
                self.custom_fields.insert(field.clone(), value);
            }
        }
    }

    pub(super) fn set_groups<'a>(&mut self, name: &str, names: impl Iterator<Item = &'a str>) {
        let mut groups: Vec<String> = Vec::new();
        for raw in names {
            let Some(value) = self.clean(name, raw, false) else {
                continue;
            };
            let group = seen("groups", raw, &value, &mut self.repairs);
            if !group.is_empty() && !groups.contains(&group) {
                groups.push(group);
            }
        }
        self.groups = Some(groups);
    }

    /// Sets the problem of the row, unless it already has one.
    pub(super) fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn clean(&mut self, name: &str, raw: &str, names_somebody: bool) -> Option<String> {
        match cell::clean(raw, names_somebody) {
            Ok(value) => Some(value.into_owned()),
            Err(NoValue::Error) => {
                self.errors.push((name.trim().to_owned(), raw.trim().to_owned()));
                None
            }
            Err(no_value) => {
                self.refuse(no_value.reason(name.trim(), raw.trim()));
                None
            }
        }
    }

    /// The problem of the row, if it has one.
    pub(super) fn problem(&self) -> Option<String> {
        match self.errors.as_slice() {
            [] => {}
            [(name, value)] => return Some(NoValue::Error.reason(name, value)),
            errors => {
                let cells: Vec<String> = errors
                    .iter()
                    .map(|(name, value)| format!("{name} {value:?}"))
                    .collect();
                return Some(format!(
                    "{}: these are errors of a spreadsheet, no values; correct the cells and export the file again",
                    cells.join(", ")
                ));
            }
        }
        let nameless = || "user_name is empty; everybody needs one".to_owned();
        let problem = self.problem.clone();
        problem.or_else(|| self.user_name.is_empty().then(nameless))
    }

    pub(super) fn name(&self) -> NormalName {
        NormalName::of(&self.user_name)
    }

    pub(super) fn into_body(self) -> EventBody {
        EventBody::PersonUpserted {
            external_id: self.external_id,
            user_name: self.user_name,
            active: self.active.map(|flag| flag != Flag::No),
            access_level: self.access_level,
            attributes: self.attributes,
            manager: self.manager,
            groups: self.groups,
            custom_fields: self.custom_fields,
            from_complete_list: false,
        }
    }
}

/// A name or id without invisible characters and extra spaces. Adds a note to `repairs` if any were removed.
pub(super) fn seen(column: &str, raw: &str, value: &str, repairs: &mut Vec<String>) -> String {
    let seen = repaired(value);
    let raw = raw.trim();
    if seen != value || raw.starts_with(is_invisible) || raw.ends_with(is_invisible) {
        repairs.push(format!(
            "{column} held invisible characters or extra blanks; it is taken as {seen:?}"
        ));
    }
    seen.into_owned()
}

/// A row about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupRow {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) external_id: String,
    pub(super) description: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) deleted: bool,
}

impl GroupRow {
    pub(super) fn into_body(self) -> EventBody {
        if self.deleted {
            let known_as = [self.external_id, self.name];
            let group = known_as.into_iter().find(|name| !name.is_empty());
            return EventBody::GroupDeleted {
                group: group.unwrap_or_default(),
            };
        }
        EventBody::GroupUpserted {
            external_id: self.external_id,
            name: self.name,
            description: self.description,
            parent: self.parent,
        }
    }
}
