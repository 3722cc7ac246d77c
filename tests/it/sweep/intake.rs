//! The intake dies at every place between the feed and the roster where dying makes a difference, and another goes on: the
//! roster is the same, nothing is a dead letter twice, and each event has the receipt that it has when nobody dies.
//!
//! An event that nobody acknowledged comes again after a minute, so all plays run at once, each on a nats-server of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Bus, EventBody, NatsServer, Outcome, Receipts};
use chassis::health::Health;
use crash_points::CrashPoints;
use futures_util::StreamExt as _;
use intake::file;
use provisioning::{OrgId, SourceId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::state::{Reader, State};
use super::writes::settings;

/// Plays at once: each of them mostly waits.
const AT_ONCE: usize = 96;

/// How long receipts are waited for: longer than the feed takes to hand an event to another intake.
const PATIENCE: Duration = Duration::from_secs(150);

const FILE: &str = "user_name,external_id,FirstName,LastName,JobTitle,groups\n\
    mira@corp.example,E1,Mira,Lund,Guide,Sales;Depot\n\
    nils@corp.example,E2,Nils,Berg,,Sales\n";

fn person(user_name: &str, external_id: &str, attributes: &[(&str, &str)]) -> EventBody {
    EventBody::PersonUpserted {
        external_id: external_id.to_owned(),
        user_name: user_name.to_owned(),
        active: None,
        access_level: None,
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        manager: None,
        groups: None,
        custom_fields: BTreeMap::new(),
        from_complete_list: false,
    }
}

/// A file, and what comes after it through the feed.
fn events() -> Vec<EventBody> {
    let read = file::read(FILE.as_bytes()).expect("the file is good");
    assert_eq!(read.bad, []);
    let mut events: Vec<EventBody> = read.people.into_iter().map(|entry| entry.body).collect();
    events.extend([
        // Nobody is known by this id yet: the event waits.
        EventBody::MembershipChanged {
            group: "Sales".to_owned(),
            person: "E3".to_owned(),
            present: true,
        },
        person("zoe@corp.example", "E3", &[("FirstName", "Zoe")]),
        EventBody::GroupUpserted {
            external_id: "G1".to_owned(),
            name: "Board".to_owned(),
            description: Some("Steers".to_owned()),
            parent: None,
        },
        EventBody::PersonDeleted {
            person: "E2".to_owned(),
        },
        person("berg@corp.example", "E1", &[("FirstName", "Mira")]),
        person("odd@corp.example", "E4", &[("Nonsense", "x")]),
    ]);
    events
}

/// An intake as a task.
struct Intake {
    running: JoinHandle<()>,
    stop: CancellationToken,
}

impl Intake {
    async fn start(server: &NatsServer, org: &OrgId, points: &CrashPoints) -> Intake {
        let bus = Bus::connect(server.connection(), "intake").await;
        let parts = intake::Parts {
            bus: bus.expect("the bus connects").dying_at(points.clone()),
            settings: settings(org, 1),
            health: Health::new(),
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        let running = tokio::spawn(async move {
            intake::run(parts, until).await.expect("the intake runs");
        });
        Intake { running, stop }
    }

    async fn kill(self) {
        self.running.abort();
        self.stop.cancel();
        let _ = self.running.await;
    }
}

/// How each event ended, by its id: what its receipts said.
type Ends = BTreeMap<String, BTreeSet<&'static str>>;

/// Hears receipts until each event has one that is final, or none come any more.
async fn hear(receipts: &mut Receipts, ends: &mut Ends, events: usize) {
    let all = async {
        while ends.len() < events {
            let receipt = receipts.next().await.expect("the connection stays");
            let end = match receipt.outcome {
                Outcome::Taken => "taken",
                Outcome::SetAside(_) => "set aside",
                Outcome::Waits(_) => continue,
            };
            ends.entry(receipt.event_id).or_default().insert(end);
        }
    };
    // What has no receipt by then is told by the comparison.
    let _ = tokio::time::timeout(PATIENCE, all).await;
}

/// What came of one play.
#[derive(Debug, PartialEq)]
struct Played {
    lines: Vec<String>,
    ends: Ends,
    dead_letters: u64,
    /// What a reader objected to.
    broken: Vec<String>,
}

/// Plays the feed on a server of its own, with the intake cut off at one place. Says how many places were passed, and
/// whether it was cut.
async fn play(points: CrashPoints) -> (Played, u64, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = NatsServer::start(folder.path())
        .await
        .expect("a nats-server starts");
    let bus = Bus::connect(server.connection(), "story")
        .await
        .expect("the bus connects");
    bus.prepare(1).await.expect("the bus is prepared");
    let org = OrgId::parse("acme").expect("an org id");
    let reader = Reader::start(&bus, &org, BTreeMap::new());
    let (inbox, mut receipts) = bus.receipts().await.expect("an inbox");
    let events: Vec<_> = events()
        .into_iter()
        .enumerate()
        .map(|(index, body)| file::event(body, "load", index, 1_000))
        .collect();
    let (count, source) = (events.len(), SourceId::parse("hr").expect("a source id"));
    let sent = bus.publish_events(&org, &source, events, Some(&inbox)).await;
    sent.expect("the events are handed in");

    let mut intake = Intake::start(&server, &org, &points).await;
    let mut ends = Ends::new();
    let cut = tokio::select! {
        biased;
        () = points.reached() => true,
        () = hear(&mut receipts, &mut ends, count) => false,
    };
    if cut {
        let next = Intake::start(&server, &org, &CrashPoints::none()).await;
        std::mem::replace(&mut intake, next).kill().await;
        hear(&mut receipts, &mut ends, count).await;
    }
    intake.kill().await;
    let lines = State::now(&bus, &org).await.lines();
    let (broken, _) = reader.end().await;
    let dead_letters = bus.dead_letter_count(&org).await.expect("letters are counted");
    server.stop().await;
    let played = Played {
        lines,
        ends,
        dead_letters,
        broken,
    };
    (played, points.passed(), cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_dies_anywhere_loses_no_event_and_no_receipt_and_takes_nothing_twice() {
    let (undisturbed, places, _) = play(CrashPoints::at(u64::MAX)).await;
    let shows = |text: &str| undisturbed.lines.iter().any(|line| line.starts_with(text));
    for text in [
        "person berg@corp.example active=true deleted=false",
        "person nils@corp.example active=false deleted=true",
        "group Sales deleted=false 2 members: berg@corp.example zoe@",
        "group Board",
    ] {
        assert!(shows(text), "no {text:?} in {undisturbed:#?}");
    }
    assert_eq!(undisturbed.dead_letters, 1);
    assert_eq!(undisturbed.ends.len(), events().len(), "{:?}", undisturbed.ends);
    assert_eq!(undisturbed.broken, Vec::<String>::new());

    let played: Vec<_> = futures_util::stream::iter(0..places)
        .map(|place| async move { (place, play(CrashPoints::at(place)).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let cut = played.iter().filter(|(_, (_, _, cut))| *cut).count();
    println!("intake: {places} places, {cut} plays cut");
    let mut wrong: Vec<String> = played
        .iter()
        .filter(|(_, (played, ..))| *played != undisturbed)
        .map(|(place, (played, ..))| format!("cut at {place}: {played:#?}"))
        .collect();
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} plays end otherwise than {undisturbed:#?}:\n{}",
        wrong.len(),
        wrong.join("\n").chars().take(6_000).collect::<String>()
    );
    // Events that are stored together pass fewer places.
    assert!(
        cut as u64 * 10 >= places * 8,
        "only {cut} of {places} plays were cut"
    );
}
