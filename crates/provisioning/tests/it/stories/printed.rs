//! A plan as a person reads it.

use insta::assert_snapshot;
use provisioning::{AccessLevel, DesiredManager, Frozen, Safeguard, UnlinkedTeams};

use crate::scene::{NOW, Scene};

#[test]
fn a_plan_with_a_bit_of_everything_reads_well() {
    let mut scene = Scene::new();
    scene.policy.unlinked_teams = UnlinkedTeams::Delete;
    scene.policy.protect_owners = true;
    let old: Vec<_> = (0..12).map(|n| scene.person(&format!("old{n}"))).collect();
    let boss = scene.person_with("boss", |person| {
        person.access_level = Some(AccessLevel::AccountOwner)
    });
    let lead = scene.person("lead");
    let everybody = scene.group("Everybody", &old.iter().chain([&boss, &lead]).collect::<Vec<_>>());
    let gone = scene.group("Gone", &[]);
    let quiet = scene.group("Quiet", &[]);
    let moved = scene.group("Moved", &[&old[0]]);
    scene.run();
    scene.person_link(&boss, |link| link.made_owner = false);
    scene.state.set_memberships_as_of(NOW);
    scene.policy.safeguard = Safeguard::default();

    for person in &old[4..12] {
        scene.edit(person, |person| person.active = false);
    }
    scene.edit(&boss, |person| person.active = false);
    scene.edit(&lead, |person| {
        person.access_level = Some(AccessLevel::TeamLeader);
        person.custom.insert("Badge".to_owned(), "7".to_owned());
    });
    let order = Frozen {
        at_ms: NOW,
        by: "ops".to_owned(),
    };
    scene.person_link(&old[1], |link| link.frozen = Some(Box::new(order)));
    scene.edit(&old[2], |person| {
        person.user_name = "old3@corp.example".to_owned()
    });
    scene.edit(&old[3], |person| {
        person.user_name = "old2@corp.example".to_owned()
    });
    scene.membership(&everybody, &old[0], false);
    scene.membership(&moved, &old[0], false);
    scene.edit_group(&everybody, |group| {
        group.description = Some("All of us".to_owned())
    });
    scene.edit_group(&gone, |group| group.deleted = true);
    scene.group_link(&quiet, |link| link.paused = true);
    scene.edit_group(&moved, |group| group.parent = Some("Everybody".to_owned()));
    let newcomer = scene.person_with("newcomer", |person| {
        person.manager = DesiredManager::Reference("chief@corp.example".to_owned());
    });
    scene.person("chief");
    scene.group_under("Sub", "Everybody", &[&newcomer]);
    scene.group_under("Waits", "Nobody knows", &[]);
    assert_snapshot!(scene.plan().to_text(30), @r#"
    plan 86836039bf4f677e4ec0 for acme: 15 operations, 16 calls (Okta's formula: 15)
      cut-off                1 × =      1 calls
      amend-team             1 × =      1 calls
      create-team            1 × =      1 calls
      leave-teams            1 × =      1 calls
      leave-all-teams        1 × =      1 calls
      delete-team            1 × =      1 calls
      create                 2 × =      2 calls
      update                 4 × =      4 calls
      add-members            1 × =      1 calls
      set-custom-fields      1 × =      2 calls
      promote                1 × =      1 calls
    - cut off old1@corp.example, frozen by ops [1 call]
    - describe team Everybody anew [1 call]
    - create team Sub under Everybody [1 call]
    - take old1@corp.example out of all teams [1 call]
    - take old0@corp.example out of all teams at once: Everybody, Moved [1 call]
    - delete team Gone [1 call]
    - create account chief@corp.example [1 call]
    - create account newcomer@corp.example [1 call]
    - rename old2@corp.example to rollcall-A11 for a moment, to swap names [1 call]
    - update lead@corp.example: AccessLevel [1 call]
    - rename old3@corp.example to old2@corp.example [1 call]
    - rename old2@corp.example to old3@corp.example [1 call]
    - add 1 person to team Sub [1 call]
    - set custom fields of lead@corp.example: Badge [2 calls]
    - make lead@corp.example leader of team Everybody [1 call]
    HELD 8 people would lose access: 5 of 14 pass without approval
      - cut off old10@corp.example
      - cut off old11@corp.example
      - cut off old4@corp.example
      - cut off old5@corp.example
      - cut off old6@corp.example
      - cut off old7@corp.example
      - cut off old8@corp.example
      - cut off old9@corp.example
      look at each, then: rollcall approve ca2b9528030cc0234a37
    ! person boss: protected-account "boss@corp.example" is a protected account and is not cut off: it is an Account Owner, and Rollcall did not make it one: If it is meant: change the account in Litmos by hand, or set protect_owners = false.
    ! group Moved: team-parent-differs lies under no team and is wanted under "Everybody": Move the team in Litmos and import again, or name another parent at the source.
    ~ group Quiet: group push is paused for it
    ~ group Waits: its parent "Nobody knows" has no team yet
    "#);
}
