//! One request: consumes a permit, is sent once, settles the permit at the response head, reads a bounded body, classifies the result.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rate_tokens::{Outcome, Permit};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tracing::Instrument as _;

use crate::connection::{Connection, ConnectionProblem};
use crate::failure::{Failure, FailureKind, judged, words};
use crate::retry_after::retry_after;
use crate::shape::Shape;

/// Largest body of a successful response. A page of 1,000 whole user records is about 2 MB.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Largest part of an error body that is read.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Number of first bytes of a body that show whether it is a web page.
const PAGE_HEAD: usize = 1_024;

/// Longest time to open a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Report of one request, for the journal.
#[derive(Clone, Debug)]
pub struct CallReport {
    pub call: &'static str,
    pub method: &'static str,
    /// Path with placeholders.
    pub path: &'static str,
    /// Status of the response. `None` if there was no response.
    pub status: Option<u16>,
    pub outcome: &'static str,
    pub permit_id: String,
    pub started_at_ms: u64,
    pub duration: Duration,
}

/// Called for every request that was sent.
pub type Observer = Arc<dyn Fn(&CallReport) + Send + Sync>;

/// A client of one Litmos account. Every call consumes a permit and sends one request.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    root: Arc<str>,
    connection: Arc<Connection>,
    observer: Option<Observer>,
    /// Number of consecutive requests without a valid response of Litmos.
    in_a_row: Arc<AtomicU32>,
    /// Fields seen in user records.
    pub(crate) shape: Arc<Shape>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// One call, before it is sent.
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// Path with `{}` for each of `arguments`.
    pub(crate) path: &'static str,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(name: &'static str, path: &'static str, arguments: &'a [&'a str]) -> Call<'a> {
        Call {
            name,
            method: Method::GET,
            path,
            arguments,
            query: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn write(
        name: &'static str,
        method: Method,
        path: &'static str,
        arguments: &'a [&'a str],
    ) -> Call<'a> {
        Call {
            name,
            method,
            path,
            arguments,
            query: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn page(mut self, start: u32, limit: u32) -> Call<'a> {
        self.query
            .extend([("start", start.to_string()), ("limit", limit.to_string())]);
        self
    }

    pub(crate) fn body(mut self, body: Value) -> Call<'a> {
        self.body = Some(body);
        self
    }
}

static PROVIDER: OnceLock<()> = OnceLock::new();

