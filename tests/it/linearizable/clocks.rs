//! Gateways whose clocks differ by an hour or step back: what is accepted is in effect, whatever any clock says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus::{Bus, NatsServer};
use chassis::health::Health;
use rollcall_tests::{TOKEN, free_port};
use settings::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clients::{Clients, Door};
use super::history::{Answer, Content, Edit, Kind, Request};
use super::live::{BUSY, play};

/// Rounds of each kind.
const ROUNDS: usize = 10;

fn an_hour_ahead() -> u64 {
    chassis::clock::unix_ms() + 3_600_000
}

/// How far the clock of [`steps_back`] has stepped back.
static BACK_MS: AtomicU64 = AtomicU64::new(0);

fn steps_back() -> u64 {
    chassis::clock::unix_ms() - BACK_MS.load(Ordering::SeqCst)
}

/// The first gateway is an hour ahead of the second.
const APART: [fn() -> u64; 2] = [an_hour_ahead, chassis::clock::unix_ms];

/// Two gateways in this process.
struct Pair {
    clients: Clients,
    server: NatsServer,
    running: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Pair {
    async fn open(clocks: [fn() -> u64; 2]) -> Pair {
        chassis::tls::choose_provider();
        let folder = tempfile::tempdir().unwrap();
        let server = NatsServer::start(folder.path()).await.unwrap();
        let stop = CancellationToken::new();
        let mut running = Vec::new();
        let doors = [(); 2].map(|()| Door {
            port: free_port(),
            open: AtomicBool::new(true),
        });
        for (door, clock) in doors.iter().zip(clocks) {
            let bus = Bus::connect(server.connection(), "story").await.unwrap();
            bus.prepare(1).await.unwrap();
            let file = folder.path().join(format!("{}.toml", door.port));
            let text = format!(
                "[scim]\nlisten = \"127.0.0.1:{}\"\n[[org]]\nid = \"acme\"\nbase_url = \"http://127.0.0.1:1\"\n\
                 company = \"acme\"\napi_key = \"a-key\"\nscim_token = \"{TOKEN}\"\n",
                door.port
            );
            std::fs::write(&file, text).unwrap();
            let parts = scim_gateway::Dependencies {
                rosters: scim_gateway::rosters(&bus, &stop),
                bus,
                settings: Arc::new(Settings::load(Some(&file), []).unwrap()),
                health: Health::new(),
                clock,
            };
            let until = stop.clone();
            running.push(tokio::spawn(async move {
                scim_gateway::run(parts, until).await.unwrap()
            }));
        }
        let clients = Clients::of(doors);
        for door in clients.doors.iter() {
            rollcall_tests::wait_for("a gateway", async || clients.is_ready(door).await).await;
        }
        Pair {
            clients,
            server,
            running,
            stop,
            _folder: folder,
        }
    }

    async fn ask(&self, kind: Kind, door: usize, request: Request) -> Answer {
        let answer = self.clients.send(kind, &self.clients.doors[door], &request).await;
        answer
            .unwrap()
            .unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    async fn made(&self, kind: Kind, door: usize, content: Content) -> String {
        match self.ask(kind, door, Request::Create(content)).await {
            Answer::Shown { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    async fn close(self) {
        self.stop.cancel();
        for running in self.running {
            let _ = running.await;
        }
        self.server.stop().await;
    }
}

fn patch(id: &str, edit: Edit) -> Request {
    Request::Patch {
        id: id.to_owned(),
        if_match: None,
        edits: vec![edit],
    }
}

fn read(id: &str) -> Request {
    Request::Read { id: id.to_owned() }
}

fn named(name: String) -> Content {
    Content {
        name,
        ..Content::default()
    }
}

/// The other gateway knows somebody.
async fn is_known(pair: &Pair, kind: Kind, id: &str) {
    rollcall_tests::wait_for("both gateways know it", async || {
        matches!(pair.ask(kind, 1, read(id)).await, Answer::Shown { .. })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_after_an_edit_through_a_gateway_an_hour_ahead_is_kept() {
    let pair = Pair::open(APART).await;
    let mut lost = Vec::new();
    for n in 0..ROUNDS {
        let id = pair.made(Kind::User, 0, named(format!("mira-{n}"))).await;
        is_known(&pair, Kind::User, &id).await;
        pair.ask(Kind::User, 0, patch(&id, Edit::Set("title", "Guide".to_owned())))
            .await;
        pair.ask(Kind::User, 1, patch(&id, Edit::Set("active", "false".to_owned())))
            .await;
        let there = pair.ask(Kind::User, 1, read(&id)).await;
        if !matches!(&there, Answer::Shown { content, .. } if content.is_inactive()) {
            lost.push(there);
        }
    }
    pair.close().await;
    assert!(
        lost.is_empty(),
        "{} of {ROUNDS} cut-offs are lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_after_the_clock_of_its_gateway_stepped_back_is_kept() {
    let pair = Pair::open([steps_back; 2]).await;
    let mut lost = Vec::new();
    for n in 0..ROUNDS {
        let id = pair.made(Kind::User, 0, named(format!("mira-{n}"))).await;
        pair.ask(Kind::User, 0, patch(&id, Edit::Set("title", "Guide".to_owned())))
            .await;
        BACK_MS.fetch_add(60_000, Ordering::SeqCst);
        pair.ask(Kind::User, 0, patch(&id, Edit::Set("active", "false".to_owned())))
            .await;
        let there = pair.ask(Kind::User, 0, read(&id)).await;
        if !matches!(&there, Answer::Shown { content, .. } if content.is_inactive()) {
            lost.push(there);
        }
    }
    pair.close().await;
    assert!(
        lost.is_empty(),
        "{} of {ROUNDS} cut-offs are lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_after_an_edit_through_a_gateway_an_hour_ahead_is_kept() {
    let pair = Pair::open(APART).await;
    let mut lost = Vec::new();
    for n in 0..ROUNDS {
        for kind in [Kind::User, Kind::Group] {
            let id = pair.made(kind, 0, named(format!("{kind:?}-{n}"))).await;
            is_known(&pair, kind, &id).await;
            pair.ask(kind, 0, patch(&id, Edit::Rename(format!("{kind:?}-{n}-new"))))
                .await;
            let output = pair
                .ask(
                    kind,
                    1,
                    Request::Delete {
                        id: id.clone(),
                        if_match: None,
                    },
                )
                .await;
            let there = pair.ask(kind, 1, read(&id)).await;
            if there != Answer::Missing {
                lost.push((kind, output, there));
            }
        }
    }
    pair.close().await;
    assert!(
        lost.is_empty(),
        "{} deletions are lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_taken_out_after_a_gateway_an_hour_ahead_put_them_in_is_out() {
    let pair = Pair::open(APART).await;
    let person = pair.made(Kind::User, 0, named("mira".to_owned())).await;
    is_known(&pair, Kind::User, &person).await;
    let mut lost = Vec::new();
    for n in 0..ROUNDS {
        let id = pair.made(Kind::Group, 0, named(format!("Sales {n}"))).await;
        is_known(&pair, Kind::Group, &id).await;
        pair.ask(Kind::Group, 0, patch(&id, Edit::AddMember(person.clone())))
            .await;
        pair.ask(Kind::Group, 1, patch(&id, Edit::RemoveMember(person.clone())))
            .await;
        let there = pair.ask(Kind::Group, 1, read(&id)).await;
        if !matches!(&there, Answer::Shown { content, .. } if content.members.is_empty()) {
            lost.push(there);
        }
    }
    pair.close().await;
    assert!(
        lost.is_empty(),
        "{} of {ROUNDS} removals are lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_through_gateways_whose_clocks_differ_by_an_hour_are_linearizable() {
    let pair = Pair::open(APART).await;
    let cast = pair.clients.cast(4).await;
    let outcome = play(&pair.clients, BUSY, &cast, Duration::from_secs(5), 3).await;
    pair.close().await;
    outcome.judge(3);
}
