//! When a change of the roster may be acted on, and when it waits for more of its kind: pure, with time passed in.
//!
//! Pressures: a file of two thousand lines must become one bulk import and not ten, and a team must get its members in one
//! call. But somebody who edits one person all day, or a client that writes five people a second, must not hold anything
//! back while permits are free.
//!
//! The law, with all times in milliseconds:
//!
//! 1. A cut-off never waits here.
//! 2. In the first second of a stir (changes less than 1.5 s apart) everything waits, until the roster was quiet for 250 ms:
//!    only then is it known whether one change or a file has come.
//! 3. After that each item waits for itself alone: until nothing new was said of it for 250 ms, and at most 2 s. While the
//!    roster is flooded (20 changes a second or more), a group waits until nothing new was said of it for 1.5 s.
//! 4. A bulk import, and a team that one may carry, waits until the roster was quiet for 1.5 s: at most 10 s, and at most
//!    120 s while the roster is flooded. When an import starts, the next one collects from then on.
//!
//! So nothing but a bulk import waits longer than 3 s for a stream that is no flood, and no bulk import longer than 10 s.

use std::collections::{HashMap, VecDeque};

use provisioning::Subject;

/// How long an item must be quiet.
const ITEM_QUIET_MS: u64 = 250;

/// How long an item that is edited all the time waits at most.
const ITEM_WAIT_MAX_MS: u64 = 2_000;

/// How long everything waits at the beginning of a stir: a file shows by then that it is one, even on a busy machine.
const BEGINNING_MS: u64 = 1_000;

/// How long the roster must be quiet before a bulk import starts. A longer pause ends a stir.
const ROSTER_QUIET_MS: u64 = 1_500;

/// How long a bulk import waits for a quiet roster at most.
const BULK_WAIT_MAX_MS: u64 = 10_000;

/// How long anything waits for the end of a flood at most.
const FLOOD_WAIT_MAX_MS: u64 = 120_000;

/// Changes a second that only files and first pushes bring.
const FLOOD_PER_SECOND: u64 = 20;

/// The time over which changes are counted to tell a flood.
const FLOOD_WINDOW_MS: u64 = 5_000;

/// Changes are counted in parts of the window.
const PART_MS: u64 = 100;

/// What was said of one item lately.
#[derive(Clone, Copy, Debug)]
struct Said {
    first_ms: u64,
    last_ms: u64,
}

/// What the roster has done lately.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last_ms: Option<u64>,
    /// When the stir that is on, or was last, began.
    began_ms: u64,
    /// Since when changes are collected for the next bulk import.
    collects_since_ms: u64,
    /// Changes of the last window, by the part that they came in.
    arrivals: VecDeque<(u64, u64)>,
    items: HashMap<Subject, Said>,
    /// The items in the order of what was said of them; an item that was named again later stands there again.
    order: VecDeque<(u64, Subject)>,
}

/// How long something must have been quiet, and how long it waits for that at most.
struct Terms {
    quiet_ms: u64,
    at_most_ms: u64,
}

impl Quiet {
    /// A change of the roster, and the item that it is about, if it is about one.
    pub(crate) fn changed(&mut self, subject: Option<Subject>, now_ms: u64) {
        let stirs = self.last_ms.is_some_and(|last| now_ms - last < ROSTER_QUIET_MS);
        if !stirs {
            (self.began_ms, self.collects_since_ms) = (now_ms, now_ms);
        }
        self.last_ms = Some(now_ms);
        let part = now_ms / PART_MS;
        match self.arrivals.back_mut() {
            Some((last, count)) if *last == part => *count += 1,
            Some(_) | None => self.arrivals.push_back((part, 1)),
        }
        let oldest = now_ms.saturating_sub(FLOOD_WINDOW_MS) / PART_MS;
        while self.arrivals.front().is_some_and(|(part, _)| *part < oldest) {
            self.arrivals.pop_front();
        }
        self.forget(now_ms);
        if let Some(subject) = subject {
            let message = self.items.entry(subject.clone()).or_insert(Said {
                first_ms: now_ms,
                last_ms: now_ms,
            });
            message.last_ms = now_ms;
            self.order.push_back((now_ms, subject));
        }
    }

    /// Forgets items that wait for nothing any more, whatever happens.
    fn forget(&mut self, now_ms: u64) {
        while let Some((at_ms, _)) = self.order.front()
            && now_ms - at_ms >= ROSTER_QUIET_MS
        {
            let Some((at_ms, subject)) = self.order.pop_front() else {
                return;
            };
            if self
                .items
                .get(&subject)
                .is_some_and(|message| message.last_ms == at_ms)
            {
                self.items.remove(&subject);
            }
        }
    }

