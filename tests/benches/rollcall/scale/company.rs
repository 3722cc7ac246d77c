//! A company of 200,000, and its twin in Litmos: what each bucket holds of it, the same at every run.

use std::collections::BTreeMap;

use bus::{
    Index, LinksKey, LinksValue, NameToken, ObservedKey, ObservedValue, RosterKey, RosterValue, TeamMember,
};
use provisioning::{
    AccessLevel, Account, AccountId, DesiredManager, Field, Group, GroupId, GroupLink, ImportPhase,
    ImportReport, ImportRun, Membership, NormalName, OrgId, Person, PersonId, PersonLink, Profile, Roles,
    SourceId, SourceMark, Team, TeamId,
};

pub(crate) const PEOPLE: usize = 200_000;
pub(crate) const GROUPS: usize = 500;
pub(crate) const NOW: u64 = 1_700_000_000_000;

/// One in so many people was written by a SCIM client, whose document the gateway keeps; the rest came by file.
const BY_SCIM: usize = 2;

/// Reports of each manager.
const SPAN: usize = 10;

const FIRST: [&str; 16] = [
    "Mira", "Jonas", "Aylin", "Tomás", "Priya", "Wei", "Sofia", "Liam", "Zoë", "Hiroshi", "Fatima", "Noah",
    "Ingrid", "Mateo", "Amara", "Elif",
];
const LAST: [&str; 16] = [
    "Lund",
    "Okafor",
    "Yılmaz",
    "García",
    "Raman",
    "Zhang",
    "Rossi",
    "Murphy",
    "Dubois",
    "Tanaka",
    "Haddad",
    "Novak",
    "Berg",
    "Fernández",
    "Mensah",
    "Schmidt",
];
const CITIES: [&str; 8] = [
    "Copenhagen",
    "Lagos",
    "Istanbul",
    "Madrid",
    "Bengaluru",
    "Shanghai",
    "Milan",
    "Dublin",
];
const COUNTRIES: [&str; 8] = [
    "Denmark", "Nigeria", "Türkiye", "Spain", "India", "China", "Italy", "Ireland",
];
const TITLES: [&str; 8] = [
    "Warehouse Associate",
    "Account Manager",
    "Software Engineer",
    "Nurse",
    "Field Technician",
    "Store Manager",
    "Financial Analyst",
    "Support Specialist",
];

/// Spreads consecutive numbers over all of them, so that ids are in no order.
fn spread(n: usize) -> u64 {
    let mut x = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// As long as the UUIDs that the roster gives.
fn uuid(n: usize) -> String {
    let x = spread(n);
    format!(
        "0193{:04x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        x >> 48,
        (x >> 32) & 0xffff,
        x & 0xfff,
        (x >> 12) & 0xfff,
        n
    )
}

pub(crate) fn person_id(n: usize) -> PersonId {
    PersonId::parse(uuid(n)).expect("a UUID is an id")
}

pub(crate) fn group_id(n: usize) -> GroupId {
    GroupId::parse(uuid(PEOPLE + n)).expect("a UUID is an id")
}

pub(crate) fn account_id(n: usize) -> AccountId {
    let text = format!("{:x}A{n}", spread(n) & 0xffff_ffff);
    AccountId::parse(text).expect("letters and digits are an id")
}

pub(crate) fn team_id(n: usize) -> TeamId {
    TeamId::parse(format!("{:x}T{n}", spread(n) & 0xffff_ffff)).expect("letters and digits are an id")
}

pub(crate) fn groups_of(n: usize) -> [usize; 2] {
    [n % GROUPS, (n * 7 + 3) % GROUPS]
}

fn manager_of(n: usize) -> Option<usize> {
    (n > 0).then(|| (n - 1) / SPAN)
}

fn user_name(n: usize) -> String {
    let plain = |text: &str| -> String {
        text.to_lowercase()
            .chars()
            .filter(char::is_ascii_lowercase)
            .collect()
    };
    let (first, last) = (FIRST[n % FIRST.len()], LAST[n / FIRST.len() % LAST.len()]);
    format!("{}.{}{n}@corp.example", plain(first), plain(last))
}

fn profile(n: usize) -> Vec<(Field, String)> {
    let place = n / 3 % CITIES.len();
    vec![
        (Field::FirstName, FIRST[n % FIRST.len()].to_owned()),
        (Field::LastName, LAST[n / FIRST.len() % LAST.len()].to_owned()),
        (Field::Email, user_name(n)),
        (Field::PhoneWork, format!("+49 30 5550{n:06}")),
        (Field::City, CITIES[place].to_owned()),
        (Field::Country, COUNTRIES[place].to_owned()),
        (Field::JobTitle, TITLES[n / 7 % TITLES.len()].to_owned()),
        (Field::CustomField1, format!("Department {}", n % 120)),
        (Field::CustomField2, format!("CC-{:05}", n % 900)),
        (Field::ExternalEmployeeId, format!("E{n:07}")),
    ]
}

/// The user as Okta writes one.
fn document(n: usize) -> String {
    let profile: BTreeMap<&str, String> = profile(n)
        .into_iter()
        .map(|(field, value)| (field.wire(), value))
        .collect();
    serde_json::json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": user_name(n),
        "externalId": external_id(n),
        "active": true,
        "name": {"givenName": profile["FirstName"], "familyName": profile["LastName"]},
        "displayName": format!("{} {}", profile["FirstName"], profile["LastName"]),
        "title": profile["JobTitle"],
        "emails": [{"primary": true, "value": profile["Email"], "type": "work"}],
        "phoneNumbers": [{"value": profile["PhoneWork"], "type": "work"}],
        "addresses": [{"type": "work", "locality": profile["City"], "country": profile["Country"]}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": profile["ExternalEmployeeId"], "department": profile["CustomField1"],
            "costCenter": profile["CustomField2"], "manager": {"value": manager_of(n).map(user_name)},
        },
    })
    .to_string()
}

