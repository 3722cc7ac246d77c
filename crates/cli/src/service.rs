//! `rollcall service NAME`: one service in its own process, with the bus named in the settings.
//!
//! One executable contains all services, so an image contains each library only once.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::Global;

/// A service that runs as a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Service {
    /// Grant request tokens to all services, within the limit of each org.
    RateGovernor,
    /// Plan and send the changes that make Litmos equal to the roster.
    Pusher,
    /// Read users, teams and members from Litmos.
    Importer,
    /// Find out which fields the Litmos account has.
    SchemaDiscovery,
    /// Store events of identity providers and files in the roster.
    Intake,
    /// Serve SCIM 2.0 to identity providers.
    ScimGateway,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceCommand {
    /// Service to run.
    name: Service,
}

impl ServiceCommand {
    /// True for the governor: see `rate_governor::run_apart`.
    pub(crate) fn needs_one_thread(&self) -> bool {
        self.name == Service::RateGovernor
    }

    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<()> {
        let config: Option<&Path> = global.config.as_deref();
        match self.name {
            Service::RateGovernor => {
                ::service::run("rate-governor", config, async |process| {
                    let orgs = process.settings.orgs.iter();
                    let parts = rate_governor::Dependencies {
                        bus: process.bus,
                        budgets: orgs.map(|org| (org.id.clone(), org.budget().clone())).collect(),
                        health: process.health,
                    };
                    Ok(rate_governor::run(parts, process.stop).await?)
                })
                .await
            }
            Service::Pusher => {
                ::service::run("pusher", config, async |process| {
                    let parts = pusher::Dependencies {
                        bus: process.bus,
                        settings: process.settings,
                        health: process.health,
                        crash_points: pusher::CrashPoints::none(),
                    };
                    Ok(pusher::run(parts, process.stop).await?)
                })
                .await
            }
            Service::Importer => {
                ::service::run("importer", config, async |process| {
                    let parts = importer::Dependencies {
                        bus: process.bus,
                        settings: process.settings,
                        health: process.health,
                    };
                    Ok(importer::run(parts, process.stop).await?)
                })
                .await
            }
            Service::SchemaDiscovery => {
                ::service::run("schema-discovery", config, async |process| {
                    let parts = schema_discovery::Dependencies {
                        bus: process.bus,
                        settings: process.settings,
                        health: process.health,
                    };
                    Ok(schema_discovery::run(parts, process.stop).await?)
                })
                .await
            }
            Service::Intake => {
                ::service::run("intake", config, async |process| {
                    let parts = intake::Dependencies {
                        rosters: intake::rosters(&process.bus, &process.stop),
                        bus: process.bus,
                        settings: process.settings,
                        health: process.health,
                    };
                    Ok(intake::run(parts, process.stop).await?)
                })
                .await
            }
            Service::ScimGateway => {
                ::service::run("scim-gateway", config, async |process| {
                    let parts = scim_gateway::Dependencies {
                        rosters: scim_gateway::rosters(&process.bus, &process.stop),
                        bus: process.bus,
                        settings: process.settings,
                        health: process.health,
                        clock: chassis::clock::unix_ms,
                    };
                    Ok(scim_gateway::run(parts, process.stop).await?)
                })
                .await
            }
        }
    }
}
