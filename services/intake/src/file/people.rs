//! Joins the rows of one person, and reports rows that contradict each other. All rows of a contradiction are reported, so none of these
//! people changes, and the same file gives the same result in any order of its rows.
//!
//! Rows with the same user name (in any letter case) or the same external id are about one person. Two external ids with one user name, or
//! two user names with one external id, are a contradiction. Rollcall does not guess which of them is right.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use provisioning::NormalName;

use super::cell::Flag;
use super::row::PersonRow;
use super::{BadLine, Entry, Note, RosterFile};

/// Converts the rows to people. The rows may be in any order.
pub(super) fn join(mut rows: Vec<PersonRow>, file: &mut RosterFile) {
    rows.sort_by_key(|row| row.line);
    file.rows = rows.len();
    refuse_blanks_beside_crosses(&mut rows);
    let clusters = clusters(&rows);
    let mut rows: Vec<Option<PersonRow>> = rows.into_iter().map(Some).collect();
    for members in clusters {
        let of_one: Vec<PersonRow> = members.iter().filter_map(|at| rows[*at].take()).collect();
        match joined(of_one) {
            Ok((line, person, notes)) => {
                file.notes.extend(notes);
                file.people.push(Entry {
                    line,
                    body: person.into_body(),
                });
            }
            Err(bad) => file.bad.extend(bad),
        }
    }
    spell_groups_alike(file);
}

/// Refuses rows with an empty `active` if other rows have an `x` there. The blank may mean no or unknown, and Rollcall does not guess who
/// loses access.
fn refuse_blanks_beside_crosses(rows: &mut [PersonRow]) {
    let cross = rows.iter().find(|row| row.active == Some(Flag::Cross));
    let Some(line) = cross.map(|row| row.line) else {
        return;
    };
    for row in rows.iter_mut().filter(|row| row.active_is_blank) {
        row.refuse(format!(
            "active is blank here and marked in line {line}, so blank may mean no; write yes or no in every line"
        ));
    }
}

/// Groups the indices of the rows by person. People are in the order of their first rows.
fn clusters(rows: &[PersonRow]) -> Vec<Vec<usize>> {
    let mut first_of = FirstOf {
        first: (0..rows.len()).collect(),
    };
    let mut by_name: HashMap<NormalName, usize> = HashMap::with_capacity(rows.len());
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if !row.user_name.is_empty() {
            match by_name.entry(row.name()) {
                Slot::Occupied(known) => first_of.unite(*known.get(), at),
                Slot::Vacant(free) => drop(free.insert(at)),
            }
        }
        if !row.external_id.is_empty() {
            match by_id.entry(&row.external_id) {
                Slot::Occupied(known) => first_of.unite(*known.get(), at),
                Slot::Vacant(free) => drop(free.insert(at)),
            }
        }
    }
    let mut clusters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..rows.len() {
        clusters.entry(first_of.find(at)).or_default().push(at);
    }
    clusters.into_values().collect()
}

/// Disjoint sets of rows. The first index identifies a set.
struct FirstOf {
    first: Vec<usize>,
}

impl FirstOf {
    fn find(&mut self, mut at: usize) -> usize {
        while self.first[at] != at {
            self.first[at] = self.first[self.first[at]];
            at = self.first[at];
        }
        at
    }

    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.first[one.max(other)] = one.min(other);
    }
}

type Joined = (u64, PersonRow, Vec<Note>);

/// Joins the rows to one person, or returns the problem of each row.
fn joined(rows: Vec<PersonRow>) -> Result<Joined, Vec<BadLine>> {
    let mut bad = contradictions_of_identity(&rows);
    let problems = rows.iter().filter_map(|row| Some((row.line, row.problem()?)));
    for (line, reason) in problems {
        bad.entry(line).or_insert(reason);
    }
    if let (Some(first), true) = (bad.keys().next().copied(), bad.len() < rows.len()) {
        let others = rows.iter().filter(|row| !bad.contains_key(&row.line));
        let lines: Vec<u64> = others.map(|row| row.line).collect();
        bad.extend(lines.into_iter().map(|line| {
            let reason = format!(
                "it is about the same person as line {first}, which cannot be taken; correct that line"
            );
            (line, reason)
        }));
    }
    if !bad.is_empty() {
        return Err(described(bad));
    }
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    let mut notes = Vec::new();
    let mut parts = Parts::default();
    for mut row in rows {
        let line = row.line;
        notes.extend(row.repairs.drain(..).map(|text| Note { line, text }));
        if let Err(reason) = parts.add(row) {
            return Err(described(
                lines.iter().map(|line| (*line, reason.clone())).collect(),
            ));
        }
    }
    let line = lines.first().copied().unwrap_or_default();
    Ok((line, parts.person, notes))
}

