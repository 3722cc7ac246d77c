//! The SCIM gateway: a SCIM 2.0 server with one base URL per org, `/scim/{org}/v2`.
//!
//! A write is answered when it is durable in the roster, without waiting for Litmos. A read is answered from memory and costs no
//! request of the budget. Every response is SCIM JSON, also 401 and 404.

mod fields;
mod groups;
mod http;
mod list;
mod refusal;
mod turns;
mod users;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use bus::Bus;
use chassis::health::Health;
use chassis::lifecycle;
use roster::{Roster, Rosters};
use secrecy::SecretString;
use settings::Settings;
use tokio_util::sync::CancellationToken;

use fields::Fields;

/// Dependencies of the service.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    /// Created by [`rosters`].
    pub rosters: Rosters,
    pub settings: Arc<Settings>,
    pub health: Health,
    /// Unix milliseconds.
    pub clock: fn() -> u64,
}

#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Listen(#[from] lifecycle::ListenError),
    #[error("the SCIM listener failed")]
    Serve(#[source] std::io::Error),
}

/// State of one org.
#[derive(Debug)]
pub(crate) struct OrgState {
    pub(crate) roster: Roster,
    pub(crate) token: Option<SecretString>,
    pub(crate) fields: Fields,
    pub(crate) scans: list::Scans,
    pub(crate) turns: turns::Turns,
}

/// All orgs, the address of the listener, and its clock.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) orgs: BTreeMap<String, OrgState>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: fn() -> u64,
}

/// Creates the rosters that a gateway needs. They also index people by e-mail address and display name.
pub fn rosters(bus: &Bus, stop: &CancellationToken) -> Rosters {
    Rosters::reading(list::other_names, bus, stop)
}

/// Serves SCIM until stopped.
///
/// # Errors
/// The listen address cannot be used.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), GatewayError> {
    let Dependencies {
        bus,
        rosters,
        settings,
        health,
        clock,
    } = dependencies;
    let listener = lifecycle::listen(&settings.scim_listen, "[scim] listen").await?;
    let address = listener.local_addr().map_err(GatewayError::Serve)?;
    let mut orgs = BTreeMap::new();
    for org in &settings.orgs {
        if org.scim_token.is_none() {
            tracing::warn!(org.id = %org.id, "this org has no scim_token: SCIM is disabled for it; set scim_token in its settings");
        }
        orgs.insert(
            org.id.to_string(),
            OrgState {
                roster: rosters.of(&org.id),
                token: org.scim_token.clone(),
                fields: Fields::follow(&bus, &org.id, stop.clone()),
                scans: list::Scans::default(),
                turns: turns::Turns::default(),
            },
        );
    }
    health.not_ready("scim-gateway", "the roster is being read");
    let app = Arc::new(AppState { orgs, address, clock });
    let (ready, waiting) = (health.clone(), app.clone());
    tokio::spawn(async move {
        for org in waiting.orgs.values() {
            org.roster.ready().await;
        }
        ready.ready("scim-gateway");
    });
    let router = Router::new()
        .fallback(any(http::answer))
        .with_state(app)
        .merge(health.router());
    lifecycle::serve(listener, router, stop)
        .await
        .map_err(GatewayError::Serve)
}
