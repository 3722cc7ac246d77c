//! `rollcall groups`: shows each group and its team, and sends orders about one group.

use bus::{GroupOrder, OperatorRequest, Service};
use clap::{Args, Subcommand};
use provisioning::OrgState;
use serde_json::{Value, json};

use crate::session::CliSession;
use crate::{Ending, Global, parked, plan, print};

/// Most extra members shown for one group.
const EXTRA_MAX: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Groups {
    #[command(subcommand)]
    order: Option<Order>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Send no changes of a group and its members until it is resumed.
    Pause(GroupOptions),
    /// Send the changes made while the group was paused, and continue.
    Resume(GroupOptions),
    /// Make the team equal to the group: remove all other members, within the safeguard.
    Push(GroupOptions),
}

#[derive(Debug, Args)]
struct GroupOptions {
    /// Name or id.
    group: String,
    /// Wait until nothing is left to do.
    #[arg(long)]
    wait: bool,
}

impl Groups {
    pub(crate) async fn run(&self, global: &Global) -> anyhow::Result<Ending> {
        let session = CliSession::open(global).await?;
        match &self.order {
            None => {
                let state = pusher::state(&session.bus, &session.org).await;
                let answer = json!({"org": session.org, "groups": list(&state)});
                print::answer(global.json, &answer, render);
                Ok(Ending::Done)
            }
            Some(Order::Pause(of)) => order(global, &session, of, GroupOrder::Pause).await,
            Some(Order::Resume(of)) => order(global, &session, of, GroupOrder::Resume).await,
            Some(Order::Push(of)) => order(global, &session, of, GroupOrder::Push).await,
        }
    }
}

async fn order(
    global: &Global,
    session: &CliSession,
    of: &GroupOptions,
    does: GroupOrder,
) -> anyhow::Result<Ending> {
    let order = OperatorRequest::Group {
        group: of.group.clone(),
        order: does,
        by: parked::by(),
    };
    let ordered = session.request(Service::Pusher, order).await?;
    if of.wait {
        return plan::report(session, global.json).await;
    }
    print::answer(global.json, &ordered, |_| match does {
        GroupOrder::Pause => format!(
            "nothing more is sent about {}; go on with: rollcall groups resume",
            of.group
        ),
        GroupOrder::Resume => format!("{} is pushed again", of.group),
        GroupOrder::Push => format!(
            "the team of {} is made to hold exactly its members; what the safeguard holds shows in: rollcall plan",
            of.group
        ),
    });
    Ok(Ending::Done)
}

/// All groups that are not deleted, sorted by name.
pub(crate) fn list(state: &OrgState) -> Vec<Value> {
    let mut groups: Vec<_> = state.groups().filter(|group| !group.value.deleted).collect();
    groups.sort_by(|a, b| a.value.name.cmp(&b.value.name));
    let line = |group: &provisioning::Revised<provisioning::Group>| {
        let id = &group.value.id;
        let link = state.group_link(id).map(|link| &link.value);
        let team = link.and_then(|link| link.team.as_ref());
        let wanted: Vec<_> = state
            .wanted_members(id)
            .filter(|(_, present)| *present)
            .filter_map(|(person, _)| state.person(person))
            .filter(|person| person.value.wanted_active())
            .collect();
        let there = team.map_or(0, |team| state.team_members(team).count());
        let met = wanted.iter().filter(|person| {
            let account = state.account_for(&person.value.id);
            team.zip(account)
                .is_some_and(|(team, account)| state.is_team_member(team, account))
        });
        let met = met.count();
        let extra: Vec<&str> = state
            .extra_members(id)
            .map(|account| {
                state
                    .account(account)
                    .map_or(account.as_str(), |account| &account.user_name)
            })
            .collect();
        let parked = link.and_then(|link| link.parked.as_ref());
        json!({
            "group": id, "name": group.value.name, "team": team,
            "team_name": team.and_then(|team| state.team(team)).map(|team| &team.name),
            "push": if link.is_some_and(|link| link.paused) { "paused" } else { "active" },
            "push_now": link.is_some_and(|link| link.overwrite_due),
            "members_wanted": wanted.len(), "members_there": met, "others_there": there - met,
            "extra": extra.len(), "extra_members": extra.iter().take(EXTRA_MAX).collect::<Vec<_>>(),
            "applied_revision": link.map_or(0, |link| link.applied_revision), "revision": group.revision,
            "parked": parked.map(|parked| json!({"code": parked.code, "message": parked.message, "remedy": parked.remedy})),
        })
    };
    groups.into_iter().map(line).collect()
}

pub(crate) fn render(answer: &Value) -> String {
    let groups = print::list(&answer["groups"]);
    if groups.is_empty() {
        return "the roster has no groups".to_owned();
    }
    let line = |group: &Value| {
        let team = match group["team"].as_str() {
            Some(team) => format!("team {team} ({})", print::text(group, "team_name")),
            None => "no team yet".to_owned(),
        };
        let mut line = format!(
            "{:<30} {:<7} {} of {} members there, {} others  {team}  {}",
            print::text(group, "name"),
            print::text(group, "push"),
            print::number(group, "members_there"),
            print::number(group, "members_wanted"),
            print::number(group, "others_there"),
            print::text(group, "group"),
        );
        if print::flag(group, "push_now") {
            line.push_str("  push now is under way");
        }
        let extra = print::number(group, "extra");
        if extra > 0 {
            let more = extra.saturating_sub(print::list(&group["extra_members"]).len() as u64);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            line.push_str(&format!(
                "  in the team and in no source: {}{more}",
                print::names(&group["extra_members"])
            ));
        }
        if group["parked"].is_object() {
            line.push_str(&format!("  parked: {}", print::text(&group["parked"], "message")));
        }
        line
    };
    groups.iter().map(line).collect::<Vec<_>>().join("\n")
}
