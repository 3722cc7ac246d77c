use std::collections::BTreeMap;

use insta::assert_snapshot;
use proptest::prelude::*;
use provisioning::{DesiredManager, NormalName, Person, PersonId, Profile, SourceId, SourceMark};

use super::*;

mod cases;
mod spreadsheets;

fn bodies(file: &RosterFile) -> impl Iterator<Item = &EventBody> {
    file.groups.iter().chain(&file.people).map(|entry| &entry.body)
}

fn check(text: &str) -> String {
    match read(text.as_bytes()) {
        Err(error) => format!("error: {error}"),
        Ok(file) => described(&file),
    }
}

fn described(file: &RosterFile) -> String {
    let line = |body: &EventBody| match body {
        EventBody::PersonUpserted {
            user_name,
            active,
            manager,
            groups,
            attributes,
            custom_fields,
            ..
        } => format!(
            "{user_name} active={active:?} manager={manager:?} groups={groups:?} {attributes:?} custom={custom_fields:?}"
        ),
        EventBody::GroupUpserted {
            external_id,
            name,
            description,
            parent,
        } => format!("group {name} ({external_id}) description={description:?} parent={parent:?}"),
        EventBody::GroupDeleted { group } => format!("group {group} deleted"),
        EventBody::PersonDeleted { .. }
        | EventBody::PersonLeft { .. }
        | EventBody::MembershipChanged { .. } => "?".to_owned(),
    };
    let bodies = bodies(file).map(line);
    let bad = file
        .bad
        .iter()
        .map(|bad| format!("line {}: {}", bad.line, bad.reason));
    bodies.chain(bad).collect::<Vec<_>>().join("\n")
}

fn user_names(file: &RosterFile) -> Vec<String> {
    let name = |body: &EventBody| match body {
        EventBody::PersonUpserted { user_name, .. } => Some(user_name.clone()),
        _ => None,
    };
    bodies(file).filter_map(name).collect()
}