fn described(bad: BTreeMap<u64, String>) -> Vec<BadLine> {
    bad.into_iter()
        .map(|(line, reason)| BadLine { line, reason })
        .collect()
}

/// Problems of rows with one external id and two user names, or one user name and two external ids, by line.
fn contradictions_of_identity(rows: &[PersonRow]) -> BTreeMap<u64, String> {
    let mut names_of: BTreeMap<&str, BTreeMap<NormalName, &PersonRow>> = BTreeMap::new();
    let mut ids_of: BTreeMap<NormalName, BTreeMap<&str, &PersonRow>> = BTreeMap::new();
    let known = |row: &&PersonRow| !row.external_id.is_empty() && !row.user_name.is_empty();
    for row in rows.iter().filter(known) {
        let names = names_of.entry(&row.external_id).or_default();
        names.entry(row.name()).or_insert(row);
        let ids = ids_of.entry(row.name()).or_default();
        ids.entry(&row.external_id).or_insert(row);
    }
    let mut bad = BTreeMap::new();
    for row in rows.iter().filter(known) {
        let name = row.name();
        let of_id = &names_of[row.external_id.as_str()];
        if let Some((_, other)) = of_id.iter().find(|(other, _)| **other != name) {
            let more = of_id.len() - 2;
            let reason = format!(
                "external id {:?} stands in line {}{} too, with the user name {:?}; an id belongs to one person, so correct the wrong lines",
                row.external_id,
                other.line,
                and_more(more),
                other.user_name,
            );
            bad.insert(row.line, reason);
        } else if let Some((_, other)) = ids_of[&name].iter().find(|(other, _)| **other != row.external_id) {
            let reason = format!(
                "{:?} is the user name of {} in line {}{} too, for letter case and invisible characters make no difference; give each person one user name and one external id",
                row.user_name,
                other.external_id,
                other.line,
                and_more(ids_of[&name].len() - 2),
            );
            bad.insert(row.line, reason);
        }
    }
    bad
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(" and {count} more"),
    }
}

/// A person joined from rows, with the line of each value.
#[derive(Default)]
struct Parts {
    person: PersonRow,
    given_in: BTreeMap<String, u64>,
}

impl Parts {
    /// Adds one more row. A value in only one row counts, groups are combined, and values in two rows must be equal.
    fn add(&mut self, row: PersonRow) -> Result<(), String> {
        let line = row.line;
        if self.given_in.is_empty() && self.person.user_name.is_empty() {
            self.remember(&row);
            self.person = row;
            return Ok(());
        }
        let person = &mut self.person;
        // Of two spellings, the choice does not depend on the order of the rows.
        if row.user_name > person.user_name {
            person.user_name = row.user_name;
        }
        if person.external_id.is_empty() {
            person.external_id = row.external_id;
        }
        person.groups = match (person.groups.take(), row.groups) {
            (Some(mut groups), Some(more)) => {
                groups.extend(more);
                Some(groups)
            }
            (groups, more) => groups.or(more),
        };
        let (active, level, manager) = (row.active, row.access_level, row.manager);
        if let Some(active) = active {
            let same = |known: &Flag| (*known == Flag::No) == (active == Flag::No);
            merge(
                &mut self.given_in,
                "active",
                line,
                &mut person.active,
                active,
                same,
            )?;
        }
        if let Some(level) = level {
            let same = |known: &String| NormalName::of(known) == NormalName::of(&level);
            merge(
                &mut self.given_in,
                "access_level",
                line,
                &mut person.access_level,
                level.clone(),
                same,
            )?;
        }
        if let Some(manager) = manager {
            text(
                &mut self.given_in,
                "manager",
                line,
                &mut person.manager,
                manager,
                true,
            )?;
        }
        for (name, value) in row.attributes {
            let mut known = person.attributes.remove(&name);
            let described = text(&mut self.given_in, &name, line, &mut known, value, false);
            person.attributes.extend(known.map(|value| (name, value)));
            described?;
        }
        for (name, value) in row.custom_fields {
            let normal = NormalName::of(&name);
            let spelled = person
                .custom_fields
                .keys()
                .find(|known| NormalName::of(known) == normal);
            let spelled = spelled.cloned();
            let mut known = spelled
                .as_ref()
                .and_then(|name| person.custom_fields.remove(name));
            let name = spelled.map_or(name.clone(), |spelled| spelled.max(name));
            let key = format!("custom:{normal}");
            let described = text(&mut self.given_in, &key, line, &mut known, value, false);
            person.custom_fields.extend(known.map(|value| (name, value)));
            described?;
        }
        Ok(())
    }

