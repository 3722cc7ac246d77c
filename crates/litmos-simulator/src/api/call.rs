//! One call, as read from the wire.

use std::time::Duration;

use bytes::Bytes;

use crate::bulk::BODY_KB_MAX;
use crate::mode::Modes;
use crate::model::{Fields, Refusal};
use crate::wire::{Format, Shape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
    Other,
}

/// Query parameters; names are matched without regard to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// True only for the word `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(|value| value.parse().ok())
    }
}

/// How a fault bends the handling of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Twist {
    pub(crate) short_page: bool,
    pub(crate) repeat_page: bool,
    pub(crate) slow_job: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded path segments after `v1.svc`, empty ones left out.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) bulk_delay: Duration,
    pub(crate) twist: Twist,
}

impl Call {
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// XML unless the query or the `Accept` header asks for JSON.
    pub(crate) fn format(&self) -> Format {
        match self.query.get("format") {
            Some(format) if format.eq_ignore_ascii_case("json") => Format::Json,
            Some(_) => Format::Xml,
            None if self.accept.contains("json") => Format::Json,
            None => Format::Xml,
        }
    }

    pub(crate) fn shape(&self, modes: &Modes) -> Shape {
        Shape {
            format: self.format(),
            list: modes.list,
            custom_fields: modes.custom_fields,
        }
    }

    /// A body of one object.
    pub(crate) fn object(&self) -> Result<Fields, Refusal> {
        self.readable()?;
        Fields::from_body(&self.body)
    }

    /// A body of several objects.
    pub(crate) fn objects(&self, wrapper: &str) -> Result<Vec<Fields>, Refusal> {
        self.readable()?;
        Fields::list_from_body(&self.body, wrapper)
    }

    fn readable(&self) -> Result<(), Refusal> {
        if self.content_type.contains("xml") {
            return Err(Refusal::JsonOnly);
        }
        if self.body.len() > BODY_KB_MAX * 1024 {
            return Err(Refusal::BodyTooLarge(BODY_KB_MAX));
        }
        Ok(())
    }
}
