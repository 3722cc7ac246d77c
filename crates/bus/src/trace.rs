//! Trace context across the bus: W3C `traceparent` in headers. The receiver continues the trace or links to it.

use std::collections::HashMap;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub(crate) const TRACEPARENT: &str = "traceparent";

#[derive(Default)]
struct Carrier(HashMap<String, String>);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// The `traceparent` of the current span, if it is traced.
pub fn current() -> Option<String> {
    let mut carrier = Carrier::default();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.0.remove(TRACEPARENT)
}

fn context(traceparent: &str) -> Context {
    let carrier = Carrier(HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]));
    opentelemetry_sdk::propagation::TraceContextPropagator::new().extract(&carrier)
}

/// Makes `span` a child of the given trace context.
pub fn set_parent(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        // Fails without a tracer. Then there is no trace to continue.
        let _ = span.set_parent(context(traceparent));
    }
}

/// Links `span` to the given trace context, for work that many messages share.
pub fn link(span: &Span, traceparent: &str) {
    span.add_link(context(traceparent).span().span_context().clone());
}

/// The trace id of the current span, for records that people read; empty if it is not traced.
pub fn current_id() -> String {
    current()
        .and_then(|parent| parent.split('-').nth(1).map(str::to_owned))
        .unwrap_or_default()
}
