//! Speeds of the rooms that matter, measured in one run: `cargo xtask bench`.
//!
//! Absolute figures are this machine's; nothing is asserted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bus::{Bus, NatsServer};
use chassis::health::Health;
use provisioning::{
    Account, AccountId, Field, ManagerWish, OrgId, Person, PersonId, PersonLink, Policy, Profile, World, plan,
};
use rate_tokens::{BudgetSettings, Class, Pacing, Terms};
use rollcall_tests::{House, user};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len().saturating_sub(1)) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn row(name: &str, mut times: Vec<Duration>, whole: Duration) {
    times.sort();
    println!(
        "{name:<44} {:>9.0} /s   p50 {:>8.2} ms   p99 {:>8.2} ms",
        times.len() as f64 / whole.as_secs_f64(),
        percentile(&times, 0.5).as_secs_f64() * 1e3,
        percentile(&times, 0.99).as_secs_f64() * 1e3,
    );
}

/// Grants over the bus, each in the fsynced ledger before it is told. The limit is far above what is asked.
async fn governor() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = NatsServer::start(folder.path()).await?;
    let bus = Bus::connect(server.connection(), "bench-governor").await?;
    bus.prepare(1).await?;
    let org = OrgId::parse("bench")?;
    let mut terms = Terms::per_minute(100_000);
    (terms.pacing, terms.window, terms.worker_max) = (Pacing::Unpaced, Duration::from_secs(1), 100_000);
    terms.reserve = 0;
    let budgets = BTreeMap::from([(org.clone(), BudgetSettings::new(terms)?)]);
    let stop = CancellationToken::new();
    let parts = rate_governor::Parts {
        bus: bus.clone(),
        budgets,
        health: Health::new(),
    };
    let governor = tokio::spawn(rate_governor::run(parts, stop.clone()));
    let worker = Bus::connect(server.connection(), "bench-worker").await?;
    let tokens = worker.tokens(chassis::clock::now_ms);
    drop(tokens.acquire(&org, Class::Normal, "warm").await);
    for in_flight in [1_usize, 16, 64] {
        let each = 4_000 / in_flight;
        let started = Instant::now();
        let mut asking = JoinSet::new();
        for flow in 0..in_flight {
            let (tokens, org) = (tokens.clone(), org.clone());
            asking.spawn(async move {
                let flow = format!("flow-{flow}");
                let mut times = Vec::with_capacity(each);
                for _ in 0..each {
                    let asked = Instant::now();
                    drop(tokens.acquire(&org, Class::Normal, &flow).await);
                    times.push(asked.elapsed());
                }
                times
            });
        }
        let mut times = Vec::new();
        while let Some(done) = asking.join_next().await {
            times.extend(done?);
        }
        row(
            &format!("governor grant, {in_flight} in flight, fsynced"),
            times,
            started.elapsed(),
        );
    }
    stop.cancel();
    let _ = governor.await;
    server.stop().await;
    Ok(())
}

/// SCIM over HTTP on one connection, every write durable before it is answered.
async fn scim() -> anyhow::Result<()> {
    let mut house = House::new(litmos_simulator::Settings::default(), "apply = \"manual\"").await;
    house.up(&[("ROLLCALL_TELEMETRY__LOG_FILTER", "error")]).await;
    house.bus().await;
    house.scim("GET", "/Users?count=1", None).await;
    let (mut creates, mut lookups) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for n in 0..500 {
        let asked = Instant::now();
        let (status, _) = house
            .scim("POST", "/Users", Some(&user(&format!("bench{n}"))))
            .await;
        anyhow::ensure!(status == 201, "create answered {status}");
        creates.push(asked.elapsed());
    }
    row("SCIM create, one connection, fsynced", creates, started.elapsed());
    let started = Instant::now();
    for n in 0..500 {
        let asked = Instant::now();
        house
            .scim(
                "GET",
                &format!("/Users?filter=userName%20eq%20%22bench{n}@corp.example%22"),
                None,
            )
            .await;
        lookups.push(asked.elapsed());
    }
    row(
        "SCIM lookup by user name, one connection",
        lookups,
        started.elapsed(),
    );
    Ok(())
}

fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kb| kb / 1_024)
}

/// Two hundred thousand linked people, of whom one in a hundred changed.
fn planner() -> anyhow::Result<()> {
    const PEOPLE: usize = 200_000;
    const NOW: u64 = 1_700_000_000_000;
    let mut world = World::new();
    world.set_import_complete(true);
    for n in 0..PEOPLE {
        let (id, account) = (
            PersonId::parse(format!("p{n}"))?,
            AccountId::parse(format!("a{n}"))?,
        );
        let profile: Profile = [
            (Field::FirstName, format!("First{n}")),
            (Field::LastName, format!("Last{n}")),
            (Field::Email, format!("p{n}@corp.example")),
            (Field::JobTitle, format!("Title {}", n % 50)),
            (Field::City, format!("City {}", n % 300)),
            (Field::ExternalEmployeeId, format!("E{n}")),
        ]
        .into_iter()
        .collect();
        world.put_account(Account {
            id: account.clone(),
            user_name: format!("p{n}@corp.example"),
            active: true,
            access_level: None,
            profile: profile.clone(),
            manager: None,
            as_of_ms: NOW,
            whole: true,
        });
        let mut wanted = profile;
        if n % 100 == 0 {
            wanted.set(Field::JobTitle, "Promoted");
        }
        let person = Person {
            id: id.clone(),
            user_name: format!("p{n}@corp.example"),
            active: true,
            deleted: false,
            access_level: None,
            profile: wanted,
            manager: ManagerWish::Leave,
            sources: BTreeMap::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        };
        world.put_person(person, 1);
        world.put_person_link(
            PersonLink {
                account: Some(account),
                ..PersonLink::new(id)
            },
            1,
        );
    }
    let subjects: BTreeSet<_> = world.subjects();
    let started = Instant::now();
    let planned = plan(
        &OrgId::parse("bench")?,
        &world,
        &subjects,
        &Policy::default(),
        NOW,
    );
    println!(
        "{:<44} {:>9.2} s    {} calls for {} people; peak memory {} MB",
        "plan of 200,000 people, 1 % changed",
        started.elapsed().as_secs_f64(),
        planned.calls(),
        planned.people,
        peak_memory_mb().unwrap_or_default()
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    planner()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        governor().await?;
        scim().await
    })
}
