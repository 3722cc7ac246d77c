//! Writes the company into the buckets as fast as it goes: atomic batches, several at once.

use bus::{Bucket, Bus, Change, Expect, Key, Record, Write};
use provisioning::OrgId;
use tokio::task::JoinSet;

use super::company::{self, GROUPS, PEOPLE};

/// Writes of one atomic batch while the buckets are filled, and people of one batch.
const BATCH: usize = 999;

/// Batches under way at once while the buckets are filled.
const FILLING: usize = 8;

/// Writes the whole company, and says how many keys it has.
pub(super) async fn fill(bus: &Bus, org: &OrgId) -> anyhow::Result<usize> {
    let mut filling = Filling::default();
    let slices = || {
        (0..PEOPLE)
            .step_by(BATCH)
            .map(|from| from..(from + BATCH).min(PEOPLE))
    };
    for people in slices() {
        let (bus, org) = (bus.clone(), org.clone());
        filling
            .run(async move {
                let entries: Vec<_> = people.clone().map(|n| company::person_entry(&org, n)).collect();
                let revisions = put(&bus.roster(), entries).await?;
                let links = people
                    .zip(revisions)
                    .map(|(n, revision)| company::link_entry(&org, n, revision));
                put(&bus.links(), links.collect())
                    .await
                    .map(|links| 2 * links.len())
            })
            .await?;
    }
    let (roster, observed, links) = (bus.roster(), bus.observed(), bus.links());
    let groups = (0..GROUPS).flat_map(|n| company::group_entries(org, n)).collect();
    let revisions = put(&roster, groups).await?;
    let group_links = (0..GROUPS).zip(revisions.into_iter().skip(1).step_by(2));
    put(
        &links,
        group_links
            .map(|(n, revision)| company::group_link_entry(org, n, revision))
            .collect(),
    )
    .await?;
    put(
        &observed,
        (0..GROUPS).map(|n| company::team_entry(org, n)).collect(),
    )
    .await?;
    for people in slices() {
        let (bus, org) = (bus.clone(), org.clone());
        filling
            .run(async move {
                let both = people
                    .clone()
                    .flat_map(|n| company::groups_of(n).map(|group| (group, n)));
                let memberships = both
                    .clone()
                    .map(|(group, n)| company::membership_entry(&org, group, n))
                    .collect();
                let members = both
                    .map(|(team, n)| company::team_member_entry(&org, team, n))
                    .collect();
                let accounts = people.map(|n| company::account_entry(&org, n)).collect();
                let mut written = put(&bus.roster(), memberships).await?.len();
                written += put(&bus.observed(), accounts).await?.len();
                written += put(&bus.observed(), members).await?.len();
                Ok(written)
            })
            .await?;
    }
    let written = filling.finish().await?;
    put(&observed, vec![company::import_entry(org)]).await?;
    Ok(written + 4 * GROUPS + 1)
}

async fn put<K: Key, V: Record>(bucket: &Bucket<K, V>, entries: Vec<(K, V)>) -> anyhow::Result<Vec<u64>> {
    let write = |(key, value)| Write {
        key,
        expect: Expect::Absent,
        change: Change::Put(value),
    };
    let mut revisions = Vec::new();
    let mut writes: Vec<_> = entries.into_iter().map(write).collect();
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(BATCH));
        revisions.extend(bucket.write_all(writes).await?);
        writes = rest;
    }
    Ok(revisions)
}

/// A bounded number of pieces of work side by side.
#[derive(Default)]
struct Filling {
    running: JoinSet<anyhow::Result<usize>>,
    written: usize,
}

impl Filling {
    async fn run(
        &mut self,
        piece: impl Future<Output = anyhow::Result<usize>> + Send + 'static,
    ) -> anyhow::Result<()> {
        if self.running.len() >= FILLING {
            self.one().await?;
        }
        self.running.spawn(piece);
        Ok(())
    }

    async fn one(&mut self) -> anyhow::Result<()> {
        if let Some(done) = self.running.join_next().await {
            self.written += done??;
        }
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<usize> {
        while !self.running.is_empty() {
            self.one().await?;
        }
        Ok(self.written)
    }
}
