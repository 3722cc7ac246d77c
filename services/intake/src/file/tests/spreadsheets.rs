//! Tests of lists as spreadsheets and other programs save them.

use super::*;

#[track_caller]
fn mira(bytes: &[u8]) -> RosterFile {
    let file = read(bytes).unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
    assert_eq!(
        (user_names(&file), &file.bad),
        (vec!["mira@corp.example".to_owned()], &Vec::new()),
        "{bytes:?}"
    );
    file
}

fn value(file: &RosterFile, wanted: &str) -> String {
    let EventBody::PersonUpserted {
        external_id,
        attributes,
        custom_fields,
        ..
    } = bodies(file).next().unwrap()
    else {
        return String::new();
    };
    let field = attributes.get(wanted).or(custom_fields.get(wanted));
    if wanted == "external_id" {
        external_id.clone()
    } else {
        field.cloned().unwrap_or_default()
    }
}

#[test]
fn k8_errors_of_a_spreadsheet_are_bad_lines_that_name_the_column() {
    let file = read(b"external_id,user_name,FirstName,LastName,JobTitle,manager,groups,custom:Region\nE1,mira@corp.example,Mira,Lund,#N/A,#N/A,#REF!,#VALUE!\nE3,zoe@corp.example,#NAME?,Moe,x,,,\n").unwrap();
    assert_snapshot!(described(&file), @r##"
    line 2: JobTitle "#N/A", manager "#N/A", groups "#REF!", custom:Region "#VALUE!": these are errors of a spreadsheet, no values; correct the cells and export the file again
    line 3: FirstName: "#NAME?" is an error of a spreadsheet, no value; correct the cell and export the file again
    "##);
    for error in [
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
        "#NULL!",
        "#NUM!",
        "#SPILL!",
        "#CALC!",
        "#BEZUG!",
        "#NV",
        "#WERT!",
        "#ZAHL!",
        "#ÜBERLAUF!",
        "#¿NOMBRE?",
        "#¡REF!",
        "#VALEUR!",
        "#Н/Д",
        "#GETTING_DATA",
        "#n/a",
        "Err:502",
        "########",
        "#ERROR!",
    ] {
        for column in [
            "external_id",
            "FirstName",
            "groups",
            "manager",
            "custom:Region",
            "active",
            "access_level",
        ] {
            let file = read(format!("user_name,{column}\nmira@corp.example,{error}\n").as_bytes()).unwrap();
            assert!(file.people.is_empty(), "{error} in {column}: {file:?}");
            assert!(
                file.bad[0].reason.contains(column),
                "{error} in {column}: {:?}",
                file.bad
            );
        }
        let file = read(format!("user_name,City\n{error},Oslo\n").as_bytes()).unwrap();
        assert!(
            file.bad[0].reason.starts_with("user_name: "),
            "{error}: {:?}",
            file.bad
        );
        let mut file = read(b"user_name\nmira@corp.example\n").unwrap();
        let bad = add_groups(
            &mut file,
            format!("group,user_name\n{error},mira@corp.example\nSales,{error}\n").as_bytes(),
        )
        .unwrap();
        assert_eq!(bad.len(), 2, "{error}: {bad:?}");
    }
    for value in ["#1", "#team", "# REF!", "C#!", "#hello!"] {
        let file = mira(format!("user_name,JobTitle\nmira@corp.example,{value}\n").as_bytes());
        assert_eq!(self::value(&file, "JobTitle"), value);
    }
    let formula = read(b"user_name,City\nmira,=VLOOKUP(A2;X:Y;2)\nzed,=Sheet2!B7\nzoe,=A1\n").unwrap();
    assert_eq!((formula.people.len(), formula.bad.len()), (0, 3));
}

#[test]
fn k11_shapes_that_spreadsheets_write_are_read() {
    for text in [
        "external_id,user_name,FirstName,LastName,,\nE1,mira@corp.example,Mira,Lund,,\n",
        "external_id,user_name,FirstName,LastName\nE1,mira@corp.example,Mira,Lund,,,\n",
        "external_id;user_name;FirstName;LastName\r\nE1;mira@corp.example;Mira;Lund\r\n",
        "sep=;\r\nexternal_id;user_name;FirstName;LastName\r\nE1;mira@corp.example;Mira;Lund\r\n",
        "\u{feff}\"sep=|\"\nexternal_id|user_name|FirstName|LastName\nE1|mira@corp.example|Mira|Lund\n",
        "SEP=\t\nexternal_id\tuser_name\tFirstName\tLastName\nE1\tmira@corp.example\tMira\tLund\n",
        "external_id\tuser_name\tFirstName\tLastName\nE1\tmira@corp.example\tMira\tLund\n",
        "external_id|user_name|FirstName|LastName\nE1|mira@corp.example|Mira|Lund\n",
        "external_id,user_name,FirstName,LastName\rE1,mira@corp.example,Mira,Lund\r#end 1\r",
        "external_id,user_name,FirstName,LastName\r\nE1,mira@corp.example,Mira,Lund\r\n#end 1\r\n\u{1a}",
        "\"external_id\",\"user_name\",\"FirstName\",\"LastName\"\n\"E1\",\"mira@corp.example\",\"Mira\",\"Lund\"\n\"#end 1\",\"\",\"\",\"\"\n",
        ",,,\n\nexternal_id,user_name,FirstName,LastName\n,,,\nE1,mira@corp.example,Mira,Lund\n\" \",,\u{a0},\n",
    ] {
        let file = mira(text.as_bytes());
        assert_eq!(
            (value(&file, "external_id"), value(&file, "LastName")),
            ("E1".to_owned(), "Lund".to_owned()),
            "{text:?}"
        );
        let wide: Vec<u16> = std::iter::once('\u{feff}')
            .chain(text.trim_start_matches('\u{feff}').chars())
            .collect::<String>()
            .encode_utf16()
            .collect();
        mira(
            &wide
                .iter()
                .flat_map(|unit| unit.to_le_bytes())
                .collect::<Vec<u8>>(),
        );
        mira(
            &wide
                .iter()
                .flat_map(|unit| unit.to_be_bytes())
                .collect::<Vec<u8>>(),
        );
    }
}

#[test]
fn k11_a_complete_file_stays_complete_with_blank_rows_and_other_ends() {
    for text in [
        "external_id,user_name\nE1,mira\n,\nE2,zed\n,\n#end 2,\n",
        "external_id,user_name\nE1,mira\nE2,zed\n#end 2,\n,\n,\n",
        "external_id;user_name\r\nE1;mira\r\n;\r\nE2;zed\r\n\"#end 2\";\"\"\r\n\u{1a}",
        "external_id\tuser_name\rE1\tmira\rE2\tzed\r\"#end 2\"\t\r",
        "external_id,user_name\n\"E1\",\"mira\"\n\"E2\",\"zed\"\n\"#end\",\"2\"\n",
        "[{\"user_name\":\"mira\"},\n{\"user_name\":\"zed\"},\n{\"end\":2}]",
    ] {
        let file = read(text.as_bytes()).unwrap();
        assert!(
            file.complete(None).is_ok(),
            "{text:?}: {:?} {:?}",
            file.complete(None),
            file
        );
    }
    // The end line may state rows or people; a number from outside the file must be the number of people.
    let rows = "user_name,groups\nmira,A\nmira,B\nzed,A\n";
    let complete = |end: &str, announced| {
        read(format!("{rows}{end}").as_bytes())
            .unwrap()
            .complete(announced)
            .is_ok()
    };
    assert!(complete("#end 3\n", None) && complete("#end 2\n", None) && !complete("#end 4\n", None));
    assert!(complete("", Some(2)) && !complete("", Some(3)));
}

#[test]
fn k11_what_is_no_list_is_named_with_the_remedy() {
    let named = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_snapshot!(named(b"PK\x03\x04xlsx"), @r#"the file is an Excel workbook or another zip archive; open it and save the sheet as "CSV UTF-8""#);
    assert_snapshot!(named(b"<!doctype html><p>Log in"), @"the file is a web page or XML; export the list as CSV or JSON lines; a log-in page may have been saved instead of the file");
    assert_snapshot!(named(b"u\0s\0e\0r\0"), @"the file is UTF-16 text without the mark that says so; save it as UTF-8");
    assert_snapshot!(named(b"user_name\nJos\xe9\n"), @r#"byte 13 is not UTF-8 text; save the file as UTF-8 (in Excel: "CSV UTF-8")"#);
    assert_snapshot!(named(b"\x1f\x8b\x08"), @"the file is packed with gzip; unpack it first");
    assert_snapshot!(named(b"sep=ab\nuser_name\n"), @r#"the first line names the separator "ab"; use one character, such as sep=;"#);
    assert_snapshot!(named(b"user_name;Shoe\nmira;43\n"), @"the header names columns that mean nothing here: Shoe; use user_name, external_id, active, access_level, manager, groups, custom:NAME or Litmos field names");
    assert_snapshot!(named(b"{\n  \"user_name\": \"mira\"\n}\n"), @"line 1 begins a JSON object that goes on in the next line; write each object on one line, or all of them as one array");
    assert_snapshot!(named(b"[{\"user_name\":\"mira\"}\n"), @"line 2 is not JSON: EOF while parsing a list at line 2 column 0; export the file again");
    assert_snapshot!(check("user_name,City,,\nmira,Oslo,,x\n"), @r#"line 2: column 4 has no name in the header and holds "x"; name the column or empty it"#);
}

#[test]
fn lines_are_counted_as_an_editor_shows_them() {
    for text in [
        "user_name\n\n\nmira\n\n\n,x,\n",
        "user_name\r\n\r\n\r\nmira\r\n\r\n\r\n,x,\r\n",
        "sep=,\nuser_name\n\nmira\n\n\n,x,\n",
    ] {
        let file = read(text.as_bytes()).unwrap();
        assert_eq!((file.people[0].line, file.bad[0].line), (4, 7), "{text:?}");
    }
    let file = read(b"[\n\n {\"user_name\":\"mira\"},\n {\"shoe\":1}]").unwrap();
    assert_eq!((file.people[0].line, file.bad[0].line), (3, 4));
}

#[test]
fn k12_numbers_keep_their_digits() {
    let file = read(b"{\"user_name\":\"mira@corp.example\",\"FirstName\":\"Mira\",\"external_id\":12345678901234567890123,\"CustomField1\":1.10,\"CustomField2\":1e3,\"custom_fields\":{\"Badge\":0.10,\"Wage\":-1.50E2}}\n{\"user_name\":\"zed@corp.example\",\"external_id\":12345678901234567890124}\n").unwrap();
    assert_eq!((file.people.len(), file.bad.len()), (2, 0));
    for (field, written) in [
        ("external_id", "12345678901234567890123"),
        ("CustomField1", "1.10"),
        ("CustomField2", "1e3"),
        ("Badge", "0.10"),
        ("Wage", "-1.50E2"),
    ] {
        assert_eq!(value(&file, field), written);
    }
    let file =
        read(b"[{\"user_name\":\"mira\",\"PostalCode\":1e400,\"external_id\":9007199254740993}]").unwrap();
    assert_eq!(
        (value(&file, "PostalCode"), value(&file, "external_id")),
        ("1e400".to_owned(), "9007199254740993".to_owned())
    );
}

#[test]
fn k13_marks_that_say_text_are_no_part_of_a_value() {
    let file = read(b"external_id,user_name,FirstName\n=\"00123\",mira@corp.example,Mira\n\"=\"\"00124\"\"\",zed@corp.example,Zed\n'00125,zoe@corp.example,Zoe\n\x1f00126,kim@corp.example,Kim\n").unwrap();
    let ids: Vec<&str> = bodies(&file)
        .map(|body| match body {
            EventBody::PersonUpserted { external_id, .. } => external_id.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(
        (ids, file.bad.len()),
        (vec!["00123", "00124", "00125", "00126"], 0)
    );
    for (written, read) in [
        ("'+47 22 33", "+47 22 33"),
        ("'0047", "0047"),
        ("\"=\"\"0150\"\"\"", "0150"),
        ("'=x", "=x"),
        ("'@home", "@home"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("'t Hooft", "'t Hooft"),
        ("O'Hara", "O'Hara"),
        ("=x", "=x"),
    ] {
        let file = mira(format!("user_name,City\nmira@corp.example,{written}\n").as_bytes());
        assert_eq!(value(&file, "City"), read);
    }
    mira(b"user_name\n'mira@corp.example\n");
    mira(b"user_name\n\"=\"\"mira@corp.example\"\"\"\n");
    assert_snapshot!(check("external_id,user_name\n'E1',mira\n"), @r#"line 2: external_id: "'E1'" stands in single quotation marks; leave them out, or use double ones"#);
}

#[test]
fn k15_headers_follow_one_rule_in_both_files() {
    for header in [
        "Group,User Name",
        "GROUP,username",
        "group;User-Name",
        " Group \tLogin",
        "\"group\",\"user_name\",\"\"",
    ] {
        let separator = header.chars().find(|c| ",;\t".contains(*c)).unwrap();
        let mut file = read(b"User Name\nmira@corp.example\n").unwrap();
        let bad = add_groups(
            &mut file,
            format!("{header}\nSales{separator}mira@corp.example\n").as_bytes(),
        );
        assert_eq!(bad.unwrap(), [], "{header}");
        assert!(
            described(&file).contains("groups=Some([\"Sales\"])"),
            "{header}: {}",
            described(&file)
        );
    }
    let mut file = read(b"user_name\nmira\n").unwrap();
    assert_eq!(
        add_groups(&mut file, b"Group,External ID,Description\nSales,G1,Sells\n").unwrap(),
        []
    );
    assert_snapshot!(described(&file), @r#"
    group Sales (G1) description=Some("Sells") parent=None
    mira active=None manager=None groups=None {} custom={}
    "#);
    let twice = add_groups(&mut file, b"group,user_name,User Name\n")
        .unwrap_err()
        .to_string();
    assert_snapshot!(twice, @"the header names User Name twice; keep one of the columns");
    assert_snapshot!(described(&read(b"{\"Group\":\"Sales\",\"Description\":\"x\"}\n{\"User Name\":\"mira\",\"Job Title\":\"Clerk\"}\n").unwrap()), @r#"
    group Sales () description=Some("x") parent=None
    mira active=None manager=None groups=None {"JobTitle": "Clerk"} custom={}
    "#);
    assert_snapshot!(check("{\"user_name\":\"mira\",\"JobTitle\":\"a\",\"job_title\":\"b\"}\n"), @"line 1: job_title stands twice in this line; keep one");
}

#[test]
fn k17_words_for_yes_and_no_are_read_and_unclear_ones_refused() {
    let active = |word: &str| {
        let file = read(format!("user_name,active\nmira,{word}\n").as_bytes()).unwrap();
        match bodies(&file).next() {
            Some(EventBody::PersonUpserted { active, .. }) => Ok(*active),
            _ => Err(file.bad[0].reason.clone()),
        }
    };
    for word in [
        "Y", "T", "yes", "TRUE", "on", "1", "ja", "WAHR", "oui", "si", "sí", "x", "X", " Yes ",
    ] {
        assert_eq!(active(word), Ok(Some(true)), "{word}");
    }
    for word in ["N", "F", "no", "FALSE", "Off", "0", "nein", "Falsch", "non"] {
        assert_eq!(active(word), Ok(Some(false)), "{word}");
    }
    for word in ["2", "maybe", "-", "terminated", "yes/no", "✗"] {
        assert_eq!(
            active(word),
            Err(format!("active is {word:?}; write yes or no")),
            "{word}"
        );
    }
    // The meaning of a blank beside crosses is not guessed.
    assert_snapshot!(check("user_name,active\nmira,x\nzed,\n"), @r#"
    mira active=Some(true) manager=None groups=None {} custom={}
    line 3: active is blank here and marked in line 2, so blank may mean no; write yes or no in every line
    "#);
    assert_snapshot!(check("{\"user_name\":\"mira\",\"active\":0}\n{\"user_name\":\"zed\",\"active\":\"Ja\"}\n{\"user_name\":\"zoe\",\"active\":0.5}\n"), @r#"
    mira active=Some(false) manager=None groups=None {} custom={}
    zed active=Some(true) manager=None groups=None {} custom={}
    line 3: active is "0.5"; write yes or no
    "#);
}

#[test]
fn k17_an_array_of_people_is_read() {
    mira(b"[{\"user_name\":\"mira@corp.example\",\"FirstName\":\"Mira\",\"LastName\":\"Lund\"}]\n");
    mira(b"\xef\xbb\xbf [\r\n  {\r\n    \"user_name\": \"mira@corp.example\"\r\n  }\r\n]");
    assert_snapshot!(check("[{\"user_name\":\"mira\"}, 7, {\"group\":\"Sales\",\"description\":\"x\"}, {\"end\": 1}, \"zed\"]"), @r#"
    group Sales () description=Some("x") parent=None
    mira active=None manager=None groups=None {} custom={}
    line 1: it is no JSON object
    line 1: it is no JSON object
    line 1: end stands alone in the last line, with the number of people: {"end": 12}
    "#);
}

proptest! {
    #[test]
    fn the_same_bytes_give_the_same_result_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..120), start in 0usize..7,
    ) {
        let starts: [&[u8]; 7] = [b"", b"user_name,groups\n", b"sep=;\n", b"\xff\xfe", b"\xfe\xff\0u", b"[{\"user_name\":", b"{\"user_name\":\"a\",\"groups\":["];
        let bytes = [starts[start], &bytes].concat();
        let again = read(&bytes);
        match (read(&bytes), again) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
        }
        let mut file = read(b"user_name,groups\na,b\n").unwrap();
        let _ = add_groups(&mut file, &bytes);
    }

    #[test]
    fn no_sheet_makes_it_panic(
        separator in "[,;|\t]", quirks in "(sep=[;,|\t]\r?\n)?", cells in proptest::collection::vec("[a-c'=\"#!E+1. \u{200b}\u{a0};,\n\r\u{1a}]{0,6}", 0..40),
    ) {
        let rows: Vec<String> = cells.chunks(4).map(|row| row.join(&separator)).collect();
        let text = format!("{quirks}user_name{separator}external_id{separator}active{separator}groups\n{}", rows.join("\n"));
        let _ = read(text.as_bytes()).map(|file| (file.complete(None).is_ok(), file.complete(Some(2)).is_ok()));
    }

    /// A list that is written in every dialect is read as the same list.
    #[test]
    fn every_dialect_of_a_list_gives_the_same_people(
        rows in proptest::collection::vec(("E[0-9]{1,4}", "[a-z]{1,8}", "[A-Z \"',;é]{0,9}", "(|yes|no)"), 1..6),
    ) {
        let write = |separator: &str, end: &str| {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let mut text = ["external_id", "user_name", "City", "active"].join(separator) + end;
            for (id, name, city, active) in &rows {
                text += &([id.as_str(), name, &quoted(city), active].join(separator) + end);
            }
            read(text.as_bytes()).unwrap()
        };
        let plain = write(",", "\n");
        for (separator, end) in [(";", "\r\n"), ("\t", "\r"), ("|", "\n")] {
            prop_assert_eq!(write(separator, end), plain.clone());
        }
    }
}
