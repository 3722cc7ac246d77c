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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::state::{Reader, State};
use super::writes::settings;

/// Plays at once: each of them mostly waits.
const AT_ONCE: usize = 160;

/// How long receipts are waited for: longer than the feed takes to hand an event to another intake.
const PATIENCE: Duration = Duration::from_secs(85);

/// When an event that the dead intake had taken has come again.
const COME_AGAIN: Duration = Duration::from_secs(66);

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
        let bus = bus.expect("the bus connects").dying_at(points.clone());
        let stop = CancellationToken::new();
        let parts = intake::Dependencies {
            rosters: intake::rosters(&bus, &stop),
            bus,
            settings: settings(org, 1),
            health: Health::new(),
        };
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

/// Receipts that were heard.
struct Ears {
    receipts: Receipts,
    ends: Ends,
    /// Events that wait for others.
    wait: BTreeSet<String>,
    /// No receipt is waited for after this.
    until: Instant,
}

impl Ears {
    fn has_heard_of(&self, id: &str) -> bool {
        self.ends.contains_key(id) || self.wait.contains(id)
    }

    /// Hears receipts until it is enough, or none come any more: what is missing then is told by the comparison.
    async fn hear(&mut self, enough: impl Fn(&Ears) -> bool) {
        while !enough(self) {
            let Ok(receipt) = tokio::time::timeout_at(self.until, self.receipts.next()).await else {
                return;
            };
            let receipt = receipt.expect("the connection stays");
            let end = match receipt.outcome {
                Outcome::Applied => "applied",
                Outcome::SetAside(_) => "set aside",
                Outcome::Waits(_) => {
                    self.wait.insert(receipt.event_id);
                    continue;
                }
            };
            self.ends.entry(receipt.event_id).or_default().insert(end);
        }
    }
}

/// How the events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandedIn {
    /// All of them in one batch, so that they are taken side by side.
    AtOnce,
    /// Each when the one before has a receipt, so that all places come in one order.
    OneByOne,
}

/// Outcome of one play.
#[derive(Debug, PartialEq)]
struct Played {
    lines: Vec<String>,
    ends: Ends,
    dead_letters: u64,
    /// Objections of a reader.
    broken: Vec<String>,
}

/// A nats-server. Of many that start at once two may choose one port.
async fn server() -> (NatsServer, tempfile::TempDir) {
    for _ in 0..5 {
        let folder = tempfile::tempdir().expect("a folder");
        if let Ok(server) = NatsServer::start(folder.path()).await {
            return (server, folder);
        }
    }
    panic!("no nats-server starts");
}

/// Plays the feed on a server of its own, with the intake cut off at one place. Says how many places were passed, and
/// whether it was cut.
async fn play(handed_in: HandedIn, points: CrashPoints) -> (Played, u64, bool) {
    let (server, _folder) = server().await;
    let bus = Bus::connect(server.connection(), "story")
        .await
        .expect("the bus connects");
    bus.prepare(1).await.expect("the bus is prepared");
    let org = OrgId::parse("acme").expect("an org id");
    let reader = Reader::start(&bus, &org, BTreeMap::new());
    let (inbox, receipts) = bus.receipts().await.expect("an inbox");
    let mut ears = Ears {
        receipts,
        ends: Ends::new(),
        wait: BTreeSet::new(),
        until: Instant::now() + PATIENCE,
    };
    let events: Vec<_> = events()
        .into_iter()
        .enumerate()
        .map(|(index, body)| file::event(body, "load", index, 1_000))
        .collect();
    let (count, source) = (events.len(), SourceId::parse("hr").expect("a source id"));
    let together = match handed_in {
        HandedIn::AtOnce => count,
        HandedIn::OneByOne => 1,
    };

    let mut intake = Intake::start(&server, &org, &points).await;
    let mut cut_at = None;
    let mut parts: Vec<Vec<bus::Event>> = events.chunks(together).map(<[_]>::to_vec).collect();
    // In the end nothing is handed in, and everything has ended.
    parts.push(Vec::new());
    for part in parts {
        let ids: Vec<String> = part.iter().map(|event| event.event_id.clone()).collect();
        let sent = bus.publish_events(&org, &source, part, Some(&inbox)).await;
        sent.expect("the events are handed in");
        let enough = |ears: &Ears| match ids.is_empty() {
            true => ears.ends.len() == count,
            false => ids.iter().all(|id| ears.has_heard_of(id)),
        };
        let cut = tokio::select! {
            biased;
            () = points.reached(), if cut_at.is_none() => true,
            () = ears.hear(enough) => false,
        };
        if cut {
            cut_at = Some(Instant::now());
            ears.until = Instant::now() + PATIENCE;
            let next = Intake::start(&server, &org, &CrashPoints::none()).await;
            std::mem::replace(&mut intake, next).kill().await;
            ears.hear(enough).await;
        }
    }
    if let Some(cut_at) = cut_at {
        // An event that was taken and not acknowledged comes again, and changes nothing.
        tokio::time::sleep_until(cut_at + COME_AGAIN).await;
    }
    intake.kill().await;
    let lines = State::now(&bus, &org).await.lines();
    let (broken, _) = reader.end().await;
    let dead_letters = bus.dead_letter_count(&org).await.expect("letters are counted");
    server.stop().await;
    let played = Played {
        lines,
        ends: ears.ends,
        dead_letters,
        broken,
    };
    (played, points.passed(), cut_at.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_dies_anywhere_loses_no_event_and_no_receipt_and_takes_nothing_twice() {
    let (undisturbed, one_by_one, _) = play(HandedIn::OneByOne, CrashPoints::at(u64::MAX)).await;
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
    let (same, at_once, _) = play(HandedIn::AtOnce, CrashPoints::at(u64::MAX)).await;
    assert_eq!(same, undisturbed);

    let plays = [(HandedIn::OneByOne, one_by_one), (HandedIn::AtOnce, at_once)];
    let plays = plays
        .into_iter()
        .flat_map(|(handed_in, places)| (0..places).map(move |place| (handed_in, place)));
    let played: Vec<_> = futures_util::stream::iter(plays)
        .map(|(handed_in, place)| async move {
            let (played, _, cut) = play(handed_in, CrashPoints::at(place)).await;
            (handed_in, place, played, cut)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut wrong: Vec<String> = played
        .iter()
        .filter(|(_, _, played, _)| *played != undisturbed)
        .map(|(handed_in, place, played, _)| format!("{handed_in:?}, cut at {place}: {played:#?}"))
        .collect();
    wrong.sort();
    let cut = |how: HandedIn| {
        let cut = played
            .iter()
            .filter(|(handed_in, _, _, cut)| *cut && *handed_in == how);
        cut.count() as u64
    };
    let (cut_one_by_one, cut_at_once) = (cut(HandedIn::OneByOne), cut(HandedIn::AtOnce));
    println!("intake: {cut_one_by_one} of {one_by_one} and {cut_at_once} of {at_once} plays cut");
    assert!(
        wrong.is_empty(),
        "{} plays end otherwise than {undisturbed:#?}:\n{}",
        wrong.len(),
        wrong.join("\n").chars().take(6_000).collect::<String>()
    );
    // As for the gateway: a slow server may add a place to one play alone.
    assert!(cut_one_by_one * 10 >= one_by_one * 9);
    // Events that are stored together pass fewer places.
    assert!(cut_at_once * 10 >= at_once * 7);
}