fn external_id(n: usize) -> String {
    format!("00u{:010x}{n:07}", spread(n) & 0xff_ffff_ffff)
}

fn source() -> SourceId {
    SourceId::parse("scim").expect("letters are a source id")
}

pub(crate) fn person(n: usize) -> Person {
    let mark = SourceMark {
        external_id: Some(external_id(n)),
        changed_at_ms: NOW,
        ..Default::default()
    };
    Person {
        id: person_id(n),
        user_name: user_name(n),
        active: true,
        deleted: false,
        access_level: Some(AccessLevel::Learner),
        profile: profile(n).into_iter().collect(),
        custom: Default::default(),
        manager: manager_of(n).map_or(DesiredManager::Leave, |manager| {
            DesiredManager::Reference(user_name(manager))
        }),
        sources: [(source(), mark)].into(),
        scim_document: n.is_multiple_of(BY_SCIM).then(|| document(n)),
        created_at_ms: NOW,
        changed_at_ms: NOW,
    }
}

/// The same person after a promotion.
pub(crate) fn promoted(n: usize, round: usize) -> Person {
    let mut person = person(n);
    person
        .profile
        .set(Field::JobTitle, format!("Promoted in round {round}"));
    person.changed_at_ms = NOW + 1 + round as u64;
    person
}

pub(crate) fn account(n: usize) -> Account {
    let mut profile: Profile = profile(n).into_iter().collect();
    profile.set(Field::DisableMessages, "false");
    profile.set(Field::IsCustomUsername, "true");
    profile.set(Field::TimeZone, "UTC");
    profile.set(Field::Culture, "en-US");
    Account {
        id: account_id(n),
        user_name: user_name(n),
        active: true,
        access_level: Some(AccessLevel::Learner),
        profile,
        manager: manager_of(n).map(account_id),
        as_of_ms: NOW,
        whole: true,
        unseen: provisioning::Unseen::NONE,
        rest: provisioning::Rest::default(),
    }
}

pub(crate) fn link(n: usize, revision: u64) -> PersonLink {
    PersonLink {
        account: Some(account_id(n)),
        applied_revision: revision,
        changed_at_ms: NOW,
        ..PersonLink::new(person_id(n))
    }
}

