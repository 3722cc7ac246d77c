//! The bus against real nats-servers, one for each test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buckets;
mod commit;
mod feed;
mod leases;
mod records;
mod sets;
mod snapshots;
mod streams;
mod wire;

use bus::{Bus, NatsServer};
use provisioning::{OrgId, Person, PersonId};

struct Harness {
    server: NatsServer,
    bus: Bus,
    dir: tempfile::TempDir,
    org: OrgId,
}

async fn harness() -> Harness {
    let dir = tempfile::tempdir().unwrap();
    let server = NatsServer::start(dir.path()).await.unwrap();
    let bus = Bus::connect(server.connection(), "test").await.unwrap();
    bus.prepare(1).await.unwrap();
    Harness {
        server,
        bus,
        dir,
        org: OrgId::parse("acme").unwrap(),
    }
}

fn person(n: usize) -> Person {
    Person {
        id: PersonId::parse(format!("p{n}")).unwrap(),
        user_name: format!("person{n}@corp.example"),
        active: true,
        deleted: false,
        access_level: None,
        profile: provisioning::Profile::default(),
        custom: Default::default(),
        manager: provisioning::DesiredManager::Leave,
        sources: provisioning::Sources::new(),
        scim_document: None,
        created_at_ms: 1,
        changed_at_ms: 1,
    }
}
