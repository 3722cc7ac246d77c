//! One line about a person or a group, whatever the form of the file.

use std::collections::BTreeMap;

use bus::EventBody;
use provisioning::{AccessLevel, Field, NormalName};
use serde_json::{Map, Value};

use super::names::Names;
use super::{BadLine, RosterFile};

/// What a column is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    ExternalId,
    UserName,
    Active,
    AccessLevel,
    Manager,
    Groups,
    Field(Field),
    /// The advanced custom field of this name.
    Custom(String),
}

impl Column {
    pub(super) fn named(name: &str) -> Option<Column> {
        if let Some((_, field)) = name
            .split_once(':')
            .filter(|(prefix, _)| prefix.trim().eq_ignore_ascii_case("custom"))
        {
            let field = field.trim();
            return (!field.is_empty()).then(|| Column::Custom(field.to_owned()));
        }
        let squeezed: String = name
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        Some(match squeezed.as_str() {
            "externalid" | "id" => Column::ExternalId,
            "username" | "login" => Column::UserName,
            "active" => Column::Active,
            "accesslevel" | "level" => Column::AccessLevel,
            "manager" => Column::Manager,
            "groups" => Column::Groups,
            other => Column::Field(
                Field::ALL
                    .iter()
                    .copied()
                    .find(|field| field.wire().to_lowercase() == other)?,
            ),
        })
    }

    /// Whether two columns say the same thing about a person.
    pub(super) fn means(&self, other: &Column) -> bool {
        match (self, other) {
            (Column::Custom(one), Column::Custom(other)) => NormalName::of(one) == NormalName::of(other),
            (one, other) => one == other,
        }
    }
}

/// A person's line, before it is checked as a whole.
#[derive(Default)]
pub(super) struct Line {
    external_id: String,
    user_name: String,
    active: Option<String>,
    access_level: Option<String>,
    manager: Option<String>,
    groups: Option<Vec<String>>,
    attributes: BTreeMap<String, String>,
    custom_fields: BTreeMap<String, String>,
}

impl Line {
    pub(super) fn set(&mut self, column: &Column, value: &str) {
        let value = value.trim();
        match column {
            Column::ExternalId => self.external_id = value.to_owned(),
            Column::UserName => self.user_name = value.to_owned(),
            Column::Active => self.active = Some(value.to_owned()),
            Column::AccessLevel => self.access_level = Some(value.to_owned()),
            Column::Manager => self.manager = Some(value.to_owned()),
            Column::Groups => {
                let names = value.split(';').map(str::trim).filter(|name| !name.is_empty());
                self.groups = Some(names.map(str::to_owned).collect());
            }
            Column::Field(field) => {
                self.attributes.insert(field.wire().to_owned(), value.to_owned());
            }
            Column::Custom(name) => {
                self.custom_fields.insert(name.clone(), value.to_owned());
            }
        }
    }

    pub(super) fn finish(self) -> Result<EventBody, String> {
        if self.user_name.is_empty() {
            return Err("user_name is empty; everybody needs one".to_owned());
        }
        let active = match self.active.as_deref() {
            None | Some("") => None,
            Some(text) => Some(flag("active", text)?),
        };
        let access_level = self.access_level.filter(|level| !level.is_empty());
        if let Some(level) = &access_level {
            AccessLevel::parse(level).map_err(|error| format!("access level: {error}"))?;
        }
        Ok(EventBody::PersonUpserted {
            external_id: self.external_id,
            user_name: self.user_name,
            active,
            access_level,
            attributes: self.attributes,
            manager: self.manager,
            groups: self.groups,
            custom_fields: self.custom_fields,
            from_complete_list: false,
        })
    }
}

/// A group's line, before it is checked as a whole.
#[derive(Default)]
pub(super) struct GroupLine {
    pub(super) name: String,
    pub(super) external_id: String,
    pub(super) description: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) deleted: Option<String>,
}

impl GroupLine {
    pub(super) fn finish(self) -> Result<EventBody, String> {
        if self.name.is_empty() {
            return Err("group is empty; write the name of the group".to_owned());
        }
        let deleted = match self.deleted.as_deref() {
            None | Some("") => false,
            Some(text) => flag("deleted", text)?,
        };
        if deleted {
            let known_as = [self.external_id, self.name];
            let group = known_as
                .into_iter()
                .find(|name| !name.is_empty())
                .unwrap_or_default();
            return Ok(EventBody::GroupDeleted { group });
        }
        Ok(EventBody::GroupUpserted {
            external_id: self.external_id,
            name: self.name,
            description: self.description,
            parent: self.parent,
        })
    }
}

fn flag(column: &str, text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        other => Err(format!("{column} is {other:?}; write true or false")),
    }
}

pub(super) fn json_lines(text: &str) -> RosterFile {
    let (mut file, mut names) = (RosterFile::default(), Names::default());
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let told = json_object(line).and_then(|fields| match fields.contains_key("group") {
            true => Ok((&mut file.groups, json_group(&fields)?)),
            false => {
                let person = json_person(&fields)?;
                names.take(index as u64 + 1, &person)?;
                Ok((&mut file.people, person))
            }
        });
        match told {
            Ok((into, body)) => into.push(body),
            Err(reason) => file.bad.push(BadLine {
                line: index as u64 + 1,
                reason,
            }),
        }
    }
    file
}

fn json_object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

fn json_person(fields: &Map<String, Value>) -> Result<EventBody, String> {
    let mut person = Line::default();
    for (name, value) in fields {
        if name == "custom_fields" {
            for (field, value) in custom_fields(value)? {
                person.set(&Column::Custom(field), &value);
            }
            continue;
        }
        let column = Column::named(name).ok_or_else(|| match name.as_str() {
            "end" => "end stands alone in the last line, with the number of people: {\"end\": 12}".to_owned(),
            _ => format!(
                "{name:?} means nothing here; use Litmos field names, and custom_fields for advanced custom fields"
            ),
        })?;
        match value {
            Value::Array(items) if column == Column::Groups => {
                let names = items.iter().map(|item| item.as_str().map(str::to_owned));
                person.groups = Some(
                    names
                        .collect::<Option<Vec<_>>>()
                        .ok_or("groups holds something else than names")?,
                );
            }
            value => person.set(&column, &json_text(name, value)?),
        }
    }
    person.finish()
}

fn custom_fields(value: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Object(fields) = value else {
        return Err(
            "custom_fields is no object; write the names and values as in {\"Region\": \"North\"}".to_owned(),
        );
    };
    fields
        .iter()
        .map(|(name, value)| {
            if name.trim().is_empty() {
                return Err(
                    "custom_fields has a field without a name; write the one Litmos shows".to_owned(),
                );
            }
            let value = json_text(&format!("custom_fields, {name:?},"), value)?;
            Ok((name.trim().to_owned(), value))
        })
        .collect()
}

fn json_group(fields: &Map<String, Value>) -> Result<EventBody, String> {
    let mut group = GroupLine::default();
    for (name, value) in fields {
        let text = || json_text(name, value).map(|text| text.trim().to_owned());
        match name.as_str() {
            "group" => group.name = text()?,
            "external_id" => group.external_id = text()?,
            "description" => group.description = Some(text()?),
            "parent" => group.parent = Some(text()?),
            "deleted" => group.deleted = Some(text()?),
            other => {
                return Err(format!(
                    "{other:?} means nothing in a line about a group; use group, external_id, description, parent, deleted"
                ));
            }
        }
    }
    group.finish()
}

fn json_text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(_) | Value::Object(_) => Err(format!("{name} holds a list or an object; write a text")),
    }
}
