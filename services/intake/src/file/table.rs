//! CSV: a header line that names the columns, and one line a person.

use csv::StringRecord;

use super::line::{Column, Line};
use super::names::Names;
use super::{BadLine, FileError, RosterFile};

pub(super) fn people(text: &str) -> Result<RosterFile, FileError> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| FileError::Empty)?.clone();
    let columns = columns(&header)?;
    let (mut file, mut names) = (RosterFile::default(), Names::default());
    for record in reader.records() {
        let (line, told) = match record {
            Err(error) => (
                error.position().map_or(0, csv::Position::line),
                Err(error.to_string()),
            ),
            Ok(record) => (
                record.position().map_or(0, csv::Position::line),
                person(&columns, &record),
            ),
        };
        let told = told.and_then(|person| names.take(line, &person).map(|()| person));
        match told {
            Ok(person) => file.people.push(person),
            Err(reason) => file.bad.push(BadLine { line, reason }),
        }
    }
    Ok(file)
}

fn columns(header: &StringRecord) -> Result<Vec<Column>, FileError> {
    let named: Vec<Option<Column>> = header.iter().map(Column::named).collect();
    if !named.contains(&Some(Column::UserName)) {
        return Err(FileError::Column {
            missing: "user_name",
            found: joined(header.iter()),
        });
    }
    let unknown = header
        .iter()
        .zip(&named)
        .filter(|(_, column)| column.is_none())
        .map(|(name, _)| name);
    let unknown = joined(unknown);
    let columns: Vec<Column> = named.into_iter().flatten().collect();
    if columns.len() < header.len() {
        return Err(FileError::Unknown { unknown });
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|before| before.means(column)) {
            return Err(FileError::Twice {
                twice: header[index].to_owned(),
            });
        }
    }
    Ok(columns)
}

fn person(columns: &[Column], record: &StringRecord) -> Result<bus::EventBody, String> {
    if record.get(0).is_some_and(|first| first.starts_with('#')) {
        return Err(
            "a line that begins with # is no person; only the last line may, to say the number of people as in #end 12"
                .to_owned(),
        );
    }
    if record.len() != columns.len() {
        return Err(format!(
            "it has {} columns and the header has {}",
            record.len(),
            columns.len()
        ));
    }
    let mut person = Line::default();
    for (value, column) in record.iter().zip(columns) {
        person.set(column, value);
    }
    person.finish()
}

pub(super) fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