impl Client {
    /// # Errors
    /// The base URL or the key is not usable.
    pub fn new(connection: Connection) -> Result<Client, ConnectionProblem> {
        PROVIDER.get_or_init(|| {
            // If another part of the process already installed a provider, that one is used.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let root = connection.root()?.into();
        let mut headers = HeaderMap::new();
        let key = connection
            .api_key
            .expose_secret()
            .parse::<reqwest::header::HeaderValue>();
        let mut key = key.map_err(|_| ConnectionProblem::ApiKey)?;
        key.set_sensitive(true);
        headers.insert("apikey", key);
        headers.insert(
            ACCEPT,
            reqwest::header::HeaderValue::from_static("application/json"),
        );
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(connection.bounded_timeout())
            .pool_max_idle_per_host(8)
            .tcp_user_timeout(connection.bounded_timeout())
            .no_proxy()
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ConnectionProblem::Http)?;
        Ok(Client {
            http,
            root,
            connection: Arc::new(connection),
            observer: None,
            in_a_row: Arc::default(),
            shape: Arc::default(),
        })
    }

    /// Number of consecutive requests, until now, without a valid response of Litmos.
    pub(crate) fn faults_in_a_row(&self) -> u32 {
        self.in_a_row.load(Ordering::Relaxed)
    }

    /// Counts a request without a valid response. A response of Litmos itself resets the count.
    fn count(&self, kind: Option<&FailureKind>, foreign: bool) {
        match kind {
            None | Some(FailureKind::Exists) => self.in_a_row.store(0, Ordering::Relaxed),
            Some(FailureKind::Rejected { .. } | FailureKind::NoSuchCall) if !foreign => {
                self.in_a_row.store(0, Ordering::Relaxed)
            }
            Some(FailureKind::Retry | FailureKind::NotSent | FailureKind::Unknown | FailureKind::Broken) => {
                self.in_a_row.fetch_add(1, Ordering::Relaxed);
            }
            Some(
                FailureKind::Void
                | FailureKind::RateLimited { .. }
                | FailureKind::Rejected { .. }
                | FailureKind::NoSuchCall
                | FailureKind::Gone
                | FailureKind::Credentials
                | FailureKind::Forbidden
                | FailureKind::Redirected,
            ) => {}
        }
    }

    /// Returns the client with an observer, which is called for every request.
    pub fn observed(mut self, observer: Observer) -> Client {
        self.observer = Some(observer);
        self
    }

    pub(crate) fn base(&self) -> &str {
        &self.root
    }

    fn url(&self, call: &Call<'_>) -> String {
        let mut url = self.root.to_string();
        let mut arguments = call.arguments.iter();
        for (index, part) in call.path.split("{}").enumerate() {
            if index > 0
                && let Some(argument) = arguments.next()
            {
                url.push_str(&encoded(argument));
            }
            url.push_str(part);
        }
        url
    }

    /// Sends one request and returns its body as JSON. An empty body is `null`.
    pub(crate) async fn send(&self, permit: Permit, call: Call<'_>) -> Result<Value, Failure> {
        let span = tracing::info_span!(
            "litmos.call",
            otel.kind = "client",
            otel.name = call.name,
            http.request.method = call.method.as_str(),
            url.template = call.path,
            http.response.status_code = tracing::field::Empty,
            permit.id = permit.id(),
        );
        self.send_in(permit, call).instrument(span).await
    }

    async fn send_in(&self, permit: Permit, call: Call<'_>) -> Result<Value, Failure> {
        let permit_id = permit.id().to_owned();
        let failure = |kind: FailureKind, status, message: String, foreign: bool| {
            self.count(Some(&kind), foreign);
            Failure {
                kind,
                call: call.name,
                status,
                message,
                foreign,
                permit_id: Some(permit_id.clone()),
            }
        };
        let url = self.url(&call);
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .query(&[("source", self.connection.source().as_str()), ("format", "json")])
            .query(&call.query);
        match &call.body {
            Some(body) => {
                request = request
                    .header(CONTENT_TYPE, "application/json; charset=utf-8")
                    .body(body.to_string());
            }
            None if call.method != Method::GET => {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .header(CONTENT_LENGTH, "0");
            }
            None => {}
        }
        let spent = match permit.spend((self.connection.clock)()) {
            Ok(spent) => spent,
            Err(void) => return Err(failure(FailureKind::Void, None, void.to_string(), false)),
        };
        let (started, started_at_ms) = (Instant::now(), unix_ms());
        let sent = request.send().await;
        let report = |status: Option<u16>, outcome: &'static str| {
            if let Some(observer) = &self.observer {
                observer(&CallReport {
                    call: call.name,
                    method: method_name(&call.method),
                    path: call.path,
                    status,
                    outcome,
                    permit_id: permit_id.clone(),
                    started_at_ms,
                    duration: started.elapsed(),
                });
            }
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                spent.settle(Outcome::Unknown);
                let not_sent = error.is_connect() || error.is_builder();
                report(None, if not_sent { "not_sent" } else { "unknown" });
                let kind = if not_sent {
                    FailureKind::NotSent
                } else {
                    FailureKind::Unknown
                };
                return Err(failure(kind, None, transport_words(&error), false));
            }
        };
        let status = response.status().as_u16();
        tracing::Span::current().record("http.response.status_code", status);
        let retry_after = retry_after(response.headers(), SystemTime::now());
        if status == 429 || status == 503 {
            let ms = retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            spent.settle(Outcome::Refused { retry_after_ms: ms });
        } else {
            spent.settle(Outcome::Answered);
        }
        if !response.status().is_success() {
            let reason = response.status().canonical_reason().unwrap_or("no reason given");
            let elsewhere = elsewhere(&response);
            let page = says_page(response.headers());
            let body = read_body(response, ERROR_BODY_MAX).await.unwrap_or_default();
            let foreign = page || is_page(&body);
            let message = elsewhere.unwrap_or_else(|| words(&body, reason));
            let (kind, message) = judged(&call.method, status, retry_after, message);
            report(Some(status), outcome_name(&kind));
            return Err(failure(kind, Some(status), message, foreign));
        }
        let body = read_body(response, BODY_MAX).await;
        let read = body.map_err(|message| (message, false)).and_then(|body| {
            if body.iter().all(u8::is_ascii_whitespace) {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body).map_err(|error| (error.to_string(), is_page(&body)))
        });
        report(Some(status), if read.is_ok() { "done" } else { "broken" });
        match read {
            Ok(answer) => {
                self.count(None, false);
                Ok(answer)
            }
            Err((message, foreign)) => Err(failure(FailureKind::Broken, Some(status), message, foreign)),
        }
    }

    /// Failure for a success response with an unexpected body.
    pub(crate) fn broken(call: &'static str, message: &str) -> Failure {
        Failure {
            kind: FailureKind::Broken,
            call,
            status: Some(200),
            message: message.to_owned(),
            foreign: true,
            permit_id: None,
        }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        _ => "DELETE",
    }
}

fn outcome_name(kind: &FailureKind) -> &'static str {
    match kind {
        FailureKind::Void => "void",
        FailureKind::RateLimited { .. } => "refused",
        FailureKind::Exists => "exists",
        FailureKind::Rejected { .. } => "rejected",
        FailureKind::NoSuchCall => "no_such_call",
        FailureKind::Gone => "gone",
        FailureKind::Credentials => "credentials",
        FailureKind::Forbidden => "forbidden",
        FailureKind::Redirected => "redirected",
        FailureKind::Retry => "fault",
        FailureKind::NotSent => "not_sent",
        FailureKind::Unknown => "unknown",
        FailureKind::Broken => "broken",
    }
}

/// Describes a transport error, without the URL, because it may contain a user name.
fn transport_words(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    };
    let mut source = std::error::Error::source(error);
    let mut last = None;
    while let Some(cause) = source {
        last = Some(cause.to_string());
        source = cause.source();
    }
    last.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}

/// Target host of a redirect, without the path, because it may contain a user name.
fn elsewhere(response: &Response) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let place = response.headers().get(LOCATION)?.to_str().ok()?;
    let host = match reqwest::Url::parse(place) {
        Ok(url) => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
        Err(_) => "another path of the same server".to_owned(),
    };
    Some(format!("redirected to {host}"))
}

fn says_page(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    named.is_some_and(|named| named.to_ascii_lowercase().contains("html"))
}

/// True if a body is a web page. Litmos also reports its own errors as web pages.
fn is_page(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(PAGE_HEAD)]).to_ascii_lowercase();
    start.contains("<html") || start.contains("<!doctype html")
}

async fn read_body(mut response: Response, max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_words(&error))? {
        if body.len() + chunk.len() > max {
            return Err(format!("the body is larger than {max} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Percent-encodes one path segment.
fn encoded(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Characters of a path segment that are percent-encoded: all except the unreserved ones of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'.');
