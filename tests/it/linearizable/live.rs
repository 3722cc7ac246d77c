//! Two gateways as processes, over one nats-server, while they are killed, paused and fed late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rollcall_tests::{Chance, Harness, Nats, free_port};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clients::{Clients, Door};
use super::history::{Call, Kind};
use super::lag::Lag;
use super::search::Timed;
use super::work::Known;
use super::{Figures, check};

/// How much happens at once.
#[derive(Clone, Copy)]
pub(crate) struct Crowd {
    /// Clients of one family, and the requests of each.
    clients: usize,
    each: usize,
    /// Families that are played at once.
    families: usize,
}

pub(crate) const BUSY: Crowd = Crowd {
    clients: 5,
    each: 8,
    families: 3,
};

/// One call after the other.
const ALONE: Crowd = Crowd {
    clients: 1,
    each: 60,
    families: 1,
};

/// People who are put into groups.
const CAST: usize = 4;

/// Violations that are shown in full.
const SHOWN: usize = 2;

/// Two gateways, one of them behind a wire that may be slow.
struct Scene {
    harness: Harness,
    _nats: Nats,
    lag: Lag,
    environments: [Vec<(String, String)>; 2],
    clients: Clients,
}

impl Scene {
    async fn open() -> Scene {
        let mut harness = Harness::new(litmos_simulator::Settings::default(), "").await;
        let nats = Nats::start().await;
        let address = nats.connection().url;
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let lag = Lag::before(port.unwrap()).await;
        let doors = [(); 2].map(|()| Door {
            port: free_port(),
            open: AtomicBool::new(false),
        });
        let mut environments = [nats.environment(), nats.environment()];
        environments[1][0].1 = format!("nats://127.0.0.1:{}", lag.port);
        for (environment, door) in environments.iter_mut().zip(&doors) {
            environment.push((
                "ROLLCALL_SCIM__LISTEN".to_owned(),
                format!("127.0.0.1:{}", door.port),
            ));
            environment.push(("ROLLCALL_TELEMETRY__LOG_FILTER".to_owned(), "off".to_owned()));
            harness.service("scim-gateway", environment);
        }
        let clients = Clients::of(doors);
        let scene = Scene {
            harness,
            _nats: nats,
            lag,
            environments,
            clients,
        };
        scene.opened(0).await;
        scene.opened(1).await;
        scene
    }

    /// Waits until a gateway is ready, and lets clients go there.
    async fn opened(&self, place: usize) {
        let door = &self.clients.doors[place];
        rollcall_tests::wait_for("a gateway", async || self.clients.is_ready(door).await).await;
        door.open.store(true, Ordering::Relaxed);
    }

    /// Kills, pauses and delays until told to stop; how often each.
    async fn disturb(&mut self, mut chance: Chance, stop: CancellationToken) -> [usize; 3] {
        let mut done = [0; 3];
        while !stop.is_cancelled() {
            tokio::time::sleep(chance.millis(100, 600)).await;
            let place = chance.below(2) as usize;
            match chance.below(4) {
                0 => {
                    done[0] += 1;
                    self.clients.doors[place].open.store(false, Ordering::Relaxed);
                    let environment = self.environments[place].clone();
                    self.harness
                        .kill_and_restart(place, "scim-gateway", &environment)
                        .await;
                    self.opened(place).await;
                }
                1 => {
                    done[1] += 1;
                    self.harness.freeze(place, true).await;
                    tokio::time::sleep(chance.millis(50, 1_500)).await;
                    self.harness.freeze(place, false).await;
                }
                _ => {
                    done[2] += 1;
                    let delay = if chance.percent(30) { 0 } else { 200 };
                    self.lag.set(chance.millis(0, 1 + delay));
                }
            }
        }
        done
    }
}