pub(crate) fn group(n: usize) -> Group {
    Group {
        id: group_id(n),
        name: format!("Learning path {n}"),
        description: None,
        parent: None,
        deleted: false,
        sources: [(
            source(),
            SourceMark {
                external_id: Some(format!("00g{n:017}")),
                changed_at_ms: NOW,
                ..SourceMark::default()
            },
        )]
        .into(),
        scim_document: None,
        created_at_ms: NOW,
        changed_at_ms: NOW,
    }
}

pub(crate) fn team(n: usize) -> Team {
    Team {
        id: team_id(n),
        name: format!("Learning path {n}"),
        description: Some(String::new()),
        parent: None,
        bulk_code: format!("lp-{n}"),
        as_of_ms: NOW,
    }
}

pub(crate) fn group_link(n: usize, revision: u64) -> GroupLink {
    GroupLink {
        team: Some(team_id(n)),
        applied_revision: revision,
        changed_at_ms: NOW,
        ..GroupLink::new(group_id(n))
    }
}

pub(crate) fn membership(group: usize, n: usize) -> Membership {
    Membership {
        group: group_id(group),
        person: person_id(n),
        present: true,
        source: source(),
        changed_at_ms: NOW,
        sequence: 0,
    }
}

pub(crate) fn team_member(team: usize, n: usize) -> TeamMember {
    TeamMember {
        team: team_id(team),
        account: account_id(n),
        roles: Roles::NONE,
        as_of_ms: NOW,
    }
}

/// A person as the roster's writer puts it.
pub(crate) fn person_entry(org: &OrgId, n: usize) -> (RosterKey, RosterValue) {
    let person = person(n);
    (
        RosterKey::of_person(org, &person),
        RosterValue::Person(Box::new(person)),
    )
}

pub(crate) fn group_entries(org: &OrgId, n: usize) -> Vec<(RosterKey, RosterValue)> {
    let group = group(n);
    let name = NameToken::of_name(&NormalName::of(&group.name));
    vec![
        (
            RosterKey::GroupName(org.clone(), name),
            RosterValue::Index(Index(group.id.to_string())),
        ),
        (
            RosterKey::Group(org.clone(), group.id.clone()),
            RosterValue::Group(Box::new(group)),
        ),
    ]
}

pub(crate) fn membership_entry(org: &OrgId, group: usize, n: usize) -> (RosterKey, RosterValue) {
    let key = RosterKey::Membership(org.clone(), group_id(group), person_id(n));
    (key, RosterValue::Membership(membership(group, n)))
}

pub(crate) fn account_entry(org: &OrgId, n: usize) -> (ObservedKey, ObservedValue) {
    (
        ObservedKey::Account(org.clone(), account_id(n)),
        ObservedValue::Account(Box::new(account(n))),
    )
}

pub(crate) fn team_entry(org: &OrgId, n: usize) -> (ObservedKey, ObservedValue) {
    (
        ObservedKey::Team(org.clone(), team_id(n)),
        ObservedValue::Team(team(n)),
    )
}

pub(crate) fn team_member_entry(org: &OrgId, team: usize, n: usize) -> (ObservedKey, ObservedValue) {
    let key = ObservedKey::TeamMember(org.clone(), team_id(team), account_id(n));
    (key, ObservedValue::TeamMember(team_member(team, n)))
}

pub(crate) fn import_entry(org: &OrgId) -> (ObservedKey, ObservedValue) {
    let run = ImportRun {
        id: "bench".to_owned(),
        phase: ImportPhase::Complete,
        calls: 1,
        started_at_ms: NOW,
        changed_at_ms: NOW,
        paused: None,
        report: ImportReport::default(),
    };
    (ObservedKey::Import(org.clone()), ObservedValue::Import(run))
}

pub(crate) fn link_entry(org: &OrgId, n: usize, revision: u64) -> (LinksKey, LinksValue) {
    (
        LinksKey::Person(org.clone(), person_id(n)),
        LinksValue::Person(Box::new(link(n, revision))),
    )
}

pub(crate) fn group_link_entry(org: &OrgId, n: usize, revision: u64) -> (LinksKey, LinksValue) {
    (
        LinksKey::Group(org.clone(), group_id(n)),
        LinksValue::Group(Box::new(group_link(n, revision))),
    )
}
