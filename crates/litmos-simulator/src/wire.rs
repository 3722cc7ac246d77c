//! What goes back over the wire: records in the order in which Litmos sends them, printed as JSON or XML.
//!
//! JSON is written as .NET's DataContract serializer does it: `/` comes escaped, and lists are bare arrays unless the
//! mode wraps them. In XML, null is `i:nil`, and the root declares the one namespace.

mod json;
mod xml;

use std::borrow::Cow;

use crate::mode::{CustomFieldsShape, ListShape};

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Number(f64),
    Record(Record<'a>),
    List(Vec<Record<'a>>),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Null for what was never set, the text (empty where cleared) otherwise.
    pub(crate) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// Named values in wire order; `name` is the element's name in XML lists.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<(&'static str, Value<'a>)>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    One(Record<'a>),
    List {
        root: &'static str,
        item: &'static str,
        items: Vec<Record<'a>>,
    },
    CustomFields(Vec<(&'a str, Option<&'a str>)>),
}

/// How bodies are shaped, as modes and request say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) format: Format,
    pub(crate) list: ListShape,
    pub(crate) custom_fields: CustomFieldsShape,
}

impl Shape {
    pub(crate) fn print(self, body: &Body<'_>) -> Vec<u8> {
        match self.format {
            Format::Json => json::print(body, self.list, self.custom_fields),
            Format::Xml => xml::print(body),
        }
    }
}