    fn remember(&mut self, row: &PersonRow) {
        let mut given = |name: String| {
            self.given_in.insert(name, row.line);
        };
        for name in ["active", "access_level", "manager"] {
            given(name.to_owned());
        }
        let filled = row.attributes.iter().filter(|(_, value)| !value.is_empty());
        filled.for_each(|(name, _)| given(name.clone()));
        let filled = row.custom_fields.iter().filter(|(_, value)| !value.is_empty());
        filled.for_each(|(name, _)| given(format!("custom:{}", NormalName::of(name))));
    }
}

fn text(
    given_in: &mut BTreeMap<String, u64>,
    name: &str,
    line: u64,
    known: &mut Option<String>,
    value: String,
    a_name: bool,
) -> Result<(), String> {
    if value.is_empty() {
        known.get_or_insert(value);
        return Ok(());
    }
    if known.as_ref().is_some_and(String::is_empty) {
        *known = None;
    }
    let same =
        |known: &String| *known == value || (a_name && NormalName::of(known) == NormalName::of(&value));
    merge(given_in, name, line, known, value.clone(), same)
}

fn merge<T: std::fmt::Debug + Clone + Shown>(
    given_in: &mut BTreeMap<String, u64>,
    name: &str,
    line: u64,
    known: &mut Option<T>,
    value: T,
    same: impl Fn(&T) -> bool,
) -> Result<(), String> {
    match known {
        None => {
            given_in.insert(name.to_owned(), line);
            *known = Some(value);
            Ok(())
        }
        Some(known) if same(known) => {
            if value.shown() > known.shown() {
                *known = value;
            }
            Ok(())
        }
        Some(known) => {
            let first = given_in.get(name).copied().unwrap_or_default();
            Err(format!(
                "{name} is {:?} in line {first} and {:?} in line {line}, for one person; correct one of the lines",
                known.shown(),
                value.shown()
            ))
        }
    }
}

/// A value as text for an error message.
trait Shown {
    fn shown(&self) -> &str;
}

impl Shown for String {
    fn shown(&self) -> &str {
        self
    }
}

impl Shown for Flag {
    fn shown(&self) -> &str {
        if *self == Flag::No { "no" } else { "yes" }
    }
}

/// Gives every group one spelling in the whole file, and sorts the groups of each person. The spelling is that of the group's own line,
/// else the most frequent one, else the last in the alphabet. Otherwise the spelling of a new group would be random.
pub(super) fn spell_groups_alike(file: &mut RosterFile) {
    use bus::EventBody::{GroupUpserted, PersonUpserted};
    let mut used: HashMap<NormalName, BTreeMap<String, usize>> = HashMap::new();
    for entry in &file.people {
        if let PersonUpserted {
            groups: Some(groups), ..
        } = &entry.body
        {
            for group in groups {
                let spellings = used.entry(NormalName::of(group)).or_default();
                match spellings.get_mut(group) {
                    Some(times) => *times += 1,
                    None => drop(spellings.insert(group.clone(), 1)),
                }
            }
        }
    }
    let mut spelled: HashMap<NormalName, String> = HashMap::new();
    for (name, spellings) in used {
        let most = spellings.into_iter().max_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        spelled.extend(most.map(|(spelling, _)| (name, spelling)));
    }
    for entry in &file.groups {
        if let GroupUpserted { name, .. } = &entry.body {
            spelled.insert(NormalName::of(name), name.clone());
        }
    }
    for entry in &mut file.people {
        if let PersonUpserted {
            groups: Some(groups), ..
        } = &mut entry.body
        {
            let names: BTreeSet<NormalName> = groups.iter().map(|group| NormalName::of(group)).collect();
            *groups = names
                .iter()
                .filter_map(|name| spelled.get(name).cloned())
                .collect();
        }
    }
}
