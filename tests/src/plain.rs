//! The state of Litmos without ids, dates and codes, which differ from run to run. Two runs must agree on the rest.

use std::collections::BTreeMap;

use litmos_simulator::Snapshot;

/// One line per user and team, sorted.
pub fn plain(state: &Snapshot) -> Vec<String> {
    let user_names: BTreeMap<&str, &str> = state
        .users
        .iter()
        .map(|user| (user.id.0.as_str(), user.user_name.as_str()))
        .collect();
    let team_names: BTreeMap<&str, &str> = state
        .teams
        .iter()
        .map(|team| (team.id.0.as_str(), team.name.as_str()))
        .collect();
    let mut lines: Vec<String> = state
        .users
        .iter()
        .map(|user| {
            let mut teams: Vec<&str> = user.teams.iter().filter_map(|id| team_names.get(id.0.as_str()).copied()).collect();
            teams.sort_unstable();
            let manager = user.manager_id.as_ref().and_then(|id| user_names.get(id.0.as_str()));
            // A value that was never set equals a cleared one.
            let attributes: BTreeMap<&String, &String> =
                user.attributes.iter().filter(|(_, value)| !value.is_empty()).collect();
            format!(
                "user {} active={} level={:?} name={} {} email={} manager={manager:?} teams={teams:?} {attributes:?} custom={:?}",
                user.user_name, user.active, user.access_level, user.first_name, user.last_name, user.email, user.custom_fields,
            )
        })
        .collect();
    lines.extend(state.teams.iter().map(|team| {
        let names = |ids: &[litmos_simulator::UserId]| {
            let mut names: Vec<&str> = ids
                .iter()
                .filter_map(|id| user_names.get(id.0.as_str()).copied())
                .collect();
            names.sort_unstable();
            names.join(",")
        };
        let parent = team
            .parent_id
            .as_ref()
            .and_then(|id| team_names.get(id.0.as_str()));
        format!(
            "team {} description={:?} parent={parent:?} members={} leaders={} admins={}",
            team.name,
            team.description,
            names(&team.members),
            names(&team.leaders),
            names(&team.admins)
        )
    }));
    lines.sort();
    lines
}

/// Readable differences between two lists of [`plain`].
pub fn apart(wanted: &[String], there: &[String]) -> Vec<String> {
    let missing = wanted
        .iter()
        .filter(|line| !there.contains(line))
        .map(|line| format!("- {line}"));
    let added = there
        .iter()
        .filter(|line| !wanted.contains(line))
        .map(|line| format!("+ {line}"));
    missing.chain(added).collect()
}
