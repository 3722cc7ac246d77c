//! HTTP layer: checks the token, finds the org, and routes the request.

mod address;
mod body;
mod response;
mod token;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use provisioning::{GroupId, PersonId};
use scim::{
    ListQuery, ScimError, list_response, names_etag, resource_types, schemas, service_provider_config,
};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::{AppState, OrgState, groups, users};
use response::{Refusal, respond};

/// Result of a request.
pub(crate) enum Answer {
    Found(Value),
    Created {
        location: String,
        body: Value,
    },
    NoContent,
    /// The client already has this version.
    Unchanged {
        etag: String,
    },
    /// Methods allowed at this endpoint.
    Methods(&'static str),
}

/// An authorized request about one org.
pub(crate) struct ScimRequest<'a> {
    pub(crate) org: &'a OrgState,
    pub(crate) base_url: String,
    pub(crate) query: ListQuery,
    pub(crate) body: Value,
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: u64,
}

impl ScimRequest<'_> {
    /// Waits until memory contains everything stored before the request arrived.
    pub(crate) async fn catch_up(&self) -> Result<(), ScimError> {
        self.org.roster.catch_up().await.map_err(|error| {
            tracing::warn!(
                error = chassis::error_chain(&error),
                "the newest state of the roster cannot be read"
            );
            ScimError::new(
                503,
                "the newest state of the roster cannot be read; try again in a moment",
            )
        })
    }
}

pub(crate) async fn answer(State(app): State<Arc<AppState>>, request: Request) -> Response {
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
        let answer = handle(&app, request).await;
        let response = respond(answer);
        tracing::Span::current().record("http.response.status_code", response.status().as_u16());
        response
    }
    .instrument(span)
    .await
}

async fn handle(app: &AppState, request: Request) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let segments = segments(parts.uri.path())?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["scim", org_id, "v2", rest @ ..] = segments.as_slice() else {
        return Err(
            ScimError::not_found("there is nothing here; the SCIM base URL is /scim/{org}/v2").into(),
        );
    };
    let org = app.orgs.get(*org_id);
    token::check(&parts.headers, org.and_then(|org| org.token.as_ref())).map_err(ScimError::unauthorized)?;
    let Some(org) = org else {
        return Err(ScimError::not_found("there is no such org").into());
    };
    tracing::Span::current().record("org.id", *org_id);
    let methods = methods(rest)?;
    // HEAD is allowed where GET is.
    let method = if parts.method == Method::HEAD {
        Method::GET
    } else {
        parts.method
    };
    if method == Method::OPTIONS {
        return Ok(Answer::Methods(methods));
    }
    if !methods.split(", ").any(|possible| possible == method.as_str()) {
        return Err(Refusal::method(&method, methods));
    }
    if !org.roster.is_ready() {
        let message = "the roster is still being read; try again in a moment";
        return Err(ScimError::new(503, message).into());
    }
    let request = Admitted {
        app,
        org,
        org_id,
        method,
        rest,
        headers: &parts.headers,
        uri: &parts.uri,
    };
    org.turns.run(request.carry_out(body)).await
}

/// An authorized request, with the segments of its path below the base URL.
struct Admitted<'a> {
    app: &'a AppState,
    org: &'a OrgState,
    org_id: &'a str,
    method: Method,
    rest: &'a [&'a str],
    headers: &'a HeaderMap,
    uri: &'a Uri,
}

impl Admitted<'_> {
    async fn carry_out(self, body: Body) -> Result<Answer, Refusal> {
        let origin = address::origin(self.headers, self.uri, &self.app.address.to_string());
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
        let request = ScimRequest {
            org: self.org,
            base_url: format!("{origin}/scim/{}/v2", self.org_id),
            query: ListQuery::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))?,
            body: if is_read(&self.method) || self.method == Method::DELETE {
                Value::Null
            } else {
                body::read(self.headers, body).await?
            },
            if_match: joined(self.headers, &header::IF_MATCH),
            now_ms: (self.app.clock)(),
        };
        let answer = route(&request, &self.method, self.rest).await?;
        Ok(match joined(self.headers, &header::IF_NONE_MATCH) {
            Some(had) if is_read(&self.method) => unless_had(&request, self.rest, answer, &had),
            _ => answer,
        })
    }
}

