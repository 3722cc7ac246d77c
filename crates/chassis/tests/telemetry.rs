//! What a collector receives. A program of its own, because telemetry is one thing in a process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use chassis::lifecycle;
use chassis::telemetry::{self, TelemetryError, TelemetrySettings};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_spans_reach_the_collector_before_shutdown_returns() {
    let (sent, mut received) = mpsc::unbounded_channel();
    let collector = Router::new().route(
        "/v1/traces",
        post(async move |body: Bytes| {
            let _ = sent.send(body);
        }),
    );
    let listener = lifecycle::listen("127.0.0.1:0", "the test").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let served = tokio::spawn(lifecycle::serve(listener, collector, stop.clone()));
    let settings = TelemetrySettings {
        otlp_endpoint: Some(endpoint),
        ..TelemetrySettings::default()
    };

    let telemetry = telemetry::init("probe", &settings).unwrap();
    assert!(matches!(
        telemetry::init("probe", &settings),
        Err(TelemetryError::Twice)
    ));
    tracing::info_span!("probe.run", probe.id = 7).in_scope(|| tracing::info!("probed"));
    telemetry.shutdown();

    let body = received.try_recv().unwrap();
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = &request.resource_spans[0];
    let resource = spans.resource.clone().unwrap();
    let attribute = |name: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == name);
        match found.unwrap().value.clone().unwrap().value {
            Some(Value::StringValue(text)) => text,
            other => panic!("{name} is {other:?}"),
        }
    };
    assert_eq!(attribute("service.name"), "probe");
    assert!(!attribute("service.version").is_empty());
    assert_eq!(attribute("service.instance.id").len(), 36);
    let names: Vec<&str> = spans.scope_spans[0]
        .spans
        .iter()
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(names, ["probe.run"]);

    stop.cancel();
    served.await.unwrap().unwrap();
}
