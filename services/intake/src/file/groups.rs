//! Reads lines about groups, and the second file with memberships.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use bus::EventBody;
use provisioning::{NormalName, repaired};

use super::cell::{self, Flag};
use super::column::GroupColumn;
use super::row::{GroupRow, seen};
use super::sheet::{Row, Sheet};
use super::table::joined;
use super::{BadLine, Entry, FileError, Note, RosterFile, people, shape};

/// A line about a group while it is read.
#[derive(Debug, Default)]
pub(super) struct GroupCells {
    row: GroupRow,
    user_name: String,
    /// Name of the first column with a value that describes the group itself.
    about: Option<String>,
    repairs: Vec<String>,
    problem: Option<String>,
}

impl GroupCells {
    pub(super) fn at(line: u64) -> GroupCells {
        let row = GroupRow {
            line,
            ..GroupRow::default()
        };
        GroupCells {
            row,
            ..GroupCells::default()
        }
    }

    pub(super) fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    pub(super) fn set(&mut self, column: GroupColumn, name: &str, raw: &str) {
        let names_somebody = matches!(column, GroupColumn::UserName | GroupColumn::ExternalId);
        let value = match cell::clean(raw, names_somebody) {
            Ok(value) => value.into_owned(),
            Err(no_value) => return self.refuse(no_value.reason(name.trim(), raw.trim())),
        };
        if !value.is_empty() && !matches!(column, GroupColumn::Group | GroupColumn::UserName) {
            self.about.get_or_insert(name.trim().to_owned());
        }
        match column {
            GroupColumn::Group => self.row.name = seen("group", raw, &value, &mut self.repairs),
            GroupColumn::UserName => self.user_name = value,
            GroupColumn::ExternalId => {
                self.row.external_id = seen("external_id", raw, &value, &mut self.repairs);
            }
            GroupColumn::Description => self.row.description = Some(value),
            GroupColumn::Parent => self.row.parent = Some(repaired(&value).into_owned()),
            GroupColumn::Deleted if value.is_empty() => {}
            GroupColumn::Deleted => match cell::flag(&value) {
                Some(flag) => self.row.deleted = flag != Flag::No,
                None => self.refuse(format!("{name} is {value:?}; write yes or no")),
            },
        }
    }

    fn finish(self, notes: &mut Vec<Note>) -> Result<GroupRow, BadLine> {
        let line = self.row.line;
        let nameless = || "group is empty; write the name of the group".to_owned();
        let problem = self.problem.or_else(|| self.row.name.is_empty().then(nameless));
        notes.extend(self.repairs.into_iter().map(|text| Note { line, text }));
        match problem {
            Some(reason) => Err(BadLine { line, reason }),
            None => Ok(self.row),
        }
    }
}

/// Converts lines about groups to entries of the file. Lines about one group are joined. If they contradict each other, each of them is
/// reported.
pub(super) fn join(cells: Vec<GroupCells>, file: &mut RosterFile) {
    let mut rows: BTreeMap<NormalName, Vec<GroupRow>> = BTreeMap::new();
    let mut names_of: BTreeMap<String, BTreeMap<NormalName, u64>> = BTreeMap::new();
    let known: BTreeSet<NormalName> = file.groups.iter().map(group_name).collect();
    for cells in cells {
        match cells.finish(&mut file.notes) {
            Err(bad) => file.bad.push(bad),
            Ok(row) => {
                let name = NormalName::of(&row.name);
                if !row.external_id.is_empty() {
                    let names = names_of.entry(row.external_id.clone()).or_default();
                    names.entry(name.clone()).or_insert(row.line);
                }
                rows.entry(name).or_default().push(row);
            }
        }
    }
    let mut entries = Vec::new();
    for (name, mut rows) in rows {
        rows.sort_by_key(|row| row.line);
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        let shared = rows.iter().find_map(|row| {
            let names = names_of.get(&row.external_id)?;
            let (_, line) = names.iter().find(|(other, _)| **other != name)?;
            Some(format!(
                "external id {:?} is that of another group in line {line}; correct one of the lines",
                row.external_id
            ))
        });
        let in_first = || "the group has a line in the first file too; say it in one of the files".to_owned();
        let reason = shared.or_else(|| known.contains(&name).then(in_first));
        match reason.map_or_else(|| merged(rows), Err) {
            Ok(row) => entries.push(Entry {
                line: row.line,
                body: row.into_body(),
            }),
            Err(reason) => file.bad.extend(lines.into_iter().map(|line| BadLine {
                line,
                reason: reason.clone(),
            })),
        }
    }
    entries.sort_by_key(|entry| entry.line);
    file.groups.extend(entries);
}

