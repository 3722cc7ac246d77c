//! Errors that a client receives.

use std::fmt;

use serde_json::{Value, json};

const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The `scimType` values of RFC 7644 section 3.12 that Rollcall uses.
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

/// An error with its HTTP status. Identity providers show `detail` to an administrator, so it names the attribute, the problem
/// and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    status: u16,
    scim_type: Option<ScimType>,
    detail: String,
}

impl ScimError {
    /// Creates an error with the given status. A status outside 400 to 599 becomes 500.
    pub fn new(status: u16, detail: impl Into<String>) -> ScimError {
        let status = if (400..600).contains(&status) { status } else { 500 };
        ScimError {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// Creates a 400 with the given type.
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

    /// 409 with `uniqueness`: another resource has the same value of this attribute. The detail begins with the attribute.
    pub fn conflict(attribute: &str, problem: impl fmt::Display) -> ScimError {
        ScimError {
            status: 409,
            scim_type: Some(ScimType::Uniqueness),
            detail: format!("{attribute}: {problem}"),
        }
    }

    /// 412: the version of the resource differs from `If-Match`.
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

    /// 415: the encoding or media type of the body is not supported.
    pub fn unsupported(detail: impl Into<String>) -> ScimError {
        ScimError::new(415, detail)
    }

    /// 429: too many requests of this kind are running.
    pub fn too_many_requests(detail: impl Into<String>) -> ScimError {
        ScimError::new(429, detail)
    }

    /// 501: Rollcall does not support this part of SCIM.
    pub fn not_implemented(detail: impl Into<String>) -> ScimError {
        ScimError::new(501, detail)
    }

    pub(crate) fn mutability(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request(ScimType::Mutability, detail)
    }

    /// Returns the same error, with the number of the PATCH operation, counted from 1.
    pub(crate) fn in_operation(mut self, number: usize) -> ScimError {
        self.detail = format!("operation {number}: {}", self.detail);
        self
    }

    /// Returns the same error with another `scimType`. The status does not change.
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

    /// The response body. `status` is text, as RFC 7644 requires.
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
