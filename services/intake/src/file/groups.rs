//! The second file: memberships, and what there is to say of groups themselves.

use std::collections::BTreeMap;

use bus::EventBody;
use csv::StringRecord;
use provisioning::NormalName;

use super::line::GroupLine;
use super::table::joined;
use super::{BadLine, FileError, RosterFile, text};

/// The columns beside `group` and `user_name`, all about the group.
const ABOUT_GROUPS: [&str; 4] = ["external_id", "description", "parent", "deleted"];

/// Where each column stands.
struct Places {
    group: usize,
    user_name: Option<usize>,
    /// In the order of [`ABOUT_GROUPS`].
    about: [Option<usize>; ABOUT_GROUPS.len()],
}

impl Places {
    fn of(header: &StringRecord) -> Result<Places, FileError> {
        let place = |name: &str| header.iter().position(|column| column.trim() == name);
        let missing = |missing: &'static str| FileError::Column {
            missing,
            found: joined(header.iter()),
        };
        let places = Places {
            group: place("group").ok_or_else(|| missing("group"))?,
            user_name: place("user_name"),
            about: ABOUT_GROUPS.map(place),
        };
        if places.user_name.is_none() && places.about.iter().all(Option::is_none) {
            return Err(missing("user_name"));
        }
        Ok(places)
    }
}

/// Lays a second file over the people: a CSV with the column `group`, one line a membership, or one line a group.
///
/// A line with a `user_name` is a membership: people it names get exactly the groups that it and their own line give
/// them; somebody it names who is not in the first file is reported. A line without one is about the group itself, with
/// the columns `external_id`, `description`, `parent` and `deleted`; empty clears.
///
/// # Errors
/// When it is no file of this sort at all.
pub fn add_groups(roster: &mut RosterFile, bytes: &[u8]) -> Result<Vec<BadLine>, FileError> {
    let mut reader = csv::Reader::from_reader(text(bytes)?.as_bytes());
    let header = reader.headers().map_err(|_| FileError::Empty)?.clone();
    let places = Places::of(&header)?;
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
        let (line, told) = match &record {
            // Without a position the record is counted: the header is line 1.
            Err(error) => (
                error.position().map_or(index as u64 + 2, csv::Position::line),
                Err(error.to_string()),
            ),
            Ok(record) => (
                record.position().map_or(index as u64 + 2, csv::Position::line),
                take(record, &places, &mut by_name, &mut roster.groups),
            ),
        };
        if let Err(reason) = told {
            bad.push(BadLine { line, reason });
        }
    }
    Ok(bad)
}

fn take(
    record: &StringRecord,
    places: &Places,
    by_name: &mut BTreeMap<NormalName, &mut Option<Vec<String>>>,
    about: &mut Vec<EventBody>,
) -> Result<(), String> {
    let group = record[places.group].trim();
    let name = places.user_name.map_or("", |at| record[at].trim());
    let [external_id, description, parent, deleted] =
        places.about.map(|at| at.map(|at| record[at].trim().to_owned()));
    if name.is_empty() {
        if places.about.iter().all(Option::is_none) {
            return Err("user_name is empty; write who is in the group".to_owned());
        }
        let line = GroupLine {
            name: group.to_owned(),
            external_id: external_id.unwrap_or_default(),
            description,
            parent,
            deleted,
        };
        about.push(line.finish()?);
        return Ok(());
    }
    let said = [external_id, description, parent, deleted];
    if let Some(at) = said
        .iter()
        .position(|said| said.as_ref().is_some_and(|said| !said.is_empty()))
    {
        return Err(format!(
            "{} is about the group and user_name about somebody in it; write them on lines of their own",
            ABOUT_GROUPS[at]
        ));
    }
    if group.is_empty() {
        return Err("group is empty".to_owned());
    }
    let groups = by_name
        .get_mut(&NormalName::of(name))
        .ok_or_else(|| format!("{name:?} is nobody in the roster file"))?
        .get_or_insert_with(Vec::new);
    if !groups.iter().any(|known| known == group) {
        groups.push(group.to_owned());
    }
    Ok(())
}