/// Returns `Unchanged` if the client already has this version. The version of a resource covers only its own record, so the full
/// answer is sent if its groups or members changed later.
fn unless_had(request: &ScimRequest<'_>, rest: &[&str], answer: Answer, had: &str) -> Answer {
    let Answer::Found(body) = &answer else {
        return answer;
    };
    let Some(etag) = body.pointer("/meta/version").and_then(Value::as_str) else {
        return answer;
    };
    let projection = &request.query.projection;
    let newer = request.org.roster.read(|directory| {
        let newest = match rest {
            ["Users", id] if projection.shows("groups") => PersonId::parse(id)
                .map(|id| directory.newest_around_person(&id))
                .ok(),
            ["Groups", id] if projection.shows("members") => GroupId::parse(id)
                .map(|id| directory.newest_around_group(&id))
                .ok(),
            _ => None,
        };
        newest.is_some_and(|newest| scim::etag(newest) != etag)
    });
    if newer || !names_etag(had, etag) {
        return answer;
    }
    Answer::Unchanged {
        etag: etag.to_owned(),
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The segments of a path, decoded one by one, so `%2F` does not separate. Empty segments, from doubled or trailing slashes, are dropped.
fn segments(path: &str) -> Result<Vec<String>, ScimError> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| {
        percent_decode_str(part)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
    });
    decoded
        .collect::<Result<_, _>>()
        .map_err(|_| ScimError::not_found("there is nothing here: the path is not UTF-8"))
}

/// All values of a header that may be repeated, joined with commas.
fn joined(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .map(str::to_owned)
        .reduce(|all, value| format!("{all}, {value}"))
}

/// Methods allowed at an endpoint.
fn methods(rest: &[&str]) -> Result<&'static str, ScimError> {
    match rest {
        ["ServiceProviderConfig"] | ["ResourceTypes" | "Schemas"] | ["ResourceTypes" | "Schemas", _] => {
            Ok("GET, HEAD, OPTIONS")
        }
        [.., ".search"] => Err(ScimError::not_implemented(
            "searching by POST is not possible here; use GET with filter, startIndex and count",
        )),
        ["Users" | "Groups"] => Ok("GET, HEAD, POST, OPTIONS"),
        ["Users" | "Groups", _] => Ok("GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ["Me", ..] => Err(ScimError::not_implemented(
            "/Me is not possible here: the token belongs to an org and to no user; use /Users/{id}",
        )),
        ["Bulk", ..] => Err(ScimError::not_implemented(
            "bulk requests are not possible here; send the operations one by one",
        )),
        [] => Err(ScimError::not_found(
            "this is the SCIM base URL; the endpoints are /Users, /Groups, /ServiceProviderConfig, /ResourceTypes and /Schemas",
        )),
        _ => Err(ScimError::not_found(
            "there is no such endpoint; see /ResourceTypes",
        )),
    }
}

async fn route(request: &ScimRequest<'_>, method: &Method, rest: &[&str]) -> Result<Answer, ScimError> {
    match (method.as_str(), rest) {
        ("GET", ["ServiceProviderConfig"]) => Ok(Answer::Found(service_provider_config(&request.base_url))),
        ("GET", ["ResourceTypes"]) => Ok(whole_list(resource_types(&request.base_url))),
        ("GET", ["ResourceTypes", id]) => one_of(resource_types(&request.base_url), id),
        ("GET", ["Schemas"]) => Ok(whole_list(schemas(&request.base_url, &request.org.fields.now()))),
        ("GET", ["Schemas", id]) => one_of(schemas(&request.base_url, &request.org.fields.now()), id),
        ("GET", ["Users"]) => users::list(request).await,
        ("POST", ["Users"]) => users::create(request).await,
        ("GET", ["Users", id]) => users::get(request, id).await,
        ("PUT", ["Users", id]) => users::replace(request, id).await,
        ("PATCH", ["Users", id]) => users::patch(request, id).await,
        ("DELETE", ["Users", id]) => users::delete(request, id).await,
        ("GET", ["Groups"]) => groups::list(request).await,
        ("POST", ["Groups"]) => groups::create(request).await,
        ("GET", ["Groups", id]) => groups::get(request, id).await,
        ("PUT", ["Groups", id]) => groups::replace(request, id).await,
        ("PATCH", ["Groups", id]) => groups::patch(request, id).await,
        ("DELETE", ["Groups", id]) => groups::delete(request, id).await,
        _ => Err(ScimError::not_found(
            "there is no such endpoint; see /ResourceTypes",
        )),
    }
}

fn whole_list(resources: Vec<Map<String, Value>>) -> Answer {
    Answer::Found(list_response(resources.len(), 1, resources))
}

fn one_of(resources: Vec<Map<String, Value>>, id: &str) -> Result<Answer, ScimError> {
    let named = |resource: &Map<String, Value>| {
        let known = resource.get("id").and_then(Value::as_str);
        known.is_some_and(|known| known.eq_ignore_ascii_case(id))
    };
    let found = resources.into_iter().find(named);
    found
        .map(|resource| Answer::Found(resource.into()))
        .ok_or_else(|| ScimError::not_found(format!("there is no {id} here")))
}
