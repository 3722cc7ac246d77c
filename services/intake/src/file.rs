//! Roster files: CSV with a header line, or JSON lines, as events.
//!
//! A line that cannot be read is reported with its number and the reason; the rest goes on. Columns are found by name,
//! whatever their order: `external_id`, `user_name`, `active`, `access_level`, `manager`, `groups` (separated by `;`),
//! and any field of a Litmos user (`FirstName` or `first_name`, `JobTitle`, `CustomField1` ...). An empty value of a
//! field clears it; a column that is not there leaves it.

use std::collections::BTreeMap;

use bus::{Event, EventBody};
use provisioning::{AccessLevel, Field, NormalName};
use serde_json::Value;

/// A line of the file that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub line: u64,
    pub reason: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterFile {
    pub people: Vec<EventBody>,
    pub bad: Vec<BadLine>,
}

/// The file as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(
        "byte {at} is not UTF-8 text; save the file as UTF-8 (it may be UTF-16 or a Windows code page now)"
    )]
    Encoding { at: usize },
    #[error("the header has no column {missing:?}; it has: {found}")]
    Column { missing: &'static str, found: String },
    #[error(
        "the header names columns that mean nothing here: {unknown}; use user_name, external_id, active, access_level, manager, groups or Litmos field names"
    )]
    Unknown { unknown: String },
    #[error("the file is empty")]
    Empty,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    ExternalId,
    UserName,
    Active,
    AccessLevel,
    Manager,
    Groups,
    Field(Field),
}

fn column(name: &str) -> Option<Column> {
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

/// One line, before it is checked as a whole.
#[derive(Default)]
struct Line {
    external_id: String,
    user_name: String,
    active: Option<String>,
    access_level: Option<String>,
    manager: Option<String>,
    groups: Option<Vec<String>>,
    attributes: BTreeMap<String, String>,
}

impl Line {
    fn set(&mut self, column: Column, value: &str) {
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
        }
    }

    fn finish(self) -> Result<EventBody, String> {
        if self.user_name.is_empty() {
            return Err("user_name is empty; everybody needs one".to_owned());
        }
        let active = match self.active.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("" | "true" | "yes" | "1") => true,
            Some("false" | "no" | "0") => false,
            Some(other) => return Err(format!("active is {other:?}; write true or false")),
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
            custom_fields: BTreeMap::new(),
        })
    }
}

/// Reads a file; JSON lines if its first character is `{`, CSV otherwise.
///
/// # Errors
/// When it is no file of this sort at all.
pub fn read(bytes: &[u8]) -> Result<RosterFile, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::Encoding {
        at: error.valid_up_to(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.trim_start().chars().next() {
        None => Err(FileError::Empty),
        Some('{') => Ok(json_lines(text)),
        Some(_) => csv(text),
    }
}

fn csv(text: &str) -> Result<RosterFile, FileError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| FileError::Empty)?.clone();
    let columns: Vec<Option<Column>> = header.iter().map(column).collect();
    if !columns.contains(&Some(Column::UserName)) {
        let found = header.iter().collect::<Vec<_>>().join(", ");
        return Err(FileError::Column {
            missing: "user_name",
            found,
        });
    }
    let unknown: Vec<&str> = header
        .iter()
        .zip(&columns)
        .filter(|(_, column)| column.is_none())
        .map(|(name, _)| name)
        .collect();
    if !unknown.is_empty() {
        return Err(FileError::Unknown {
            unknown: unknown.join(", "),
        });
    }
    let mut file = RosterFile::default();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                file.bad.push(BadLine {
                    line,
                    reason: error.to_string(),
                });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != columns.len() {
            let reason = format!(
                "it has {} columns and the header has {}",
                record.len(),
                columns.len()
            );
            file.bad.push(BadLine { line, reason });
            continue;
        }
        let mut person = Line::default();
        for (value, column) in record.iter().zip(columns.iter().flatten()) {
            person.set(*column, value);
        }
        match person.finish() {
            Ok(person) => file.people.push(person),
            Err(reason) => file.bad.push(BadLine { line, reason }),
        }
    }
    Ok(file)
}

fn json_lines(text: &str) -> RosterFile {
    let mut file = RosterFile::default();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        match json_line(line) {
            Ok(person) => file.people.push(person),
            Err(reason) => file.bad.push(BadLine {
                line: index as u64 + 1,
                reason,
            }),
        }
    }
    file
}

fn json_line(line: &str) -> Result<EventBody, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let fields = value.as_object().ok_or("it is no JSON object")?;
    let mut person = Line::default();
    for (name, value) in fields {
        let column =
            column(name).ok_or_else(|| format!("{name:?} means nothing here; use Litmos field names"))?;
        match value {
            Value::Null => person.set(column, ""),
            Value::String(text) => person.set(column, text),
            Value::Bool(flag) => person.set(column, &flag.to_string()),
            Value::Number(number) => person.set(column, &number.to_string()),
            Value::Array(items) if column == Column::Groups => {
                let names = items.iter().map(|item| item.as_str().map(str::to_owned));
                person.groups = Some(
                    names
                        .collect::<Option<Vec<_>>>()
                        .ok_or("groups holds something else than names")?,
                );
            }
            Value::Array(_) | Value::Object(_) => {
                return Err(format!("{name} holds a list or an object; write a text"));
            }
        }
    }
    person.finish()
}

