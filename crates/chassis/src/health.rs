//! Health of a process over HTTP: whether it is alive, whether it is ready or why not, and its metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

/// Named checks, each ready or not ready with a reason.
#[derive(Clone, Debug, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// The reason by check; `null` for a check that is ready.
    checks: BTreeMap<String, Option<String>>,
}

impl Health {
    pub fn new() -> Health {
        Health::default()
    }

    pub fn ready(&self, check: &str) {
        self.set(check, None);
    }

    pub fn not_ready(&self, check: &str, reason: impl Into<String>) {
        self.set(check, Some(reason.into()));
    }

    pub fn is_ready(&self) -> bool {
        self.read().values().all(Option::is_none)
    }

    fn set(&self, check: &str, state: Option<String>) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(check.to_owned(), state);
    }

    fn read(&self) -> BTreeMap<String, Option<String>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves `/health/live`, `/health/ready` and `/metrics`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health/live", get(|| async { "live\n" }))
            .route("/health/ready", get(readiness))
            .route("/metrics", get(metrics_page))
            .with_state(self.clone())
    }
}

async fn readiness(State(health): State<Health>) -> impl IntoResponse {
    let checks = health.read();
    let ready = checks.values().all(Option::is_none);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, checks }))
}

async fn metrics_page() -> impl IntoResponse {
    let text = recorder().map(PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

static RECORDER: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();

/// The process's metrics recorder, installed at the first call.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_that_is_not_ready_makes_the_whole_not_ready() {
        let health = Health::new();
        health.ready("nats");
        assert!(health.is_ready());
        health.not_ready("litmos", "the credentials were refused");
        assert!(!health.is_ready());
        health.ready("litmos");
        assert!(health.is_ready());
    }
}
