//! The door: who asks, for which org, about what.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use roster::RosterError;
use scim::{ListQuery, ScimError, list_response, resource_types, schemas, service_provider_config};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use tracing::Instrument as _;

use crate::{Doors, OrgDoor, groups, users};

/// Largest request body: a full push of the largest group there is. A body of 40 MB is somebody's mistake.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// How much of a body that is too large is read and dropped, so that its sender hears why instead of a broken connection.
const READ_MAX: usize = 64 * 1024 * 1024;

const CONTENT_TYPE: &str = "application/scim+json; charset=utf-8";

/// What a request came to.
pub(crate) enum Answer {
    Found(Value),
    Created { location: String, body: Value },
    NoContent,
}

/// One request about one org, let in.
pub(crate) struct Visit<'a> {
    pub(crate) org: &'a OrgDoor,
    pub(crate) base_url: String,
    pub(crate) query: ListQuery,
    pub(crate) body: Value,
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: u64,
}

pub(crate) async fn answer(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let span = tracing::info_span!(
        "scim.request",
        otel.kind = "server",
        http.request.method = request.method().as_str(),
        http.response.status_code = tracing::field::Empty,
        org.id = tracing::field::Empty,
    );
    let parent = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    bus::trace::set_parent(&span, parent.as_deref());
    async {
        let answer = visit(&doors, request).await;
        let response = respond(answer);
        tracing::Span::current().record("http.response.status_code", response.status().as_u16());
        response
    }
    .instrument(span)
    .await
}

fn respond(answer: Result<Answer, ScimError>) -> Response {
    let json = |status: StatusCode, value: &Value| {
        (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], value.to_string()).into_response()
    };
    match answer {
        Ok(Answer::Found(value)) => json(StatusCode::OK, &value),
        Ok(Answer::Created { location, body }) => {
            let mut response = json(StatusCode::CREATED, &body);
            if let Ok(location) = location.parse() {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Ok(Answer::NoContent) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = json(status, &error.to_json());
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
            }
            if status == StatusCode::UNAUTHORIZED {
                let challenge = header::HeaderValue::from_static("Bearer realm=\"rollcall\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

async fn visit(doors: &Doors, request: Request) -> Result<Answer, ScimError> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let ["scim", org_id, "v2", rest @ ..] = segments.as_slice() else {
        return Err(ScimError::not_found(
            "there is nothing here; the SCIM base URL is /scim/{org}/v2",
        ));
    };
    let org = doors.orgs.get(*org_id);
    // An unknown org and a wrong token look alike from outside.
    let org = org.filter(|org| authorized(org, &parts.headers)).ok_or_else(|| {
        ScimError::unauthorized(
            "the bearer token is missing or is not the one in scim_token of this org's settings",
        )
    })?;
    tracing::Span::current().record("org.id", *org_id);
    if !org.roster.is_ready() {
        return Err(ScimError::new(
            503,
            "the roster is still being read; try again in a moment",
        ));
    }
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.map_or_else(|| doors.address.to_string(), str::to_owned);
    let scheme = parts
        .headers
        .get("x-forwarded-proto")
        .and_then(|proto| proto.to_str().ok())
        .unwrap_or("http");
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
    let visit = Visit {
        org,
        base_url: format!("{scheme}://{host}/scim/{org_id}/v2"),
        query: ListQuery::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))?,
        body: if writable(rest) {
            read_body(&parts.method, body).await?
        } else {
            Value::Null
        },
        if_match: parts
            .headers
            .get(header::IF_MATCH)
            .and_then(|tag| tag.to_str().ok())
            .map(str::to_owned),
        now_ms: (doors.clock)(),
    };
    route(&visit, &parts.method, rest).await
}

fn authorized(org: &OrgDoor, headers: &HeaderMap) -> bool {
    let Some(token) = &org.token else { return false };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let given = given
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token);
    given.is_some_and(|given| bool::from(given.trim().as_bytes().ct_eq(token.expose_secret().as_bytes())))
}

