//! Settings as a person writes them, and what they are told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use chassis::settings::{Document, Problems};
use secrecy::ExposeSecret as _;

struct Written {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

fn written(text: &str, environment: &[(&str, &str)]) -> Written {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("settings.toml"), text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Written { dir, environment }
}

impl Written {
    fn file(&self) -> PathBuf {
        self.dir.path().join("settings.toml")
    }

    fn load(&self) -> Result<Document, Problems> {
        Document::load(Some(&self.file()), self.environment.clone(), "APP")
    }

    /// What a person is told, with the directory left out.
    fn described(&self, problems: &Problems) -> String {
        let dir = format!("{}/", self.dir.path().display());
        problems.to_string().replace(&dir, "")
    }
}

const KNOWN: [&str; 3] = ["store", "door", "guest"];

#[test]
fn every_mistake_is_told_at_once_with_its_line_or_variable_and_the_remedy() {
    let written = written(
        "stray = 1\n\
         [stoer]\n\
         [door]\n\
         listen = 8080\n\
         lissten = 'x'\n\
         open = 'perhaps'\n\
         \n\
         [[guest]]\n\
         seats = 'many'\n\
         [[guest]]\n\
         name = 'b'\n\
         key = 'env:NO_SUCH_VARIABLE'\n\
         friends = [1]\n",
        &[
            ("APP_GUEST__1__SEATS", "0"),
            ("APP_GUEST__7__NAME", "far"),
            ("APP_A__B__C__D", "deep"),
        ],
    );
    let mut document = written.load().unwrap();
    document.section("door", |door| {
        door.text("listen");
        door.flag_or("open", true)
    });
    document.sections("guest", |guest| {
        guest.required_text("name", "what to call the guest");
        guest.number_or("seats", 2, 1, 10);
        guest.texts("friends");
        guest.secret("key").is_some()
    });
    document.problem("[[guest]]", "two guests are the same");
    let problems = document.finish(&KNOWN).unwrap_err();
    assert_eq!(
        written.described(&problems),
        "the settings of settings.toml cannot be used:\n  \
         APP_A__B__C__D: environment: reaches no setting; write PREFIX_SECTION__KEY or PREFIX_SECTION__0__KEY\n  \
         APP_GUEST__7__NAME: [[guest]] #8: would leave a gap; the next free index is 2\n  \
         settings.toml:4: [door] listen: is a number; write a text in quotes\n  \
         settings.toml:6: [door] open: is a text; write true or false\n  \
         settings.toml:5: [door] lissten: is no setting; did you mean listen?\n  \
         settings.toml:8: [[guest]] #1 name: is missing: what to call the guest\n  \
         settings.toml:9: [[guest]] #1 seats: must be a whole number from 1 to 10\n  \
         APP_GUEST__1__SEATS: [[guest]] #2 seats: must be a whole number from 1 to 10\n  \
         settings.toml:13: [[guest]] #2 friends: is a list; write a list of texts\n  \
         settings.toml:12: [[guest]] #2 key: names the variable NO_SUCH_VARIABLE, which is not set\n  \
         [[guest]]: two guests are the same\n  \
         settings.toml:2: [stoer]: is no section of the settings; did you mean store?\n  \
         settings.toml:1: stray: stands outside any section; put it below the [section] it belongs to"
    );
}

#[test]
fn a_section_may_stand_in_another_and_its_mistakes_are_told_with_their_place() {
    let written = written(
        "[store.limits]\n\
         most = 3\n\
         [[guest]]\n\
         name = 'a'\n\
         [guest.limits]\n\
         most = 200\n\
         moost = 1\n\
         [[guest]]\n\
         limits = 5\n",
        &[
            ("APP_STORE__LIMITS__LEAST", "2"),
            ("APP_GUEST__0__LIMITS__LEAST", "none"),
            ("APP_GUEST__2__LIMITS__MOST", "7"),
            ("APP_GUEST__1__LIMITS__MOST", "7"),
        ],
    );
    let limits = |section: &mut chassis::settings::Section<'_>| {
        section.section("limits", |limits| {
            (
                limits.number_or("least", 0, 0, 100),
                limits.number_or("most", 9, 0, 100),
            )
        })
    };
    let mut document = written.load().unwrap();
    assert_eq!(document.section("store", limits), (2, 3));
    assert_eq!(document.section("door", limits), (0, 9));
    let guests = document.sections("guest", |guest| {
        guest.text("name");
        limits(guest)
    });
    assert_eq!(guests, [(0, 9), (0, 9), (0, 7)]);
    let problems = document.finish(&KNOWN).unwrap_err();
    assert_eq!(
        written.described(&problems),
        "the settings of settings.toml cannot be used:\n  \
         APP_GUEST__0__LIMITS__LEAST: [[guest]] #1 limits least: must be a whole number from 0 to 100\n  \
         settings.toml:6: [[guest]] #1 limits most: must be a whole number from 0 to 100\n  \
         settings.toml:7: [[guest]] #1 limits moost: is no setting; did you mean most?\n  \
         settings.toml:9: [[guest]] #2 limits: is a number; write a section"
    );
}

