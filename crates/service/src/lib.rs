//! What the main of every service does: read the settings, start telemetry, connect, run, drain, flush.

mod account;

use std::path::PathBuf;
use std::sync::Arc;

use bus::{Bus, NatsConnection};
use chassis::health::Health;
use chassis::{lifecycle, telemetry};
use clap::Parser;
use secrecy::ExposeSecret as _;
use settings::Settings;
use tokio_util::sync::CancellationToken;

pub use account::{About, AccountProblem, Accounts, about};

/// What a service is given.
#[derive(Clone, Debug)]
pub struct Process {
    pub settings: Arc<Settings>,
    pub bus: Bus,
    pub health: Health,
    pub stop: CancellationToken,
}

#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The settings file; every value can also be given as ROLLCALL_SECTION__KEY.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs one service as a process of its own: the body of its `main`.
///
/// # Errors
/// Whatever ends the service, after telemetry was flushed.
pub async fn main<F>(name: &'static str, run: impl FnOnce(Process) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let arguments = Arguments::parse();
    let settings = Settings::load(arguments.config.as_deref(), std::env::vars())?;
    let telemetry = telemetry::init(name, &settings.telemetry)?;
    chassis::health::recorder();
    let result = serve(name, settings, run).await;
    if let Err(error) = &result {
        tracing::error!(error = chassis::error_chain(error.as_ref()), "{name} ends");
    }
    telemetry.shutdown();
    result
}

async fn serve<F>(
    name: &'static str,
    settings: Settings,
    run: impl FnOnce(Process) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let stop = lifecycle::stop_on_signals()?;
    let bus = Bus::connect(&connection(&settings)?, name).await?;
    bus.prepare(settings.nats.replicas).await?;
    let health = Health::new();
    health.ready("bus");
    if let Some(address) = &settings.health_listen {
        let listener = lifecycle::listen(address, "[health] listen").await?;
        tokio::spawn(lifecycle::serve(listener, health.router(), stop.clone()));
    }
    tracing::info!(service = name, orgs = settings.orgs.len(), "started");
    let process = Process {
        settings: Arc::new(settings),
        bus,
        health,
        stop: stop.clone(),
    };
    match lifecycle::run_and_drain(&stop, run(process)).await {
        Some(result) => result,
        None => {
            tracing::warn!("not everything under way came to its end in time");
            Ok(())
        }
    }
}

/// Where the bus is: the settings' address, or the embedded server of this data directory.
///
/// # Errors
/// When there is neither.
pub fn connection(settings: &Settings) -> Result<NatsConnection, bus::ConnectError> {
    match &settings.nats.url {
        None => NatsConnection::discover(&settings.nats.data_dir),
        Some(url) => Ok(NatsConnection {
            url: url.clone(),
            token: settings
                .nats
                .token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
        }),
    }
}
