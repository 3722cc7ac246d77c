//! Turns the result of a request into an HTTP response.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scim::ScimError;
use serde_json::Value;

use super::Answer;

const CONTENT_TYPE: &str = "application/scim+json; charset=utf-8";

/// An error response, with the allowed methods.
pub(super) struct Refusal {
    error: ScimError,
    /// Allowed methods, if the method of the request is not allowed.
    allow: Option<&'static str>,
}

impl Refusal {
    pub(super) fn method(method: &Method, allow: &'static str) -> Refusal {
        Refusal {
            error: ScimError::new(405, format!("{method} is not possible here; use one of {allow}")),
            allow: Some(allow),
        }
    }
}

impl From<ScimError> for Refusal {
    fn from(error: ScimError) -> Refusal {
        Refusal { error, allow: None }
    }
}

pub(super) fn respond(answer: Result<Answer, Refusal>) -> Response {
    match answer {
        Ok(Answer::Found(value)) => tagged(json(StatusCode::OK, &value), etag(&value)),
        Ok(Answer::Unchanged { etag }) => tagged(StatusCode::NOT_MODIFIED.into_response(), Some(&etag)),
        Ok(Answer::Created { location, body }) => {
            let mut response = tagged(json(StatusCode::CREATED, &body), etag(&body));
            put(&mut response, header::LOCATION, &location);
            response
        }
        Ok(Answer::NoContent) => StatusCode::NO_CONTENT.into_response(),
        Ok(Answer::Methods(allow)) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            put(&mut response, header::ALLOW, allow);
            response
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &refusal.error.to_json());
    match status {
        StatusCode::SERVICE_UNAVAILABLE => put(&mut response, header::RETRY_AFTER, "5"),
        // Okta reads whole seconds only.
        StatusCode::TOO_MANY_REQUESTS => put(&mut response, header::RETRY_AFTER, "2"),
        StatusCode::UNAUTHORIZED => {
            put(
                &mut response,
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"rollcall\"",
            );
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            put(&mut response, header::ACCEPT_ENCODING, "gzip, identity");
            put(
                &mut response,
                header::ACCEPT,
                "application/scim+json, application/json",
            );
        }
        _ => {}
    }
    if let Some(allow) = refusal.allow {
        put(&mut response, header::ALLOW, allow);
    }
    response
}

fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], value.to_string()).into_response()
}

/// Version of a resource, if the response contains it.
fn etag(value: &Value) -> Option<&str> {
    value.pointer("/meta/version")?.as_str()
}

fn tagged(mut response: Response, etag: Option<&str>) -> Response {
    if let Some(etag) = etag {
        put(&mut response, header::ETAG, etag);
    }
    response
}

fn put(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