#[test]
fn a_section_of_the_wrong_shape_is_told_and_reading_goes_on() {
    let written = written(
        "store = 5\ndoor = [1]\n[guest]\nname = 'a'\n",
        &[("APP_STORE__URL", "x")],
    );
    let mut document = written.load().unwrap();
    document.section("store", |store| store.text("url"));
    document.sections("door", |_| ());
    let guests = document.sections("guest", |guest| guest.required_text("name", "a name"));
    assert_eq!(guests, ["a"]);
    let problems = document.finish(&KNOWN).unwrap_err();
    assert_eq!(
        written.described(&problems),
        "the settings of settings.toml cannot be used:\n  \
         settings.toml:1: [store]: is a number; write a section\n  \
         settings.toml:2: [[door]] #1: is a number; write a section\n  \
         settings.toml:3: [guest]: can stand more than once; write [[guest]]"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_reaches_into_lists_in_the_order_of_numbers() {
    let names: Vec<(String, String)> = (1..=11)
        .map(|index| (format!("APP_GUEST__{index}__NAME"), format!("guest {index}")))
        .collect();
    let mut environment: Vec<(&str, &str)> = names
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    environment.extend([
        ("APP_DOOR__LISTEN", "here"),
        ("APP_DOOR__NAME", "true"),
        ("APP_DOOR__SEATS", " 7 "),
        ("APP_DOOR__OPEN", "false"),
        ("APP_DOOR__WAYS", "north, south,"),
        ("APP_GUEST__0__NAME", "guest 0"),
        ("APP_SINGLE", "no section, so none of ours"),
        ("OTHER_DOOR__LISTEN", "none of ours"),
    ]);
    let written = written(
        "[door]\nlisten = 'there'\n[[guest]]\nname = 'one'\n",
        &environment,
    );
    let mut document = written.load().unwrap();
    document.section("door", |door| {
        assert_eq!(door.text("listen").as_deref(), Some("here"));
        assert_eq!(door.text_or("name", ""), "true");
        assert_eq!(door.number_or("seats", 1, 1, 10), 7);
        assert!(!door.flag_or("open", true));
        assert_eq!(door.texts("ways").unwrap(), ["north", "south"]);
    });
    let guests = document.sections("guest", |guest| guest.required_text("name", "a name"));
    document.finish(&KNOWN).unwrap();
    let expected: Vec<String> = (0..=11).map(|index| format!("guest {index}")).collect();
    assert_eq!(guests, expected);
}

#[test]
fn without_a_file_the_environment_is_enough_and_absent_sections_have_their_defaults() {
    let environment = [("APP_DOOR__LISTEN".to_owned(), "here".to_owned())];
    let mut document = Document::load(None, environment, "APP").unwrap();
    let listen = document.section("door", |door| door.text("listen"));
    assert_eq!(listen.as_deref(), Some("here"));
    assert_eq!(
        document.section("store", |store| store.number_or("copies", 3, 1, 5)),
        3
    );
    assert!(document.sections("guest", |_| ()).is_empty());
    document.finish(&KNOWN).unwrap();
}

#[test]
fn a_secret_is_given_as_it_is_or_by_the_name_of_a_variable_or_a_file() {
    let mut written = written("", &[("THE_KEY", "from the environment"), ("NOTHING", " ")]);
    let key = written.dir.path().join("key");
    std::fs::write(&key, "from a file\n").unwrap();
    let text = format!(
        "[store]\nplain = 'as it is'\nvariable = 'env:THE_KEY'\nfile = 'file:{}'\nnothing = 'env:NOTHING'\n",
        key.display()
    );
    std::fs::write(written.file(), text).unwrap();
    written
        .environment
        .push(("APP_STORE__BOTH".to_owned(), "env:THE_KEY".to_owned()));
    let mut document = written.load().unwrap();
    document.section("store", |store| {
        for (name, value) in [
            ("plain", "as it is"),
            ("variable", "from the environment"),
            ("file", "from a file"),
            ("both", "from the environment"),
        ] {
            assert_eq!(store.secret(name).unwrap().expose_secret(), value, "{name}");
        }
        assert!(store.secret("nothing").is_none());
        assert!(store.secret("absent").is_none());
    });
    let problems = document.finish(&KNOWN).unwrap_err();
    assert_eq!(
        written.described(&problems),
        "the settings of settings.toml cannot be used:\n  \
         settings.toml:5: [store] nothing: names the variable NOTHING, which is empty"
    );
}

#[test]
fn what_is_said_of_settings_never_repeats_a_value() {
    let broken = written("[store]\nkey = 'hush hush\n", &[]);
    let problems = broken.load().unwrap_err();
    let described = broken.described(&problems);
    assert!(
        described.contains("settings.toml:2: file: is no TOML"),
        "{described}"
    );
    assert!(!described.contains("hush"), "{described}");

    let sound = written("[store]\nkey = 'hush hush'\n", &[("APP_STORE__TOKEN", "hush")]);
    let mut document = sound.load().unwrap();
    assert!(!format!("{document:?}").contains("hush"));
    document.section("store", |store| assert!(!format!("{store:?}").contains("hush")));
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let mut written = written("", &[]);
    std::fs::remove_file(written.file()).unwrap();
    written.environment.clear();
    let problems = written.load().unwrap_err();
    assert!(
        written
            .described(&problems)
            .contains("file: cannot be read: No such file")
    );
}
