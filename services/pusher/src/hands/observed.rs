//! What an answer of Litmos showed, written where the importer writes too.

use bus::{Bucket, Change, Expect, ObservedKey, ObservedValue, TeamMember, Write, WriteError};
use provisioning::{AccountId, OrgId, Roles, TeamId};

use crate::Cuts;
use crate::effects::Effects;

/// Most writes of one atomic batch.
const BATCH_MAX: usize = 1_000;

/// The observed state of one org.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    org: OrgId,
    bucket: Bucket<ObservedKey, ObservedValue>,
    cuts: Cuts,
}

impl Observed {
    pub(crate) fn new(org: OrgId, bucket: Bucket<ObservedKey, ObservedValue>, cuts: Cuts) -> Observed {
        Observed { org, bucket, cuts }
    }

    /// Writes what `effects` says about accounts, teams and members. An answer just received is the newest there is.
    pub(crate) async fn write(&self, effects: &Effects, as_of_ms: u64) -> Result<(), WriteError> {
        let mut writes = Vec::new();
        for account in &effects.accounts {
            writes.push(self.put(self.account(&account.id), ObservedValue::Account(account.clone())));
        }
        for team in &effects.teams {
            writes.push(self.put(self.team(&team.id), ObservedValue::Team(team.clone())));
        }
        for (team, account) in &effects.joined {
            let member = TeamMember {
                team: team.clone(),
                account: account.clone(),
                roles: Roles::NONE,
                as_of_ms,
            };
            writes.push(self.put(self.member(team, account), ObservedValue::TeamMember(member)));
        }
        for (team, account) in &effects.left {
            writes.push(self.delete(self.member(team, account)));
        }
        for id in &effects.gone_accounts {
            writes.push(self.delete(self.account(id)));
        }
        for id in &effects.gone_teams {
            writes.push(self.delete(self.team(id)));
        }
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(BATCH_MAX));
            let batch = std::mem::replace(&mut writes, rest);
            self.cuts.place().await;
            self.bucket.write_all(batch).await?;
        }
        Ok(())
    }

    fn put(&self, key: ObservedKey, value: ObservedValue) -> Write<ObservedKey, ObservedValue> {
        Write {
            key,
            expect: Expect::Any,
            change: Change::Put(value),
        }
    }

    fn delete(&self, key: ObservedKey) -> Write<ObservedKey, ObservedValue> {
        Write {
            key,
            expect: Expect::Any,
            change: Change::Delete,
        }
    }

    fn account(&self, id: &AccountId) -> ObservedKey {
        ObservedKey::Account(self.org.clone(), id.clone())
    }

    fn team(&self, id: &TeamId) -> ObservedKey {
        ObservedKey::Team(self.org.clone(), id.clone())
    }

    fn member(&self, team: &TeamId, account: &AccountId) -> ObservedKey {
        ObservedKey::TeamMember(self.org.clone(), team.clone(), account.clone())
    }
}
