use prost::Name as _;
use proto::v1;
use provisioning::{
    AccessLevel, Account, AccountId, Attribute, ImportPhase, ImportReport, ImportRun, ImportTally, Roles,
    SchemaField, SchemaKind, SchemaVersion, Team, TeamId, Unseen,
};

use super::{BrokenRecord, Wire, broken, profile_in, profile_out, reader};

/// A team member, as last read from Litmos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMember {
    pub team: TeamId,
    pub account: AccountId,
    pub roles: Roles,
    pub as_of_ms: u64,
}

impl Wire<v1::Account> for Account {
    fn read(bytes: &[u8]) -> Option<Account> {
        reader::account(bytes)
    }

    fn to_wire(&self) -> v1::Account {
        let account = self;
        v1::Account {
            id: account.id.to_string(),
            user_name: account.user_name.clone(),
            active: account.active,
            access_level: account.access_level.map(|level| level.as_litmos().to_owned()),
            profile: profile_out(&account.profile),
            manager: account.manager.as_ref().map(ToString::to_string),
            as_of_ms: account.as_of_ms,
            whole: account.whole,
            unseen: account
                .unseen
                .iter()
                .map(|attribute| attribute.wire().to_owned())
                .collect(),
            rest: account.rest.as_str().to_owned(),
        }
    }

    fn from_wire(message: v1::Account) -> Result<Account, BrokenRecord> {
        let name = v1::Account::full_name();
        let id = |text: &str| AccountId::parse(text).map_err(|error| broken(&name, error));
        Ok(Account {
            id: id(&message.id)?,
            user_name: message.user_name,
            active: message.active,
            access_level: message
                .access_level
                .as_deref()
                .and_then(|level| AccessLevel::parse(level).ok()),
            manager: message.manager.as_deref().map(id).transpose()?,
            profile: profile_in(&name, message.profile)?,
            as_of_ms: message.as_of_ms,
            whole: message.whole,
            unseen: message
                .unseen
                .iter()
                .map(|name| {
                    let unknown = || broken(v1::Account::full_name(), format!("{name:?} is no attribute"));
                    Attribute::from_wire(name).ok_or_else(unknown)
                })
                .collect::<Result<Unseen, BrokenRecord>>()?,
            rest: message.rest.into(),
        })
    }
}

impl Wire<v1::Team> for Team {
    fn to_wire(&self) -> v1::Team {
        let team = self;
        v1::Team {
            id: team.id.to_string(),
            name: team.name.clone(),
            description: team.description.clone(),
            parent: team.parent.as_ref().map(ToString::to_string),
            bulk_code: team.bulk_code.clone(),
            as_of_ms: team.as_of_ms,
        }
    }

    fn from_wire(message: v1::Team) -> Result<Team, BrokenRecord> {
        let name = v1::Team::full_name();
        let id = |text: &str| TeamId::parse(text).map_err(|error| broken(&name, error));
        Ok(Team {
            id: id(&message.id)?,
            parent: message.parent.as_deref().map(id).transpose()?,
            name: message.name,
            description: message.description,
            bulk_code: message.bulk_code,
            as_of_ms: message.as_of_ms,
        })
    }
}

impl Wire<v1::TeamMember> for TeamMember {
    fn read(bytes: &[u8]) -> Option<TeamMember> {
        reader::team_member(bytes)
    }

    fn to_wire(&self) -> v1::TeamMember {
        let member = self;
        v1::TeamMember {
            team: member.team.to_string(),
            account: member.account.to_string(),
            as_of_ms: member.as_of_ms,
            leader: member.roles.leader,
            admin: member.roles.admin,
        }
    }

    fn from_wire(message: v1::TeamMember) -> Result<TeamMember, BrokenRecord> {
        let name = v1::TeamMember::full_name();
        Ok(TeamMember {
            team: TeamId::parse(&message.team).map_err(|error| broken(&name, error))?,
            account: AccountId::parse(&message.account).map_err(|error| broken(&name, error))?,
            roles: Roles {
                leader: message.leader,
                admin: message.admin,
            },
            as_of_ms: message.as_of_ms,
        })
    }
}

fn tally_out(tally: ImportTally) -> v1::ImportTally {
    v1::ImportTally {
        scanned: tally.scanned,
        new: tally.new,
        updated: tally.updated,
        unchanged: tally.unchanged,
        removed: tally.removed,
    }
}