fn group_name(entry: &Entry) -> NormalName {
    match &entry.body {
        EventBody::GroupUpserted { name, .. } | EventBody::GroupDeleted { group: name } => {
            NormalName::of(name)
        }
        EventBody::PersonUpserted { .. }
        | EventBody::PersonDeleted { .. }
        | EventBody::PersonLeft { .. }
        | EventBody::MembershipChanged { .. } => NormalName::of(""),
    }
}

/// Joins the lines about one group.
fn merged(rows: Vec<GroupRow>) -> Result<GroupRow, String> {
    let mut rows = rows.into_iter();
    let Some(mut group) = rows.next() else {
        return Ok(GroupRow::default());
    };
    for row in rows {
        let lines = (group.line, row.line);
        if group.deleted != row.deleted {
            return Err(format!(
                "the group is deleted in one of the lines {} and {}, and not in the other; correct one of them",
                lines.0, lines.1
            ));
        }
        group.name = group.name.max(row.name);
        let id = agree(
            "external_id",
            Some(group.external_id),
            Some(row.external_id),
            lines,
        )?;
        group.external_id = id.unwrap_or_default();
        group.description = agree("description", group.description, row.description, lines)?;
        group.parent = agree("parent", group.parent, row.parent, lines)?;
    }
    Ok(group)
}

/// The common value of two lines. A missing or empty value counts only if the other line has none.
fn agree(
    column: &str,
    one: Option<String>,
    other: Option<String>,
    lines: (u64, u64),
) -> Result<Option<String>, String> {
    let filled = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    if filled(&one) && filled(&other) && one != other {
        return Err(format!(
            "{column} is {:?} in line {} and {:?} in line {}, for one group; correct one of the lines",
            one.unwrap_or_default(),
            lines.0,
            other.unwrap_or_default(),
            lines.1
        ));
    }
    Ok(if filled(&one) { one } else { other.or(one) })
}

/// Reports groups that are deleted in one line and have members in other lines. They stay as they are.
pub(super) fn refuse_deleted_with_members(file: &mut RosterFile) {
    let mut given: BTreeMap<NormalName, u64> = BTreeMap::new();
    for entry in &file.people {
        if let EventBody::PersonUpserted {
            groups: Some(groups), ..
        } = &entry.body
        {
            for group in groups {
                given.entry(NormalName::of(group)).or_insert(entry.line);
            }
        }
    }
    let bad = &mut file.bad;
    file.groups.retain(|entry| {
        let EventBody::GroupDeleted { group } = &entry.body else {
            return true;
        };
        let Some(line) = given.get(&NormalName::of(group)) else {
            return true;
        };
        bad.push(BadLine {
            line: entry.line,
            reason: format!("group {group:?} is deleted here, and line {line} gives it to somebody; correct one of the lines"),
        });
        false
    });
}

