//! What admins of other connectors complain about, each complaint with the story that shows what Rollcall does instead.
//!
//! The table is `docs/complaints.md`. A story says in its doc comment which complaint it shows, wherever it stands; the
//! test here keeps table and stories together.

mod arrivals;
mod flow;
mod groups;
mod order;
mod truth;
mod values;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows that the table must have.
const DEMANDED: [std::ops::RangeInclusive<u32>; 4] = [1..=6, 8..=14, 18..=26, 28..=29];

/// A number of the table and a test, as `file.rs::function`.
type Shown = BTreeSet<(u32, String)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// What the table says.
fn table(text: &str) -> Shown {
    let mut shown = Shown::new();
    for row in text.lines() {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if let ([number, .., tests], Ok(_)) = (cells.as_slice(), cells[0].parse::<u32>()) {
            let number = number.parse().unwrap();
            shown.extend(
                tests
                    .split(", ")
                    .map(|test| (number, test.trim_matches('`').to_owned())),
            );
        }
    }
    shown
}

/// The number that a line of a doc comment names.
fn named(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("/// Complaint ")?;
    rest.split([':', '.']).next()?.parse().ok()
}

/// What the doc comments of the tests in a source file say.
fn output(text: &str, path: &str) -> Shown {
    let (mut shown, mut numbers, mut is_test) = (Shown::new(), Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        numbers.extend(named(line));
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = function.and_then(|rest| rest.split('(').next()) {
            let of_it = numbers.drain(..).filter(|_| is_test);
            shown.extend(of_it.map(|number| (number, format!("{path}::{name}"))));
            is_test = false;
        } else if !line.starts_with("///") && !line.starts_with("#[") {
            numbers.clear();
        }
    }
    shown
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_complaint_has_its_story() {
    let root = root();
    let table = table(&fs::read_to_string(root.join("docs/complaints.md")).unwrap());
    let missing: Vec<u32> = DEMANDED
        .into_iter()
        .flatten()
        .filter(|row| !table.iter().any(|(number, _)| number == row))
        .collect();
    assert_eq!(missing, Vec::<u32>::new(), "rows without a line in the table");

    let mut files = Vec::new();
    for folder in ["crates", "services", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut stories = Shown::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        stories.extend(output(&fs::read_to_string(&file).unwrap(), &path));
    }
    let only = |a: &Shown, b: &Shown| a.difference(b).cloned().collect::<Shown>();
    assert_eq!(
        only(&table, &stories),
        Shown::new(),
        "in the table, but no such test says so"
    );
    assert_eq!(
        only(&stories, &table),
        Shown::new(),
        "stated by a test, but not in the table"
    );
}