fn tally_in(tally: Option<v1::ImportTally>) -> ImportTally {
    let tally = tally.unwrap_or_default();
    ImportTally {
        scanned: tally.scanned,
        new: tally.new,
        updated: tally.updated,
        unchanged: tally.unchanged,
        removed: tally.removed,
    }
}

impl Wire<v1::ImportRun> for ImportRun {
    fn to_wire(&self) -> v1::ImportRun {
        let run = self;
        use v1::import_run::Phase;
        let phase = match &run.phase {
            ImportPhase::Users { start } => Phase::UsersStart(*start),
            ImportPhase::Teams { start } => Phase::TeamsStart(*start),
            ImportPhase::Members { team, start } => Phase::Members(v1::MembersPhase {
                team: *team,
                start: *start,
            }),
            ImportPhase::Complete => Phase::Complete(true),
            ImportPhase::Failed { reason } => Phase::Failed(reason.clone()),
        };
        v1::ImportRun {
            id: run.id.clone(),
            phase: Some(phase),
            calls: run.calls,
            started_at_ms: run.started_at_ms,
            changed_at_ms: run.changed_at_ms,
            users: Some(tally_out(run.report.users)),
            groups: Some(tally_out(run.report.groups)),
            linked: run.report.linked,
            to_be_matched: run.report.to_be_matched,
            unmanaged: run.report.unmanaged,
            paused: run.paused.clone(),
        }
    }

    fn from_wire(message: v1::ImportRun) -> Result<ImportRun, BrokenRecord> {
        use v1::import_run::Phase;
        let phase = match message.phase {
            Some(Phase::UsersStart(start)) => ImportPhase::Users { start },
            Some(Phase::TeamsStart(start)) => ImportPhase::Teams { start },
            Some(Phase::Members(at)) => ImportPhase::Members {
                team: at.team,
                start: at.start,
            },
            Some(Phase::Complete(true)) => ImportPhase::Complete,
            Some(Phase::Failed(reason)) => ImportPhase::Failed { reason },
            Some(Phase::Complete(false)) | None => {
                return Err(broken(v1::ImportRun::full_name(), "has no phase"));
            }
        };
        Ok(ImportRun {
            id: message.id,
            phase,
            calls: message.calls,
            started_at_ms: message.started_at_ms,
            changed_at_ms: message.changed_at_ms,
            paused: message.paused,
            report: ImportReport {
                users: tally_in(message.users),
                groups: tally_in(message.groups),
                linked: message.linked,
                to_be_matched: message.to_be_matched,
                unmanaged: message.unmanaged,
            },
        })
    }
}

fn kind_text(kind: SchemaKind) -> &'static str {
    match kind {
        SchemaKind::Standard => "standard",
        SchemaKind::LegacyCustom => "legacy_custom",
        SchemaKind::AdvancedCustom => "advanced_custom",
    }
}

impl Wire<v1::SchemaVersion> for SchemaVersion {
    fn to_wire(&self) -> v1::SchemaVersion {
        let version = self;
        let field = |field: &SchemaField| v1::SchemaField {
            name: field.name.clone(),
            kind: kind_text(field.kind).to_owned(),
            max_chars: field.max_chars,
        };
        v1::SchemaVersion {
            version: version.version,
            fields: version.fields.iter().map(field).collect(),
            seen_at_ms: version.seen_at_ms,
        }
    }

    fn from_wire(message: v1::SchemaVersion) -> Result<SchemaVersion, BrokenRecord> {
        let name = v1::SchemaVersion::full_name();
        let field = |field: v1::SchemaField| {
            let kinds = [
                SchemaKind::Standard,
                SchemaKind::LegacyCustom,
                SchemaKind::AdvancedCustom,
            ];
            let kind = kinds.into_iter().find(|kind| kind_text(*kind) == field.kind);
            let kind = kind.ok_or_else(|| broken(&name, format!("{:?} is no kind of field", field.kind)))?;
            Ok(SchemaField {
                name: field.name,
                kind,
                max_chars: field.max_chars,
            })
        };
        Ok(SchemaVersion {
            version: message.version,
            fields: message
                .fields
                .into_iter()
                .map(field)
                .collect::<Result<_, BrokenRecord>>()?,
            seen_at_ms: message.seen_at_ms,
        })
    }
}