/// Plays one family: its history.
async fn family(
    clients: Clients,
    crowd: Crowd,
    number: u64,
    seed: u64,
    cast: Vec<String>,
) -> (Kind, Vec<Timed<Call>>) {
    let kind = if number.is_multiple_of(2) {
        Kind::User
    } else {
        Kind::Group
    };
    let known = Known::new(kind, &format!("family-{number}"), cast);
    let known = Arc::new(Mutex::new(known));
    let mut playing = JoinSet::new();
    for client in 0..crowd.clients {
        let (clients, known) = (clients.clone(), known.clone());
        let chance = Chance::new(Chance::new(seed ^ (number * 1_000 + client as u64)).number());
        playing.spawn(async move { clients.play(kind, known, client, crowd.each, chance).await });
    }
    let history = playing.join_all().await.into_iter().flatten().collect();
    (kind, history)
}

/// Plays families for so long; fails with the first violations if there are any.
async fn run(length: Duration, seed: u64) {
    let mut scene = Scene::open().await;
    let clients = scene.clients.clone();
    let cast = clients.cast(CAST).await;
    let stop = CancellationToken::new();
    let play = async {
        let outcome = play(&clients, BUSY, &cast, length, seed).await;
        stop.cancel();
        outcome
    };
    let (outcome, [kills, pauses, delays]) =
        tokio::join!(play, scene.disturb(Chance::new(seed), stop.clone()));
    scene.harness.kill().await;
    println!("{kills} kills, {pauses} pauses, {delays} changes of the delay");
    outcome.judge(seed);
}

/// What was found.
pub(crate) struct Outcome {
    figures: Figures,
    violated: usize,
    shown: Vec<String>,
}

impl Outcome {
    /// Fails when a history is not linearizable.
    pub(crate) fn judge(self, seed: u64) {
        let Outcome {
            figures,
            violated,
            shown,
        } = self;
        println!("{figures}; seed {seed}");
        assert_eq!(
            violated,
            0,
            "{violated} of {} histories are not linearizable; seed {seed}; {figures}\n{}",
            figures.histories,
            shown.join("\n\n")
        );
    }
}

/// Plays families for so long, and checks the history of each.
pub(crate) async fn play(
    clients: &Clients,
    crowd: Crowd,
    cast: &[String],
    length: Duration,
    seed: u64,
) -> Outcome {
    let began = Instant::now();
    let mut playing = JoinSet::new();
    let mut number = 0;
    let mut outcome = Outcome {
        figures: Figures::default(),
        violated: 0,
        shown: Vec::new(),
    };
    loop {
        while playing.len() < crowd.families && began.elapsed() < length {
            playing.spawn(family(clients.clone(), crowd, number, seed, cast.to_vec()));
            number += 1;
        }
        let Some(played) = playing.join_next().await else {
            return outcome;
        };
        let (kind, history) = played.unwrap();
        let checked = tokio::task::block_in_place(|| check(kind, &history, &mut outcome.figures));
        if let Err(problem) = checked {
            outcome.violated += 1;
            if outcome.shown.len() < SHOWN {
                outcome.shown.push(problem);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_through_two_gateways_are_linearizable_while_they_are_killed_paused_and_fed_late() {
    run(Duration::from_secs(25), 8).await;
}

/// What the model takes for right is what a gateway does for one client.
#[tokio::test(flavor = "multi_thread")]
async fn one_client_after_whom_nobody_asks_is_answered_as_the_model_would() {
    let mut scene = Scene::open().await;
    let cast = scene.clients.cast(CAST).await;
    scene.clients.doors[1].open.store(false, Ordering::Relaxed);
    let outcome = play(&scene.clients, ALONE, &cast, Duration::from_secs(6), 4).await;
    scene.harness.kill().await;
    outcome.judge(4);
}

/// How long: ROLLCALL_SOAK_MINUTES, ten unless told. The seed is told by ROLLCALL_SOAK_SEED.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak: cargo xtask soak --only linearizable"]
async fn soak_of_linearizability() {
    let output = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let minutes = output("ROLLCALL_SOAK_MINUTES").unwrap_or(10);
    let seed = output("ROLLCALL_SOAK_SEED").unwrap_or_else(chassis::clock::unix_ms);
    run(Duration::from_secs(60 * minutes), seed).await;
}
