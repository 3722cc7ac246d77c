//! Writes intents before requests, and outcomes after them.
//!
//! An intent is written by compare-and-set on the revision that the plan was made from. If the write fails, the link has changed since: by
//! a second owner, or by an earlier write of this owner that the watch has not delivered yet. Then the operation is dropped and planned
//! again from the current state.

use crate::CrashPoints;
use bus::{Bucket, Change, Expect, LinksKey, LinksValue, Write, WriteError};
use provisioning::{
    Approval, GroupId, GroupLink, HarmHistory, OperationId, OrgId, OrgState, PersonId, PersonLink, Revised,
};

/// Most writes in one atomic batch.
const BATCH_MAX: usize = 1_000;

/// The links of one org.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    org: OrgId,
    bucket: Bucket<LinksKey, LinksValue>,
    crash_points: CrashPoints,
}

/// The current link of a person, or a new one with revision 0.
pub(crate) fn current_person(state: &OrgState, person: &PersonId) -> Revised<PersonLink> {
    state.person_link(person).cloned().unwrap_or_else(|| Revised {
        value: PersonLink::new(person.clone()),
        revision: 0,
    })
}

pub(crate) fn current_group(state: &OrgState, group: &GroupId) -> Revised<GroupLink> {
    state.group_link(group).cloned().unwrap_or_else(|| Revised {
        value: GroupLink::new(group.clone()),
        revision: 0,
    })
}

fn expect(revision: u64) -> Expect {
    if revision == 0 {
        Expect::Absent
    } else {
        Expect::Revision(revision)
    }
}

impl Links {
    pub(crate) fn new(org: OrgId, bucket: Bucket<LinksKey, LinksValue>, crash_points: CrashPoints) -> Links {
        Links {
            org,
            bucket,
            crash_points,
        }
    }

    pub(crate) async fn write_person(&self, link: &mut Revised<PersonLink>) -> Result<(), WriteError> {
        let write = self.person_write(link);
        self.crash_points.place().await;
        link.revision = self.bucket.write(write).await?;
        Ok(())
    }

    pub(crate) async fn write_group(&self, link: &mut Revised<GroupLink>) -> Result<(), WriteError> {
        let key = LinksKey::Group(self.org.clone(), link.value.group.clone());
        let change = Change::Put(LinksValue::Group(Box::new(link.value.clone())));
        self.crash_points.place().await;
        link.revision = self
            .bucket
            .write(Write {
                key,
                expect: expect(link.revision),
                change,
            })
            .await?;
        Ok(())
    }

    /// Writes many links, in atomic batches. If a batch fails, the batches before it stay written.
    pub(crate) async fn write_people(&self, links: &mut [Revised<PersonLink>]) -> Result<(), WriteError> {
        for batch in links.chunks_mut(BATCH_MAX) {
            let writes = batch.iter().map(|link| self.person_write(link)).collect();
            self.crash_points.place().await;
            let revisions = self.bucket.write_all(writes).await?;
            for (link, revision) in batch.iter_mut().zip(revisions) {
                link.revision = revision;
            }
        }
        Ok(())
    }

    pub(crate) async fn put_job(&self, job: &provisioning::BulkJob) -> Result<(), WriteError> {
        let key = LinksKey::Bulk(self.org.clone(), job.operation.clone());
        let change = Change::Put(LinksValue::Bulk(job.clone()));
        self.crash_points.place().await;
        self.bucket
            .write(Write {
                key,
                expect: Expect::Any,
                change,
            })
            .await
            .map(drop)
    }

    pub(crate) async fn put_approval(&self, approval: &Approval) -> Result<(), WriteError> {
        let key = LinksKey::Approval(self.org.clone(), approval.hash.clone());
        self.put_any(key, LinksValue::Approval(approval.clone())).await
    }

    pub(crate) async fn put_harm(&self, history: &HarmHistory) -> Result<(), WriteError> {
        let key = LinksKey::Harm(self.org.clone());
        self.put_any(key, LinksValue::Harm(history.clone())).await
    }

    /// Writes forecast records. Nothing depends on them: if the bus refuses one, only this forecast record is missing.
    pub(crate) async fn keep(&self, changes: Vec<(LinksKey, Option<LinksValue>)>) {
        for (key, value) in changes {
            let write = Write {
                key,
                expect: Expect::Any,
                change: value.map_or(Change::Delete, Change::Put),
            };
            self.crash_points.place().await;
            if let Err(error) = self.bucket.write(write).await {
                tracing::warn!(org.id = %self.org, %error, "the record of a run was not kept");
            }
        }
    }

    async fn put_any(&self, key: LinksKey, value: LinksValue) -> Result<(), WriteError> {
        let write = Write {
            key,
            expect: Expect::Any,
            change: Change::Put(value),
        };
        self.crash_points.place().await;
        self.bucket.write(write).await.map(drop)
    }

    pub(crate) async fn drop_job(&self, operation: &OperationId) -> Result<(), WriteError> {
        let key = LinksKey::Bulk(self.org.clone(), operation.clone());
        self.crash_points.place().await;
        self.bucket
            .write(Write {
                key,
                expect: Expect::Any,
                change: Change::Delete,
            })
            .await
            .map(drop)
    }

    fn person_write(&self, link: &Revised<PersonLink>) -> Write<LinksKey, LinksValue> {
        Write {
            key: LinksKey::Person(self.org.clone(), link.value.person.clone()),
            expect: expect(link.revision),
            change: Change::Put(LinksValue::Person(Box::new(link.value.clone()))),
        }
    }
}
