//! Writes logs to standard error and sends traces to an OTLP collector if one is set.
//!
//! A thread of its own sends spans in batches over HTTP. If the collector is slow or unreachable, spans are lost, but no work is
//! delayed. An `https` collector works in programs that link a TLS backend for `reqwest`, as every service does.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

/// How long the process may take to send the last spans when it ends.
const FLUSH: Duration = Duration::from_secs(5);

/// How long one batch may take to reach the collector.
const EXPORT: Duration = Duration::from_secs(5);

/// Filter for a library with too many log lines. Its callers log the same events with more context.
const QUIET: &str = "async_nats=warn";

/// Filter for Rollcall's own spans, without those of libraries. The requests of the exporter must not create spans to export.
const SPANS: &str =
    "info,hyper=off,reqwest=off,h2=off,tower=off,async_nats=off,opentelemetry=off,opentelemetry_sdk=off";

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

#[derive(Clone, Debug, Default)]
pub struct TelemetrySettings {
    /// Base URL of an OTLP/HTTP collector, such as `http://127.0.0.1:4318`; `None` exports nothing.
    pub otlp_endpoint: Option<String>,
    pub log_format: LogFormat,
    /// Filter directives, such as `info` or `info,pusher=debug`; `info` if empty.
    pub log_filter: String,
}

/// Keeps telemetry running; call [`Telemetry::shutdown`] last.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(
        "cannot send traces to {endpoint} ([telemetry] otlp_endpoint); give the base URL of an OTLP/HTTP collector"
    )]
    Exporter {
        endpoint: String,
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    #[error(
        "cannot filter logs by {filter:?} ([telemetry] log_filter); write a level, such as info, or target=level"
    )]
    Filter {
        filter: String,
        #[source]
        source: ParseError,
    },
    #[error("telemetry was started twice in one process")]
    Twice,
}

/// Starts logs and traces for this process.
///
/// # Errors
/// When the collector's address or the filter is not valid, or telemetry runs already.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    let filter = line_filter(&settings.log_filter)?;
    let provider = settings
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| provider(service, endpoint))
        .transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(service))
            .with_filter(EnvFilter::new(SPANS))
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let lines = match settings.log_format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Registry::default()
        .with(spans)
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(Telemetry { provider })
}

fn line_filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = if directives.is_empty() { "info" } else { directives };
    EnvFilter::try_new(format!("{QUIET},{directives}")).map_err(|source| TelemetryError::Filter {
        filter: directives.to_owned(),
        source,
    })
}

fn provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    // The HTTP client needs a TLS provider even for plain HTTP. A provider that was installed before stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|source| TelemetryError::Exporter {
            endpoint: endpoint.to_owned(),
            source,
        })?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::new_v4().to_string(),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

impl Telemetry {
    /// Sends the remaining spans and waits for that, at most 5 s.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_means_nothing_is_refused_with_the_setting_to_correct() {
        let message = line_filter("pusher=loud").unwrap_err().to_string();
        assert!(
            message.contains("pusher=loud") && message.contains("log_filter"),
            "{message}"
        );
        assert!(line_filter("").is_ok());
        assert!(line_filter("warn,pusher=debug").is_ok());
    }

    #[test]
    fn a_collector_without_a_scheme_is_refused_with_the_setting_to_correct() {
        let message = provider("probe", "not a url").unwrap_err().to_string();
        assert!(
            message.contains("not a url") && message.contains("otlp_endpoint"),
            "{message}"
        );
    }
}
