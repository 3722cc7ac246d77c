//! Tests of the identity of people in a file: missing values, ids, rows of one person, similar names.

use super::*;

/// The accepted people and the bad lines.
fn outcome(text: &str) -> (Vec<String>, Vec<BadLine>) {
    let file = read(text.as_bytes()).unwrap();
    (user_names(&file), file.bad)
}

/// Checks that exactly these lines are bad, with a reason that contains the word, and that the other people are accepted.
#[track_caller]
fn refused(text: &str, lines: &[u64], word: &str, taken: &[&str]) {
    let (people, bad) = outcome(text);
    let numbers: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(
        (people.as_slice(), numbers.as_slice()),
        (
            taken
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
                .as_slice(),
            lines,
        ),
        "{text:?}: {bad:#?}"
    );
    assert!(
        bad.iter().all(|bad| bad.reason.contains(word)),
        "{text:?}: {bad:#?}"
    );
}

fn person<'a>(file: &'a RosterFile, name: &str) -> &'a EventBody {
    let is =
        |body: &&EventBody| matches!(body, EventBody::PersonUpserted { user_name, .. } if user_name == name);
    bodies(file).find(is).unwrap()
}

fn groups_of(file: &RosterFile, name: &str) -> Vec<String> {
    match person(file, name) {
        EventBody::PersonUpserted { groups, .. } => groups.clone().unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[test]
fn k2_silence_about_active_leaves_it() {
    for text in [
        "user_name,PhoneWork\nmira@corp.example,123\n",
        "user_name,active\nmira@corp.example,\n",
        "user_name,active\nmira@corp.example,\"  \"\n",
        "user_name;active\nmira@corp.example;\u{a0}\n",
        "{\"user_name\":\"mira@corp.example\"}\n",
        "{\"user_name\":\"mira@corp.example\",\"active\":null}\n",
        "{\"user_name\":\"mira@corp.example\",\"active\":\"\"}\n",
        "[{\"user_name\":\"mira@corp.example\",\"active\":null}]",
    ] {
        let file = read(text.as_bytes()).unwrap();
        assert!(
            matches!(
                person(&file, "mira@corp.example"),
                EventBody::PersonUpserted { active: None, .. }
            ),
            "{text:?}: {file:?}"
        );
    }
}

#[test]
fn k2_people_of_a_complete_list_are_marked() {
    let mut file = read(b"user_name\nmira@corp.example\n#end 1\n").unwrap();
    let marked = |file: &RosterFile| {
        matches!(
            person(file, "mira@corp.example"),
            EventBody::PersonUpserted {
                from_complete_list: true,
                ..
            }
        )
    };
    assert!(!marked(&file));
    file.mark_complete();
    assert!(marked(&file));
}

#[test]
fn k3_an_id_that_a_spreadsheet_shortened_is_a_bad_line_that_says_so() {
    for id in [
        "1E+11",
        "\"1,00E+11\"",
        "1.2e5",
        "1.00E+11",
        "-1.5E-07",
        "1e+22",
        "\"1,2E5\"",
    ] {
        refused(
            &format!("external_id,user_name\n{id},mira@corp.example\nE2,zed@corp.example\n"),
            &[2],
            "shortened",
            &["zed@corp.example"],
        );
        refused(
            &format!("user_name,manager\nmira@corp.example,{id}\nzed@corp.example,\n"),
            &[2],
            "shortened",
            &["zed@corp.example"],
        );
    }
    refused(
        "user_name,ExternalEmployeeId\nmira@corp.example,1E+11\n",
        &[2],
        "ExternalEmployeeId",
        &[],
    );
    refused(
        "{\"user_name\":\"mira@corp.example\",\"external_id\":1.5e11}\n",
        &[1],
        "shortened",
        &[],
    );
    for id in ["100000000000", "12e4", "E11", "1E", "e+1", "7-E+11", "1234e567"] {
        refused(
            &format!("external_id,user_name\n{id},mira@corp.example\n"),
            &[],
            "",
            &["mira@corp.example"],
        );
    }
    let excel: String = (0..26)
        .map(|n| format!("1E+11,p{n:03}@corp.example,P{n},Director\n"))
        .collect();
    let lines: Vec<u64> = (2..28).collect();
    refused(
        &format!("external_id,user_name,FirstName,JobTitle\n{excel}"),
        &lines,
        "external_id: \"1E+11\"",
        &[],
    );
}

#[test]
fn k3_two_logins_under_one_id_are_a_bad_line_each_and_nobody_moves() {
    refused(
        "external_id,user_name\nA1,first@corp.example\nF0,f00@corp.example\nA1,second@corp.example\n",
        &[2, 4],
        "\"A1\"",
        &["f00@corp.example"],
    );
    refused(
        "external_id,user_name\n 007 ,a@corp.example\n007,b@corp.example\n'007,c@corp.example\n",
        &[2, 3, 4],
        "\"007\" stands in line",
        &[],
    );
    refused(
        "{\"external_id\":7,\"user_name\":\"anna\"}\n{\"external_id\":\"7\",\"user_name\":\"berta\"}\n",
        &[1, 2],
        "\"7\"",
        &[],
    );
    let shared: String = (0..2_000).map(|n| format!("0,p{n}@corp.example\n")).collect();
    refused(
        &format!("external_id,user_name\n{shared}"),
        &(2..2_002).collect::<Vec<u64>>(),
        "and 1998 more",
        &[],
    );
}

#[test]
fn k3_one_login_under_two_ids_is_a_bad_line_each_and_nobody_moves() {
    refused(
        "external_id,user_name\nE1,mira@corp.example\nE2,MIRA@corp.example\nE3,zoe@corp.example\n",
        &[2, 3],
        "is the user name of E",
        &["zoe@corp.example"],
    );
    refused(
        "external_id,user_name\nE1,mira@corp.example\nE2,mira@corp.example\u{200b}\n",
        &[2, 3],
        "is the user name of E",
        &[],
    );
    refused(
        "{\"external_id\":\"E1\",\"user_name\":\"mira\"}\n{\"external_id\":\"e1\",\"user_name\":\"mira\"}\n",
        &[1, 2],
        "is the user name of",
        &[],
    );
    // A third row that agrees with one of the two does not decide.
    refused(
        "external_id,user_name\nE1,mira\nE2,mira\nE1,mira\n,mira\n",
        &[2, 3, 4, 5],
        "line",
        &[],
    );
}

#[test]
fn k3_one_person_by_two_ids_and_two_people_by_one_id_at_once() {
    let text = "external_id,user_name\nE1,mira\nE2,mira\nE2,zed\nE3,zoe\n";
    refused(text, &[2, 3, 4], "line", &["zoe"]);
    refused(
        "external_id,user_name\nE2,zed\nE3,zoe\nE2,mira\nE1,mira\n",
        &[2, 4, 5],
        "line",
        &["zoe"],
    );
    refused(
        "external_id,user_name\nE1,a\nE1,b\nE2,b\nE2,a\n",
        &[2, 3, 4, 5],
        "line",
        &[],
    );
}

#[test]
fn k6_rows_of_one_person_are_joined() {
    let mut rows: Vec<String> = Vec::new();
    for n in 0..8 {
        for group in ["Sales", "Ops", "Legal"] {
            rows.push(format!("E{n},p{n}@corp.example,P{n},Example,{group}"));
        }
    }
    let text = format!(
        "external_id,user_name,FirstName,LastName,groups\n{}\n",
        rows.join("\n")
    );
    let file = read(text.as_bytes()).unwrap();
    assert_eq!((file.people.len(), file.bad.len()), (8, 0));
    for n in 0..8 {
        assert_eq!(
            groups_of(&file, &format!("p{n}@corp.example")),
            ["Legal", "Ops", "Sales"]
        );
    }
    // A value in only one row counts, and so do rows with a user name only.
    let file =
        read(b"external_id,user_name,FirstName,active,groups\nE1,mira,,no,A\n,MIRA,Mira,,B;C\n").unwrap();
    assert_eq!(groups_of(&file, "mira"), ["A", "B", "C"]);
    assert_snapshot!(described(&file), @r#"mira active=Some(false) manager=None groups=Some(["A", "B", "C"]) {"FirstName": "Mira"} custom={}"#);
    let file = read(b"{\"user_name\":\"mira\",\"groups\":[\"A\"],\"custom:Region\":\"North\"}\n{\"user_name\":\"mira\",\"groups\":[\"B\"],\"custom_fields\":{\"REGION\":\"North\"}}\n").unwrap();
    assert_eq!(
        (groups_of(&file, "mira"), file.bad.len()),
        (vec!["A".to_owned(), "B".to_owned()], 0)
    );
}

#[test]
fn k6_rows_of_one_person_that_contradict_each_other_are_named_with_both_lines() {
    for (text, message) in [
        (
            "user_name,JobTitle\nmira,Clerk\nmira,Head\n",
            "JobTitle is \"Clerk\" in line 2 and \"Head\" in line 3",
        ),
        (
            "user_name,active\nmira,yes\nzed,\nmira,no\n",
            "active is \"yes\" in line 2 and \"no\" in line 4",
        ),
        (
            "user_name,manager\nmira,a\nmira,b\n",
            "manager is \"a\" in line 2 and \"b\" in line 3",
        ),
        (
            "user_name,access_level\nmira,Learner\nmira,Administrator\n",
            "access_level is",
        ),
        (
            "user_name,custom:Region\nmira,North\nmira,South\n",
            "is \"North\" in line 2 and \"South\" in line 3",
        ),
    ] {
        let (people, bad) = outcome(text);
        assert!(!people.contains(&"mira".to_owned()), "{text:?}");
        assert_eq!(bad.len(), 2, "{text:?}: {bad:?}");
        assert!(
            bad.iter().all(|bad| bad.reason.contains(message)),
            "{text:?}: {bad:#?}"
        );
    }
}

#[test]
fn k6_a_person_with_one_bad_row_does_not_lose_the_groups_of_that_row() {
    refused(
        "external_id,user_name,groups\nE1,mira,Sales\nE1,mira,#REF!\nE2,zed,Ops\n",
        &[2, 3],
        "",
        &["zed"],
    );
    refused(
        "external_id,user_name,groups\nE1,mira,Sales\nE1,mira,Ops,Legal\n",
        &[2, 3],
        "",
        &[],
    );
    let mut file = read(b"user_name,groups\nmira,Ops\nzed,\n").unwrap();
    let bad = add_groups(&mut file, b"group,user_name\nSales,mira\n#REF!,mira\nSales,zed\n").unwrap();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].reason.contains("stay as they are"), "{bad:?}");
    assert!(matches!(
        person(&file, "mira"),
        EventBody::PersonUpserted { groups: None, .. }
    ));
    assert_eq!(groups_of(&file, "zed"), ["Sales"]);
}

#[test]
fn k6_lines_about_one_group_are_joined_or_named() {
    let groups = |text: &str| {
        let mut file = read(b"user_name,groups\nmira,Sales\n").unwrap();
        let bad = add_groups(&mut file, text.as_bytes()).unwrap();
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        (file.groups.len(), lines)
    };
    assert_eq!(
        groups("group,description,parent\nOps,Runs,\nOPS,,EMEA\n"),
        (1, vec![])
    );
    assert_eq!(
        groups("group,description\nOps,Runs\nOps,Walks\nLegal,x\n"),
        (1, vec![2, 3])
    );
    assert_eq!(groups("group,external_id\nOps,G1\nLegal,G1\n"), (0, vec![2, 3]));
    assert_eq!(groups("group,external_id\nOps,G1\nOps,G2\n"), (0, vec![2, 3]));
    assert_eq!(
        groups("group,deleted,description\nOps,yes,\nOps,,x\n"),
        (0, vec![2, 3])
    );
    assert_eq!(groups("group,deleted\nSales,yes\nOps,yes\n"), (1, vec![2]));
}

#[test]
fn k7_logins_that_look_alike_are_one_person_and_the_repair_is_told() {
    let text = "user_name,FirstName,LastName\nmira@corp.example,Mira,Lund\nmira@corp.example\u{200b},Mira,Lund\n\u{feff}mira@corp.example,Mira,Lund\n\u{202a}mira@corp.example\u{202c},Mira,Lund\nmira\u{ad}@corp.example,Mira,Lund\nmira@corp.example\u{2060},Mira,Lund\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(
        (user_names(&file), file.bad.len()),
        (vec!["mira@corp.example".to_owned()], 0)
    );
    assert_eq!(file.notes.len(), 5, "{:?}", file.notes);
    let file =
        read("external_id,user_name\n\u{200b}E\u{ad}1,mi\u{200d}ra\u{a0} lund\nE1,mira lund\n".as_bytes())
            .unwrap();
    assert_eq!(user_names(&file), ["mira lund"]);
    let notes: Vec<String> = file
        .notes
        .iter()
        .map(|note| format!("{}: {}", note.line, note.text))
        .collect();
    assert_eq!(
        notes,
        [
            "2: external_id held invisible characters or extra blanks; it is taken as \"E1\"",
            "2: user_name held invisible characters or extra blanks; it is taken as \"mira lund\"",
        ]
    );
}

