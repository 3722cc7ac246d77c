//! Reads the members of each team and their roles.
//!
//! The roles of a team are read only if a member has an access level that can hold one, together with the last page of members. So a crash
//! costs the page that was being read and, at most, the roles of its team.

use std::collections::{BTreeMap, BTreeSet};

use bus::{ObservedKey, ObservedValue, TeamMember, Write};
use litmos::{Failure, FailureKind, Member, TeamRole as Role};
use provisioning::{AccessLevel, AccountId, ImportPhase, ImportRun, Roles, TeamId, TeamRole};

use super::{Import, ImportError, PAGE, now_ms};
use crate::state::{self, Before, Known, Seen, delete, put};

/// A page of members, with the time of its request.
struct Page {
    accounts: Vec<AccountId>,
    asked_at_ms: u64,
}

fn accounts(members: &[Member]) -> impl Iterator<Item = AccountId> {
    members
        .iter()
        .filter_map(|member| AccountId::parse(&member.id).ok())
}

impl Import<'_> {
    /// Reads the members of every team of this run. Returns the teams that this process read completely. For a team that a crashed process
    /// had read, only the stored members are known.
    pub(super) async fn members(
        &self,
        run: &mut ImportRun,
        first: u32,
        start: u32,
    ) -> Result<BTreeSet<TeamId>, ImportError> {
        let now = state::before(self.bus, &self.org.id).await;
        let listed = now
            .teams
            .values()
            .filter(|team| team.value.as_of_ms >= run.started_at_ms);
        let teams: Vec<TeamId> = listed.map(|team| team.value.id.clone()).collect();
        let (mut start, mut read) = (start, BTreeSet::new());
        for (at, id) in (0..).zip(teams).skip(first as usize) {
            if self.members_of(run, &now, &id, at, start).await? {
                read.insert(id);
            }
            start = 0;
            run.phase = ImportPhase::Members {
                team: at + 1,
                start: 0,
            };
            self.note(run).await?;
        }
        Ok(read)
    }

    /// Reads the members of one team from this offset. Returns false if the team does not exist any more.
    async fn members_of(
        &self,
        run: &mut ImportRun,
        now: &Before,
        id: &TeamId,
        at: u32,
        start: u32,
    ) -> Result<bool, ImportError> {
        let mut start = start;
        let mut members = earlier_pages(run, now, id, start);
        loop {
            let asked_at_ms = now_ms();
            let listed = self.answer(run, |permit| {
                self.litmos.team_members(permit, id.as_str(), start, PAGE)
            });
            let listed = match listed.await {
                Ok(listed) => listed,
                Err(failure) => {
                    self.gone(run, now, id, failure).await?;
                    return Ok(false);
                }
            };
            let count = u32::try_from(listed.len()).unwrap_or(PAGE);
            let page = Page {
                accounts: accounts(&listed).collect(),
                asked_at_ms,
            };
            members.extend(page.accounts.iter().cloned());
            if count >= PAGE {
                // Known roles are kept until the role lists have been read.
                let as_known = |account: &AccountId| {
                    known(now, id, account).map_or(Roles::NONE, |known| known.value.roles)
                };
                self.write_members(now, id, &page, as_known).await?;
                start += PAGE;
                run.phase = ImportPhase::Members { team: at, start };
                self.note(run).await?;
                continue;
            }
            let roles = match self.roles(run, now, id, &members).await {
                Ok(roles) => roles,
                Err(failure) => {
                    self.gone(run, now, id, failure).await?;
                    return Ok(false);
                }
            };
            let held = |account: &AccountId| roles.get(account).copied().unwrap_or_default();
            let last: BTreeSet<&AccountId> = page.accounts.iter().collect();
            for account in members.iter().filter(|account| !last.contains(account)) {
                self.correct_roles(id, account, held(account)).await?;
            }
            self.write_members(now, id, &page, held).await?;
            return Ok(true);
        }
    }

    async fn write_members(
        &self,
        now: &Before,
        id: &TeamId,
        page: &Page,
        roles: impl Fn(&AccountId) -> Roles,
    ) -> Result<(), ImportError> {
        let mut writes = Vec::with_capacity(page.accounts.len());
        for account in &page.accounts {
            let known = known(now, id, account);
            if known.is_none_or(|known| known.value.as_of_ms <= page.asked_at_ms) {
                let member = TeamMember {
                    team: id.clone(),
                    account: account.clone(),
                    roles: roles(account),
                    as_of_ms: page.asked_at_ms,
                };
                writes.push(self.put_member(known.map(|known| known.revision), member));
            }
        }
        Ok(state::write_page(&self.bus.observed(), writes).await?)
    }

    /// Writes the roles of a member from an earlier page, if they differ from the stored ones.
    async fn correct_roles(&self, id: &TeamId, account: &AccountId, roles: Roles) -> Result<(), ImportError> {
        let observed = self.bus.observed();
        let key = ObservedKey::TeamMember(self.org.id.clone(), id.clone(), account.clone());
        let Some(stored) = observed.get(&key).await? else {
            return Ok(());
        };
        match stored.value {
            ObservedValue::TeamMember(member) if member.roles != roles => {
                let write = self.put_member(Some(stored.revision), TeamMember { roles, ..member });
                Ok(state::write_page(&observed, vec![write]).await?)
            }
            ObservedValue::TeamMember(_)
            | ObservedValue::Account(_)
            | ObservedValue::Team(_)
            | ObservedValue::Import(_) => Ok(()),
        }
    }

    fn put_member(&self, revision: Option<u64>, member: TeamMember) -> Write<ObservedKey, ObservedValue> {
        let key = ObservedKey::TeamMember(self.org.id.clone(), member.team.clone(), member.account.clone());
        put(key, revision, ObservedValue::TeamMember(member))
    }

    /// Reads the roles in a team with these members. Team Admins may also lead teams; Team Leaders never administer one.
    async fn roles(
        &self,
        run: &mut ImportRun,
        now: &Before,
        id: &TeamId,
        members: &BTreeSet<AccountId>,
    ) -> Result<BTreeMap<AccountId, Roles>, Failure> {
        let levels: BTreeSet<AccessLevel> = members
            .iter()
            .filter_map(|account| now.accounts.get(account)?.value.access_level)
            .collect();
        let admins = levels.contains(&AccessLevel::TeamAdmin);
        let leaders = admins || levels.contains(&AccessLevel::TeamLeader);
        let mut roles: BTreeMap<AccountId, Roles> = BTreeMap::new();
        let lists = [
            (Role::Leader, TeamRole::Leader, leaders),
            (Role::Admin, TeamRole::Admin, admins),
        ];
        for (role, ours, _) in lists.into_iter().filter(|(_, _, wanted)| *wanted) {
            let mut start = 0;
            loop {
                let holders = self.answer(run, |permit| {
                    self.litmos
                        .team_role_holders(permit, id.as_str(), role, start, PAGE)
                });
                let holders = holders.await?;
                for account in accounts(&holders) {
                    let held = roles.entry(account).or_default();
                    *held = held.with(ours, true);
                }
                if holders.len() < PAGE as usize {
                    break;
                }
                start += PAGE;
            }
        }
        Ok(roles)
    }

    /// Handles a list of a team that could not be read. If the team does not exist any more, its stored data is deleted. Otherwise its
    /// members are unknown, and the error is returned.
    async fn gone(
        &self,
        run: &mut ImportRun,
        now: &Before,
        id: &TeamId,
        failure: Failure,
    ) -> Result<(), ImportError> {
        if failure.kind != FailureKind::Gone {
            return Err(ImportError::Litmos(failure));
        }
        let look = self.answer(run, |permit| self.litmos.team(permit, id.as_str()));
        match look.await {
            Err(look) if look.kind == FailureKind::Gone => {
                // If Litmos answers every request in this way, nothing is proven. The probe checks this.
                let probe = self.answer(run, |permit| self.litmos.probe(permit));
                probe.await.map_err(ImportError::Litmos)?;
            }
            Err(look) => return Err(ImportError::Litmos(look)),
            Ok(_) => return Err(ImportError::Litmos(failure)),
        }
        let of_team = now.members.iter().filter(|((team, _), _)| team == id);
        let mut writes: Vec<_> = of_team
            .map(|((team, account), known)| {
                let key = ObservedKey::TeamMember(self.org.id.clone(), team.clone(), account.clone());
                delete(key, known.revision)
            })
            .collect();
        if let Some(known) = now.teams.get(id) {
            let key = ObservedKey::Team(self.org.id.clone(), id.clone());
            writes.push(delete(key, known.revision));
            run.report.groups.removed += 1;
        }
        Ok(state::write_page(&self.bus.observed(), writes).await?)
    }
}

fn known<'a>(now: &'a Before, team: &TeamId, account: &AccountId) -> Option<&'a Known<Seen>> {
    now.members.get(&(team.clone(), account.clone()))
}

/// Members of a team that an interrupted run had read before this offset.
fn earlier_pages(run: &ImportRun, now: &Before, id: &TeamId, start: u32) -> BTreeSet<AccountId> {
    if start == 0 {
        return BTreeSet::new();
    }
    let of_team = now.members.iter().filter(|((team, _), _)| team == id);
    of_team
        .filter(|(_, known)| known.value.as_of_ms >= run.started_at_ms)
        .map(|((_, account), _)| account.clone())
        .collect()
}
