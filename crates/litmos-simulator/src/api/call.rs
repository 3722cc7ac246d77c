//! One call, as received.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::media;
use crate::bulk::BODY_KB_MAX;
use crate::mode::Modes;
use crate::model::contract::{Contract, custom_fields_from_xml};
use crate::model::{Fields, Refusal, UserKey, course_date};
use crate::wire::{Format, Shape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
    Other,
}

/// Query parameters. Names match in any letter case.
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

    /// True only for the value `true`. `None` if the parameter is missing.
    pub(crate) fn choice(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// True only for the value `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.choice(name).unwrap_or(false)
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(|value| value.parse().ok())
    }
}

/// Changes of the call's handling by faults.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Twist {
    pub(crate) short_page: bool,
    pub(crate) repeat_page: bool,
    pub(crate) slow_job: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded path segments after `v1.svc`, without empty ones. Fixed segments are in lower case.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// Owner of the call's API key.
    pub(crate) caller: UserKey,
    pub(crate) bulk_delay: Duration,
    pub(crate) twist: Twist,
}

impl Call {
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Format of the response: XML, unless the query or the `Accept` header requests JSON.
    pub(crate) fn format(&self) -> Format {
        match self.query.get("format") {
            Some(format) if format.eq_ignore_ascii_case("json") => Format::Json,
            Some(_) => Format::Xml,
            None => media::accepted(&self.accept),
        }
    }

    pub(crate) fn shape(&self, modes: &Modes) -> Shape {
        Shape {
            format: self.format(),
            list: modes.list,
            custom_fields: modes.custom_fields,
        }
    }

    /// Parses a body with one record.
    pub(crate) fn object(&self, contract: &Contract) -> Result<Fields, Refusal> {
        let (format, text) = self.readable()?;
        match format {
            Format::Json => contract.read_json(&text),
            Format::Xml => contract.read_xml(&text),
        }
    }

    /// Parses a body with several records.
    pub(crate) fn objects(&self, contract: &Contract) -> Result<Vec<Fields>, Refusal> {
        let (format, text) = self.readable()?;
        match format {
            Format::Json => contract.read_json_list(&text),
            Format::Xml => contract.read_xml_list(&text),
        }
    }

    /// Parses a body of advanced custom fields. JSON bodies are one object of names and values or, with `pairs`, a list of pairs.
    pub(crate) fn custom_fields(&self, pairs: bool) -> Result<Vec<Fields>, Refusal> {
        let (format, text) = self.readable()?;
        match format {
            Format::Json if pairs => Fields::list_from_body(text.as_bytes(), "Parameter"),
            Format::Json => Ok(vec![Fields::from_body(text.as_bytes())?]),
            Format::Xml => Ok(vec![custom_fields_from_xml(&text)?]),
        }
    }

    /// Parses a date of the body, in the date format of the body's format.
    pub(crate) fn body_date(&self, text: &str) -> Result<Option<Timestamp>, Refusal> {
        Ok(course_date(text, self.readable()?.0))
    }

    fn readable(&self) -> Result<(Format, Cow<'_, str>), Refusal> {
        if self.body.len() > BODY_KB_MAX * 1024 {
            return Err(Refusal::BodyTooLarge(BODY_KB_MAX));
        }
        let text = media::decoded(&self.content_type, &self.body)?;
        let format = media::named(&self.content_type).unwrap_or_else(|| media::guessed(&text));
        Ok((format, text))
    }
}
