//! The HTTP layer. It reads requests and passes them through the three steps of the simulation. It serves connections itself,
//! because it must be able to close a connection without a response, like a network, and to set HTTP's reason phrase.
//!
//! A request that has arrived is finished even if the caller closes the connection, as on a real server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{Reply, maintenance_page};
use crate::control;
use crate::effect::Effect;
use crate::fault::{Fault, MAINTENANCE_PATH};
use crate::model::Refusal;
use crate::simulation::{Arrival, Head, Simulation};

/// Largest API body that is read. The limit of each endpoint is lower.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// Longest time for open connections after a stop.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Delay after a failed accept. The usual reason is that all file handles are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

pub(crate) type Shared = Arc<Mutex<Simulation>>;

/// Locks the simulation, also after a panic in another request: its state changes only in whole steps.
pub(crate) fn lock(simulation: &Shared) -> MutexGuard<'_, Simulation> {
    simulation.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until `stop` is true.
pub(crate) async fn serve(listener: TcpListener, simulation: Shared, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, Arc::clone(&simulation), stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits until `stop` is true, or its sender is dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Error that makes hyper close the connection at once.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without a reply")]
struct Hangup;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    simulation: Shared,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| handle(request, peer, Arc::clone(&simulation)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Errors here are connections closed by the caller or by a fault. Both are in the request log.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn handle(
    request: Request<Incoming>,
    peer: SocketAddr,
    simulation: Shared,
) -> Result<Response<Full<Bytes>>, Hangup> {
    if let Some(name) = request.uri().path().strip_prefix("/_sim/").map(str::to_owned) {
        return control_call(request, &name, peer, &simulation).await;
    }
    if request.uri().path() == MAINTENANCE_PATH {
        return Ok(response(maintenance_page(200)));
    }
    let (parts, body) = request.into_parts();
    let header = |name: HeaderName| text_of(&parts.headers, &name);
    let head = Head {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        accept: header(ACCEPT).unwrap_or_default(),
        content_type: header(CONTENT_TYPE).unwrap_or_default(),
        api_key: header(HeaderName::from_static("apikey")),
    };
    match tokio::spawn(carry_through(head, body, simulation)).await {
        Ok(Some(reply)) => Ok(response(reply)),
        Ok(None) | Err(_) => Err(Hangup),
    }
}

/// Processes a request from arrival to log line. Returns `None` if no response must be sent.
async fn carry_through(head: Head, body: Incoming, simulation: Shared) -> Option<Reply> {
    let mut arrival = lock(&simulation).arrive(head);
    let body = Limited::new(body, BODY_MAX).collect().await;
    let outcome = match body {
        Ok(body) => performed(&mut arrival, body.to_bytes(), &simulation).await,
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Outcome::Answered(Reply::refused(&Refusal::BodyTooLarge(BODY_MAX / 1024)))
        }
        Err(_) => Outcome::Unanswered(None),
    };
    let mut simulation = lock(&simulation);
    match outcome {
        Outcome::Answered(reply) => {
            simulation.finish(&arrival, Some(reply.status), reply.effect.as_ref());
            Some(reply)
        }
        Outcome::Unanswered(effect) => {
            simulation.finish(&arrival, None, effect.as_ref());
            None
        }
    }
}

enum Outcome {
    Answered(Reply),
    Unanswered(Option<Effect>),
}

async fn performed(arrival: &mut Arrival, body: Bytes, simulation: &Shared) -> Outcome {
    if let Some(reply) = &arrival.settled {
        return Outcome::Answered(reply.clone());
    }
    lock(simulation).strike(arrival, &body);
    let faults = arrival.faults();
    if faults.contains(&Fault::CutBeforeActing) {
        return Outcome::Unanswered(None);
    }
    pause(faults.iter().map(Fault::delay).sum()).await;
    let reply = match faults.iter().find_map(Fault::answer) {
        Some(answer) => answer,
        None => lock(simulation).act(arrival, body),
    };
    pause(faults.iter().map(Fault::reply_delay).sum()).await;
    if faults.contains(&Fault::LoseReplyAfterActing) {
        return Outcome::Unanswered(reply.effect);
    }
    Outcome::Answered(reply)
}

/// Sleeps. Skips a zero duration, because even an empty sleep costs a tick of the timer.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

async fn control_call(
    request: Request<Incoming>,
    name: &str,
    peer: SocketAddr,
    simulation: &Shared,
) -> Result<Response<Full<Bytes>>, Hangup> {
    let answer = if peer.ip().to_canonical().is_loopback() {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, control::BODY_MAX)
            .collect()
            .await
            .map_err(|_| Hangup)?
            .to_bytes();
        let query = parts.uri.query().unwrap_or_default();
        control::respond(&mut lock(simulation), parts.method.as_str(), name, query, &body)
    } else {
        control::not_from_here()
    };
    Ok(response(Reply {
        status: answer.status,
        content_type: Some(answer.content_type),
        reason: None,
        retry_after_seconds: None,
        location: None,
        body: answer.body,
        effect: None,
    }))
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(content_type) = reply.content_type {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(seconds) = reply.retry_after_seconds {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(location) = reply
        .location
        .and_then(|location| HeaderValue::try_from(location).ok())
    {
        response.headers_mut().insert(LOCATION, location);
    }
    if let Some(reason) = reply
        .reason
        .and_then(|reason| ReasonPhrase::try_from(reason).ok())
    {
        response.extensions_mut().insert(reason);
    }
    response
}
