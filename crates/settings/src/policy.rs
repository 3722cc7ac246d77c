//! An org's policy: the switches of `[[org]]`, and the limits of `[org.safeguard]`.

use std::collections::BTreeSet;

use chassis::settings::Section;
use provisioning::{ExtraMembers, Harm, Limit, NormalName, Policy, Safeguard, UnlinkedTeams};

/// Longest validity of an approval: a week. Later, the state of the org may differ too much from what was approved.
const APPROVAL_MINUTES_MAX: u64 = 7 * 24 * 60;

pub(crate) fn read(org: &mut Section<'_>) -> Policy {
    const FEATURES: [&str; 5] = [
        "create_users",
        "update_attributes",
        "deactivate_users",
        "reactivate_users",
        "push_groups",
    ];
    let bulk = org.flag_or("bulk_import", true);
    let fresh_ms = 1_000 * org.number_or("fresh_seconds", 600, 0, 86_400);
    let features = org.texts("features");
    for feature in features.iter().flatten() {
        if !FEATURES.contains(&feature.as_str()) {
            org.problem(
                "features",
                format!("{feature:?} is no feature; there are {}", FEATURES.join(", ")),
            );
        }
    }
    let on = |feature: &str| {
        features
            .as_ref()
            .is_none_or(|chosen| chosen.iter().any(|name| name == feature))
    };
    let default = Policy::default();
    Policy {
        create_users: on("create_users"),
        update_attributes: on("update_attributes"),
        deactivate_users: on("deactivate_users"),
        reactivate_users: on("reactivate_users"),
        update_user_names: org.flag_or("update_user_names", default.update_user_names),
        push_groups: on("push_groups"),
        unlinked_teams: read_unlinked_teams(org),
        extra_members: read_extra_members(org),
        protected: read_protected(org),
        api_key_owner: org.text("api_key_owner").map(|name| NormalName::of(&name)),
        protect_owners: org.flag_or("protect_owners", default.protect_owners),
        safeguard: org.section("safeguard", read_safeguard),
        bulk,
        fresh_ms,
        costs: default.costs,
    }
}

fn read_unlinked_teams(org: &mut Section<'_>) -> UnlinkedTeams {
    match org.text_or("unlinked_teams", "leave").as_str() {
        "leave" => UnlinkedTeams::Leave,
        "delete" => UnlinkedTeams::Delete,
        other => {
            org.problem(
                "unlinked_teams",
                format!("is {other:?}; write \"leave\" or \"delete\""),
            );
            UnlinkedTeams::Leave
        }
    }
}

fn read_extra_members(org: &mut Section<'_>) -> ExtraMembers {
    match org.text_or("extra_members", "report").as_str() {
        "report" => ExtraMembers::Report,
        "remove" => ExtraMembers::Remove,
        other => {
            org.problem(
                "extra_members",
                format!("is {other:?}; write \"report\" or \"remove\""),
            );
            ExtraMembers::Report
        }
    }
}

fn read_protected(org: &mut Section<'_>) -> BTreeSet<NormalName> {
    let names = org.texts("protect").unwrap_or_default();
    if names.iter().any(|name| name.trim().is_empty()) {
        org.problem("protect", "holds an empty name; write the user names of accounts");
    }
    names.iter().map(|name| NormalName::of(name)).collect()
}

/// Names of the settings of one limit.
struct Keys {
    percent: &'static str,
    most: &'static str,
    floor: &'static str,
}

/// Creates the names of a harm's settings at compile time, because sections need static names.
macro_rules! keys {
    ($prefix:literal) => {
        Keys {
            percent: concat!($prefix, "_percent"),
            most: concat!($prefix, "_most"),
            floor: concat!($prefix, "_floor"),
        }
    };
}

fn run_keys(harm: Harm) -> Keys {
    match harm {
        Harm::Deactivate => keys!("deactivate"),
        Harm::DeleteTeam => keys!("delete_team"),
        Harm::TeamLoss => keys!("team_loss"),
        Harm::Rename => keys!("rename"),
        Harm::Overwrite => keys!("overwrite"),
        Harm::PromoteOwner => keys!("promote_owner"),
        Harm::PromoteAdministrator => keys!("promote_administrator"),
        Harm::Reactivate => keys!("reactivate"),
    }
}

fn day_keys(harm: Harm) -> Keys {
    match harm {
        Harm::Deactivate => keys!("deactivate_day"),
        Harm::DeleteTeam => keys!("delete_team_day"),
        Harm::TeamLoss => keys!("team_loss_day"),
        Harm::Rename => keys!("rename_day"),
        Harm::Overwrite => keys!("overwrite_day"),
        Harm::PromoteOwner => keys!("promote_owner_day"),
        Harm::PromoteAdministrator => keys!("promote_administrator_day"),
        Harm::Reactivate => keys!("reactivate_day"),
    }
}

fn read_safeguard(section: &mut Section<'_>) -> Safeguard {
    let mut safeguard = Safeguard::default();
    for harm in Harm::ALL {
        let Some(default) = safeguard.run.get(&harm).copied() else {
            continue;
        };
        let run = run_keys(harm).read(section, default);
        // The limits of a run are the defaults for the limits of a day.
        let day = day_keys(harm).read(section, run);
        safeguard.run.insert(harm, run);
        safeguard.day.insert(harm, day);
    }
    let minutes = section.number_or(
        "approval_minutes",
        safeguard.approval_ms / 60_000,
        1,
        APPROVAL_MINUTES_MAX,
    );
    safeguard.approval_ms = minutes * 60_000;
    safeguard
}

impl Keys {
    fn read(&self, section: &mut Section<'_>, default: Limit) -> Limit {
        let floor_given = section.has(self.floor);
        let mut number = |key, default: u32, max: u32| {
            let number = section.number_or(key, u64::from(default), 0, u64::from(max));
            u32::try_from(number).unwrap_or(default)
        };
        let mut limit = Limit {
            percent: number(self.percent, default.percent, 100),
            most: number(self.most, default.most, u32::MAX),
            floor: number(self.floor, default.floor, u32::MAX),
        };
        if floor_given && limit.floor > limit.most {
            section.problem(
                self.floor,
                format!(
                    "{} is above {} {}, so the floor is never reached; lower it, or raise {}",
                    limit.floor, self.most, limit.most, self.most
                ),
            );
        }
        limit.floor = limit.floor.min(limit.most);
        limit
    }
}
