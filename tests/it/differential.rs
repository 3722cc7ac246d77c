//! The same company, told in other ways or before another Litmos, ends in the same Litmos.
//!
//! | what differs | what must not |
//! | --- | --- |
//! | imports in bulk, or a call for each | the end |
//! | wishes that come while a pusher works, or all of them before it starts | the end |
//! | each mode of the simulator, in each of its values | the end, but for what that Litmos cannot do at all ([`Difference`]) |
//! | a limit by rolling or by fixed windows, in force | the end, and that nothing is refused |

mod company;

use std::time::Duration;

use futures_util::StreamExt as _;
use litmos_simulator::{Modes, Settings, Window, most_requests_in_any_window};
use rollcall_tests::{Hall, QUICK, Room, apart, plain};
use serde_json::json;

use company::Company;

/// Worlds that are played at once: two cores are busy with these.
const AT_ONCE: usize = 20;

/// Everything that the org's policy may do, so that both ways have the same end.
const POLICY: &str = "unlinked_teams = \"delete\"\n";

/// How wishes and pusher meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    /// All wishes are there when the pusher starts.
    Before,
    /// The pusher is there first, and each phase comes in waves.
    While,
}

fn simulator() -> Settings {
    Settings {
        limit: 400,
        window_length: Duration::from_secs(1),
        bulk_delay: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// One company in one room, told in one way.
struct Play {
    what: String,
    room: Room,
    company: Company,
    telling: Telling,
    difference: Difference,
}

impl Play {
    async fn new(hall: &Hall, n: usize, what: &str, simulator: Settings, more: &str) -> Play {
        let more = format!("{POLICY}{more}");
        Play {
            what: what.to_owned(),
            room: Room::new(&hall.bus, &format!("room-{n}"), simulator, &more).await,
            company: Company { seed: 1 },
            telling: Telling::Before,
            difference: Difference::None,
        }
    }

    /// Plays it to its end; Litmos then.
    async fn play(&self) -> Vec<String> {
        let Play { room, company, .. } = self;
        company.found(room).await;
        if self.telling == Telling::Before {
            company.tell_everything(room).await;
        }
        let (pusher, stop) = room.pusher(pusher::CrashPoints::none());
        if self.telling == Telling::While {
            for phase in 0..2 {
                company.tell_in_waves(room, phase).await;
            }
        }
        let status = room.settled().await;
        stop.cancel();
        let _ = pusher.await;
        if self.difference == Difference::None {
            let waits = (&status["held"]["changes"], &status["parked"], &status["waiting"]);
            let none = (&json!(0), &json!(0), &json!({}));
            assert_eq!(waits, none, "{}: {status:#}", self.what);
        }
        plain(&room.litmos.state())
    }
}

/// Plays all of them, a few at once; their ends in order.
async fn play_all(hall: &mut Hall, plays: Vec<Play>) -> Vec<(Play, Vec<String>)> {
    let (rooms, plays): (Vec<Room>, Vec<_>) = plays
        .into_iter()
        .map(|play| {
            (
                play.room,
                (play.what, play.company, play.telling, play.difference),
            )
        })
        .unzip();
    hall.govern(&rooms);
    let plays = rooms
        .into_iter()
        .zip(plays)
        .map(|(room, (what, company, telling, difference))| Play {
            what,
            room,
            company,
            telling,
            difference,
        });
    let ends = futures_util::stream::iter(plays).map(|play| async move {
        let end = play.play().await;
        (play, end)
    });
    ends.buffered(AT_ONCE).collect().await
}

/// The company's end is what it should be, so that two wrong ends cannot agree.
fn assert_rich(end: &[String]) {
    let shows = |text: &str| end.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        shows("user n"),
        19,
        "one who comes later has the name that n5 had: {end:#?}"
    );
    assert_eq!(shows("user m"), 11, "{end:#?}");
    assert_eq!(shows("user n5-married@corp.example"), 1);
    assert_eq!(shows("user renamed@corp.example"), 1);
    assert_eq!(shows("active=false"), 2, "{end:#?}");
    assert_eq!(shows("team Doomed"), 0);
    assert_eq!(shows("team Depot South"), 1);
    assert_eq!(shows("parent=Some(\"Fresh Inner\")"), 1, "{end:#?}");
    assert!(shows("Cost Centre") > 0, "{end:#?}");
    assert!(
        shows("level=TeamLeader") > 0 && shows("leaders=n") + shows("leaders=s") > 0,
        "{end:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_or_single_and_early_or_late_wishes_end_in_the_same_litmos() {
    let mut hall = Hall::open().await;
    let mut plays = Vec::new();
    const SEEDS: u64 = 4;
    for seed in 1..=SEEDS {
        for bulk in [true, false] {
            for telling in [Telling::Before, Telling::While] {
                let more = format!("{QUICK}bulk_import = {bulk}\n");
                let what = format!("seed {seed}, bulk {bulk}, telling {telling:?}");
                let play = Play::new(&hall, plays.len(), &what, simulator(), &more).await;
                plays.push(Play {
                    company: Company { seed },
                    telling,
                    ..play
                });
            }
        }
    }
    let ends = play_all(&mut hall, plays).await;
    let mut wrong = Vec::new();
    for same_seed in ends.chunks(4) {
        let (_, wanted) = &same_seed[0];
        assert_rich(wanted);
        for (play, end) in same_seed {
            wrong.extend(
                apart(wanted, end)
                    .into_iter()
                    .map(|line| format!("{}: {line}", play.what)),
            );
        }
    }
    let imported = |play: &Play| {
        let log = play.room.litmos.log();
        log.iter().any(|entry| {
            entry
                .effect
                .as_deref()
                .is_some_and(|effect| effect.starts_with("bulk"))
        })
    };
    for (play, _) in &ends {
        let may = play.what.contains("bulk true") && play.telling == Telling::Before;
        assert!(!may || imported(play), "{} imports nothing", play.what);
    }
    assert_ne!(ends[0].1, ends[4].1, "another seed is another company");
    hall.close().await;
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What a Litmos in this mode cannot do, so that its end is not that of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// Teams keep name and description, and their groups are parked with Litmos's words.
    TeamsStayAsTheyAre,
}

impl Difference {
    fn of(mode: &str, value: &str) -> Difference {
        match (mode, value) {
            ("team-writes", "405" | "404") => Difference::TeamsStayAsTheyAre,
            _ => Difference::None,
        }
    }

    /// The end that is to be expected, from the end of the others.
    fn applied(self, end: &[String]) -> Vec<String> {
        match self {
            Difference::None => end.to_vec(),
            Difference::TeamsStayAsTheyAre => {
                let renamed = end.iter().map(|line| {
                    line.replace("description=\"South of the river\"", "description=\"\"")
                        .replace("Depot South", "Depot")
                });
                renamed.collect()
            }
        }
    }
}

/// Refusals are met only where Litmos allows less than the governor believes.
fn with_mode(mode: &str, value: &str) -> Settings {
    let mut settings = simulator();
    settings.modes.set(mode, value).expect("a mode and its value");
    if meets_refusals(mode) {
        // Fewer than the first read of the account takes at once.
        settings.limit = 6;
    }
    settings
}

fn meets_refusals(mode: &str) -> bool {
    ["refusal", "retry-after", "refused"].contains(&mode)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_ends_in_the_litmos_of_the_defaults() {
    let mut hall = Hall::open().await;
    let mut plays = vec![Play::new(&hall, 0, "defaults", simulator(), QUICK).await];
    for (mode, values) in Modes::ALL {
        // The default's side of the modes that nothing else here meets.
        let values = if meets_refusals(mode) {
            values
        } else {
            &values[1..]
        };
        for value in values {
            let what = format!("{mode}={value}");
            let play = Play::new(&hall, plays.len(), &what, with_mode(mode, value), QUICK).await;
            plays.push(Play {
                difference: Difference::of(mode, value),
                ..play
            });
        }
    }
    let ends = play_all(&mut hall, plays).await;
    let (_, wanted) = &ends[0];
    assert_rich(wanted);
    let mut wrong = Vec::new();
    for (play, end) in &ends {
        for line in apart(&play.difference.applied(wanted), end) {
            wrong.push(format!("{}: {line}", play.what));
        }
        let refused = play.room.litmos.report().refused;
        let limited = meets_refusals(play.what.split('=').next().unwrap_or_default());
        assert_eq!(refused > 0, limited, "{}: {refused} refusals", play.what);
    }
    hall.close().await;
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Enough people for a second page, which a page that runs over its limit makes short.
#[tokio::test(flavor = "multi_thread")]
async fn pages_that_run_over_are_read_like_exact_ones() {
    let mut hall = Hall::open().await;
    let mut plays = Vec::new();
    for value in ["exact", "over"] {
        let settings = Settings {
            users: 1_030,
            ..with_mode("page", value)
        };
        plays.push(Play::new(&hall, plays.len(), &format!("page={value}"), settings, QUICK).await);
    }
    let ends = play_all(&mut hall, plays).await;
    assert!(ends[0].1.len() > 1_030);
    assert_eq!(apart(&ends[0].1, &ends[1].1), Vec::<String>::new());
    hall.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_by_rolling_and_by_fixed_windows_is_kept_to_the_same_end() {
    const LIMIT: usize = 30;
    const SHORT: &str =
        "requests_per_minute = 30\nwindow_ms = 2000\npaced = false\npermit_ttl_ms = 1500\nsettle_ms = 1000\n";
    let window = Duration::from_secs(2);
    let mut hall = Hall::open().await;
    let mut plays = Vec::new();
    for kind in [Window::Rolling, Window::Fixed] {
        for telling in [Telling::Before, Telling::While] {
            let settings = Settings {
                window: kind,
                window_length: window,
                limit: LIMIT,
                ..simulator()
            };
            let what = format!("{kind:?}, telling {telling:?}");
            let play = Play::new(
                &hall,
                plays.len(),
                &what,
                settings,
                &format!("{SHORT}bulk_import = false\n"),
            )
            .await;
            plays.push(Play { telling, ..play });
        }
    }
    let ends = play_all(&mut hall, plays).await;
    assert_rich(&ends[0].1);
    for (play, end) in &ends {
        assert_eq!(apart(&ends[0].1, end), Vec::<String>::new(), "{}", play.what);
        let most = most_requests_in_any_window(&play.room.litmos.log(), window);
        assert!(most <= LIMIT, "{}: {most} requests in one window", play.what);
        assert!(
            most > LIMIT / 2,
            "{}: the limit is not felt with {most}",
            play.what
        );
        assert_eq!(play.room.litmos.report().refused, 0, "{}", play.what);
    }
    hall.close().await;
}
