//! Schema discovery: finds the attributes that users of an org have.
//!
//! The standard fields and the ten legacy custom fields are the same in every org. Litmos shows advanced custom fields only on an existing
//! user. A new version is stored only if something differs from the last one. Litmos does not return types of fields, and this service does
//! not guess them.

use std::sync::Arc;
use std::time::Duration;

use bus::{
    Bus, BusError, Change, Expect, OperatorError, OperatorRequest, SchemaKey, Service, Write, WriteError,
};
use chassis::health::Health;
use litmos::Failure;
use provisioning::{Field, SchemaField, SchemaKind, SchemaVersion};
use rate_tokens::{Class, Permit};
use serde_json::{Value, json};
use service::{About, AccountProblem, Accounts};
use settings::{Org, Settings};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time after which another process takes over an org from a crashed one.
const LEASE: Duration = Duration::from_secs(5);

/// Time between two discoveries of an org. Custom fields change a few times a year.
const EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Delay before a failed discovery is retried. It doubles with each failure.
const AGAIN_FIRST: Duration = Duration::from_secs(60);

/// Longest delay before a failed discovery is retried.
const AGAIN_MAX: Duration = Duration::from_secs(600);

/// The parts that the service needs.
#[derive(Debug)]
pub struct Dependencies {
    pub bus: Bus,
    pub settings: Arc<Settings>,
    pub health: Health,
}

#[derive(Debug, thiserror::Error)]
enum DiscoveryError {
    #[error("Litmos did not return the user attributes")]
    Litmos(#[from] Failure),
    #[error("the schema could not be read")]
    Bus(#[from] BusError),
    #[error("the schema could not be written")]
    Write(#[from] WriteError),
}

/// Discovers the attributes of each org at the start, once a day, and on request.
///
/// # Errors
/// If an org's settings are not usable.
pub async fn run(dependencies: Dependencies, stop: CancellationToken) -> Result<(), AccountProblem> {
    let Dependencies {
        bus,
        settings,
        health,
    } = dependencies;
    let accounts = Accounts::new(&bus, "schema-discovery");
    let mut orgs = JoinSet::new();
    for org in &settings.orgs {
        let litmos = accounts.client(org)?;
        let discovery = OrgDiscovery {
            bus: bus.clone(),
            org: org.clone(),
            tokens: accounts.tokens().clone(),
            litmos,
        };
        orgs.spawn(discovery.run(stop.clone()));
    }
    health.ready("schema-discovery");
    while orgs.join_next().await.is_some() {}
    accounts.close().await;
    Ok(())
}

struct OrgDiscovery {
    bus: Bus,
    org: Org,
    tokens: bus::Tokens,
    litmos: litmos::Client,
}

impl OrgDiscovery {
    async fn run(self, stop: CancellationToken) {
        let name = format!("schema-discovery.{}", self.org.id);
        let work = |lease, over: CancellationToken| service::until_lost(lease, over.clone(), self.own(over));
        service::while_owner(&self.bus, &name, LEASE, &stop, work).await;
    }

    async fn own(&self, over: CancellationToken) {
        let (ask, mut asked) = mpsc::channel::<()>(1);
        let (bus, org) = (self.bus.clone(), self.org.id.clone());
        let answering = move |request: OperatorRequest| {
            let (ask, bus, org) = (ask.clone(), bus.clone(), org.clone());
            async move {
                match request {
                    OperatorRequest::Discover => drop(ask.try_send(())),
                    OperatorRequest::Schema => {}
                    _ => {
                        return Err(OperatorError::UnknownRequest {
                            service: Service::SchemaDiscovery,
                        });
                    }
                }
                let stored = bus
                    .schema()
                    .get(&SchemaKey(org))
                    .await
                    .map_err(|error| OperatorError::Refused(chassis::error_chain(&error)))?;
                Ok(stored.map_or(Value::Null, |stored| json!(stored.value)))
            }
        };
        if let Err(error) = self
            .bus
            .serve_operator(Service::SchemaDiscovery, &self.org.id, over, answering)
            .await
        {
            tracing::error!(org.id = %self.org.id, %error, "questions about this org cannot be answered");
        }
        let mut failed = 0_u32;
        loop {
            let about = About {
                class: Class::Background.as_str(),
                kind: "discovery".to_owned(),
                ..About::default()
            };
            let pause = match service::about(about, self.discover()).await {
                Ok(()) => {
                    failed = 0;
                    EVERY
                }
                Err(error) => {
                    tracing::warn!(org.id = %self.org.id, error = chassis::error_chain(&error), "the schema is not known yet");
                    failed = (failed + 1).min(10);
                    AGAIN_FIRST.saturating_mul(1 << (failed - 1)).min(AGAIN_MAX)
                }
            };
            tokio::select! {
                asked = asked.recv() => if asked.is_none() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn permit(&self) -> Permit {
        self.tokens
            .acquire(&self.org.id, Class::Background, "schema-discovery")
            .await
    }

    async fn discover(&self) -> Result<(), DiscoveryError> {
        let anybody = self.litmos.list_users(self.permit().await, 0, 1).await?;
        let advanced = match anybody.first() {
            Some(user) => self.litmos.custom_fields(self.permit().await, &user.id).await?,
            None => Vec::new(),
        };
        let fields = fields(advanced);
        let key = SchemaKey(self.org.id.clone());
        let last = self.bus.schema().get(&key).await?;
        if last.as_ref().is_some_and(|last| last.value.fields == fields) {
            return Ok(());
        }
        let version = last.as_ref().map_or(1, |last| last.value.version + 1);
        let expect = last.map_or(Expect::Absent, |last| Expect::Revision(last.revision));
        let value = SchemaVersion {
            version,
            fields,
            seen_at_ms: chassis::clock::unix_ms(),
        };
        tracing::info!(org.id = %self.org.id, version, "the user attributes of this org are new");
        self.bus
            .schema()
            .write(Write {
                key,
                expect,
                change: Change::Put(value),
            })
            .await?;
        Ok(())
    }
}

fn fields(advanced: Vec<String>) -> Vec<SchemaField> {
    let standard = Field::ALL.iter().map(|field| SchemaField {
        name: field.wire().to_owned(),
        kind: if field.wire().starts_with("CustomField") {
            SchemaKind::LegacyCustom
        } else {
            SchemaKind::Standard
        },
        max_chars: u32::try_from(field.max_chars()).unwrap_or_default(),
    });
    let own = advanced.into_iter().map(|name| SchemaField {
        name,
        kind: SchemaKind::AdvancedCustom,
        max_chars: 0,
    });
    standard.chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_has_the_standard_fields_ten_legacy_ones_and_its_own() {
        let fields = fields(vec!["Region".to_owned()]);
        let count = |kind| fields.iter().filter(|field| field.kind == kind).count();
        assert_eq!(count(SchemaKind::LegacyCustom), 10);
        assert_eq!(count(SchemaKind::AdvancedCustom), 1);
        assert_eq!(fields.len(), Field::ALL.len() + 1);
    }
}
