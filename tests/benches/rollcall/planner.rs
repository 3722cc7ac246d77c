use std::collections::BTreeSet;
use std::time::Instant;

use provisioning::{
    Account, AccountId, DesiredManager, Field, OrgId, OrgState, Person, PersonId, PersonLink, Policy,
    Profile, Sources, plan,
};

fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kb| kb / 1_024)
}

/// Two hundred thousand linked people, of whom one in a hundred changed.
pub(crate) fn planner() -> anyhow::Result<()> {
    const PEOPLE: usize = 200_000;
    const NOW: u64 = 1_700_000_000_000;
    let mut state = OrgState::new();
    state.set_import_complete(true);
    for n in 0..PEOPLE {
        let (id, account) = (
            PersonId::parse(format!("p{n}"))?,
            AccountId::parse(format!("a{n}"))?,
        );
        let profile: Profile = [
            (Field::FirstName, format!("First{n}")),
            (Field::LastName, format!("Last{n}")),
            (Field::Email, format!("p{n}@corp.example")),
            (Field::JobTitle, format!("Title {}", n % 50)),
            (Field::City, format!("City {}", n % 300)),
            (Field::ExternalEmployeeId, format!("E{n}")),
        ]
        .into_iter()
        .collect();
        state.put_account(Account {
            id: account.clone(),
            user_name: format!("p{n}@corp.example"),
            active: true,
            access_level: None,
            profile: profile.clone(),
            manager: None,
            as_of_ms: NOW,
            whole: true,
            unseen: provisioning::Unseen::NONE,
            rest: provisioning::Rest::default(),
        });
        let mut wanted = profile;
        if n % 100 == 0 {
            wanted.set(Field::JobTitle, "Promoted");
        }
        let person = Person {
            id: id.clone(),
            user_name: format!("p{n}@corp.example"),
            active: true,
            deleted: false,
            access_level: None,
            profile: wanted,
            custom: Default::default(),
            manager: DesiredManager::Leave,
            sources: Sources::new(),
            scim_document: None,
            created_at_ms: NOW,
            changed_at_ms: NOW,
        };
        state.put_person(person, 1);
        state.put_person_link(
            PersonLink {
                account: Some(account),
                ..PersonLink::new(id)
            },
            1,
        );
    }
    let subjects: BTreeSet<_> = state.subjects();
    let started = Instant::now();
    let planned = plan(
        &OrgId::parse("bench")?,
        &state,
        &subjects,
        &Policy::default(),
        NOW,
    );
    println!(
        "{:<44} {:>9.2} s    {} calls for {} people; peak memory {} MB",
        "plan of 200,000 people, 1 % changed",
        started.elapsed().as_secs_f64(),
        planned.calls(),
        planned.people,
        peak_memory_mb().unwrap_or_default()
    );
    Ok(())
}
