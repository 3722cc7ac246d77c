//! What the pusher and Litmos do with operations, and what both refuse.

use std::collections::BTreeSet;

use provisioning::{
    AccessLevel, Account, AccountId, Attribute, BulkRow, Change, Field, GroupId, NormalName, Operation,
    TeamId, TeamRole, made_owners,
};

use super::{NOW, Scene};

impl Scene {
    /// What the pusher and Litmos do with an operation, and what both refuse.
    pub(crate) fn perform(&mut self, operation: &Operation) {
        self.calls += operation.calls;
        for person in made_owners(&operation.change) {
            self.person_link(person, |link| link.made_owner = true);
        }
        match &operation.change {
            Change::Link { person, account, .. } => self.link_to(person, account),
            Change::Read { person, account, .. } => {
                assert!(self.state.account(account).is_none(), "what is seen is not read");
                self.person_link(person, |link| link.account = None);
            }
            Change::CutOff { person, account, .. } => {
                self.link_to(person, account);
                self.write_account(account, |account| account.active = false);
                self.person_link(person, |link| link.leave_teams_due = true);
            }
            Change::LeaveTeams { person, account, .. } => {
                self.part_all(account);
                self.person_link(person, |link| link.leave_teams_due = false);
            }
            Change::Create { person, draft, .. } => {
                let account = self.make_account(
                    &draft.user_name,
                    draft.profile.clone(),
                    draft.access_level,
                    draft.manager.clone(),
                );
                self.link_to(person, &account);
            }
            Change::Update {
                person,
                account,
                changes,
                ..
            } => {
                assert!(
                    !changes.is_empty(),
                    "an update says something: {}",
                    operation.label
                );
                self.link_to(person, account);
                for change in changes
                    .iter()
                    .filter(|change| change.attribute == Attribute::UserName)
                {
                    let other = self.state.account_named(&NormalName::of(&change.to));
                    assert!(
                        other.is_none_or(|other| other.id == *account),
                        "{} is taken when {} is done",
                        change.to,
                        operation.label
                    );
                }
                self.write_account(account, |account| {
                    *account = account.changed(changes);
                    account.whole = true;
                });
            }
            Change::Bulk { rows } => rows.iter().for_each(|row| self.perform_row(row)),
            Change::SetCustomFields {
                person,
                account,
                values,
                ..
            } => {
                let own = self.state.linked_account(person).unwrap();
                assert_eq!(account.as_ref(), Some(own));
                assert!(self.state.account(own).unwrap().active);
                self.person_link(person, |link| {
                    link.custom = values.clone().into();
                    link.parked = None;
                });
            }
            Change::LeaveAllTeams { account, groups, .. } => {
                assert_eq!(self.state.teams_of(account).count(), groups.len());
                self.part_all(account);
            }
            Change::LinkTeam { group, team, .. } => self.tie_team(group, Some(team.clone())),
            Change::CreateTeam {
                group,
                name,
                description,
                parent,
                ..
            } => {
                let parent = parent.as_ref().map(|parent| self.team_of(parent));
                let team = self.team_with(name, |team| {
                    team.description = Some(description.clone());
                    team.parent = parent;
                });
                self.tie_team(group, Some(team));
            }
            Change::AmendTeam {
                group,
                team,
                name,
                description,
                ..
            } => {
                // A description that is not known is read before it is written back: then it is known.
                self.edit_team(team, |team| {
                    if let Some(name) = name {
                        name.to.clone_into(&mut team.name);
                        team.bulk_code = String::new();
                    }
                    let there = team.description.take().unwrap_or_else(|| "by hand".to_owned());
                    team.description = Some(description.clone().unwrap_or(there));
                });
                self.tie_team(group, Some(team.clone()));
            }
            Change::UnlinkTeam { group, .. } => self.tie_team(group, None),
            Change::DeleteTeam { group, team, .. } => {
                assert_eq!(self.state.subteams(team).count(), 0, "no team lies under it");
                let members: Vec<AccountId> = self.state.team_members(team).cloned().collect();
                members.iter().for_each(|account| self.part(team, account));
                let touched = self.state.drop_team(team);
                self.touched.extend(touched);
                self.tie_team(group, None);
            }
            Change::AddMembers { group, people } => {
                let team = self.team_of(group);
                for person in people {
                    let account = self.state.account_for(person).cloned().unwrap();
                    assert!(self.state.account(&account).unwrap().active, "{person} is active");
                    self.join(&team, &account);
                }
            }
            Change::RemoveMember { team, account, .. } => self.part(team, account),
            Change::SetRole {
                team,
                account,
                role,
                holds,
                ..
            } => self.set_role(team.as_ref().unwrap(), account.as_ref().unwrap(), *role, *holds),
            Change::EndOverwrite { group } => self.group_link(group, |link| link.overwrite_due = false),
        }
    }

