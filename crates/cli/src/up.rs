//! `rollcall up`: all services in one process. Starts its own nats-server unless the settings name one.

use std::sync::Arc;

use anyhow::Context as _;
use bus::{Bus, NatsConnection, NatsServer};
use chassis::health::Health;
use chassis::{lifecycle, telemetry};
use settings::Settings;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Global;

pub(crate) async fn up(global: &Global) -> anyhow::Result<()> {
    let settings = Settings::load(global.config.as_deref(), std::env::vars())?;
    let telemetry = telemetry::init("rollcall", &settings.telemetry)?;
    chassis::health::recorder();
    let result = serve(settings).await;
    telemetry.shutdown();
    result
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let stop = lifecycle::stop_on_signals()?;
    if settings.orgs.is_empty() {
        tracing::warn!("the settings have no [[org]]: nothing will be done");
    }
    let server = match &settings.nats.url {
        Some(_) => None,
        None => Some(NatsServer::start(&settings.nats.data_dir).await?),
    };
    let connection = match &server {
        Some(server) => server.connection().clone(),
        None => service::connection(&settings)?,
    };
    let result = services(settings, &connection, server.is_some(), stop.clone(), server).await;
    result.context("rollcall up ends")
}

async fn services(
    settings: Settings,
    connection: &NatsConnection,
    embedded: bool,
    stop: CancellationToken,
    server: Option<NatsServer>,
) -> anyhow::Result<()> {
    let bus = Bus::connect(connection, "rollcall").await?;
    bus.prepare(settings.nats.replicas).await?;
    let settings = Arc::new(settings);
    let health = Health::new();
    let mut running = JoinSet::new();
    start(&mut running, connection, &bus, &settings, &health, &stop);
    tracing::info!(
        nats = connection.url,
        embedded,
        orgs = settings.orgs.len(),
        scim = settings.scim_listen,
        "rollcall is up"
    );
    let work = async {
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    let result = match server {
        None => lifecycle::run_and_drain(&stop, work).await.unwrap_or(Ok(())),
        Some(mut server) => {
            let result = tokio::select! {
                done = lifecycle::run_and_drain(&stop, work) => done.unwrap_or(Ok(())),
                () = server.ended() => Err(anyhow::anyhow!(
                    "nats-server ended by itself; its own words are in nats-server.log in {}. Start again: nothing is lost",
                    settings.nats.data_dir.display()
                )),
            };
            server.stop().await;
            result
        }
    };
    running.shutdown().await;
    result
}

fn start(
    running: &mut JoinSet<anyhow::Result<()>>,
    connection: &NatsConnection,
    bus: &Bus,
    settings: &Arc<Settings>,
    health: &Health,
    stop: &CancellationToken,
) {
    let budgets = settings
        .orgs
        .iter()
        .map(|org| (org.id.clone(), org.budget().clone()))
        .collect();
    let (governor_bus, governor_health, governor_stop) = (connection.clone(), health.clone(), stop.clone());
    running.spawn(async move {
        Ok(rate_governor::run_apart(governor_bus, budgets, governor_health, &governor_stop).await?)
    });
    let parts = || (bus.clone(), settings.clone(), health.clone(), stop.clone());
    let (bus, settings, health, stop) = parts();
    let pusher = pusher::Dependencies {
        bus: bus.clone(),
        settings: settings.clone(),
        health: health.clone(),
        crash_points: pusher::CrashPoints::none(),
    };
    let importer = importer::Dependencies {
        bus: bus.clone(),
        settings: settings.clone(),
        health: health.clone(),
    };
    let rosters = scim_gateway::rosters(&bus, &stop);
    let intake = intake::Dependencies {
        bus: bus.clone(),
        rosters: rosters.clone(),
        settings: settings.clone(),
        health: health.clone(),
    };
    let discovery = schema_discovery::Dependencies {
        bus: bus.clone(),
        settings: settings.clone(),
        health: health.clone(),
    };
    let gateway = scim_gateway::Dependencies {
        bus,
        rosters,
        settings,
        health,
        clock: chassis::clock::unix_ms,
    };
    let (s1, s2, s3, s4) = (stop.clone(), stop.clone(), stop.clone(), stop.clone());
    running.spawn(async move { Ok(pusher::run(pusher, s1).await?) });
    running.spawn(async move { Ok(importer::run(importer, s2).await?) });
    running.spawn(async move { Ok(intake::run(intake, s3).await?) });
    running.spawn(async move { Ok(schema_discovery::run(discovery, s4).await?) });
    running.spawn(async move { Ok(scim_gateway::run(gateway, stop).await?) });
}
