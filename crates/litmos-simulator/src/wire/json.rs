//! Records as JSON.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::Formatter;

use super::{Body, Record, Value};
use crate::mode::{CustomFieldsShape, ListShape};

pub(super) fn print(body: &Body<'_>, list: ListShape, custom_fields: CustomFieldsShape) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, DataContract);
    let printed = match body {
        Body::One(record) => record.serialize(&mut serializer),
        Body::List { item, items, .. } => match list {
            ListShape::Bare => items.serialize(&mut serializer),
            ListShape::Wrapped => serializer.collect_map([(item, items)]),
        },
        Body::CustomFields(pairs) => match custom_fields {
            CustomFieldsShape::Object => serializer.collect_map(pairs.iter().copied()),
            CustomFieldsShape::Pairs => serializer.collect_seq(pairs.iter().map(|pair| OnePair(*pair))),
        },
    };
    printed.expect("records hold only strings, numbers and booleans, and a vector takes every byte");
    bytes
}

struct OnePair<'a>((&'a str, Option<&'a str>));

impl Serialize for OnePair<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([self.0])
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Record(record) => record.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
        }
    }
}

/// Escapes `/`, like .NET's serializer.
struct DataContract;

impl Formatter for DataContract {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut pieces = fragment.split('/');
        if let Some(first) = pieces.next() {
            writer.write_all(first.as_bytes())?;
        }
        for piece in pieces {
            writer.write_all(b"\\/")?;
            writer.write_all(piece.as_bytes())?;
        }
        Ok(())
    }
}
