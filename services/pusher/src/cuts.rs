//! Where an owner may die: a seam for the sweep that kills it at every one of these places.
//!
//! A process can be killed anywhere, but only some places differ for whoever comes after: before each durable write, and
//! before each request's permit is taken up. Between two of them nothing durable happens, and after an answer of Litmos
//! the next of them comes before anything is concluded from it. So dying at each place once is dying everywhere.
//!
//! Outside tests nothing is cut, and a place costs the look at an empty option.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// Counts the places, and stops whoever comes to the chosen one, for ever.
#[derive(Clone, Debug, Default)]
pub struct Cuts(Option<Arc<Cut>>);

#[derive(Debug)]
struct Cut {
    at: u64,
    passed: AtomicU64,
    reached: CancellationToken,
}

impl Cuts {
    /// Nothing is cut.
    pub fn none() -> Cuts {
        Cuts::default()
    }

    /// Everybody who comes to place `at`, counted from 0, or to any after it, stops there.
    pub fn at(at: u64) -> Cuts {
        Cuts(Some(Arc::new(Cut {
            at,
            passed: AtomicU64::new(0),
            reached: CancellationToken::new(),
        })))
    }

    /// Ends when somebody has stopped; never where nothing is cut.
    pub async fn reached(&self) {
        match &self.0 {
            Some(cut) => cut.reached.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// How many places were passed.
    pub fn passed(&self) -> u64 {
        self.0.as_ref().map_or(0, |cut| cut.passed.load(Ordering::SeqCst))
    }

    /// One of the places.
    pub(crate) async fn place(&self) {
        let Some(cut) = &self.0 else { return };
        if cut.passed.fetch_add(1, Ordering::SeqCst) >= cut.at {
            cut.reached.cancel();
            std::future::pending::<()>().await;
        }
    }
}
