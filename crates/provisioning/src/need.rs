//! What one person or one group needs, looked at by itself.

use crate::change::{self, Manager};
use crate::plan::{Draft, WaitReason};
use crate::{
    AccessLevel, Account, AccountId, Attribute, AttributeChange, Field, Group, NormalName, ParkCode, Parked,
    Person, PersonId, Policy, Profile, Revised, Team, TeamId, World, user_name_problem,
};

/// Most characters of a team's name (vendor page on the Teams API).
const TEAM_NAME_MAX: usize = 100;

#[derive(Debug)]
pub(crate) enum PersonNeed {
    Nothing,
    Wait(WaitReason),
    Park(Parked),
    Link(AccountId),
    Read(AccountId),
    Create {
        draft: Draft,
    },
    Update {
        account: AccountId,
        changes: Vec<AttributeChange>,
        fresh: bool,
        bulk: bool,
    },
    CutOff {
        account: AccountId,
        fresh: bool,
    },
    LeaveTeams(AccountId),
}

#[derive(Debug)]
pub(crate) enum GroupNeed {
    Nothing,
    Wait(WaitReason),
    Park(Parked),
    Link(TeamId),
    Create,
    Rename { team: TeamId, from: String },
}

/// The account that is this person's: the linked one, else the one of the same user name that nobody else holds.
pub(crate) fn account_of<'a>(world: &'a World, person: &Person) -> Option<(&'a AccountId, bool)> {
    if let Some(account) = world.linked_account(&person.id) {
        return Some((account, true));
    }
    world
        .account_named(&NormalName::of(&person.user_name))
        .map(|account| (&account.id, false))
}

pub(crate) fn person_need(
    world: &World,
    person: &Revised<Person>,
    policy: &Policy,
    now_ms: u64,
) -> PersonNeed {
    let Revised {
        value: person,
        revision,
    } = person;
    let link = world.person_link(&person.id).map(|link| &link.value);
    if let Some(link) = link {
        if link.intent.is_some() {
            return PersonNeed::Wait(WaitReason::UnderWay);
        }
        if let Some(parked) = link.parked.as_ref().filter(|parked| parked.revision >= *revision) {
            return PersonNeed::Wait(WaitReason::Parked(parked.clone()));
        }
        if link.next_try_ms > now_ms {
            return PersonNeed::Wait(WaitReason::RetryAt {
                at_ms: link.next_try_ms,
                error: link.last_error.clone(),
            });
        }
    }
    let Some((id, tied)) = account_of(world, person) else {
        return newcomer(world, person, *revision, policy, now_ms);
    };
    if !tied && let Some(owner) = world.owner_of(id) {
        return PersonNeed::Park(name_taken(person, owner, *revision, now_ms));
    }
    let Some(account) = world.account(id) else {
        return PersonNeed::Read(id.clone());
    };
    let fresh = is_fresh(account, policy, now_ms);
    if !person.wanted_active() {
        return leaver(
            account,
            link.is_some_and(|link| link.leave_teams_due),
            tied,
            fresh,
            policy,
        );
    }
    let changes = change::changes(world, person, account);
    if changes.is_empty() {
        return if tied {
            PersonNeed::Nothing
        } else {
            PersonNeed::Link(id.clone())
        };
    }
    if let Some(parked) = unacceptable(person, &changes, *revision, now_ms) {
        return PersonNeed::Park(parked);
    }
    let reactivates = changes.iter().any(|change| change.attribute == Attribute::Active);
    if reactivates && !policy.reactivate_users {
        return PersonNeed::Wait(WaitReason::SwitchedOff {
            feature: "reactivate_users",
        });
    }
    if !reactivates && !policy.update_attributes {
        return if tied {
            PersonNeed::Wait(WaitReason::SwitchedOff {
                feature: "update_attributes",
            })
        } else {
            PersonNeed::Link(id.clone())
        };
    }
    let bulk = bulk_can_say(account, &changes);
    PersonNeed::Update {
        account: id.clone(),
        changes,
        fresh,
        bulk,
    }
}

/// Whether the observed record may be written back without reading it again.
pub(crate) fn is_fresh(account: &Account, policy: &Policy, now_ms: u64) -> bool {
    account.whole && now_ms.saturating_sub(account.as_of_ms) <= policy.fresh_ms
}

fn newcomer(world: &World, person: &Person, revision: u64, policy: &Policy, now_ms: u64) -> PersonNeed {
    if !person.wanted_active() {
        return PersonNeed::Nothing;
    }
    if !world.import_complete() {
        return PersonNeed::Wait(WaitReason::FirstImport);
    }
    if !policy.create_users {
        return PersonNeed::Wait(WaitReason::SwitchedOff {
            feature: "create_users",
        });
    }
    match draft(world, person) {
        Ok(draft) => PersonNeed::Create { draft },
        Err((code, attribute, said, remedy)) => {
            PersonNeed::Park(parked(code, attribute, said, remedy, revision, now_ms))
        }
    }
}

