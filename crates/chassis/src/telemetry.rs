//! Logs to standard error, traces to an OTLP collector when one is set.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

/// How long the last spans may take to leave when the process ends.
const FLUSH: Duration = Duration::from_secs(5);

/// How log lines look.
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
    /// Filter directives when `ROLLCALL_LOG` is not set; `info` if empty.
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
    #[error("telemetry was started twice in one process")]
    Twice,
}

/// Starts logs and traces for this process.
///
/// # Errors
/// When the collector's address is unusable, or telemetry runs already.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = settings
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| provider(service, endpoint))
        .transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(service))
            .with_filter(span_filter())
    });
    let filter = EnvFilter::try_from_env("ROLLCALL_LOG").unwrap_or_else(|_| {
        let directives = if settings.log_filter.is_empty() {
            "info"
        } else {
            &settings.log_filter
        };
        EnvFilter::new(format!("async_nats=warn,{directives}"))
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
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
    Ok(Telemetry { provider })
}

/// Spans of our own, not those of libraries below.
fn span_filter() -> EnvFilter {
    EnvFilter::new(
        "info,hyper=off,reqwest=off,h2=off,tower=off,async_nats=off,opentelemetry=off,opentelemetry_sdk=off",
    )
}

fn provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
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
            format!("{}-{}", service, std::process::id()),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

impl Telemetry {
    /// Sends what has not been sent yet, for a bounded time.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}
