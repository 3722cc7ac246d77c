//! Changes of one roster through two processes at once, against a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guards;
mod identity;
mod races;

use bus::{Bus, NatsConnection, NatsServer};
use futures_util::TryStreamExt as _;
use provisioning::{Field, OrgId, Person, PersonId, Profile, SourceId};
use roster::{Applied, ChangeError, Order, Origin, PersonDraft, PersonTarget, Roster, RosterError};
use tokio_util::sync::CancellationToken;

/// One server, and two rosters that follow it through connections of their own.
struct Two {
    _dir: tempfile::TempDir,
    server: NatsServer,
    stop: CancellationToken,
    one: Roster,
    other: Roster,
    /// The consumer that the first roster follows by.
    consumer: String,
}

impl Two {
    async fn start() -> Two {
        let dir = tempfile::tempdir().unwrap();
        let server = NatsServer::start(dir.path()).await.unwrap();
        let stop = CancellationToken::new();
        let org = OrgId::parse("acme").unwrap();
        let first = Bus::connect(server.connection(), "one").await.unwrap();
        first.prepare(1).await.unwrap();
        let second = Bus::connect(server.connection(), "other").await.unwrap();
        let one = Roster::follow(&first, &org, stop.clone());
        one.ready().await;
        let consumer = consumers(server.connection()).await.swap_remove(0);
        let other = Roster::follow(&second, &org, stop.clone());
        other.ready().await;
        Two {
            _dir: dir,
            server,
            stop,
            one,
            other,
            consumer,
        }
    }

    /// For a while the first roster is told nothing: its memory is old.
    async fn stall_one(&self) {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(600);
        let request = format!("$JS.API.CONSUMER.PAUSE.KV_roster.{}", self.consumer);
        let body = format!(r#"{{"pause_until":"{until}"}}"#);
        let server = connected(self.server.connection()).await;
        let answer = server.request(request, body.into()).await.unwrap();
        let answer = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.contains(r#""paused":true"#), "{answer}");
    }

    async fn end(self) {
        self.stop.cancel();
        self.server.stop().await;
    }
}

async fn connected(server: &NatsConnection) -> async_nats::Client {
    let options = async_nats::ConnectOptions::new().token(server.token.clone().unwrap());
    options.connect(&server.url).await.unwrap()
}

/// The consumers of the roster.
async fn consumers(server: &NatsConnection) -> Vec<String> {
    let js = async_nats::jetstream::new(connected(server).await);
    let stream = js.get_stream("KV_roster").await.unwrap();
    stream.consumer_names().try_collect().await.unwrap()
}

fn source(name: &str) -> SourceId {
    SourceId::parse(name).unwrap()
}

fn draft(user_name: &str, external_id: Option<&str>, fields: &[(Field, &str)]) -> PersonDraft {
    PersonDraft {
        external_id: external_id.map(str::to_owned),
        profile: fields.iter().copied().collect::<Profile>(),
        ..PersonDraft::named(user_name)
    }
}

async fn put(
    roster: &Roster,
    origin: Origin<'_>,
    target: PersonTarget<'_>,
    draft: impl std::borrow::Borrow<PersonDraft>,
) -> Result<Applied<Person>, RosterError> {
    roster
        .change(|directory| directory.put_person_draft(roster.org(), &origin, target, draft.borrow()))
        .await
        .map_err(ChangeError::into_inner)
}

fn feed(source: &SourceId, sequence: u64, at_ms: u64, in_order: bool) -> Origin<'_> {
    Origin {
        source,
        at_ms,
        order: Order::Feed {
            sequence,
            in_order,
            end: sequence,
            settled: true,
        },
    }
}

fn known(roster: &Roster, id: &PersonId) -> Person {
    roster.read(|directory| directory.person(id).unwrap().value.clone())
}
