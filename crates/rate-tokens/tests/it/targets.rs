//! Ways in which a target may count. Written from the rules of such limiters, not from the rules of the ring.

use std::collections::VecDeque;

/// One counted request of a simulated run, in real time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) at: u64,
    pub(crate) granted_at: u64,
    /// The limit in force at its grant.
    pub(crate) limit: u32,
}

/// A sliding log: accepts a request if fewer than the limit were accepted in the last window.
#[derive(Debug)]
pub(crate) struct Rolling {
    limit: usize,
    window: u64,
    accepted: VecDeque<u64>,
}

impl Rolling {
    pub(crate) fn new(limit: u32, window: u64) -> Rolling {
        Rolling {
            limit: limit as usize,
            window,
            accepted: VecDeque::new(),
        }
    }

    pub(crate) fn accepts(&mut self, at: u64) -> bool {
        while self
            .accepted
            .front()
            .is_some_and(|&first| first + self.window <= at)
        {
            self.accepted.pop_front();
        }
        let accepts = self.accepted.len() < self.limit;
        if accepts {
            self.accepted.push_back(at);
        }
        accepts
    }
}

/// A counter that restarts at every multiple of the window plus a phase.
#[derive(Debug)]
pub(crate) struct Fixed {
    limit: u32,
    window: u64,
    phase: u64,
    current: u64,
    count: u32,
}

impl Fixed {
    pub(crate) fn new(limit: u32, window: u64, phase: u64) -> Fixed {
        Fixed {
            limit,
            window,
            phase,
            current: 0,
            count: 0,
        }
    }

    pub(crate) fn accepts(&mut self, at: u64) -> bool {
        let current = (at + self.phase) / self.window;
        if current != self.current {
            self.current = current;
            self.count = 0;
        }
        self.count += 1;
        self.count <= self.limit
    }
}

/// Two counters, of the current fixed window and of the one before. The latter is weighted by the part of it that a
/// rolling window would still contain. Refused requests are not counted.
#[derive(Debug)]
pub(crate) struct Approximate {
    limit: u64,
    window: u64,
    current: u64,
    count: u64,
    previous: u64,
}

impl Approximate {
    pub(crate) fn new(limit: u32, window: u64) -> Approximate {
        Approximate {
            limit: u64::from(limit),
            window,
            current: 0,
            count: 0,
            previous: 0,
        }
    }

    pub(crate) fn accepts(&mut self, at: u64) -> bool {
        let current = at / self.window;
        if current != self.current {
            self.previous = if current == self.current + 1 {
                self.count
            } else {
                0
            };
            self.count = 0;
            self.current = current;
        }
        let left = self.window - at % self.window;
        let estimate = self.previous * left + (self.count + 1) * self.window;
        let accepts = estimate <= self.limit * self.window;
        self.count += u64::from(accepts);
        accepts
    }
}

/// Finds the first window of length `window` that ends at a counted request and contains too many: more requests than
/// the limit in force when the last granted of them was granted.
pub(crate) fn overfull(counted: &[Counted], window: u64) -> Option<String> {
    let mut counted = counted.to_vec();
    counted.sort_by_key(|request| request.at);
    let mut first = 0;
    for (last, end) in counted.iter().enumerate() {
        while counted[first].at + window <= end.at {
            first += 1;
        }
        let within = &counted[first..=last];
        let newest = within
            .iter()
            .max_by_key(|request| (request.granted_at, request.limit))?;
        if within.len() > newest.limit as usize {
            return Some(format!(
                "{} requests in the window that ends at {} ms, limit {}",
                within.len(),
                end.at,
                newest.limit
            ));
        }
    }
    None
}

/// Most requests in any window.
pub(crate) fn most(counted: &[Counted], window: u64) -> usize {
    let mut at: Vec<u64> = counted.iter().map(|request| request.at).collect();
    at.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (last, end) in at.iter().enumerate() {
        while at[first] + window <= *end {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
