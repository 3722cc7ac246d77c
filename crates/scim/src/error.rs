//! What a client is told when a request cannot be done.

use std::fmt;

use serde_json::{Value, json};

const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The `scimType` words of RFC 7644 section 3.12 that Rollcall uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    InvalidFilter,
    TooMany,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
}

impl ScimType {
    pub fn as_str(self) -> &'static str {
        match self {
            ScimType::InvalidFilter => "invalidFilter",
            ScimType::TooMany => "tooMany",
            ScimType::Uniqueness => "uniqueness",
            ScimType::Mutability => "mutability",
            ScimType::InvalidSyntax => "invalidSyntax",
            ScimType::InvalidPath => "invalidPath",
            ScimType::NoTarget => "noTarget",
            ScimType::InvalidValue => "invalidValue",
        }
    }
}

/// A refusal with its HTTP status. Identity providers show `detail` to an administrator, so it names the attribute,
/// what was wrong and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    status: u16,
    scim_type: Option<ScimType>,
    detail: String,
}

impl ScimError {
    /// An error with a status of the caller's choice; anything outside 400 to 599 becomes 500.
    pub fn new(status: u16, detail: impl Into<String>) -> ScimError {
        let status = if (400..600).contains(&status) { status } else { 500 };
        ScimError {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// A 400 of the given type.
    pub fn bad_request(scim_type: ScimType, detail: impl Into<String>) -> ScimError {
        ScimError {
            status: 400,
            scim_type: Some(scim_type),
            detail: detail.into(),
        }
    }

    pub fn unauthorized(detail: impl Into<String>) -> ScimError {
        ScimError::new(401, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> ScimError {
        ScimError::new(404, detail)
    }

    /// 409 with `uniqueness`: another resource holds the value of this attribute. The detail begins with the attribute.
    pub fn conflict(attribute: &str, problem: impl fmt::Display) -> ScimError {
        ScimError {
            status: 409,
            scim_type: Some(ScimType::Uniqueness),
            detail: format!("{attribute}: {problem}"),
        }
    }

    /// 412: the resource has another version than `If-Match` asks for.
    pub fn precondition_failed(detail: impl Into<String>) -> ScimError {
        ScimError::new(412, detail)
    }

    pub fn too_large(detail: impl Into<String>) -> ScimError {
        ScimError::new(413, detail)
    }

    pub fn invalid_syntax(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::InvalidSyntax, detail)
    }

    pub fn invalid_value(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::InvalidValue, detail)
    }

    pub(crate) fn invalid_filter(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::InvalidFilter, detail)
    }

    pub(crate) fn invalid_path(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::InvalidPath, detail)
    }

    pub(crate) fn no_target(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::NoTarget, detail)
    }

    /// 415: the body is written in a way that is not read here.
    pub fn unsupported(detail: impl Into<String>) -> ScimError {
        ScimError::new(415, detail)
    }

    /// 429: too much of this kind is under way already.
    pub fn too_many_requests(detail: impl Into<String>) -> ScimError {
        ScimError::new(429, detail)
    }

    /// 501: a part of SCIM that Rollcall does not offer.
    pub fn not_implemented(detail: impl Into<String>) -> ScimError {
        ScimError::new(501, detail)
    }

    pub(crate) fn mutability(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::Mutability, detail)
    }

    /// The same error, saying which operation of a PATCH it is about, counted from 1.
    pub(crate) fn in_operation(mut self, number: usize) -> ScimError {
        self.detail = format!("operation {number}: {}", self.detail);
        self
    }

    /// The same error under another `scimType`; the status stays.
    pub(crate) fn with_type(mut self, scim_type: ScimType) -> ScimError {
        self.scim_type = Some(scim_type);
        self
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn scim_type(&self) -> Option<ScimType> {
        self.scim_type
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The response body; `status` is text, as RFC 7644 wants it.
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR_SCHEMA],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.as_str().into();
        }
        body
    }
}
