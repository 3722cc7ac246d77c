//! Reads JSON about people and groups: one object per line, or one array of objects.
//!
//! Numbers are kept as written, digit by digit: an id may be too long for a number type.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{Column, GroupColumn, plain};
use super::complete::End;
use super::groups::{self, GroupCells};
use super::row::PersonRow;
use super::{BadLine, FileError, RosterFile, people};

/// The fields of an object in order, each value as written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Fields)
    }
}

/// The number in an object with the only field `end`, such as `{"end": 12}`.
pub(super) fn end(text: &str) -> Option<usize> {
    let Fields(fields) = serde_json::from_str(text).ok()?;
    let [(name, value)] = fields.as_slice() else {
        return None;
    };
    (plain(name) == "end").then(|| value.get().parse().ok()).flatten()
}

/// Reads one object per line.
pub(super) fn lines(text: &str) -> Result<RosterFile, FileError> {
    let mut reading = Reading::default();
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index as u64 + 1, line));
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
    let mut first = true;
    while let Some((line, object)) = lines.next() {
        if first && lines.peek().is_some() && is_unfinished(object) {
            return Err(FileError::Spread { line });
        }
        first = false;
        reading.object(line, object);
    }
    Ok(reading.finish())
}

fn is_unfinished(object: &str) -> bool {
    serde_json::from_str::<&RawValue>(object).is_err_and(|error| error.is_eof())
}

/// Reads one array of objects. The last element may state the number of people.
pub(super) fn array(text: &str) -> Result<(RosterFile, End), FileError> {
    let objects: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| FileError::Json {
        line: error.line() as u64,
        message: error.to_string(),
    })?;
    let mut reading = Reading::default();
    let (mut line, mut counted) = (1, 0);
    let mut message = None;
    for (index, object) in objects.iter().enumerate() {
        let at = object.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[counted..at].matches('\n').count() as u64;
        counted = at;
        match end(object.get()) {
            Some(people) if index + 1 == objects.len() => message = Some((line, people)),
            _ => reading.object(line, object.get()),
        }
    }
    Ok((reading.finish(), End::of_array(message)))
}

#[derive(Default)]
struct Reading {
    people: Vec<PersonRow>,
    groups: Vec<GroupCells>,
    bad: Vec<BadLine>,
}

impl Reading {
    fn object(&mut self, line: u64, text: &str) {
        let Fields(fields) = match serde_json::from_str(text) {
            Ok(fields) => fields,
            Err(error) => {
                let reason = match serde_json::from_str::<&RawValue>(text) {
                    Ok(_) => "it is no JSON object".to_owned(),
                    Err(_) => format!("it is no JSON: {error}"),
                };
                return self.bad.push(BadLine { line, reason });
            }
        };
        if fields.iter().any(|(name, _)| plain(name) == "group") {
            self.groups.push(group(line, &fields));
        } else {
            self.people.push(person(line, &fields));
        }
    }

    fn finish(self) -> RosterFile {
        let mut file = RosterFile {
            bad: self.bad,
            ..RosterFile::default()
        };
        groups::join(self.groups, &mut file);
        people::join(self.people, &mut file);
        groups::refuse_deleted_with_members(&mut file);
        file
    }
}

fn person(line: u64, fields: &[(String, &RawValue)]) -> PersonRow {
    let mut person = PersonRow::at(line);
    let mut seen: Vec<Column> = Vec::new();
    for (name, value) in fields {
        if plain(name) == "customfields" {
            custom_fields(&mut person, &mut seen, value);
            continue;
        }
        let Some(column) = Column::named(name) else {
            person.refuse(match plain(name).as_str() {
                "end" => "end stands alone in the last line, with the number of people: {\"end\": 12}".to_owned(),
                _ => format!(
                    "{name:?} means nothing here; use Litmos field names, and custom_fields for advanced custom fields"
                ),
            });
            continue;
        };
        if !once(&mut person, &mut seen, &column, name) {
            continue;
        }
        if column == Column::Groups && value.get().starts_with('[') {
            match serde_json::from_str::<Vec<String>>(value.get()) {
                Ok(names) => person.set_groups(name, names.iter().map(String::as_str)),
                Err(_) => person.refuse("groups holds something else than names".to_owned()),
            }
            continue;
        }
        set(&mut person, &column, name, value);
    }
    person
}

fn custom_fields(person: &mut PersonRow, seen: &mut Vec<Column>, value: &RawValue) {
    let Ok(Fields(fields)) = serde_json::from_str(value.get()) else {
        return person.refuse(
            "custom_fields is no object; write the names and values as in {\"Region\": \"North\"}".to_owned(),
        );
    };
    for (name, value) in fields {
        let spelled = provisioning::repaired(&name).into_owned();
        if spelled.is_empty() {
            person.refuse("custom_fields has a field without a name; write the one Litmos shows".to_owned());
            continue;
        }
        let column = Column::Custom(spelled);
        let shown = format!("custom_fields, {name:?},");
        if once(person, seen, &column, &shown) {
            set(person, &column, &shown, value);
        }
    }
}

/// Notes a column of the object. Returns false and adds a problem if the object already has it.
fn once(person: &mut PersonRow, seen: &mut Vec<Column>, column: &Column, name: &str) -> bool {
    let twice = seen.iter().any(|before| before.means(column));
    if twice {
        person.refuse(format!("{name} stands twice in this line; keep one"));
    } else {
        seen.push(column.clone());
    }
    !twice
}

fn set(person: &mut PersonRow, column: &Column, name: &str, value: &RawValue) {
    match text(name, value) {
        Ok(text) => person.set(column, name, &text),
        Err(problem) => person.refuse(problem),
    }
}

fn group(line: u64, fields: &[(String, &RawValue)]) -> GroupCells {
    let mut cells = GroupCells::at(line);
    for (name, value) in fields {
        match GroupColumn::named(name).filter(|column| *column != GroupColumn::UserName) {
            None => cells.refuse(format!(
                "{name:?} means nothing in a line about a group; use group, external_id, description, parent, deleted"
            )),
            Some(column) => match text(name, value) {
                Ok(text) => cells.set(column, name, &text),
                Err(problem) => cells.refuse(problem),
            },
        }
    }
    cells
}

/// Converts a value to text. Null is empty, and a number stays as written.
fn text(name: &str, value: &RawValue) -> Result<String, String> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'"') => {
            let text: Result<String, _> = serde_json::from_str(written);
            text.map_err(|error| format!("{name} is no text: {error}"))
        }
        Some(b'[' | b'{') => Err(format!("{name} holds a list or an object; write a text")),
        _ if written == "null" => Ok(String::new()),
        _ => Ok(written.to_owned()),
    }
}
