//! Writes to the observed state what responses of Litmos show. The importer writes to the same bucket.

use bus::{BATCH_MAX, Bucket, Change, Expect, ObservedKey, ObservedValue, TeamMember, Write, WriteError};
use provisioning::{AccountId, OrgId, Roles, TeamId};

use crate::CrashPoints;
use crate::effects::Effects;

/// The observed state of one org.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    org: OrgId,
    bucket: Bucket<ObservedKey, ObservedValue>,
    crash_points: CrashPoints,
}

type Writes = Vec<Write<ObservedKey, ObservedValue>>;

impl Observed {
    pub(crate) fn new(
        org: OrgId,
        bucket: Bucket<ObservedKey, ObservedValue>,
        crash_points: CrashPoints,
    ) -> Observed {
        Observed {
            org,
            bucket,
            crash_points,
        }
    }

    /// Writes the accounts, teams, members and roles in `effects`. They come from a response just received, so they replace older values.
    pub(crate) async fn write(&self, effects: &Effects, as_of_ms: u64) -> Result<(), WriteError> {
        let mut joined: Writes = effects
            .joined
            .iter()
            .map(|(team, account)| self.member(team, account, Roles::NONE, Expect::Absent, as_of_ms))
            .collect();
        while !joined.is_empty() {
            let rest = joined.split_off(joined.len().min(BATCH_MAX));
            let batch = std::mem::replace(&mut joined, rest);
            match self.bucket.write_all(batch.clone()).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() => self.join_one_by_one(batch, as_of_ms).await?,
                Err(error) => return Err(error),
            }
        }
        let mut writes = Writes::new();
        for account in &effects.accounts {
            writes.push(put(
                self.account(&account.id),
                ObservedValue::Account(Box::new(account.clone())),
            ));
        }
        for team in &effects.teams {
            writes.push(put(self.team(&team.id), ObservedValue::Team(team.clone())));
        }
        for (team, account) in &effects.left {
            writes.push(delete(self.member_key(team, account)));
        }
        for (team, account, roles) in &effects.roles {
            writes.push(self.member(team, account, *roles, Expect::Any, as_of_ms));
        }
        for id in &effects.gone_accounts {
            writes.push(delete(self.account(id)));
        }
        for id in &effects.gone_teams {
            writes.push(delete(self.team(id)));
        }
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(BATCH_MAX));
            let batch = std::mem::replace(&mut writes, rest);
            self.crash_points.place().await;
            self.bucket.write_all(batch).await?;
        }
        Ok(())
    }

    /// Writes a batch of new members one by one, because some are known as members already. They keep their roles. If the importer writes
    /// the same key meanwhile, its value stays: it is as new, and it includes the roles.
    async fn join_one_by_one(&self, batch: Writes, as_of_ms: u64) -> Result<(), WriteError> {
        for write in batch {
            let unknown = |error| WriteError::unknown(bus::Key::text(&write.key), error);
            let known = self.bucket.get(&write.key).await.map_err(unknown)?;
            let write = match known.map(|known| (known.value, known.revision)) {
                Some((ObservedValue::TeamMember(member), revision)) => self.member(
                    &member.team,
                    &member.account,
                    member.roles,
                    Expect::Revision(revision),
                    as_of_ms,
                ),
                _ => write,
            };
            match self.bucket.write(write).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn member(
        &self,
        team: &TeamId,
        account: &AccountId,
        roles: Roles,
        expect: Expect,
        as_of_ms: u64,
    ) -> Write<ObservedKey, ObservedValue> {
        let member = TeamMember {
            team: team.clone(),
            account: account.clone(),
            roles,
            as_of_ms,
        };
        Write {
            key: self.member_key(team, account),
            expect,
            change: Change::Put(ObservedValue::TeamMember(member)),
        }
    }

    fn account(&self, id: &AccountId) -> ObservedKey {
        ObservedKey::Account(self.org.clone(), id.clone())
    }

    fn team(&self, id: &TeamId) -> ObservedKey {
        ObservedKey::Team(self.org.clone(), id.clone())
    }

    fn member_key(&self, team: &TeamId, account: &AccountId) -> ObservedKey {
        ObservedKey::TeamMember(self.org.clone(), team.clone(), account.clone())
    }
}

fn put(key: ObservedKey, value: ObservedValue) -> Write<ObservedKey, ObservedValue> {
    Write {
        key,
        expect: Expect::Any,
        change: Change::Put(value),
    }
}

fn delete(key: ObservedKey) -> Write<ObservedKey, ObservedValue> {
    Write {
        key,
        expect: Expect::Any,
        change: Change::Delete,
    }
}
