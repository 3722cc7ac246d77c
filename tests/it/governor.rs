use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{Bus, Tokens};
use litmos_simulator::{Settings, Window, most_requests_in_any_window};
use provisioning::OrgId;
use rate_tokens::{Class, Command, Input, Moment, Stamp};
use rollcall_tests::{Harness, Nats};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A limit that is felt within a test: 20 in two seconds.
const SHORT: &str = "requests_per_minute = 20\nwindow_ms = 2000\npermit_ttl_ms = 1500\nsettle_ms = 1500\n";

async fn harness() -> (Harness, Nats) {
    let simulator = Settings {
        limit: 20,
        window: Window::Rolling,
        window_length: Duration::from_secs(2),
        ..Settings::default()
    };
    (Harness::new(simulator, SHORT).await, Nats::start().await)
}

/// A worker process of its own, as far as the governor can tell.
struct Worker {
    tokens: Tokens,
    litmos: litmos::Client,
    org: OrgId,
    sent: Arc<AtomicU64>,
}

impl Worker {
    async fn new(harness: &Harness, nats: &Nats, name: &str) -> Worker {
        let bus = Bus::connect(&nats.connection(), name).await.unwrap();
        let litmos = litmos::Client::new(litmos::Connection {
            base_url: harness.litmos.base_url(),
            company: "acme".to_owned(),
            api_key: harness.litmos.api_key().into(),
            timeout: Duration::from_secs(1),
            clock: || Moment::from_millis(chassis::clock::now_ms()),
        });
        Worker {
            tokens: bus.tokens(chassis::clock::now_ms),
            litmos: litmos.unwrap(),
            org: harness.org.clone(),
            sent: Arc::default(),
        }
    }

