//! Response bodies: records in the order in which Litmos sends them, printed as JSON or XML.
//!
//! JSON is written as by .NET's DataContract serializer: `/` is escaped, and lists are bare arrays unless the mode
//! wraps them. In XML, null is `i:nil`, and the root element declares the only namespace.

mod json;
mod xml;

use std::borrow::Cow;

use crate::mode::{CustomFieldsShape, ListShape};

/// Format of a response.
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

    /// Null for a value that was never set; otherwise the text, which is empty if it was cleared.
    pub(crate) fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// Named values in the order of the response. `name` is the name of the element in XML lists.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<(&'static str, Value<'a>)>,
}

/// Body of a response.
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

/// Form of bodies, from the modes and the request.
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