/// Whether anything can be written here: what cannot is refused for that, whatever the body.
fn writable(rest: &[&str]) -> bool {
    matches!(rest.first(), Some(&("Users" | "Groups")))
}

async fn read_body(method: &Method, body: Body) -> Result<Value, ScimError> {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        return Ok(Value::Null);
    }
    let mut stream = body.into_data_stream();
    let (mut bytes, mut size) = (Vec::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ScimError::invalid_syntax("the body broke off; send it again"))?;
        size += chunk.len();
        if size <= BODY_MAX {
            bytes.extend_from_slice(&chunk);
        } else if size > READ_MAX {
            break;
        }
    }
    if size > BODY_MAX {
        let said = format!("the body is larger than {BODY_MAX} bytes; send fewer members at once");
        return Err(ScimError::too_large(said));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| ScimError::invalid_syntax(format!("the body is no JSON: {error}")))
}

async fn route(visit: &Visit<'_>, method: &Method, rest: &[&str]) -> Result<Answer, ScimError> {
    match (method.as_str(), rest) {
        ("GET", ["ServiceProviderConfig"]) => Ok(Answer::Found(service_provider_config(&visit.base_url))),
        ("GET", ["ResourceTypes"]) => Ok(whole_list(resource_types(&visit.base_url))),
        ("GET", ["ResourceTypes", id]) => one_of(resource_types(&visit.base_url), id),
        ("GET", ["Schemas"]) => Ok(whole_list(schemas(&visit.base_url, &visit.org.fields.now()))),
        ("GET", ["Schemas", id]) => one_of(schemas(&visit.base_url, &visit.org.fields.now()), id),
        ("GET", ["Users"]) => users::list(visit),
        ("POST", ["Users"]) => users::create(visit).await,
        ("GET", ["Users", id]) => users::get(visit, id),
        ("PUT", ["Users", id]) => users::replace(visit, id).await,
        ("PATCH", ["Users", id]) => users::patch(visit, id).await,
        ("DELETE", ["Users", id]) => users::delete(visit, id).await,
        ("GET", ["Groups"]) => groups::list(visit),
        ("POST", ["Groups"]) => groups::create(visit).await,
        ("GET", ["Groups", id]) => groups::get(visit, id),
        ("PUT", ["Groups", id]) => groups::replace(visit, id).await,
        ("PATCH", ["Groups", id]) => groups::patch(visit, id).await,
        ("DELETE", ["Groups", id]) => groups::delete(visit, id).await,
        (
            _,
            [
                "Users" | "Groups" | "ServiceProviderConfig" | "ResourceTypes" | "Schemas",
                ..,
            ],
        ) => Err(ScimError::new(405, format!("{method} is not possible here"))),
        _ => Err(ScimError::not_found(
            "there is no such endpoint; see /ResourceTypes",
        )),
    }
}

fn whole_list(resources: Vec<Map<String, Value>>) -> Answer {
    Answer::Found(list_response(resources.len(), 1, resources))
}

fn one_of(resources: Vec<Map<String, Value>>, id: &str) -> Result<Answer, ScimError> {
    let found = resources
        .into_iter()
        .find(|resource| resource.get("id").and_then(Value::as_str) == Some(id));
    found
        .map(|resource| Answer::Found(resource.into()))
        .ok_or_else(|| ScimError::not_found(format!("there is no {id} here")))
}

/// What a failed write of the roster is to a SCIM client.
pub(crate) fn refusal(error: RosterError) -> ScimError {
    match error {
        RosterError::NameTaken { .. } | RosterError::GroupNameTaken { .. } => {
            ScimError::conflict(error.to_string())
        }
        RosterError::NoSuchPerson { .. } | RosterError::NoSuchGroup { .. } => {
            ScimError::not_found(error.to_string())
        }
        RosterError::Contended | RosterError::InPart { .. } | RosterError::Bus(_) => {
            tracing::error!(
                error = chassis::error_chain(&error),
                "a SCIM write could not be made durable"
            );
            ScimError::new(
                503,
                format!("{error}; send it again, what is there already is not written twice"),
            )
        }
    }
}