#[test]
fn columns_are_found_by_name_and_bad_lines_do_not_stop_the_rest() {
    assert_snapshot!(check("User Name,FirstName,groups,active\nmira@corp.example,Mira,Sales; Ops,true\n,Nobody,,\na,b\nzed@corp.example,Zed,,perhaps\n"), @r#"
    mira@corp.example active=Some(true) manager=None groups=Some(["Ops", "Sales"]) {"FirstName": "Mira"} custom={}
    line 3: user_name is empty; everybody needs one
    line 4: it has 2 columns and the header has 4; put a value that holds ',' in double quotation marks
    line 5: active is "perhaps"; write yes or no
    "#);
}

#[test]
fn json_lines_are_read_too() {
    assert_snapshot!(check("{\"user_name\":\"mira\",\"groups\":[\"Sales\"],\"manager\":null}\n{\"user_name\":7}\n[]\n{\"shoe\":1}\n"), @r#"
    mira active=None manager=Some("") groups=Some(["Sales"]) {} custom={}
    7 active=None manager=None groups=None {} custom={}
    line 3: it is no JSON object
    line 4: "shoe" means nothing here; use Litmos field names, and custom_fields for advanced custom fields
    "#);
}

#[test]
fn a_file_that_is_no_roster_is_said_to_be_none() {
    assert_snapshot!(check(""), @"error: the file is empty");
    assert_snapshot!(check("name,mail\nx,y\n"), @r#"error: the header has no column "user_name"; it has: name, mail"#);
    let utf16: Vec<u8> = "user_name\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .chain([0xff, 0xd8])
        .collect();
    assert!(matches!(read(&utf16), Err(FileError::Foreign { .. })));
    assert!(matches!(
        read(b"user_name\nJos\xe9\n"),
        Err(FileError::Encoding { at: 13 })
    ));
}

#[test]
fn a_second_file_gives_people_their_groups_and_names_who_is_unknown() {
    let mut roster = read(b"user_name,groups\nmira,Ops\nzed,\n").unwrap();
    let bad = add_groups(
        &mut roster,
        b"group,user_name\nSales,MIRA\nSales,nobody\nOps,mira\n,zed\n",
    )
    .unwrap();
    let groups: Vec<_> = roster
        .people
        .iter()
        .map(|person| match &person.body {
            EventBody::PersonUpserted { groups, .. } => groups.clone().unwrap_or_default(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(groups, [vec!["Ops".to_owned(), "Sales".to_owned()], Vec::new()]);
    let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [3, 5]);
    assert!(add_groups(&mut roster, b"team,user_name\n").is_err());
}

#[test]
fn custom_fields_are_columns_of_their_own_and_an_object_in_json_lines() {
    assert_snapshot!(check("user_name,custom:Region, Custom : Badge no \nmira,North,7\nzed,,\n"), @r#"
    mira active=None manager=None groups=None {} custom={"Badge no": "7", "Region": "North"}
    zed active=None manager=None groups=None {} custom={"Badge no": "", "Region": ""}
    "#);
    assert_snapshot!(check("{\"user_name\":\"mira\",\"custom_fields\":{\"Region\":\"North\",\"Badge\":7,\"Note\":null},\"custom:Site\":\"Oslo\"}\n\
        {\"user_name\":\"a\",\"custom_fields\":[\"Region\"]}\n\
        {\"user_name\":\"b\",\"custom_fields\":{\"Region\":[1]}}\n\
        {\"user_name\":\"c\",\"custom_fields\":{\" \":\"x\"}}\n"), @r#"
    mira active=None manager=None groups=None {} custom={"Badge": "7", "Note": "", "Region": "North", "Site": "Oslo"}
    line 2: custom_fields is no object; write the names and values as in {"Region": "North"}
    line 3: custom_fields, "Region", holds a list or an object; write a text
    line 4: custom_fields has a field without a name; write the one Litmos shows
    "#);
    assert_snapshot!(check("user_name,custom:\nmira,x\n"), @"error: the header names columns that mean nothing here: custom:; use user_name, external_id, active, access_level, manager, groups, custom:NAME or Litmos field names");
    assert_snapshot!(check("user_name,custom:Region,custom:REGION\nmira,x,y\n"), @"error: the header names custom:REGION twice; keep one of the columns");
    assert_snapshot!(check("user_name,FirstName,first_name\nmira,x,y\n"), @"error: the header names first_name twice; keep one of the columns");
}

#[test]
fn groups_are_lines_of_their_own() {
    assert_snapshot!(check("{\"group\":\"Sales\",\"external_id\":\"G1\",\"description\":\"Sells\",\"parent\":\"EMEA\"}\n\
        {\"group\":\"EMEA\",\"description\":null}\n\
        {\"group\":\"Old\",\"deleted\":true}\n\
        {\"user_name\":\"mira\",\"groups\":[\"Sales\"]}\n\
        {\"group\":\" \"}\n\
        {\"group\":\"X\",\"deleted\":\"perhaps\"}\n\
        {\"group\":\"X\",\"user_name\":\"mira\"}\n"), @r#"
    group Sales (G1) description=Some("Sells") parent=Some("EMEA")
    group EMEA () description=Some("") parent=None
    group Old deleted
    mira active=None manager=None groups=Some(["Sales"]) {} custom={}
    line 5: group is empty; write the name of the group
    line 6: deleted is "perhaps"; write yes or no
    line 7: "user_name" means nothing in a line about a group; use group, external_id, description, parent, deleted
    "#);
    let mut roster = read(b"user_name\nmira\n").unwrap();
    roster.bad = add_groups(
        &mut roster,
        b"group,user_name,external_id,description,parent,deleted\nSales,mira,,,,\nSales,,G1,\"Sells, mostly\",EMEA,\nOld,,,,,yes\nSales,mira,,x,,\n,,x,,,\n",
    )
    .unwrap();
    assert_snapshot!(described(&roster), @r#"
    group Sales (G1) description=Some("Sells, mostly") parent=Some("EMEA")
    group Old deleted
    mira active=None manager=None groups=None {} custom={}
    line 5: description is about the group and user_name about somebody in it; write them on lines of their own; all memberships of this person stay as they are until then
    line 6: group is empty; write the name of the group
    "#);
    let mut roster = read(b"user_name\nmira\n").unwrap();
    assert_eq!(
        add_groups(&mut roster, b"group,parent\nSales,EMEA\n").unwrap(),
        []
    );
    assert_eq!(roster.groups.len(), 1);
    assert!(add_groups(&mut roster, b"group\nSales\n").is_err());
}

#[test]
fn the_end_line_is_no_person_and_must_be_true_and_last() {
    for text in [
        "user_name\nmira\n#end 1\n",
        "user_name,City\nmira,Oslo\n#end,1\n",
        "user_name,City\nmira,Oslo\n#end 1,\n",
        "{\"user_name\":\"mira\"}\n{\"end\": 1}\n",
    ] {
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(
            (user_names(&file), &file.bad),
            (vec!["mira".to_owned()], &Vec::new()),
            "{text}"
        );
    }
    assert_snapshot!(check("user_name\nmira\n#end 2\n"), @r#"
    mira active=None manager=None groups=None {} custom={}
    line 3: it says that there are 2 people, but 1 were read; export the file again
    "#);
    assert_snapshot!(check("user_name\nmira\n#end 1\nzed\n#en\n"), @r#"
    mira active=None manager=None groups=None {} custom={}
    zed active=None manager=None groups=None {} custom={}
    line 3: a line that begins with # is no person; only the last line may, to say the number of people as in #end 12
    line 5: a line that begins with # is no person; only the last line may, to say the number of people as in #end 12
    "#);
    assert_snapshot!(check("{\"end\": 1}\n{\"user_name\":\"mira\"}\n"), @r#"
    mira active=None manager=None groups=None {} custom={}
    line 1: end stands alone in the last line, with the number of people: {"end": 12}
    "#);
}

#[test]
fn why_nothing_is_concluded_is_said() {
    let message = |text: &str, announced| match read(text.as_bytes()).unwrap().complete(announced) {
        Ok(_) => "whole".to_owned(),
        Err(incomplete) => incomplete.to_string(),
    };
    let whole = "user_name\nmira\n";
    assert_eq!(message(whole, Some(1)), "whole");
    assert_eq!(message("user_name\nmira\n#end 1\n", None), "whole");
    assert_eq!(message("user_name\nmira\n#end 1\n", Some(1)), "whole");
    assert_snapshot!(message(whole, None), @r#"it does not say that it is whole, and a file cut between two lines looks the same; end it with the line #end N ({"end": N} in JSON lines), or give --people N, where N is how many people its source exported"#);
    assert_snapshot!(message(whole, Some(2)), @"2 people were announced and 1 were read; export it again");
    assert_snapshot!(message("user_name\nmira\n#end 1\n", Some(2)), @"2 people were announced and 1 were read; export it again");
    assert_snapshot!(message("user_name\nmira", Some(1)), @"its last line does not end with a line break, so it may be cut; export it again");
    assert_snapshot!(message("user_name\n", Some(0)), @"it contains no people, and an empty file cuts nobody off");
    assert_snapshot!(message("user_name,City\nmira,\"Os\n", Some(1)), @"a quotation mark is left open, so it may be cut; inside a value write it twice, and the value in quotation marks");
    assert_eq!(message("user_name\nmira\n,,\nzed\n#end 2\n", None), "whole");
    assert_snapshot!(message("user_name\nmira\n,x,\nzed\n#end 2\n", None), @"1 of its lines could not be used, first line 3: it has 3 columns and the header has 1; put a value that holds ',' in double quotation marks; correct them at the source");
}

fn known(user_name: &str, source: &str, external_id: Option<&str>, active: bool) -> Person {
    let mark = SourceMark {
        external_id: external_id.map(str::to_owned),
        changed_at_ms: 1,
        ..Default::default()
    };
    Person {
        id: PersonId::parse("p").unwrap(),
        user_name: user_name.to_owned(),
        active,
        deleted: false,
        access_level: None,
        profile: Profile::default(),
        custom: Default::default(),
        manager: DesiredManager::Leave,
        sources: BTreeMap::from([(SourceId::parse(source).unwrap(), mark)]).into(),
        scim_document: None,
        created_at_ms: 1,
        changed_at_ms: 1,
    }
}

#[test]
fn absent_is_who_has_access_through_this_source_and_is_in_the_file_by_no_name() {
    let file =
        read(b"external_id,user_name,active\nE1,renamed,\n,BY-NAME,\n,not-active,no\n#end 3\n").unwrap();
    let people = [
        known("old-name", "hr", Some("E1"), true),
        known("by-name", "hr", Some("E7"), true),
        known("not-active", "hr", None, true),
        known("gone", "hr", Some("E9"), true),
        known("gone-too", "hr", None, true),
        known("left-before", "hr", Some("E8"), false),
        known("of-another", "okta", Some("E9"), true),
    ];
    let absences = file
        .complete(None)
        .unwrap()
        .absences(&people, &SourceId::parse("hr").unwrap());
    let known_as: Vec<&str> = absences
        .absent
        .iter()
        .map(|absence| absence.known_as.as_str())
        .collect();
    assert_eq!((known_as, absences.of), (vec!["E9", "gone-too"], 5));
}

#[test]
fn more_than_a_fifth_needs_consent() {
    let absences = |absent: usize, of| Absences {
        of,
        absent: vec![
            Absence {
                user_name: "x".to_owned(),
                known_as: "x".to_owned()
            };
            absent
        ],
    };
    for (absent, of, asks) in [
        (0, 0, false),
        (1, 5, false),
        (2, 5, true),
        (1, 4, true),
        (200, 1_000, false),
        (201, 1_000, true),
    ] {
        assert_eq!(absences(absent, of).need_consent(), asks, "{absent} of {of}");
    }
}

/// Number of absences that a cut file shows. All people of the whole file are in the roster, so each absence is caused by the cut.
fn absences_of_a_cut(whole: &[u8], cut: usize, announced: Option<usize>) -> usize {
    let people: Vec<Person> = user_names(&read(whole).unwrap())
        .iter()
        .map(|name| known(name, "hr", None, true))
        .collect();
    let proof = read(&whole[..cut])
        .ok()
        .and_then(|file| file.complete(announced).ok());
    proof.map_or(0, |proof| {
        proof
            .absences(&people, &SourceId::parse("hr").unwrap())
            .absent
            .len()
    })
}

#[test]
fn no_cut_of_a_file_makes_anybody_absent() {
    let files = [
        "user_name\nanna\nbo\nbob\nåse\n",
        "user_name,City\r\nanna,\"Os\nlo\"\r\nbo,\r\nbob,\"a \"\"b\"\"\"\r\n",
        "City,user_name\n\"x\n\",\"anna\"\ny,\"bo\"\n",
        "City,user_name\nx,anna\ny,\"bo\nb\"\n",
        "\u{feff}{\"user_name\":\"anna\"}\n{\"user_name\":\"bo\"}\n{\"group\":\"Sales\"}\n",
    ];
    for body in files {
        let people = read(body.as_bytes()).unwrap().people.len();
        let end = if body.contains('{') {
            format!("{{\"end\": {people}}}\n")
        } else {
            format!("#end {people}\n")
        };
        for (whole, announced) in [
            (format!("{body}{end}"), None),
            (body.to_owned(), Some(people)),
            (body.to_owned(), None),
        ] {
            let whole = whole.as_bytes();
            for cut in 0..=whole.len() {
                assert_eq!(
                    absences_of_a_cut(whole, cut, announced),
                    0,
                    "{body:?} cut at byte {cut}, {announced:?}"
                );
            }
            let proven = read(whole).unwrap().complete(announced).is_ok();
            assert_eq!(
                proven,
                whole.ends_with(end.as_bytes()) || announced.is_some(),
                "{body:?}"
            );
        }
    }
}

#[test]
fn the_same_person_again_and_a_line_without_an_id_are_no_contradiction() {
    for again in ["E1,MIRA@corp.example", ",MIRA@corp.example"] {
        let text = format!("external_id,user_name\nE1,mira@corp.example\n{again}\n");
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(
            (file.bad.len(), user_names(&file)),
            (0, vec!["mira@corp.example".to_owned()])
        );
    }
}

proptest! {
    #[test]
    fn no_cut_of_any_file_makes_anybody_absent(
        lines in proptest::collection::vec(("[a-c]{1,3}", "[a\",\n#0-9 ]{0,4}"), 1..8), announce: bool, cut in 0usize..200,
    ) {
        let mut body = String::from("user_name,City\n");
        for (name, city) in &lines {
            body.push_str(&format!("{name},\"{}\"\n", city.replace('"', "\"\"")));
        }
        if !announce {
            body.push_str(&format!("#end {}\n", lines.len()));
        }
        let cut = cut.min(body.len());
        prop_assert_eq!(absences_of_a_cut(body.as_bytes(), cut, announce.then_some(lines.len())), 0);
    }

    #[test]
    fn no_file_invents_anybody(text in "(user_name,groups\n|user_name\n|user_name,custom:a\n)?[ab#:,;\n{}0-9]{0,60}") {
        if let Ok(file) = read(text.as_bytes()) {
            let lines: Vec<&str> = text.lines().collect();
            prop_assert!(file.people.len() + file.groups.len() <= lines.len());
            for name in user_names(&file) {
                let first = |line: &&str| NormalName::of(line.split(',').next().unwrap_or("")) == NormalName::of(&name);
                prop_assert!(lines.iter().any(first), "{name:?} of {text:?}");
                prop_assert!(!name.starts_with('#'), "{name:?}");
            }
        }
    }

    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(user_name,groups\n)?[{}\":,;\n\\PC]{0,60}") {
        let _ = read(text.as_bytes());
    }
}
