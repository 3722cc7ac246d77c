//! Reads CSV about people: a header with the column names, and one or more rows per person.

use super::column::Column;
use super::row::PersonRow;
use super::sheet::{Row, Sheet};
use super::{BadLine, FileError, RosterFile, cell, people};

pub(super) fn read(text: &str) -> Result<RosterFile, FileError> {
    let sheet = Sheet::open(text, |name| Column::named(name).is_some())?;
    let columns = columns(&sheet)?;
    let mut file = RosterFile::default();
    let mut rows = Vec::new();
    for row in sheet.rows() {
        if starts_with_number_sign(&row) {
            file.bad.push(BadLine {
                line: row.line,
                reason: "a line that begins with # is no person; only the last line may, to say the number of people as in #end 12".to_owned(),
            });
            continue;
        }
        rows.push(person(&columns, &sheet, row));
    }
    people::join(rows, &mut file);
    Ok(file)
}

fn starts_with_number_sign(row: &Row) -> bool {
    let first = row.cells.get(0).unwrap_or_default().trim_start();
    first.starts_with('#') && cell::clean(first, false).is_ok()
}

/// The meaning of each column; `None` for a column without a name.
fn columns(sheet: &Sheet<'_>) -> Result<Vec<Option<Column>>, FileError> {
    let named: Vec<Option<Column>> = sheet.header.iter().map(Column::named).collect();
    if !named.contains(&Some(Column::UserName)) {
        return Err(FileError::Column {
            missing: "user_name",
            found: joined(sheet.header.iter()),
        });
    }
    let unknown = sheet.header.iter().zip(&named);
    let unknown = unknown.filter(|(name, column)| column.is_none() && !cell::is_blank(name));
    let unknown = joined(unknown.map(|(name, _)| name));
    if !unknown.is_empty() {
        return Err(FileError::Unknown { unknown });
    }
    for (index, column) in named.iter().enumerate() {
        let means = |before: &Option<Column>| matches!((before, column), (Some(a), Some(b)) if a.means(b));
        if named[..index].iter().any(means) {
            return Err(FileError::Twice {
                twice: sheet.header[index].to_owned(),
            });
        }
    }
    Ok(named)
}

fn person(columns: &[Option<Column>], sheet: &Sheet<'_>, row: Row) -> PersonRow {
    let mut person = PersonRow::at(row.line);
    if let Some(problem) = row.problem {
        person.refuse(problem);
    }
    let names = sheet.header.iter();
    for (at, ((value, column), name)) in row.cells.iter().zip(columns).zip(names).enumerate() {
        match column {
            Some(column) => person.set(column, name.trim(), value),
            None if cell::is_blank(value) => {}
            None => person.refuse(format!(
                "column {} has no name in the header and holds {value:?}; name the column or empty it",
                at + 1
            )),
        }
    }
    person
}

pub(super) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
