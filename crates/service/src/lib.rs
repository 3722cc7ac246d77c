//! The life of a service process: read the settings, start telemetry, connect, run, drain, flush.

mod account;
mod ownership;
pub mod records;

use std::path::Path;
use std::sync::Arc;

use bus::{Bus, NatsConnection};
use chassis::health::Health;
use chassis::{lifecycle, telemetry};
use secrecy::ExposeSecret as _;
use settings::Settings;
use tokio_util::sync::CancellationToken;

/// Every process allocates and frees many small values on several threads. With the system's allocator this takes a third of the processor
/// time of a load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use account::{About, AccountProblem, Accounts, about};
pub use ownership::{until_lost, while_owner};

/// The parts that every service receives.
#[derive(Clone, Debug)]
pub struct Process {
    pub settings: Arc<Settings>,
    pub bus: Bus,
    pub health: Health,
    pub stop: CancellationToken,
}

/// Runs one service in its own process.
///
/// # Errors
/// The error that ended the service. It is returned after telemetry was flushed.
pub async fn run<F>(
    name: &'static str,
    config: Option<&Path>,
    run: impl FnOnce(Process) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let settings = Settings::load(config, std::env::vars())?;
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

/// How to connect to the bus: with the URL in the settings, or to the embedded server of the data directory.
///
/// # Errors
/// If there is neither.
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