    /// So many requests at a time, until stopped.
    fn work(
        &self,
        tasks: &mut JoinSet<()>,
        class: Class,
        flow: &str,
        at_once: usize,
        stop: &CancellationToken,
    ) {
        for _ in 0..at_once {
            let (tokens, litmos, org, sent) = (
                self.tokens.clone(),
                self.litmos.clone(),
                self.org.clone(),
                self.sent.clone(),
            );
            let (flow, stop) = (flow.to_owned(), stop.clone());
            tasks.spawn(async move {
                loop {
                    let permit = tokio::select! {
                        () = stop.cancelled() => return,
                        permit = tokens.acquire(&org, class, &flow) => permit,
                    };
                    if litmos.find_teams(permit, "none").await.is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Waits until that many more requests have been answered.
async fn more(harness: &Harness, workers: &[&Worker], requests: u64) {
    let sent = || workers.iter().map(|worker| worker.sent()).sum::<u64>();
    let enough = sent() + requests;
    let going = async {
        while sent() < enough {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = tokio::time::timeout(rollcall_tests::PATIENCE, going).await;
    assert!(patience.is_ok(), "no more requests went out:\n{}", harness.log());
}

fn check_limit(harness: &Harness) -> usize {
    let log = harness.litmos.log();
    let most = most_requests_in_any_window(&log, Duration::from_secs(2));
    assert!(most <= 20, "{most} requests in one window");
    assert_eq!(log.iter().filter(|entry| entry.refused).count(), 0);
    log.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_die_or_freeze_are_followed_and_the_limit_holds() {
    let (mut harness, mut nats) = harness().await;
    let environment = nats.environment();
    let first = harness.service("rate-governor", &environment);
    let worker = Worker::new(&harness, &nats, "worker-1").await;
    let other = Worker::new(&harness, &nats, "worker-2").await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    worker.work(&mut tasks, Class::Normal, "one", 8, &stop);
    other.work(&mut tasks, Class::Background, "two", 8, &stop);
    let workers = [&worker, &other];
    more(&harness, &workers, 30).await;

    // The one that leads is killed, the other takes over.
    let second = harness.service("rate-governor", &environment);
    tokio::time::sleep(Duration::from_millis(500)).await;
    harness
        .kill_and_restart(first, "rate-governor", &environment)
        .await;
    more(&harness, &workers, 30).await;

    // Now the second leads, and is frozen until the first has taken over. What it does then, it does for nothing.
    harness.freeze(second, true).await;
    more(&harness, &workers, 30).await;
    harness.freeze(second, false).await;
    more(&harness, &workers, 30).await;

    // The bus itself dies and comes back.
    nats.kill_and_restart(Duration::from_millis(300)).await;
    more(&harness, &workers, 30).await;

    stop.cancel();
    while tasks.join_next().await.is_some() {}
    let counted = check_limit(&harness);
    assert!(counted >= 150, "{counted} requests show little");
    harness
        .books_bound(&Bus::connect(&nats.connection(), "story").await.unwrap())
        .await;
    harness.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_greedy_nor_the_dead_hold_others_back_and_the_urgent_go_first() {
    let (mut harness, nats) = harness().await;
    harness.service("rate-governor", &nats.environment());
    let greedy = Worker::new(&harness, &nats, "greedy").await;
    let modest = Worker::new(&harness, &nats, "modest").await;
    let dead = Worker::new(&harness, &nats, "dead").await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    // It takes what it can get, and neither sends nor gives back.
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(dead.tokens.acquire(&dead.org, Class::Normal, "dead").await);
    }
    greedy.work(&mut tasks, Class::Normal, "greedy", 300, &stop);
    modest.work(&mut tasks, Class::Normal, "modest", 1, &stop);
    more(&harness, &[&greedy, &modest], 60).await;
    let (of_greedy, of_modest) = (greedy.sent(), modest.sent());
    assert!(
        of_modest * 6 >= of_greedy,
        "{of_modest} for who asks for one at a time, {of_greedy} for who asks for 300"
    );

    // An urgent request overtakes all three hundred that wait.
    let before = greedy.sent() + modest.sent();
    let permit = greedy.tokens.acquire(&greedy.org, Class::Urgent, "leaver").await;
    greedy.litmos.find_teams(permit, "none").await.unwrap();
    let passed = greedy.sent() + modest.sent() - before;
    assert!(passed <= 12, "{passed} others went before the urgent request");

    stop.cancel();
    while tasks.join_next().await.is_some() {}
    drop(kept);
    check_limit(&harness);
    harness
        .ledger_agrees(&Bus::connect(&nats.connection(), "story").await.unwrap())
        .await;
    harness.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_followed_by_one_quiet_window_that_status_tells() {
    let (mut harness, nats) = harness().await;
    let environment = nats.environment();
    let governor = harness.service("rate-governor", &environment);
    let worker = Worker::new(&harness, &nats, "worker").await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    worker.work(&mut tasks, Class::Normal, "one", 8, &stop);
    more(&harness, &[&worker], 20).await;
    let bus = Bus::connect(&nats.connection(), "story").await.unwrap();
    let ledger = bus.ledger([], Stamp::default);
    let gone = ledger.perform(Command::Trim { before: u64::MAX }).await;
    assert!(matches!(gone, Input::Appended { .. }));
    assert_eq!(ledger.read(1).await.unwrap(), []);
    harness
        .kill_and_restart(governor, "rate-governor", &environment)
        .await;
    let mut silences = Vec::new();
    let before = worker.sent();
    let tokens = bus.tokens(chassis::clock::now_ms);
    while worker.sent() < before + 25 {
        if let Ok(status) = tokens.status(Some(&harness.org)).await {
            silences.extend(status["orgs"]["acme"]["closed_for_ms"].as_u64());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The window, a permit's life and the time to settle: five seconds here.
    let longest = silences.iter().max();
    assert!(
        longest.is_some_and(|ms| (500..=5_200).contains(ms)),
        "{silences:?}"
    );
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    check_limit(&harness);
    harness.kill().await;
}
