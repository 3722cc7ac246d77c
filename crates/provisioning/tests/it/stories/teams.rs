//! Teams under teams, their descriptions, their end, and "push now".

use insta::assert_snapshot;
use provisioning::{Subject, UnlinkedTeams, WaitReason};

use super::{operations, waits};
use crate::scene::Scene;

#[test]
fn teams_are_made_from_the_top_and_each_under_its_parent() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    scene.group_under("Oslo", "Norway", &[&mira]);
    scene.group_under("Norway", "Europe", &[]);
    scene.group("Europe", &[]);
    assert_snapshot!(operations(&scene), @r"
    create team Europe [1]
    create team Norway under Europe [1]
    create team Oslo under Norway [1]
    create account mira@corp.example [1]
    add 1 person to team Oslo [1]
    ");
    scene.run();
    assert_eq!(scene.calls, 5);
    assert_snapshot!(scene.litmos(), @r#"
    mira@corp.example active=true level=Learner manager=- teams={"Oslo"} FirstName=First LastName=mira Email=mira@corp.example
    team Europe under - Some("")
    team Norway under Europe Some("")
    team Oslo under Norway Some("")
    "#);
}

#[test]
fn a_parent_that_is_not_there_yet_is_waited_for() {
    let mut scene = Scene::new();
    scene.group_under("Norway", "europe-id", &[]);
    assert_eq!(operations(&scene), "");
    assert_snapshot!(waits(&scene), @r#"Norway: ParentAwaited { parent: "europe-id" }"#);
    scene.touched.clear();
    let europe = scene.group("Europe", &[]);
    scene.edit_group(&europe, |group| {
        let mark = provisioning::SourceMark {
            external_id: Some("Europe-ID".to_owned()),
            changed_at_ms: 0,
            ..Default::default()
        };
        *group.sources.mark(&provisioning::SourceId::parse("hr").unwrap()) = mark;
    });
    let touched = scene.plan_for(&scene.touched);
    assert_eq!(touched.calls(), 2, "{}", touched.to_text(9));
}

#[test]
fn groups_that_lie_under_themselves_are_parked_until_the_circle_is_broken() {
    let mut scene = Scene::new();
    scene.group_under("a", "b", &[]);
    scene.group_under("b", "c", &[]);
    let c = scene.group_under("c", "a", &[]);
    scene.group_under("leads in", "c", &[]);
    assert_snapshot!(operations(&scene), @r#"
    ! parent-circle: "a" lies under itself, going up from parent to parent
    ! parent-circle: "b" lies under itself, going up from parent to parent
    ! parent-circle: "c" lies under itself, going up from parent to parent
    "#);
    scene.run();
    assert_snapshot!(waits(&scene), @r#"
    a is parked: parent-circle
    b is parked: parent-circle
    c is parked: parent-circle
    leads-in: ParentAwaited { parent: "c" }
    "#);
    scene.edit_group(&c, |group| group.parent = None);
    assert_snapshot!(operations(&scene), @r"
    create team c [1]
    create team b under c [1]
    create team a under b [1]
    create team leads in under c [1]
    ");
}

#[test]
fn a_team_under_another_parent_is_parked_and_its_members_go_on() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let sales = scene.group_under("Sales", "Europe", &[]);
    scene.group("Europe", &[]);
    let asia = scene.group("Asia", &[]);
    scene.run();
    scene.edit_group(&sales, |group| group.parent = Some("Asia".to_owned()));
    scene.membership(&sales, &mira, true);
    assert_snapshot!(operations(&scene), @r#"
    add 1 person to team Sales [1]
    ! team-parent-differs: lies under team "Europe" and is wanted under "Asia"
    "#);
    scene.run();
    assert_snapshot!(waits(&scene), @"Sales is parked: team-parent-differs");
    // Somebody moves it in Litmos.
    let (team, parent) = (scene.team_of(&sales), scene.team_of(&asia));
    scene.edit_team(&team, |team| team.parent = Some(parent));
    assert_snapshot!(operations(&scene), @"group Sales is no longer parked [0]");
    scene.run();
    assert_eq!(waits(&scene), "");
}

#[test]
fn among_teams_of_one_name_the_one_under_the_right_parent_is_linked() {
    let mut scene = Scene::new();
    let europe = scene.team("Europe");
    let asia = scene.team("Asia");
    scene.team_with("Sales", |team| team.parent = Some(asia));
    scene.team_with("Sales", |team| team.parent = Some(europe));
    scene.group("Europe", &[]);
    let sales = scene.group_under("Sales", "Europe", &[]);
    assert_snapshot!(operations(&scene), @r"
    link group Europe to team T1 [0]
    link group Sales to team T4 [0]
    ");
    scene.run();
    assert_eq!(scene.team_of(&sales).as_str(), "T4");
}

#[test]
fn a_namesake_under_another_parent_is_another_team() {
    let mut scene = Scene::new();
    let asia = scene.team("Asia");
    scene.team_with("Sales", |team| team.parent = Some(asia));
    scene.group("Europe", &[]);
    scene.group_under("Sales", "Europe", &[]);
    assert_snapshot!(operations(&scene), @r"
    create team Europe [1]
    create team Sales under Europe [1]
    ");
}

#[test]
fn two_groups_of_one_name_never_link_one_team() {
    let mut scene = Scene::new();
    scene.team("Sales");
    let first = scene.group("one", &[]);
    let second = scene.group("two", &[]);
    scene.rename_group(&first, "sales");
    scene.rename_group(&second, "Sales");
    assert_snapshot!(operations(&scene), @r"
    create team sales [1]
    link group Sales to team T1 [0]
    ");
}

#[test]
fn a_description_is_written_where_it_differs_and_read_where_it_is_not_known() {
    let mut scene = Scene::new();
    let sales = scene.group("Sales", &[]);
    scene.edit_group(&sales, |group| group.description = Some("Who sells".to_owned()));
    assert_snapshot!(operations(&scene), @"create team Sales [1]");
    scene.run();
    assert!(scene.litmos().contains("team Sales under - Some(\"Who sells\")"));
    scene.edit_group(&sales, |group| group.description = Some(String::new()));
    assert_snapshot!(operations(&scene), @"clear the description of team Sales [1]");

    let team = scene.team_of(&sales);
    scene.edit_team(&team, |team| team.description = None);
    scene.edit_group(&sales, |group| {
        group.description = Some("Who sells more".to_owned())
    });
    assert_snapshot!(operations(&scene), @"describe team Sales anew [2]");
    scene.run();
    assert!(scene.plan().is_empty());
}

#[test]
fn a_renamed_team_keeps_the_description_that_nobody_had_read() {
    let mut scene = Scene::new();
    let sales = scene.group("Sales", &[]);
    scene.run();
    let team = scene.team_of(&sales);
    scene.edit_team(&team, |team| team.description = None);
    scene.rename_group(&sales, "Field Sales");
    assert_snapshot!(operations(&scene), @"rename team Sales to Field Sales [2]");
    scene.run();
    assert!(
        scene
            .litmos()
            .contains("team Field Sales under - Some(\"by hand\")")
    );
}

#[test]
fn a_deleted_group_lets_its_team_go() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let sales = scene.group("Sales", &[&mira]);
    scene.run();
    scene.edit_group(&sales, |group| group.deleted = true);
    assert_snapshot!(operations(&scene), @"let team T1 of group Sales go unmanaged [0]");
    scene.run();
    assert!(
        scene.litmos().contains("teams={\"Sales\"}"),
        "the team stays as it is"
    );
    assert!(scene.state.group_link(&sales).unwrap().value.team.is_none());
    scene.edit_group(&sales, |group| group.deleted = false);
    assert_snapshot!(operations(&scene), @"link group Sales to team T1 [0]");
}

#[test]
fn teams_that_are_to_be_deleted_go_lowest_first() {
    let mut scene = Scene::new();
    scene.policy.unlinked_teams = UnlinkedTeams::Delete;
    let europe = scene.group("Europe", &[]);
    let norway = scene.group_under("Norway", "Europe", &[]);
    scene.run();
    for group in [&europe, &norway] {
        scene.edit_group(group, |group| group.deleted = true);
    }
    assert_snapshot!(operations(&scene), @r"
    delete team Norway [1]
    delete team Europe [1]
    ");
    scene.run();
    assert_eq!(scene.litmos(), "");
}

#[test]
fn a_team_with_teams_under_it_that_stay_is_not_deleted() {
    let mut scene = Scene::new();
    scene.policy.unlinked_teams = UnlinkedTeams::Delete;
    let europe = scene.group("Europe", &[]);
    scene.run();
    let team = scene.team_of(&europe);
    scene.team_with("by hand", |sub| sub.parent = Some(team));
    scene.edit_group(&europe, |group| group.deleted = true);
    assert_snapshot!(operations(&scene), @"let team T1 of group Europe go unmanaged: a team lies under it [0]");
}

#[test]
fn a_deletion_that_is_held_holds_the_one_above_it() {
    let mut scene = Scene::new();
    scene.policy.unlinked_teams = UnlinkedTeams::Delete;
    scene.policy.safeguard = provisioning::Safeguard::default();
    let europe = scene.group("Europe", &[]);
    let cities: Vec<_> = (0..4)
        .map(|n| scene.group_under(&format!("City {n}"), "Europe", &[]))
        .collect();
    scene.run();
    for group in &cities {
        scene.edit_group(group, |group| group.deleted = true);
    }
    // An hour earlier, so it passes by itself; what it rests on does not.
    scene.edit_group(&europe, |group| {
        group.deleted = true;
        group.changed_at_ms -= 3_600_000;
    });
    let plan = scene.plan();
    assert!(plan.is_empty(), "{}", plan.to_text(9));
    assert_eq!(plan.held[0].items.len(), 4);
    assert_eq!(plan.waiting.len(), 5);
}

#[test]
fn a_paused_group_sends_nothing_but_leavers_leave_its_team() {
    let mut scene = Scene::new();
    let (mira, zoe) = (scene.person("mira"), scene.person("zoe"));
    let sales = scene.group("Sales", &[&mira, &zoe]);
    scene.run();
    scene.group_link(&sales, |link| link.paused = true);
    scene.rename_group(&sales, "Field Sales");
    scene.membership(&sales, &mira, false);
    assert_eq!(operations(&scene), "");
    assert_snapshot!(waits(&scene), @"Sales: Paused");
    scene.edit(&zoe, |person| person.active = false);
    assert_snapshot!(operations(&scene), @r"
    cut off zoe@corp.example [1]
    take zoe@corp.example out of all teams [1]
    ");
    scene.run();
    scene.group_link(&sales, |link| link.paused = false);
    assert_snapshot!(operations(&scene), @r"
    rename team Sales to Field Sales [1]
    take mira@corp.example out of team Field Sales [1]
    ");
}

#[test]
fn push_now_takes_out_whoever_the_group_does_not_want_and_ends() {
    let mut scene = Scene::new();
    let (mira, zoe) = (scene.person("mira"), scene.person("zoe"));
    let sales = scene.group("Sales", &[&mira]);
    scene.run();
    let team = scene.team_of(&sales);
    let stranger = scene.account("stranger");
    let of_zoe = scene.state.linked_account(&zoe).cloned().unwrap();
    scene.join(&team, &stranger);
    scene.join(&team, &of_zoe);
    assert_eq!(operations(&scene), "", "drift that nobody asked about stays");
    scene.group_link(&sales, |link| link.overwrite_due = true);
    assert_snapshot!(operations(&scene), @r"
    take zoe@corp.example out of team Sales [1]
    take stranger@corp.example out of team Sales [1]
    ");
    scene.calls = 0;
    scene.run();
    assert_eq!(scene.calls, 2);
    assert!(!scene.state.group_link(&sales).unwrap().value.overwrite_due);
    assert!(
        scene
            .litmos()
            .contains("mira@corp.example active=true level=Learner manager=- teams={\"Sales\"}")
    );
}

#[test]
fn push_now_is_held_where_it_would_take_too_many() {
    let mut scene = Scene::new();
    scene.policy.safeguard = provisioning::Safeguard::default();
    let sales = scene.group("Sales", &[]);
    scene.run();
    let team = scene.team_of(&sales);
    for n in 0..30 {
        let stranger = scene.account(&format!("stranger{n}"));
        scene.join(&team, &stranger);
    }
    scene.group_link(&sales, |link| link.overwrite_due = true);
    let plan = scene.plan();
    assert!(plan.is_empty(), "nor does it end: {}", plan.to_text(9));
    assert!(matches!(plan.waiting[0].1, WaitReason::Held { .. }));
}

#[test]
fn push_now_waits_for_somebody_about_to_leave_and_hears_when_they_stay() {
    let mut scene = Scene::new();
    let zoe = scene.person("zoe");
    let sales = scene.group("Sales", &[]);
    scene.run();
    let team = scene.team_of(&sales);
    let account = scene.state.linked_account(&zoe).cloned().unwrap();
    scene.join(&team, &account);
    scene.group_link(&sales, |link| link.overwrite_due = true);
    scene.edit(&zoe, |person| person.active = false);
    scene.person_link(&zoe, |link| {
        link.next_try_ms = u64::MAX;
        link.changed_at_ms = u64::MAX;
    });
    assert_eq!(operations(&scene), "");
    scene.touched.clear();
    scene.edit(&zoe, |person| person.active = true);
    let plan = scene.plan_for(&scene.touched);
    assert_eq!(
        plan.operations[0].label,
        "take zoe@corp.example out of team Sales"
    );
}

#[test]
fn who_is_looked_at_alone_waits_all_the_same_for_somebody_who_is_just_being_made() {
    let mut scene = Scene::new();
    let mira = scene.person("mira");
    let sales = scene.group("Sales", &[]);
    scene.run();
    let noor = scene.person("noor");
    for person in [&mira, &noor] {
        scene.membership(&sales, person, true);
    }
    let alone = [Subject::Person(mira)].into();
    let busy = Subject::Person(noor);
    scene.state.hold([busy.clone()]);
    assert_eq!(
        scene.plan_for(&alone).to_text(9),
        scene.plan_for(&[].into()).to_text(9)
    );
    let touched = scene.state.release(&[busy]);
    assert!(
        touched.contains(&Subject::Group(sales)),
        "the group is looked at once more: {touched:?}"
    );
    assert_eq!(
        scene.plan_for(&alone).operations[0].label,
        "add 1 person to team Sales"
    );
}
