//! One committer an org: gathers changes that are ready while earlier ones are being stored, and stores them together.

use std::collections::HashSet;
use std::sync::Arc;

use bus::{ChangeSet, Key as _, Revisions, RosterBucket, RosterKey, RosterValue, WriteError};
use provisioning::OrgId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::change::RosterWrite;
use crate::neighbours::Neighbours;

/// Most keys that go together. More take longer than an urgent change should wait behind them: 200 take 12 ms.
const TOGETHER_MAX: usize = 200;

/// While other orgs of this process write too, an org leaves the server alone for this many times as long as its last batch
/// took: nobody's single write should mostly find it busy.
const LEAVES_ALONE: u32 = 2;

/// A round of so few keys takes no longer than a single write.
const SMALL_ROUND: usize = 8;

/// Changes that may wait for the committer; more wait with their callers.
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

    /// Stores the set, whole or not at all, and says the new revision of each key.
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
    // A request that shares a key with one of its round waits for the next.
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
                // What was handed in before is stored first: it may be waited for.
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
            // A caller who went away no longer wants to know.
            let _ = answer.send(outcome);
        }
        let now = Instant::now();
        neighbours.wrote(&org, now);
        if keys.len() > SMALL_ROUND && neighbours.others_write(&org, now) {
            tokio::time::sleep((now - began) * LEAVES_ALONE).await;
        }
    }
}