fn leaver(account: &Account, leave_teams_due: bool, tied: bool, fresh: bool, policy: &Policy) -> PersonNeed {
    if account.active {
        return if policy.deactivate_users {
            PersonNeed::CutOff {
                account: account.id.clone(),
                fresh,
            }
        } else {
            PersonNeed::Wait(WaitReason::SwitchedOff {
                feature: "deactivate_users",
            })
        };
    }
    match (leave_teams_due, tied) {
        (true, _) => PersonNeed::LeaveTeams(account.id.clone()),
        (false, false) => PersonNeed::Link(account.id.clone()),
        (false, true) => PersonNeed::Nothing,
    }
}

/// The manager whose own account this person's waits for, if there will be one.
pub(crate) fn awaited_manager(world: &World, person: &Person) -> Option<PersonId> {
    match (change::manager_of(world, person), &person.manager) {
        (Manager::Pending, crate::ManagerWish::Reference(reference)) => world.referenced(reference).cloned(),
        _ => None,
    }
}

type Refusal = (ParkCode, &'static str, String, String);

fn draft(world: &World, person: &Person) -> Result<Draft, Refusal> {
    let user_name = person.user_name.trim().to_owned();
    if let Some(problem) = user_name_problem(&user_name) {
        let remedy = "Map the user name to an attribute that Litmos accepts, or change it at the source.";
        return Err((
            ParkCode::UserNameForbidden,
            "UserName",
            problem.to_string(),
            remedy.to_owned(),
        ));
    }
    let mut profile: Profile = person
        .profile
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    if profile.get(Field::Email).is_none() && user_name.contains('@') {
        profile.set(Field::Email, user_name.as_str());
    }
    for field in [Field::FirstName, Field::LastName, Field::Email] {
        if profile.value(field).trim().is_empty() {
            let said = "is empty, and Litmos makes no account without it".to_owned();
            return Err((
                ParkCode::ValueMissing,
                field.wire(),
                said,
                format!("Give {} at the source.", field.wire()),
            ));
        }
    }
    for (field, value) in profile.iter() {
        too_long(field, value)?;
    }
    let manager = match change::manager_of(world, person) {
        Manager::Account(id) => Some(id),
        Manager::Leave | Manager::Clear | Manager::Pending => None,
    };
    Ok(Draft {
        user_name,
        access_level: person.access_level.unwrap_or(AccessLevel::Learner),
        profile,
        manager,
    })
}

fn too_long(field: Field, value: &str) -> Result<(), Refusal> {
    let chars = value.chars().count();
    if field.max_chars() == 0 || chars <= field.max_chars() {
        return Ok(());
    }
    let said = format!("has {chars} characters; Litmos takes {}", field.max_chars());
    Err((
        ParkCode::ValueTooLong,
        field.wire(),
        said,
        format!("Shorten {} at the source.", field.wire()),
    ))
}

fn unacceptable(person: &Person, changes: &[AttributeChange], revision: u64, now_ms: u64) -> Option<Parked> {
    changes.iter().find_map(|change| {
        let refusal = match change.attribute {
            Attribute::UserName => user_name_problem(&change.to).map(|problem| {
                let remedy =
                    "Map the user name to an attribute that Litmos accepts, or change it at the source.";
                (
                    ParkCode::UserNameForbidden,
                    "UserName",
                    problem.to_string(),
                    remedy.to_owned(),
                )
            }),
            Attribute::Profile(Field::LastName | Field::FirstName) if change.to.is_empty() => {
                let said = "is to be emptied, and Litmos keeps no account without it".to_owned();
                let wire = change.attribute.wire();
                Some((
                    ParkCode::ValueMissing,
                    wire,
                    said,
                    format!("Give {wire} at the source."),
                ))
            }
            Attribute::Profile(field) => too_long(field, person.profile.value(field)).err(),
            Attribute::Active | Attribute::AccessLevel | Attribute::Manager => None,
        };
        refusal.map(|(code, attribute, said, remedy)| parked(code, attribute, said, remedy, revision, now_ms))
    })
}

fn name_taken(person: &Person, owner: &PersonId, revision: u64, now_ms: u64) -> Parked {
    parked(
        ParkCode::UserNameTaken,
        "UserName",
        format!(
            "{:?} is the user name of an account that belongs to person {owner}",
            person.user_name
        ),
        "Give one of the two another user name at the source.".to_owned(),
        revision,
        now_ms,
    )
}

fn parked(
    code: ParkCode,
    attribute: &str,
    said: String,
    remedy: String,
    revision: u64,
    at_ms: u64,
) -> Parked {
    Parked {
        code,
        attribute: Some(attribute.to_owned()),
        said,
        remedy,
        revision,
        at_ms,
    }
}

/// Whether bulk import can say these changes of this account without saying more.
///
/// It cannot rename, clear or reach every field, and it turns notification mail on for whom it touches.
fn bulk_can_say(account: &Account, changes: &[AttributeChange]) -> bool {
    bulk_leaves_alone(account)
        && changes.iter().all(|change| match change.attribute {
            Attribute::UserName | Attribute::Active => false,
            Attribute::AccessLevel | Attribute::Manager => !change.to.is_empty(),
            Attribute::Profile(field) => field.bulk().is_some() && !change.to.is_empty(),
        })
}

/// Whether a bulk row that repeats what the account has changes nothing about it.
pub(crate) fn bulk_leaves_alone(account: &Account) -> bool {
    account.active
        && account.profile.value(Field::DisableMessages) != "true"
        && [Field::FirstName, Field::LastName, Field::Email]
            .iter()
            .all(|field| !account.profile.value(*field).is_empty())
}

/// Whether one bulk row says the whole of a new account.
pub(crate) fn bulk_can_create(draft: &Draft) -> bool {
    draft
        .profile
        .iter()
        .all(|(field, value)| field.bulk().is_some() || (field == Field::DisableMessages && value == "false"))
}

pub(crate) fn group_need(world: &World, group: &Revised<Group>, policy: &Policy, now_ms: u64) -> GroupNeed {
    let Revised {
        value: group,
        revision,
    } = group;
    if group.deleted {
        return GroupNeed::Nothing;
    }
    let link = world.group_link(&group.id).map(|link| &link.value);
    if let Some(link) = link {
        if link.intent.is_some() {
            return GroupNeed::Wait(WaitReason::UnderWay);
        }
        if let Some(parked) = link.parked.as_ref().filter(|parked| parked.revision >= *revision) {
            return GroupNeed::Wait(WaitReason::Parked(parked.clone()));
        }
        if link.next_try_ms > now_ms {
            return GroupNeed::Wait(WaitReason::RetryAt {
                at_ms: link.next_try_ms,
                error: link.last_error.clone(),
            });
        }
    }
    if !policy.push_groups {
        return GroupNeed::Wait(WaitReason::SwitchedOff {
            feature: "push_groups",
        });
    }
    if !world.import_complete() {
        return GroupNeed::Wait(WaitReason::FirstImport);
    }
    let name = group.name.trim();
    let team = link
        .and_then(|link| link.team.as_ref())
        .and_then(|id| world.team(id));
    if team.is_some_and(|team| team.name.trim() == name) {
        return GroupNeed::Nothing;
    }
    let chars = name.chars().count();
    if chars == 0 || chars > TEAM_NAME_MAX {
        let said = format!("has {chars} characters; Litmos takes 1 to {TEAM_NAME_MAX} in a team name");
        let remedy = "Rename the group at the source.".to_owned();
        let code = if chars == 0 {
            ParkCode::ValueMissing
        } else {
            ParkCode::ValueTooLong
        };
        return GroupNeed::Park(parked(code, "Name", said, remedy, *revision, now_ms));
    }
    match team {
        Some(team) => GroupNeed::Rename {
            team: team.id.clone(),
            from: team.name.clone(),
        },
        None => unlinked_group(world, group, *revision, now_ms),
    }
}

fn unlinked_group(world: &World, group: &Group, revision: u64, now_ms: u64) -> GroupNeed {
    let name = NormalName::of(&group.name);
    let free: Vec<&Team> = world
        .teams_named(&name)
        .filter(|team| world.owner_of_team(&team.id).is_none())
        .collect();
    let exact: Vec<&&Team> = free
        .iter()
        .filter(|team| team.name.trim() == group.name.trim())
        .collect();
    match (exact.as_slice(), free.as_slice()) {
        ([team], _) => GroupNeed::Link(team.id.clone()),
        ([], [team]) => GroupNeed::Link(team.id.clone()),
        ([], []) => GroupNeed::Create,
        _ => GroupNeed::Park(parked(
            ParkCode::TeamNameAmbiguous,
            "Name",
            format!("{} teams in Litmos are called {:?}", free.len(), group.name),
            "Rename all but one of these teams in Litmos and import again.".to_owned(),
            revision,
            now_ms,
        )),
    }
}

/// The profile and manager that a bulk row for these changes carries: the required fields and what changes.
pub(crate) fn bulk_update_profile(account: &Account, changes: &[AttributeChange]) -> Profile {
    let mut profile: Profile = [Field::FirstName, Field::LastName, Field::Email]
        .into_iter()
        .map(|field| (field, account.profile.value(field)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    for change in changes {
        if let Attribute::Profile(field) = change.attribute {
            profile.set(field, change.to.as_str());
        }
    }
    profile
}

/// Whether the person has, or will have when this plan is done, an active account that can be in a team.
pub(crate) fn can_join(world: &World, person: &Person) -> Option<AccountId> {
    if !person.wanted_active() {
        return None;
    }
    let (id, _) = account_of(world, person)?;
    let account = world.account(id)?;
    account.active.then(|| id.clone())
}
