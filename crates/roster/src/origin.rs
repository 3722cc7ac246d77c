//! The source of a statement, and the order of statements of one source.

use provisioning::{SourceId, SourceMark};

/// How a statement is ordered relative to earlier ones of its source. Clocks of Rollcall's own processes are not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is made now, and its sender waits for the response. It is in effect when it is accepted.
    Now,
    /// It came through the feed and may be late.
    Feed {
        /// Position in the feed.
        sequence: u64,
        /// The source sends events in the order in which they happened, so their order in the feed is used. If false, their timestamps are
        /// used.
        in_order: bool,
        /// Last known position of the feed. A mark with a higher one comes from an older feed that was replaced since.
        end: u64,
        /// No earlier event can still arrive. Then a statement that changes nothing need not be stored.
        settled: bool,
    },
}

/// The source of a statement, its time and its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    pub source: &'a SourceId,
    /// Time according to the source, in Unix milliseconds. For [`Order::Now`], the time of this process.
    pub at_ms: u64,
    pub order: Order,
}

impl<'a> Origin<'a> {
    /// Creates the origin of a statement that is made now.
    pub fn now(source: &'a SourceId, at_ms: u64) -> Origin<'a> {
        Origin {
            source,
            at_ms,
            order: Order::Now,
        }
    }

    /// True if the source has stated something newer about the same value.
    pub(crate) fn is_overtaken(&self, mark_at_ms: u64, mark_sequence: u64) -> bool {
        match self.order {
            Order::Now => false,
            Order::Feed {
                sequence,
                in_order,
                end,
                ..
            } => {
                let earlier_in_feed = sequence < mark_sequence && mark_sequence <= end;
                match in_order {
                    true => earlier_in_feed,
                    false => self.at_ms < mark_at_ms || (self.at_ms == mark_at_ms && earlier_in_feed),
                }
            }
        }
    }

    /// True if a statement that changes nothing is stored anyway, so that an older one that arrives later is recognized as older.
    pub(crate) fn leaves_a_mark(&self) -> bool {
        match self.order {
            Order::Now => false,
            Order::Feed {
                settled, in_order, ..
            } => !(settled && in_order),
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        match self.order {
            Order::Now => 0,
            Order::Feed { sequence, .. } => sequence,
        }
    }

    /// Updates the mark of the source with this statement.
    pub(crate) fn mark(&self, mark: &mut SourceMark) {
        mark.changed_at_ms = mark.changed_at_ms.max(self.at_ms);
        if self.sequence() > 0 {
            mark.sequence = self.sequence();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(sequence: u64, in_order: bool, at_ms: u64, source: &SourceId) -> Origin<'_> {
        Origin {
            source,
            at_ms,
            order: Order::Feed {
                sequence,
                in_order,
                end: 100,
                settled: true,
            },
        }
    }

    #[test]
    fn only_time_stamps_of_the_source_itself_order_its_late_events() {
        let hr = SourceId::parse("hr").unwrap();
        assert!(feed(9, false, 6, &hr).is_overtaken(7, 8));
        assert!(!feed(9, false, 8, &hr).is_overtaken(7, 8));
        assert!(feed(7, false, 7, &hr).is_overtaken(7, 8));
        // Events in order: a clock that was set back has no effect.
        assert!(!feed(9, true, 1, &hr).is_overtaken(7, 8));
        assert!(feed(7, true, 99, &hr).is_overtaken(7, 8));
        assert!(!Origin::now(&hr, 0).is_overtaken(u64::MAX, u64::MAX));
    }

    #[test]
    fn a_feed_that_was_made_anew_is_not_older_than_everything() {
        let hr = SourceId::parse("hr").unwrap();
        assert!(!feed(3, true, 1, &hr).is_overtaken(7, 5_000));
    }
}
