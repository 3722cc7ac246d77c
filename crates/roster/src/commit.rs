//! The committer of an org: collects ready changes while earlier ones are being stored, and stores them together.

use std::collections::HashSet;
use std::sync::Arc;

use bus::{ChangeSet, Key as _, Revisions, RosterBucket, RosterKey, RosterValue, WriteError};
use provisioning::OrgId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::change::RosterWrite;
use crate::neighbours::Neighbours;

/// Most keys in one round. More would take longer than an urgent change should wait: 200 take 12 ms.
const TOGETHER_MAX: usize = 200;

/// While other orgs of this process write too, an org pauses after a round for this many times its duration. So the single writes of other
/// orgs mostly find the server free.
const LEAVES_ALONE: u32 = 2;

/// A round with at most this many keys takes no longer than a single write, so no pause follows it.
const SMALL_ROUND: usize = 8;

/// Number of changes that may wait in the committer's queue. Further callers wait to send.
const QUEUE: usize = 4_096;

type Set = ChangeSet<RosterKey, RosterValue>;
type Outcome = Result<Revisions, WriteError>;

#[derive(Debug)]
struct Request {
    set: Set,
    answer: oneshot::Sender<Outcome>,
}

/// Stores change sets of one org. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Committer(mpsc::Sender<Request>);

impl Committer {
    pub(crate) fn start(
        org: &OrgId,
        bucket: RosterBucket,
        neighbours: Arc<Neighbours>,
        stop: CancellationToken,
    ) -> Committer {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(org.clone(), bucket, neighbours, receiver, stop));
        Committer(sender)
    }

    /// Stores the set, completely or not at all, and returns the new revision of each key.
    pub(crate) async fn commit(&self, writes: Vec<RosterWrite>) -> Outcome {
        let set = ChangeSet::new(writes);
        let (answer, outcome) = oneshot::channel();
        let stopping = || WriteError::unknown("roster", "the process is stopping");
        self.0
            .send(Request { set, answer })
            .await
            .map_err(|_| stopping())?;
        outcome.await.map_err(|_| stopping())?
    }
}

async fn run(
    org: OrgId,
    bucket: RosterBucket,
    neighbours: Arc<Neighbours>,
    mut requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
) {
    // A request that shares a key with the current round waits for the next round.
    let mut kept = None;
    loop {
        let first = match kept.take() {
            Some(request) => request,
            None => tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                // Queued requests are stored first, because callers may wait for them.
                () = stop.cancelled() => return,
            },
        };
        let mut keys: HashSet<String> = first.set.writes.iter().map(|write| write.key.text()).collect();
        let mut round = vec![first];
        while keys.len() < TOGETHER_MAX
            && let Ok(request) = requests.try_recv()
        {
            let more: Vec<String> = request.set.writes.iter().map(|write| write.key.text()).collect();
            if more.iter().any(|key| keys.contains(key)) || keys.len() + more.len() > TOGETHER_MAX {
                kept = Some(request);
                break;
            }
            keys.extend(more);
            round.push(request);
        }
        let (sets, answers): (Vec<Set>, Vec<_>) = round
            .into_iter()
            .map(|request| (request.set, request.answer))
            .unzip();
        let began = Instant::now();
        let outcomes = bucket.commit(sets).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // The caller may have stopped waiting.
            let _ = answer.send(outcome);
        }
        let now = Instant::now();
        neighbours.wrote(&org, now);
        if keys.len() > SMALL_ROUND && neighbours.others_write(&org, now) {
            tokio::time::sleep((now - began) * LEAVES_ALONE).await;
        }
    }
}
