//! Compares Litmos with the roster, using only the loaded file and the simulator's state, not Rollcall's own data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::company::Employee;

/// All differences between Litmos and what the company wants.
pub(super) fn differences(
    company: &[Employee],
    leavers: &[String],
    renamed: &(String, String),
    state: &Value,
) -> Vec<String> {
    let mut differences = Vec::new();
    let users: BTreeMap<&str, &Value> = state["users"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|user| Some((user["user_name"].as_str()?, user)))
        .collect();
    let ids: BTreeMap<&str, &str> = users
        .iter()
        .filter_map(|(name, user)| Some((*name, user["id"].as_str()?)))
        .collect();
    let mut wanted_members: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    for employee in company {
        let name = employee.user_name.as_str();
        let Some(user) = users.get(name) else {
            differences.push(format!("{name} has no account"));
            continue;
        };
        let gone = leavers.iter().any(|leaver| leaver == name);
        let manager = employee
            .manager
            .and_then(|number| ids.get(company[number].user_name.as_str()));
        let attributes = &user["attributes"];
        let mut check = |what: &str, there: &Value, wanted: &str| {
            if there.as_str().unwrap_or_default() != wanted {
                differences.push(format!("{name}: {what} is {there}, wanted {wanted:?}"));
            }
        };
        if !gone {
            check("first name", &user["first_name"], employee.first);
            check("last name", &user["last_name"], employee.last);
            check("e-mail", &user["email"], &employee.email);
            check("access level", &user["access_level"], employee.level);
            check("job title", &attributes["JobTitle"], employee.title);
            if let Some(manager) = manager {
                check("manager", &user["manager_id"], manager);
            }
        }
        if user["active"].as_bool() != Some(!gone) {
            differences.push(format!("{name}: active is {}", user["active"]));
        }
        for group in employee.groups.iter().filter(|_| !gone) {
            let team = if *group == renamed.0 {
                renamed.1.clone()
            } else {
                group.clone()
            };
            for kind in ["members"].into_iter().chain(role_of(employee)) {
                wanted_members
                    .entry((team.clone(), kind))
                    .or_default()
                    .insert(name);
            }
        }
    }
    let names: BTreeMap<&str, &str> = ids.iter().map(|(name, id)| (*id, *name)).collect();
    let mut teams: BTreeMap<&str, &Value> = BTreeMap::new();
    for team in state["teams"].as_array().into_iter().flatten() {
        let name = team["name"].as_str().unwrap_or_default();
        if teams.insert(name, team).is_some() {
            differences.push(format!("there are two teams {name:?}"));
        }
    }
    let groups: BTreeSet<&String> = wanted_members.keys().map(|(team, _)| team).collect();
    let nobody = BTreeSet::new();
    for (team, kind) in groups.into_iter().flat_map(|team| KINDS.map(|kind| (team, kind))) {
        let wanted = wanted_members.get(&(team.clone(), kind)).unwrap_or(&nobody);
        let there: BTreeSet<&str> = teams
            .get(team.as_str())
            .into_iter()
            .flat_map(|team| team[kind].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .map(|id| names.get(id).copied().unwrap_or(id))
            .collect();
        let missing = wanted.difference(&there).count();
        let surplus = there.difference(wanted).count();
        if missing + surplus > 0 {
            differences.push(format!(
                "{kind} of team {team:?}: {missing} missing, {surplus} too many"
            ));
        }
    }
    let surplus = users.len().saturating_sub(company.len() + 1);
    if surplus > 0 {
        differences.push(format!("{surplus} accounts too many"));
    }
    differences
}

/// Lists that the simulator has for each team.
const KINDS: [&str; 3] = ["members", "leaders", "admins"];

/// List of each of their teams that contains people of this access level, besides the members.
fn role_of(employee: &Employee) -> Option<&'static str> {
    match employee.level {
        "Team_Leader" => Some("leaders"),
        "Team_Admin" => Some("admins"),
        _ => None,
    }
}

/// Fewest calls for the initial load, by the capabilities of Litmos: one call per team, and one per role in a team; bulk imports
/// of at most 2,000 rows, each with one request and at least one poll; one page per 1,000 new ids; and a second import with the
/// managers, because a manager must exist before others can refer to them.
pub(super) fn cheapest_calls(company: &[Employee], there_before: usize) -> u64 {
    let teams: BTreeSet<&String> = company.iter().flat_map(|employee| &employee.groups).collect();
    let imports = company.len().div_ceil(2_000) as u64;
    let new = (company.len() - there_before.min(company.len())) as u64;
    let roles: usize = company
        .iter()
        .filter(|employee| role_of(employee).is_some())
        .map(|employee| employee.groups.len())
        .sum();
    (teams.len() + roles) as u64 + 2 * imports + new.div_ceil(1_000) + 2 * imports
}
