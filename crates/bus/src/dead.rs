//! What cannot be read is set aside with the reason, never dropped.

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::connection::Bus;

/// Most characters of a reason.
const REASON_MAX: usize = 500;

impl Bus {
    /// Sets a message aside on `rollcall.dead.v1.{org}`, with where it lay and why.
    pub(crate) async fn bury(&self, subject: &str, reason: &str, payload: Bytes) {
        let org = subject
            .split('.')
            .find(|token| {
                !matches!(
                    *token,
                    "$KV" | "roster" | "observed" | "links" | "schema" | "rollcall" | "feed" | "v1"
                )
            })
            .unwrap_or("unknown");
        let mut headers = HeaderMap::new();
        headers.insert("Rollcall-Dead-Subject", subject);
        let line: String = reason
            .chars()
            .filter(|c| !c.is_control())
            .take(REASON_MAX)
            .collect();
        headers.insert("Rollcall-Dead-Reason", line.as_str());
        tracing::error!(
            subject,
            reason = line,
            "a payload cannot be read and was set aside"
        );
        metrics(subject);
        if let Err(error) = self
            .publish(&format!("rollcall.dead.v1.{org}"), headers, payload)
            .await
        {
            tracing::error!(subject, %error, "a payload could not be set aside either");
        }
    }
}

fn metrics(subject: &str) {
    let place = subject.split('.').nth(1).unwrap_or_default().to_owned();
    metrics::counter!("rollcall_dead_letters_total", "place" => place).increment(1);
}
