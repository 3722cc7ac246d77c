//! Decides when to act on a change of the roster, and when to wait for more changes. Pure: the time is a parameter.
//!
//! Goals: a file of 2,000 lines must become one bulk import and not ten, and a team must get its members in one call. But an admin who
//! edits one person all day, or a client that writes five people per second, must not delay other work while permits are free.
//!
//! The rules:
//!
//! 1. A cut-off never waits here.
//! 2. A stir is a series of changes less than 1.5 s apart. In its first second everything waits, until there was no change of the roster
//!    for 250 ms. Only then is it clear whether the change is single or part of a file.
//! 3. After that, each item waits only for itself: until it did not change for 250 ms, and at most 2 s. During a flood (20 changes per
//!    second or more), a group waits until it did not change for 1.5 s, and at most 120 s.
//! 4. A bulk import, and a team that a bulk import may name, wait until the roster did not change for 1.5 s: at most 10 s, and at most 120
//!    s during a flood. After a bulk import starts, the limit counts from that start.
//!
//! So without a flood, nothing except a bulk import waits longer than 3 s, and a bulk import waits at most 10 s.

use std::collections::{HashMap, VecDeque};

use provisioning::Subject;

/// Time in ms without a change of an item, after which it no longer waits.
const ITEM_QUIET_MS: u64 = 250;

/// Longest wait in ms of an item that is edited all the time.
const ITEM_WAIT_MAX_MS: u64 = 2_000;

/// Longest wait in ms of everything at the beginning of a stir. A file is recognizable in this time, even on a busy machine.
const BEGINNING_MS: u64 = 1_000;

/// Time in ms without a change of the roster, after which a bulk import starts. Such a pause also ends a stir.
const ROSTER_QUIET_MS: u64 = 1_500;

/// Longest wait in ms of a bulk import for a quiet roster.
const BULK_WAIT_MAX_MS: u64 = 10_000;

/// Longest wait in ms for the end of a flood.
const FLOOD_WAIT_MAX_MS: u64 = 120_000;

/// Changes per second that count as a flood. Only files and first pushes of a source reach this rate.
const FLOOD_PER_SECOND: u64 = 20;

/// Window in ms in which changes are counted to detect a flood.
const FLOOD_WINDOW_MS: u64 = 5_000;

/// Length in ms of one part of the window. Changes are counted per part.
const PART_MS: u64 = 100;

/// Times of the first and the last recent change of one item.
#[derive(Clone, Copy, Debug)]
struct Said {
    first_ms: u64,
    last_ms: u64,
}

/// The recent changes of the roster.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last_ms: Option<u64>,
    /// Start of the current or last stir.
    began_ms: u64,
    /// Time since which changes are collected for the next bulk import.
    collects_since_ms: u64,
    /// Number of changes in each part of the last window.
    arrivals: VecDeque<(u64, u64)>,
    items: HashMap<Subject, Said>,
    /// The items in the order of their changes. An item that changes again is in the queue again.
    order: VecDeque<(u64, Subject)>,
}

/// Required quiet time and longest wait.
struct Terms {
    quiet_ms: u64,
    at_most_ms: u64,
}

impl Quiet {
    /// Notes a change of the roster, and the item that changed, if the change is about one.
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

    /// Forgets items that cannot wait any longer.
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

    /// Notes that an operation on these items starts now. Later changes of the items start a new wait.
    pub(crate) fn acted_on(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            self.items.remove(subject);
        }
    }

    /// Notes that a bulk import starts now.
    pub(crate) fn imports(&mut self, now_ms: u64) {
        self.collects_since_ms = now_ms;
    }

    /// True if everything but cut-offs waits.
    pub(crate) fn begins(&self, now_ms: u64) -> bool {
        self.is_within(ITEM_QUIET_MS, now_ms) && now_ms - self.began_ms < BEGINNING_MS
    }

    /// True if bulk imports wait.
    pub(crate) fn collects(&self, now_ms: u64) -> bool {
        let at_most_ms = if self.is_flooded() {
            FLOOD_WAIT_MAX_MS
        } else {
            BULK_WAIT_MAX_MS
        };
        self.is_within(ROSTER_QUIET_MS, now_ms) && now_ms - self.collects_since_ms < at_most_ms
    }

    /// True if this item waits.
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

    /// True if there was a flood at the time of the last change. A pause after a file does not change the answer.
    fn is_flooded(&self) -> bool {
        let oldest = self.last_ms.unwrap_or(0).saturating_sub(FLOOD_WINDOW_MS) / PART_MS;
        let lately = self.arrivals.iter().filter(|(part, _)| *part >= oldest);
        let count: u64 = lately.map(|(_, count)| count).sum();
        count * 1_000 >= FLOOD_PER_SECOND * FLOOD_WINDOW_MS
    }

    fn is_within(&self, bound_ms: u64, now_ms: u64) -> bool {
        self.last_ms.is_some_and(|last| now_ms - last < bound_ms)
    }

    /// Milliseconds until a wait may end. `None` if nothing waits.
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

    /// The first time, from `from` on and checked every 50 ms, at which `waits` is false.
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
            // Each of the 100 groups changes every half second.
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
        /// For any series of changes, nothing waits beyond its bound, and `next_ms` is early enough.
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