    /// Something is done about these items now. What is said of them later waits anew.
    pub(crate) fn acted_on(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            self.items.remove(subject);
        }
    }

    /// A bulk import starts now.
    pub(crate) fn imports(&mut self, now_ms: u64) {
        self.collects_since_ms = now_ms;
    }

    /// Whether everything but cut-offs waits.
    pub(crate) fn begins(&self, now_ms: u64) -> bool {
        self.is_within(ITEM_QUIET_MS, now_ms) && now_ms - self.began_ms < BEGINNING_MS
    }

    /// Whether bulk imports wait.
    pub(crate) fn collects(&self, now_ms: u64) -> bool {
        let at_most_ms = if self.is_flooded() {
            FLOOD_WAIT_MAX_MS
        } else {
            BULK_WAIT_MAX_MS
        };
        self.is_within(ROSTER_QUIET_MS, now_ms) && now_ms - self.collects_since_ms < at_most_ms
    }

    /// Whether this item waits.
    pub(crate) fn waits(&self, subject: &Subject, now_ms: u64) -> bool {
        let terms = self.terms(subject);
        self.items.get(subject).is_some_and(|message| {
            now_ms - message.last_ms < terms.quiet_ms && now_ms - message.first_ms < terms.at_most_ms
        })
    }

    fn terms(&self, subject: &Subject) -> Terms {
        match subject {
            Subject::Group(_) if self.is_flooded() => Terms {
                quiet_ms: ROSTER_QUIET_MS,
                at_most_ms: FLOOD_WAIT_MAX_MS,
            },
            Subject::Person(_) | Subject::Group(_) => Terms {
                quiet_ms: ITEM_QUIET_MS,
                at_most_ms: ITEM_WAIT_MAX_MS,
            },
        }
    }

    /// Whether it was a flood when the last change came: a pause does not turn a file into something else.
    fn is_flooded(&self) -> bool {
        let oldest = self.last_ms.unwrap_or(0).saturating_sub(FLOOD_WINDOW_MS) / PART_MS;
        let lately = self.arrivals.iter().filter(|(part, _)| *part >= oldest);
        let count: u64 = lately.map(|(_, count)| count).sum();
        count * 1_000 >= FLOOD_PER_SECOND * FLOOD_WINDOW_MS
    }

    fn is_within(&self, bound_ms: u64, now_ms: u64) -> bool {
        self.last_ms.is_some_and(|last| now_ms - last < bound_ms)
    }

    /// In how many milliseconds something may stop waiting, if anything waits.
    pub(crate) fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let last = self.last_ms?;
        let ends = [
            last + ITEM_QUIET_MS,
            last + ROSTER_QUIET_MS,
            self.began_ms + BEGINNING_MS,
            self.collects_since_ms + BULK_WAIT_MAX_MS,
        ];
        let stirs = self.is_within(ROSTER_QUIET_MS, now_ms);
        let items = (stirs && !self.items.is_empty()).then_some(now_ms + ITEM_QUIET_MS);
        let ends = ends.into_iter().filter(|_| stirs).chain(items);
        ends.filter(|end| *end > now_ms).map(|end| end - now_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use provisioning::{GroupId, PersonId};

    use super::*;

    fn person(name: &str) -> Subject {
        Subject::Person(PersonId::parse(name).unwrap())
    }

    fn group(name: &str) -> Subject {
        Subject::Group(GroupId::parse(name).unwrap())
    }

    /// The moment, from `from` on and fetched at every 50 ms, when something stops waiting.
    fn ends(from: u64, waits: impl Fn(u64) -> bool) -> u64 {
        (from..).step_by(50).find(|now| !waits(*now)).unwrap()
    }

    #[test]
    fn one_change_waits_a_quarter_of_a_second() {
        let mut quiet = Quiet::default();
        quiet.changed(Some(person("mira")), 10_000);
        assert!(quiet.begins(10_249) && quiet.waits(&person("mira"), 10_249));
        assert!(!quiet.begins(10_250) && !quiet.waits(&person("mira"), 10_250));
        assert!(quiet.collects(11_499) && !quiet.collects(11_500));
    }

    #[test]
    fn somebody_who_is_edited_all_the_time_holds_back_nobody_else() {
        let mut quiet = Quiet::default();
        quiet.changed(Some(person("other")), 10_000);
        let mut done = None;
        for now in (10_000..40_000).step_by(200) {
            quiet.changed(Some(person("busy")), now);
            if done.is_none() && !quiet.begins(now) && !quiet.waits(&person("other"), now) {
                done = Some(now);
            }
        }
        assert_eq!(done, Some(11_000), "a second after the stir began");
        assert!(
            !quiet.collects(40_000),
            "an import of others does not wait for it either"
        );
    }

    #[test]
    fn somebody_who_is_edited_all_the_time_is_served_every_two_seconds() {
        let mut quiet = Quiet::default();
        let mut served = Vec::new();
        for now in (0..10_000).step_by(100) {
            quiet.changed(Some(person("busy")), now);
            if !quiet.begins(now) && !quiet.waits(&person("busy"), now) {
                quiet.acted_on(&[person("busy")]);
                served.push(now);
            }
        }
        assert_eq!(served, [2_000, 4_100, 6_200, 8_300]);
    }

    #[test]
    fn many_who_are_edited_one_after_the_other_wait_ten_seconds_for_an_import_and_not_two_minutes() {
        let mut quiet = Quiet::default();
        let mut imports = Vec::new();
        for now in (0..40_000).step_by(200) {
            quiet.changed(Some(person(&format!("p{now}"))), now);
            if !quiet.collects(now) {
                quiet.imports(now);
                imports.push(now);
            }
        }
        assert_eq!(imports, [10_000, 20_000, 30_000]);
    }

    #[test]
    fn a_file_is_one_import_at_any_pace_that_files_have() {
        for step in [1, 5, 20, 49] {
            let mut quiet = Quiet::default();
            let mut now = 0;
            for n in 0..2_000 {
                now += step;
                quiet.changed(Some(person(&format!("p{n}"))), now);
                assert!(
                    quiet.collects(now),
                    "a part of the file went at {now}, step {step}"
                );
            }
            assert_eq!(ends(now, |now| quiet.collects(now)), now + ROSTER_QUIET_MS);
        }
    }

    #[test]
    fn a_team_gets_the_members_of_a_file_in_one_call() {
        let mut quiet = Quiet::default();
        let mut now = 0;
        for n in 0..4_000 {
            now += 5;
            quiet.changed(Some(person(&format!("p{n}"))), now);
            // Each of a hundred groups is named every half second.
            quiet.changed(Some(group(&format!("g{}", n % 100))), now);
            assert!(quiet.waits(&group("g0"), now), "{now}");
        }
        assert!(!quiet.waits(&group("g0"), now + ROSTER_QUIET_MS));
    }

    #[test]
    fn a_pause_ends_a_stir() {
        let mut quiet = Quiet::default();
        for now in (0..20_000).step_by(100) {
            quiet.changed(Some(person("busy")), now);
        }
        let later = 20_000 + ROSTER_QUIET_MS;
        quiet.changed(Some(person("mira")), later);
        assert!(quiet.begins(later + 200) && quiet.collects(later + 200));
    }

    #[test]
    fn what_is_quiet_takes_no_memory() {
        let mut quiet = Quiet::default();
        for n in 0..50_000 {
            quiet.changed(Some(person(&format!("p{n}"))), n);
        }
        assert!(quiet.items.len() <= 1_501 && quiet.order.len() <= 1_501);
    }

    proptest! {
        /// Whatever comes, nothing waits beyond its bound, and the next look comes in time.
        #[test]
        fn nothing_waits_longer_than_the_law_says(
            steps in prop::collection::vec((1_u64..400, 0_usize..5, any::<bool>()), 1..400),
        ) {
            let mut quiet = Quiet::default();
            let mut now = 0;
            let mut first: HashMap<Subject, u64> = HashMap::new();
            for (step, who, is_group) in steps {
                now += step;
                let subject = if is_group { group(&format!("g{who}")) } else { person(&format!("p{who}")) };
                let flooded = quiet.is_flooded();
                let since = *first.get(&subject).unwrap_or(&now);
                let at_most = if is_group && flooded { FLOOD_WAIT_MAX_MS } else { ITEM_WAIT_MAX_MS };
                if quiet.waits(&subject, now) {
                    prop_assert!(now - since <= at_most, "{subject:?} waits since {since} at {now}");
                } else {
                    quiet.acted_on(std::slice::from_ref(&subject));
                    first.remove(&subject);
                }
                quiet.changed(Some(subject.clone()), now);
                first.entry(subject).or_insert(now);
                prop_assert!(quiet.next_ms(now).is_some_and(|next| next <= ITEM_QUIET_MS));
            }
            let end = now + ROSTER_QUIET_MS;
            prop_assert!(!quiet.begins(end) && !quiet.collects(end));
            prop_assert!(first.keys().all(|subject| !quiet.waits(subject, end)));
        }
    }
}