/// Lays a second file over the people: a CSV with the columns `group` and `user_name`, one line a membership. People it
/// names get exactly the groups that it and their own line give them; somebody it names who is not in the first file is
/// reported.
///
/// # Errors
/// When it is no file of this sort at all.
pub fn add_groups(roster: &mut RosterFile, bytes: &[u8]) -> Result<Vec<BadLine>, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::Encoding {
        at: error.valid_up_to(),
    })?;
    let mut reader = csv::Reader::from_reader(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
    let header = reader.headers().map_err(|_| FileError::Empty)?.clone();
    let place = |missing: &'static str| {
        let found = || header.iter().collect::<Vec<_>>().join(", ");
        header
            .iter()
            .position(|name| name == missing)
            .ok_or_else(|| FileError::Column {
                missing,
                found: found(),
            })
    };
    let (group_at, name_at) = (place("group")?, place("user_name")?);
    let mut by_name: BTreeMap<NormalName, &mut Option<Vec<String>>> = BTreeMap::new();
    for person in &mut roster.people {
        if let EventBody::PersonUpserted {
            user_name, groups, ..
        } = person
        {
            by_name.insert(NormalName::of(user_name), groups);
        }
    }
    let mut bad = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let line = index as u64 + 2;
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                bad.push(BadLine {
                    line,
                    reason: error.to_string(),
                });
                continue;
            }
        };
        let (group, name) = (record[group_at].trim(), record[name_at].trim());
        match by_name.get_mut(&NormalName::of(name)) {
            Some(groups) if !group.is_empty() => {
                let groups = groups.get_or_insert_with(Vec::new);
                if !groups.iter().any(|known| known == group) {
                    groups.push(group.to_owned());
                }
            }
            Some(_) => bad.push(BadLine {
                line,
                reason: "group is empty".to_owned(),
            }),
            None => bad.push(BadLine {
                line,
                reason: format!("{name:?} is nobody in the roster file"),
            }),
        }
    }
    Ok(bad)
}

/// The people of a file as events: the same line of the same file makes the same event.
pub fn events(people: Vec<EventBody>, load_id: &str, happened_at_ms: u64) -> Vec<Event> {
    people
        .into_iter()
        .enumerate()
        .map(|(index, body)| Event {
            event_id: format!("{load_id}-{index}"),
            happened_at_ms,
            body,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn check(text: &str) -> String {
        match read(text.as_bytes()) {
            Err(error) => format!("error: {error}"),
            Ok(file) => {
                let people = file.people.iter().map(|person| match person {
                    EventBody::PersonUpserted {
                        user_name,
                        active,
                        manager,
                        groups,
                        attributes,
                        ..
                    } => {
                        format!(
                            "{user_name} active={active} manager={manager:?} groups={groups:?} {attributes:?}"
                        )
                    }
                    _ => "?".to_owned(),
                });
                let bad = file
                    .bad
                    .iter()
                    .map(|bad| format!("line {}: {}", bad.line, bad.reason));
                people.chain(bad).collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn columns_are_found_by_name_and_bad_lines_do_not_stop_the_rest() {
        assert_snapshot!(check("User Name,FirstName,groups,active\nmira@corp.example,Mira,Sales; Ops,true\n,Nobody,,\na,b\nzed@corp.example,Zed,,perhaps\n"), @r#"
        mira@corp.example active=true manager=None groups=Some(["Sales", "Ops"]) {"FirstName": "Mira"}
        line 3: user_name is empty; everybody needs one
        line 4: it has 2 columns and the header has 4
        line 5: active is "perhaps"; write true or false
        "#);
    }

    #[test]
    fn json_lines_are_read_too() {
        assert_snapshot!(check("{\"user_name\":\"mira\",\"groups\":[\"Sales\"],\"manager\":null}\n{\"user_name\":7}\n[]\n{\"shoe\":1}\n"), @r#"
        mira active=true manager=Some("") groups=Some(["Sales"]) {}
        7 active=true manager=None groups=None {}
        line 3: it is no JSON object
        line 4: "shoe" means nothing here; use Litmos field names
        "#);
    }

    #[test]
    fn a_file_that_is_no_roster_is_said_to_be_none() {
        assert_snapshot!(check(""), @"error: the file is empty");
        assert_snapshot!(check("name,mail\nx,y\n"), @r#"error: the header has no column "user_name"; it has: name, mail"#);
        let utf16: Vec<u8> = "user_name\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .chain([0xff, 0xd8])
            .collect();
        assert!(matches!(
            read(&utf16),
            Err(FileError::Encoding { .. } | FileError::Column { .. })
        ));
        assert!(matches!(
            read(b"user_name\nJos\xe9\n"),
            Err(FileError::Encoding { at: 13 })
        ));
    }

    #[test]
    fn a_second_file_gives_people_their_groups_and_names_who_is_unknown() {
        let mut roster = read(b"user_name,groups\nmira,Ops\nzed,\n").unwrap();
        let bad = add_groups(
            &mut roster,
            b"group,user_name\nSales,MIRA\nSales,nobody\nOps,mira\n,zed\n",
        )
        .unwrap();
        let groups: Vec<_> = roster
            .people
            .iter()
            .map(|person| match person {
                EventBody::PersonUpserted { groups, .. } => groups.clone().unwrap_or_default(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(groups, [vec!["Ops".to_owned(), "Sales".to_owned()], Vec::new()]);
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [3, 5]);
        assert!(add_groups(&mut roster, b"team,user_name\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(user_name,groups\n)?[{}\":,;\n\\PC]{0,60}") {
            let _ = read(text.as_bytes());
        }
    }
}
