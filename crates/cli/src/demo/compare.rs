//! Litmos against the roster, from the file that was loaded and the simulator's own state: our own word counts nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::company::Employee;
use super::members_of;

/// Everything in which Litmos differs from what the company wants.
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
    let mut wanted_members: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
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
            wanted_members.entry(team).or_default().insert(name);
        }
    }
    let names: BTreeMap<&str, &str> = ids.iter().map(|(name, id)| (*id, *name)).collect();
    let mut teams: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for team in state["teams"].as_array().into_iter().flatten() {
        let members = members_of(team).into_iter().map(|id| {
            names
                .get(id.as_str())
                .map_or(id.clone(), |name| (*name).to_owned())
        });
        let name = team["name"].as_str().unwrap_or_default().to_owned();
        if teams.insert(name.clone(), members.collect()).is_some() {
            differences.push(format!("there are two teams {name:?}"));
        }
    }
    for (team, wanted) in &wanted_members {
        let there: BTreeSet<&str> = teams
            .get(team)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let missing = wanted.difference(&there).count();
        let surplus = there.difference(wanted).count();
        if missing + surplus > 0 {
            differences.push(format!("team {team:?}: {missing} missing, {surplus} too many"));
        }
    }
    let surplus = users.len().saturating_sub(company.len() + 1);
    if surplus > 0 {
        differences.push(format!("{surplus} accounts too many"));
    }
    differences
}

/// The cheapest set of calls for the initial load, counted by hand from what Litmos offers: one call for each team,
/// which has no alternative; bulk imports of at most 2,000 rows, each one request and one poll at least; one page for
/// each 1,000 new ids; and a second import with the managers, who must exist before they can be named.
pub(super) fn cheapest_calls(company: &[Employee], there_before: usize) -> u64 {
    let teams: BTreeSet<&String> = company.iter().flat_map(|employee| &employee.groups).collect();
    let imports = company.len().div_ceil(2_000) as u64;
    let new = (company.len() - there_before.min(company.len())) as u64;
    teams.len() as u64 + 2 * imports + new.div_ceil(1_000) + 2 * imports
}
