//! The pusher dies at every place where dying makes a difference, once at each, and another goes on: the same end, and
//! nothing twice.
//!
//! A scenario is played once undisturbed, which counts its places. Then it is played once for each of them, with the
//! pusher cut off there; a second pusher takes the org over when the first one's lease has run out. All of them end in
//! the Litmos of the undisturbed run, and the simulator's log shows no creation, cut-off or deletion more than there.

mod intake;
mod scenario;
mod state;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use pusher::CrashPoints;
use rollcall_tests::{Hall, Room, apart, plain};

use scenario::Scenario;

/// Worlds that are played at once: two cores are busy with these.
const AT_ONCE: usize = 24;

/// What came of one play.
struct Played {
    litmos: Vec<String>,
    /// Effects that must not be had twice, and how often they were had.
    effects: BTreeMap<String, usize>,
    places: u64,
    cut: bool,
}

/// Plays a scenario in a world of its own, with the pusher cut off at one place.
async fn play(room: &Room, scenario: Scenario, crash_points: CrashPoints, sabotage: Sabotage) -> Played {
    scenario.prepare(room).await;
    let (first, stop) = room.pusher(crash_points.clone());
    let cut = tokio::select! {
        () = crash_points.reached() => true,
        _ = room.settled() => false,
    };
    if cut {
        first.abort();
        let _ = first.await;
        sabotage.commit(room).await;
        let (second, stop) = room.pusher(CrashPoints::none());
        room.settled().await;
        stop.cancel();
        let _ = second.await;
    } else {
        stop.cancel();
        let _ = first.await;
    }
    Played {
        litmos: plain(&room.litmos.state()),
        effects: effects(room),
        places: crash_points.passed(),
        cut,
    }
}

/// Creations, cut-offs, deletions and the like, by kind.
fn effects(room: &Room) -> BTreeMap<String, usize> {
    const COUNTED: [&str; 7] = [
        "user.created",
        "user.deactivated",
        "user.reactivated",
        "team.created",
        "team.deleted",
        "member.removed",
        "member.promoted",
    ];
    let mut effects = BTreeMap::new();
    for entry in room.litmos.log() {
        let kind = entry
            .effect
            .as_deref()
            .and_then(|effect| effect.split(' ').next());
        if let Some(kind) = kind.filter(|kind| COUNTED.contains(kind)) {
            *effects.entry(kind.to_owned()).or_default() += 1;
        }
    }
    effects
}

/// What somebody does to the bus between the death of one pusher and the birth of the next: the faults that the sweep must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    /// Intents are lost: whoever comes next does not know that a request is out.
    ForgetIntents,
    /// Outcomes are lost: links are as if nothing had ever been tied.
    ForgetLinks,
}

impl Sabotage {
    async fn commit(self, room: &Room) {
        if self != Sabotage::None {
            scenario::rewrite_links(room, self == Sabotage::ForgetLinks).await;
        }
    }
}

async fn sweep(scenario: Scenario) {
    let mut hall = Hall::open().await;
    let probe = vec![scenario.room(&hall, "probe").await];
    hall.govern(&probe);
    let undisturbed = play(&probe[0], scenario, CrashPoints::at(u64::MAX), Sabotage::None).await;
    assert!(!undisturbed.cut);
    hall.close().await;
    scenario.check(&undisturbed.litmos, &undisturbed.effects);
    let places = undisturbed.places;
    println!("{scenario:?}: {places} places");

    let mut hall = Hall::open().await;
    let mut rooms = Vec::new();
    for place in 0..places {
        rooms.push(scenario.room(&hall, &format!("cut-{place}")).await);
    }
    hall.govern(&rooms);
    let wanted = Arc::new(undisturbed);
    let played = futures_util::stream::iter(rooms.iter().enumerate())
        .map(|(place, room)| async move {
            (
                place,
                play(room, scenario, CrashPoints::at(place as u64), Sabotage::None).await,
            )
        })
        .buffer_unordered(AT_ONCE);
    let results: Vec<(usize, Played)> = played.collect().await;
    let mut wrong = Vec::new();
    for (place, played) in &results {
        for line in apart(&wanted.litmos, &played.litmos) {
            wrong.push(format!("cut at {place}: {line}"));
        }
        if played.effects != wanted.effects {
            wrong.push(format!(
                "cut at {place}: {:?} instead of {:?}",
                played.effects, wanted.effects
            ));
        }
    }
    let cut = results.iter().filter(|(_, played)| played.cut).count();
    hall.close().await;
    assert!(
        wrong.is_empty(),
        "{} objections:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        cut as u64 * 10 >= places * 9,
        "only {cut} of {places} plays were cut"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pusher_that_dies_anywhere_among_single_calls_changes_nothing_about_the_end() {
    sweep(Scenario::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pusher_that_dies_anywhere_around_a_bulk_import_changes_nothing_about_the_end() {
    sweep(Scenario::Bulk).await;
}

/// Plays the import at each of the first places, with something lost between the two owners; how it should have ended,
/// and how it did.
async fn sabotaged(sabotage: Sabotage, team_name: &str) -> (Played, Vec<Played>) {
    const PLACES: u64 = 40;
    let mut hall = Hall::open().await;
    let mut rooms = vec![Scenario::Bulk.room(&hall, "probe").await];
    for place in 0..PLACES {
        rooms.push(Scenario::Bulk.room(&hall, &format!("cut-{place}")).await);
    }
    for room in &rooms {
        let mode = room.litmos.set_mode("team-name", team_name);
        mode.expect("a mode and its value");
    }
    hall.govern(&rooms);
    let wanted = play(
        &rooms[0],
        Scenario::Bulk,
        CrashPoints::at(u64::MAX),
        Sabotage::None,
    )
    .await;
    let played = futures_util::stream::iter(rooms[1..].iter().enumerate())
        .map(|(place, room)| play(room, Scenario::Bulk, CrashPoints::at(place as u64), sabotage))
        .buffer_unordered(AT_ONCE);
    let played = played.collect().await;
    hall.close().await;
    (wanted, played)
}

/// The oracle sees what it is there to see: a team that is made twice, where Litmos does not mind two of one name.
#[tokio::test(flavor = "multi_thread")]
async fn without_intents_the_sweep_objects() {
    let (wanted, played) = sabotaged(Sabotage::ForgetIntents, "reusable").await;
    let twice = |played: &&Played| played.effects["team.created"] > wanted.effects["team.created"];
    assert!(
        played.iter().filter(twice).count() > 0,
        "a lost intent went unseen"
    );
}

/// With every link lost people and teams are found by their names: nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn without_links_everybody_is_found_again_by_name() {
    let (wanted, played) = sabotaged(Sabotage::ForgetLinks, "unique").await;
    for played in played {
        assert_eq!(apart(&wanted.litmos, &played.litmos), Vec::<String>::new());
    }
}
