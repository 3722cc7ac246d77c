//! Wire compatibility: a field number keeps its meaning for ever.
//!
//! `proto/fields.lock` lists every field and enum value that was ever published. A field may be added, and may be removed if its number is
//! reserved. Nothing may be renamed, renumbered or given another type: readers of another version would misread it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto};

const LOCK: &str = "../../proto/fields.lock";

/// The fields of all messages and the values of all enums: `Message 3` to `name type`, and the reserved numbers of each message.
#[derive(Default)]
struct Wire {
    fields: BTreeMap<(String, i32), String>,
    reserved: Vec<(String, std::ops::Range<i32>)>,
}

impl Wire {
    fn message(&mut self, path: &str, message: &DescriptorProto) {
        let name = format!("{path}.{}", message.name());
        for field in &message.field {
            let kind = match field.r#type() {
                Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
                scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
            };
            let repeated = if field.label() == Label::Repeated {
                "repeated "
            } else {
                ""
            };
            let line = format!("{} {repeated}{kind}", field.name());
            self.fields.insert((name.clone(), field.number()), line);
        }
        for range in &message.reserved_range {
            self.reserved.push((name.clone(), range.start()..range.end()));
        }
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        for value in &message.enum_type {
            self.enumeration(&name, value);
        }
    }

    fn enumeration(&mut self, path: &str, values: &EnumDescriptorProto) {
        let name = format!("{path}.{}", values.name());
        for value in &values.value {
            self.fields
                .insert((name.clone(), value.number()), format!("{} value", value.name()));
        }
        for range in &values.reserved_range {
            self.reserved.push((name.clone(), range.start()..range.end() + 1));
        }
    }

    fn is_reserved(&self, (message, number): &(String, i32)) -> bool {
        let covers =
            |(name, range): &(String, std::ops::Range<i32>)| name == message && range.contains(number);
        self.reserved.iter().any(covers)
    }
}

fn current() -> Wire {
    let root = Path::new("../../proto");
    let files: Vec<_> = std::fs::read_dir(root.join("rollcall/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let mut wire = Wire::default();
    for file in protox::compile(files, [root]).unwrap().file {
        for message in &file.message_type {
            wire.message(file.package(), message);
        }
        for values in &file.enum_type {
            wire.enumeration(file.package(), values);
        }
    }
    wire
}

/// What a reader of the locked fields would misread, and what the lock lacks.
fn problems(lock: &str, wire: &Wire) -> Vec<String> {
    let mut locked: BTreeMap<(String, i32), &str> = BTreeMap::new();
    for line in lock
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let mut words = line.splitn(3, ' ');
        let (message, number) = (words.next().unwrap(), words.next().unwrap());
        locked.insert(
            (message.to_owned(), number.parse().unwrap()),
            words.next().unwrap(),
        );
    }
    let mut found = Vec::new();
    for (key, was) in &locked {
        let place = format!("{} {}", key.0, key.1);
        match wire.fields.get(key) {
            Some(is) if is == was => {}
            Some(is) => found.push(format!(
                "{place}: was `{was}` and is `{is}`; give the new field another number"
            )),
            None if wire.is_reserved(key) => {}
            None => found.push(format!(
                "{place}: `{was}` is gone; write `reserved {};` in its place",
                key.1
            )),
        }
    }
    for (key, is) in wire.fields.iter().filter(|(key, _)| !locked.contains_key(key)) {
        found.push(format!(
            "{} {} {is}: add this line to proto/fields.lock",
            key.0, key.1
        ));
    }
    found
}

#[test]
fn no_field_number_has_changed_its_meaning() {
    let lock = std::fs::read_to_string(LOCK).unwrap();
    let found = problems(&lock, &current());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_readers_would_misread_is_found() {
    let mut wire = Wire::default();
    wire.fields
        .insert(("p.Kept".to_owned(), 1), "name string".to_owned());
    wire.fields
        .insert(("p.Renamed".to_owned(), 1), "title string".to_owned());
    wire.fields
        .insert(("p.New".to_owned(), 2), "age uint32".to_owned());
    wire.reserved.push(("p.Reserved".to_owned(), 4..5));
    let lock = "# comment\np.Kept 1 name string\np.Renamed 1 name string\np.Gone 3 name string\np.Reserved 4 name string\n";
    let found = problems(lock, &wire);
    assert_eq!(
        found,
        [
            "p.Gone 3: `name string` is gone; write `reserved 3;` in its place",
            "p.Renamed 1: was `name string` and is `title string`; give the new field another number",
            "p.New 2 age uint32: add this line to proto/fields.lock",
        ]
    );
}