#[test]
fn k7_groups_that_look_alike_are_one_group() {
    let text =
        "user_name,groups\nmira@corp.example,\"Sales Team;Sales\u{a0}Team;Sales  Team;Sales Team\u{200b}\"\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(groups_of(&file, "mira@corp.example"), ["Sales Team"]);
    assert_eq!(file.notes.len(), 3, "{:?}", file.notes);
    // A group has one spelling in the whole file, in any order of the rows.
    for text in [
        "user_name,groups\na1,sales\nb1,Sales\nc1,Sales\n",
        "user_name,groups\nc1,Sales\nb1,Sales\na1,sales\n",
    ] {
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(groups_of(&file, "a1"), ["Sales"]);
    }
    let mut file = read(b"user_name,groups\na1,sales\n").unwrap();
    add_groups(
        &mut file,
        "group,user_name,description\nSALES,,x\nSales\u{200b},a1,\n".as_bytes(),
    )
    .unwrap();
    assert_eq!(groups_of(&file, "a1"), ["SALES"]);
}

proptest! {
    #[test]
    fn the_order_of_rows_makes_no_difference(
        mut rows in proptest::collection::vec(
            ("(|E[1-4])", "[a-cA-C]", "(|Clerk|Head)", "(|yes|no|perhaps)", proptest::collection::vec("[g-hG]", 0..3)), 1..8),
        turn in 0usize..8,
    ) {
        let result = |rows: &[(String, String, String, String, Vec<String>)]| {
            let lines: String = rows.iter().map(|(id, name, title, active, groups)| format!("{id},{name},{title},{active},{}\n", groups.join(";"))).collect();
            let file = read(format!("external_id,user_name,JobTitle,active,groups\n{lines}").as_bytes()).unwrap();
            let again = read(format!("external_id,user_name,JobTitle,active,groups\n{lines}").as_bytes()).unwrap();
            assert_eq!(file, again);
            let mut people: Vec<String> = bodies(&file).map(|body| format!("{body:?}")).collect();
            people.sort();
            // The bad rows, without their line numbers.
            let mut bad: Vec<String> = file.bad.iter().map(|bad| format!("{:?}", rows[bad.line as usize - 2])).collect();
            bad.sort();
            (people, bad)
        };
        let before = result(&rows);
        let turn = turn % rows.len();
        rows.rotate_left(turn);
        prop_assert_eq!(&result(&rows), &before);
        rows.reverse();
        prop_assert_eq!(&result(&rows), &before);
    }
}