    pub(crate) fn set_role(&mut self, team: &TeamId, account: &AccountId, role: TeamRole, holds: bool) {
        assert!(
            self.state.is_team_member(team, account),
            "only members hold roles"
        );
        let roles = self.state.roles(team, account);
        assert_ne!(roles.holds(role), holds, "a role is given or taken once");
        let touched = self.state.put_roles(team, account, roles.with(role, holds));
        self.touched.extend(touched);
    }

    fn perform_row(&mut self, row: &BulkRow) {
        let account = match &row.account {
            None => self.make_account(
                &row.user_name,
                row.profile.clone(),
                row.access_level.unwrap(),
                row.manager.clone(),
            ),
            Some(account) => {
                let seen = self.state.account(account).unwrap();
                assert_eq!(seen.user_name, row.user_name, "a row is found by its user name");
                assert!(seen.active, "a row does not revive");
                let fresh = NOW - seen.as_of_ms <= self.policy.fresh_ms;
                self.write_account(account, |account| {
                    // The import does not show the record: one that was not fresh is none after it.
                    account.whole &= fresh;
                    account.profile.set(Field::DisableMessages, "false");
                    row.profile
                        .iter()
                        .for_each(|(field, value)| account.profile.set(field, value));
                    account.access_level = row.access_level.or(account.access_level);
                    account.manager = row.manager.clone().or(account.manager.clone());
                });
                account.clone()
            }
        };
        self.link_to(&row.person, &account);
        for group in &row.groups {
            let team = self.team_of(group);
            assert_ne!(
                self.state.team(&team).unwrap().bulk_code,
                "",
                "a row names teams by their codes"
            );
            self.join(&team, &account);
        }
    }

    fn write_account(&mut self, id: &AccountId, edit: impl FnOnce(&mut Account)) {
        self.edit_account(id, |account| {
            edit(account);
            account.as_of_ms = NOW;
        });
    }

    fn tie_team(&mut self, group: &GroupId, team: Option<TeamId>) {
        self.group_link(group, |link| {
            link.team = team;
            link.parked = None;
        });
    }

    fn part_all(&mut self, account: &AccountId) {
        let teams: Vec<TeamId> = self.state.teams_of(account).cloned().collect();
        teams.iter().for_each(|team| self.part(team, account));
    }

    /// Litmos as text: who is there, active or not, and in which teams; and the teams.
    pub(crate) fn litmos(&self) -> String {
        let mut lines: Vec<String> = self
            .state
            .accounts()
            .map(|account| self.account_text(account))
            .collect();
        lines.extend(self.state.teams().map(|team| {
            let parent = team.parent.as_ref().and_then(|id| self.state.team(id));
            format!(
                "team {} under {} {:?}",
                team.name,
                parent.map_or("-", |parent| &parent.name),
                team.description
            )
        }));
        lines.sort();
        lines.join("\n")
    }

    fn account_text(&self, account: &Account) -> String {
        let teams: BTreeSet<String> = self
            .state
            .teams_of(&account.id)
            .filter_map(|id| self.state.team(id))
            .map(|team| {
                let roles = self.state.roles(&team.id, &account.id);
                let leader = if roles.leader { " leader" } else { "" };
                let admin = if roles.admin { " admin" } else { "" };
                format!("{}{leader}{admin}", team.name)
            })
            .collect();
        let manager = account.manager.as_ref().and_then(|id| self.state.account(id));
        let fields: Vec<String> = account
            .profile
            .iter()
            .filter(|(field, _)| *field != Field::DisableMessages)
            .map(|(field, value)| format!("{}={value}", field.wire()))
            .collect();
        let owner = self.state.owner_of(&account.id);
        let custom = owner.and_then(|owner| self.state.person_link(owner));
        let custom: Vec<String> = custom
            .iter()
            .flat_map(|link| &link.value.custom)
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!(" {name}:{value}"))
            .collect();
        format!(
            "{} active={} level={} manager={} teams={teams:?} {}{}",
            account.user_name,
            account.active,
            account.access_level.map_or("?", AccessLevel::as_litmos),
            manager.map_or("-", |manager| &manager.user_name),
            fields.join(" "),
            custom.concat()
        )
    }
}