/// Adds a second file to the people: a CSV with the column `group`, and one line per membership or per group.
///
/// A line with a `user_name` is a membership. The people in these lines get exactly the groups from this file and from their own lines in
/// the first file. A person who is not in the first file is reported. A line without a `user_name` is about the group itself, with the
/// columns `external_id`, `description`, `parent` and `deleted`. An empty value clears the field.
///
/// # Errors
/// Returns an error if the file as a whole does not have this format.
pub fn add_groups(roster: &mut RosterFile, bytes: &[u8]) -> Result<Vec<BadLine>, FileError> {
    let text = shape::text(bytes)?;
    let sheet = Sheet::open(&text, |name| GroupColumn::named(name).is_some())?;
    let columns = columns(&sheet)?;
    let about_groups = columns
        .iter()
        .flatten()
        .any(|column| !matches!(column, GroupColumn::Group | GroupColumn::UserName));
    let mut people: BTreeMap<NormalName, &mut Option<Vec<String>>> = BTreeMap::new();
    for entry in &mut roster.people {
        if let EventBody::PersonUpserted {
            user_name, groups, ..
        } = &mut entry.body
        {
            people.insert(NormalName::of(user_name), groups);
        }
    }
    let mut bad = Vec::new();
    let mut about = Vec::new();
    let mut in_doubt: BTreeSet<NormalName> = BTreeSet::new();
    for row in sheet.rows() {
        let cells = cells(&columns, &sheet, row);
        if cells.user_name.is_empty() && (about_groups || cells.problem.is_some()) {
            about.push(cells);
            continue;
        }
        let (line, name) = (cells.row.line, NormalName::of(&cells.user_name));
        if let Err(mut reason) = membership(cells, &mut people, &mut roster.notes) {
            if people.contains_key(&name) {
                reason.push_str("; all memberships of this person stay as they are until then");
                in_doubt.insert(name);
            }
            bad.push(BadLine { line, reason });
        }
    }
    // If one membership of a person cannot be read, the list of groups is incomplete and would end that membership. So the groups stay
    // unchanged.
    for name in in_doubt {
        if let Some(groups) = people.get_mut(&name) {
            **groups = None;
        }
    }
    let kept = std::mem::replace(&mut roster.bad, bad);
    join(about, roster);
    people::spell_groups_alike(roster);
    refuse_deleted_with_members(roster);
    let mut bad = std::mem::replace(&mut roster.bad, kept);
    bad.sort_by_key(|bad| bad.line);
    Ok(bad)
}

fn columns(sheet: &Sheet<'_>) -> Result<Vec<Option<GroupColumn>>, FileError> {
    let named: Vec<Option<GroupColumn>> = sheet.header.iter().map(GroupColumn::named).collect();
    let missing = |missing: &'static str| FileError::Column {
        missing,
        found: joined(sheet.header.iter()),
    };
    if !named.contains(&Some(GroupColumn::Group)) {
        return Err(missing("group"));
    }
    if named.iter().flatten().all(|column| *column == GroupColumn::Group) {
        return Err(missing("user_name"));
    }
    let unknown = sheet.header.iter().zip(&named);
    let unknown = unknown.filter(|(name, column)| column.is_none() && !cell::is_blank(name));
    let unknown = joined(unknown.map(|(name, _)| name));
    if !unknown.is_empty() {
        return Err(FileError::UnknownOfGroups { unknown });
    }
    for (index, column) in named.iter().enumerate() {
        if column.is_some() && named[..index].contains(column) {
            return Err(FileError::Twice {
                twice: sheet.header[index].to_owned(),
            });
        }
    }
    Ok(named)
}

fn cells(columns: &[Option<GroupColumn>], sheet: &Sheet<'_>, row: Row) -> GroupCells {
    let mut cells = GroupCells::at(row.line);
    if let Some(problem) = row.problem {
        cells.refuse(problem);
    }
    let names = sheet.header.iter();
    for (at, ((value, column), name)) in row.cells.iter().zip(columns).zip(names).enumerate() {
        match column {
            Some(column) => cells.set(*column, name, value),
            None if cell::is_blank(value) => {}
            None => cells.refuse(format!(
                "column {} has no name in the header and holds {value:?}; name the column or empty it",
                at + 1
            )),
        }
    }
    cells
}

fn membership(
    cells: GroupCells,
    people: &mut BTreeMap<NormalName, &mut Option<Vec<String>>>,
    notes: &mut Vec<Note>,
) -> Result<(), String> {
    if let Some(problem) = cells.problem {
        return Err(problem);
    }
    if cells.user_name.is_empty() {
        return Err("user_name is empty; write who is in the group".to_owned());
    }
    if let Some(about) = cells.about {
        return Err(format!(
            "{about} is about the group and user_name about somebody in it; write them on lines of their own"
        ));
    }
    if cells.row.name.is_empty() {
        return Err("group is empty".to_owned());
    }
    let line = cells.row.line;
    notes.extend(cells.repairs.into_iter().map(|text| Note { line, text }));
    let Slot::Occupied(mut person) = people.entry(NormalName::of(&cells.user_name)) else {
        return Err(format!("{:?} is nobody in the roster file", cells.user_name));
    };
    let groups = person.get_mut().get_or_insert_with(Vec::new);
    if !groups.contains(&cells.row.name) {
        groups.push(cells.row.name);
    }
    Ok(())
}
