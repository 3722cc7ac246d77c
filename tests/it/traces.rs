use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use litmos_simulator::Settings;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rollcall_tests::{Harness, user};

#[derive(Clone, Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    start: u64,
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// A collector that takes what is exported over OTLP.
async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let kept = spans.clone();
    let take = move |body: Bytes| {
        let export = ExportTraceServiceRequest::decode(body).unwrap();
        let mut kept = kept.lock().unwrap();
        for scope in export
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
        {
            kept.extend(scope.spans.into_iter().map(|span| Span {
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                name: span.name,
                start: span.start_time_unix_nano,
            }));
        }
        async {}
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
    (url, spans)
}

fn tree(spans: &[Span], parent: &[u8], depth: usize, into: &mut String) {
    let mut children: Vec<&Span> = spans.iter().filter(|span| span.parent == parent).collect();
    children.sort_by_key(|span| span.start);
    for span in children {
        into.push_str(&format!("{}{}\n", "  ".repeat(depth), span.name));
        tree(spans, &span.id, depth + 1, into);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_scim_request_to_the_litmos_call() {
    let (url, spans) = collector().await;
    let mut harness = Harness::new(Settings::default(), "").await;
    harness.up(&[("ROLLCALL_TELEMETRY__OTLP_ENDPOINT", &url)]).await;
    // The first import is over before anybody is created, so nothing else stands in this trace.
    harness.settled(0).await;
    assert_eq!(harness.scim("POST", "/Users", Some(&user("mira"))).await.0, 201);
    harness.settled(1).await;
    let wanted = [
        "scim.request",
        "permit.acquire",
        "operation.perform",
        "user.create",
    ];
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut printed = String::new();
    while tokio::time::Instant::now() < deadline {
        let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
        for span in spans.lock().unwrap().iter() {
            traces.entry(span.trace.clone()).or_default().push(span.clone());
        }
        let whole = traces.values().find(|spans| {
            wanted
                .iter()
                .all(|name| spans.iter().any(|span| span.name == *name))
        });
        printed.clear();
        for spans in whole.into_iter() {
            tree(spans, &[], 0, &mut printed);
        }
        if !printed.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{printed}");
    let under = |child: &str, parent: &str| {
        let depth = |name: &str| {
            printed
                .lines()
                .find(|line| line.trim() == name)
                .map(|line| line.len() - line.trim_start().len())
        };
        depth(child) > depth(parent)
    };
    assert!(
        under("operation.perform", "scim.request"),
        "no trace with all of {wanted:?}; printed:\n{printed}\n{}",
        harness.log()
    );
    assert!(under("user.create", "operation.perform"), "{printed}");
    assert!(under("permit.acquire", "scim.request"), "{printed}");
    harness.books_agree(&harness.bus().await).await;
}
