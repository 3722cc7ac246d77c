//! Crash points: places in the code where a test kills the process.
//!
//! A process can be killed anywhere, but only some places make a difference to the process that continues: before and after each
//! durable write, and while the response to a write is on its way. Nothing durable happens between two crash points. So a test that
//! kills the process once at each of them covers all cases.
//!
//! Outside tests no crash point is chosen, and each one costs one check of an empty option.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// Counts the crash points that are reached. Stops all work that reaches the chosen one, for ever.
#[derive(Clone, Debug, Default)]
pub struct CrashPoints(Option<Arc<Cut>>);

#[derive(Debug)]
struct Cut {
    at: u64,
    passed: AtomicU64,
    reached: CancellationToken,
}

impl CrashPoints {
    /// Stops nothing.
    pub fn none() -> CrashPoints {
        CrashPoints::default()
    }

    /// Stops all work that reaches crash point number `at`, counted from 0, or a later one.
    pub fn at(at: u64) -> CrashPoints {
        CrashPoints(Some(Arc::new(Cut {
            at,
            passed: AtomicU64::new(0),
            reached: CancellationToken::new(),
        })))
    }

    /// Returns when work has stopped at a crash point. Never returns if no crash point is chosen.
    pub async fn reached(&self) {
        match &self.0 {
            Some(cut) => cut.reached.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Number of crash points that were reached.
    pub fn passed(&self) -> u64 {
        self.0.as_ref().map_or(0, |cut| cut.passed.load(Ordering::SeqCst))
    }

    /// Marks a crash point.
    pub async fn place(&self) {
        let Some(cut) = &self.0 else { return };
        if cut.passed.fetch_add(1, Ordering::SeqCst) >= cut.at {
            cut.reached.cancel();
            std::future::pending::<()>().await;
        }
    }

    /// Runs a request and its response, with a crash point after the request was sent and before the response is awaited.
    pub async fn between<F: Future>(&self, exchange: F) -> F::Output {
        if self.0.is_none() {
            return exchange.await;
        }
        let mut exchange = pin!(exchange);
        // The first poll sends the request.
        let begun = poll_fn(|context| Poll::Ready(exchange.as_mut().poll(context))).await;
        self.place().await;
        match begun {
            Poll::Ready(answer) => answer,
            Poll::Pending => exchange.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True if a future is ready at its first poll.
    async fn ends(future: impl Future) -> bool {
        let mut future = pin!(future);
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn all_that_comes_to_the_chosen_place_or_behind_it_stops() {
        let points = CrashPoints::at(1);
        assert!(ends(points.place()).await);
        assert!(!ends(points.reached()).await);
        assert!(!ends(points.clone().place()).await);
        assert!(ends(points.reached()).await);
        assert!(!ends(points.place()).await, "a place behind the chosen one");
        assert_eq!(points.passed(), 3);
        assert!(ends(CrashPoints::none().place()).await);
    }

    #[tokio::test]
    async fn a_request_is_sent_before_the_place_in_front_of_its_answer() {
        let sent = AtomicU64::new(0);
        let exchange = || async {
            sent.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            "answer"
        };
        assert!(!ends(CrashPoints::at(0).between(exchange())).await);
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        assert_eq!(CrashPoints::at(1).between(exchange()).await, "answer");
        assert_eq!(CrashPoints::none().between(exchange()).await, "answer");
    }
}
