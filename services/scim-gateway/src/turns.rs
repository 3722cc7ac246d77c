//! Fair sharing of the processor between orgs.
//!
//! The async runtime runs tasks in the order in which they became ready. Without turns, 200 ready tasks of one org would delay
//! the single request of another org. So a request is polled only while it holds one of the few turns of its org, and releases
//! the turn whenever it waits. Other requests of the org wait for a turn outside the runtime's queue.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// Turns of one org: enough to keep the threads of a small machine busy.
const TURNS: usize = 2;

/// The turns of one org.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Arc::new(Semaphore::new(TURNS)))
    }
}

impl Turns {
    /// Runs the future. Each poll holds a turn.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut turns = PollSemaphore::new(self.0.clone());
        poll_fn(|context| {
            let _turn = ready!(turns.poll_acquire(context));
            match work.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_request_that_waits_holds_no_turn() {
        let turns = Turns::default();
        let (start, begun) = (tokio::sync::Notify::new(), AtomicUsize::new(0));
        let waiting = (0..10 * TURNS).map(|_| {
            turns.run(async {
                begun.fetch_add(1, Ordering::SeqCst);
                start.notified().await;
            })
        });
        let all = futures_util::future::join_all(waiting);
        let open = async {
            while begun.load(Ordering::SeqCst) < 10 * TURNS {
                tokio::task::yield_now().await;
            }
            start.notify_waiters();
        };
        tokio::join!(all, open);
        assert_eq!(turns.0.available_permits(), TURNS);
    }

    #[tokio::test]
    async fn no_more_are_worked_on_than_there_are_turns() {
        let turns = Turns::default();
        let all = turns.0.clone().acquire_many_owned(TURNS as u32).await.unwrap();
        let mut work = Box::pin(turns.run(async { 7 }));
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(all);
        assert_eq!(work.await, 7);
    }
}
