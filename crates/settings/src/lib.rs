//! The settings file of Rollcall: all sections, defaults and checks.
//!
//! All services read the same file, and each uses the settings that it needs. Every value can also be set in the environment: as
//! `ROLLCALL_SECTION__KEY`, as `ROLLCALL_ORG__0__KEY` for the first org, and as `ROLLCALL_ORG__0__SAFEGUARD__KEY` for its safeguard. A
//! secret is given as its value, as `env:NAME` or as `file:PATH`. All mistakes are reported at once.

mod org;
mod policy;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chassis::settings::{Document, Problems, Section};
use chassis::telemetry::{LogFormat, TelemetrySettings};
use secrecy::SecretString;

pub use org::{ApplyMode, Org};

const SECTIONS: [&str; 7] = ["nats", "scim", "intake", "console", "health", "telemetry", "org"];

/// How to connect to NATS, or how to run it.
#[derive(Debug)]
pub struct Nats {
    /// `None`: `rollcall up` starts its own nats-server in `data_dir`.
    pub url: Option<String>,
    pub token: Option<SecretString>,
    pub data_dir: PathBuf,
    /// Number of copies of every stream and bucket: 3 in a cluster, 1 on one machine.
    pub replicas: usize,
}

/// All settings.
#[derive(Debug)]
pub struct Settings {
    pub nats: Nats,
    pub scim_listen: String,
    /// Address for health and metrics of services without their own HTTP listener; `None`: no such listener.
    pub health_listen: Option<String>,
    pub telemetry: TelemetrySettings,
    pub orgs: Vec<Org>,
}

impl Settings {
    /// Reads the file, if there is one, and the environment.
    ///
    /// # Errors
    /// [`Problems`] with each mistake, its place and its remedy.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, Problems> {
        let mut document = Document::load(file, environment, "ROLLCALL")?;
        let nats = document.section("nats", read_nats);
        let scim_listen = document.section("scim", |scim| address(scim, "127.0.0.1:8080"));
        // These sections are reserved for the listeners of future services. Design section 10 fixes their names.
        document.section("intake", |intake| address(intake, "127.0.0.1:8082"));
        document.section("console", |console| address(console, "127.0.0.1:8081"));
        let health_listen = document.section("health", |health| health.text("listen"));
        let telemetry = document.section("telemetry", read_telemetry);
        let orgs = document.sections("org", org::read);
        let mut seen = BTreeSet::new();
        for org in orgs.iter().flatten() {
            if !seen.insert(org.id.clone()) {
                document.problem(
                    "[[org]]",
                    format!("two orgs have the id {}; give each its own", org.id),
                );
            }
        }
        document.finish(&SECTIONS)?;
        Ok(Settings {
            nats,
            scim_listen,
            health_listen,
            telemetry,
            orgs: orgs.into_iter().flatten().collect(),
        })
    }

    /// The org with this id; without an id, the only org.
    ///
    /// # Errors
    /// A message that lists the orgs.
    pub fn org(&self, id: Option<&str>) -> Result<&Org, String> {
        let known = || {
            self.orgs
                .iter()
                .map(|org| org.id.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (id, self.orgs.as_slice()) {
            (_, []) => {
                Err("the settings have no [[org]]; add one with id, base_url, company and api_key".to_owned())
            }
            (None, [only]) => Ok(only),
            (None, _) => Err(format!(
                "there are several orgs; name one with --org: {}",
                known()
            )),
            (Some(id), orgs) => orgs
                .iter()
                .find(|org| org.id.as_str() == id)
                .ok_or_else(|| format!("the settings have no org {id:?}; there are: {}", known())),
        }
    }
}

fn read_nats(nats: &mut Section<'_>) -> Nats {
    Nats {
        url: nats.text("url"),
        token: nats.secret("token"),
        data_dir: nats.text_or("data_dir", "rollcall-data").into(),
        replicas: usize::try_from(nats.number_or("replicas", 1, 1, 5)).unwrap_or(1),
    }
}

fn read_telemetry(telemetry: &mut Section<'_>) -> TelemetrySettings {
    let otlp_endpoint = telemetry
        .text("otlp_endpoint")
        .filter(|endpoint| !endpoint.is_empty());
    let log_format = match telemetry.text_or("log_format", "human").as_str() {
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        other => {
            telemetry.problem("log_format", format!("is {other:?}; write \"human\" or \"json\""));
            LogFormat::Human
        }
    };
    TelemetrySettings {
        otlp_endpoint,
        log_format,
        log_filter: telemetry.text_or("log_filter", "info"),
    }
}

fn address(section: &mut Section<'_>, default: &str) -> String {
    let listen = section.text_or("listen", default);
    if listen.parse::<std::net::SocketAddr>().is_err() {
        section.problem(
            "listen",
            format!("is {listen:?}; write ADDRESS:PORT, such as {default:?}"),
        );
    }
    listen
}

#[cfg(test)]
mod tests {
    use provisioning::{ExtraMembers, Harm, Limit, NormalName, Policy, Safeguard, UnlinkedTeams};

    use super::*;

    fn load(text: &str) -> Result<Settings, Problems> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rollcall.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file), [])
    }

    #[test]
    fn a_small_file_is_enough_and_the_rest_has_defaults() {
        let settings = load(
            "[[org]]\nid = 'acme'\nbase_url = 'https://api.litmos.com'\ncompany = 'Acme'\napi_key = 'key'\nscim_token = 'long-enough-token'\n",
        )
        .unwrap();
        assert_eq!(settings.scim_listen, "127.0.0.1:8080");
        assert_eq!(settings.orgs[0].budget().tokens(), 100);
        assert!(settings.orgs[0].policy.create_users);
        assert!(settings.org(None).is_ok());
        assert!(settings.org(Some("other")).unwrap_err().contains("acme"));
    }

    #[test]
    fn a_share_of_the_limit_is_respected_and_exploring_must_lead_up() {
        let org = "[[org]]\nid = 'acme'\nbase_url = 'https://api.litmos.com'\ncompany = 'Acme'\napi_key = 'key'\nscim_token = 'long-enough-token'\n";
        let settings = load(&format!("{org}share_percent = 60\nexplore_to = 300\n")).unwrap();
        assert_eq!(settings.orgs[0].budget().tokens(), 60);
        assert_eq!(settings.orgs[0].budget().tokens_at_most(), 180);
        let problems = load(&format!("{org}explore_to = 50\n")).unwrap_err().to_string();
        assert!(
            problems.contains("explore_to 50 is not within the limit 100"),
            "{problems}"
        );
    }

    const ORG: &str =
        "[[org]]\nid = 'acme'\nbase_url = 'https://api.litmos.com'\ncompany = 'Acme'\napi_key = 'key'\n";

    fn policy_of(more: &str, environment: &[(&str, &str)]) -> Result<Policy, Problems> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rollcall.toml");
        std::fs::write(&file, format!("{ORG}{more}")).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::load(Some(&file), environment)?;
        Ok(settings.orgs.remove(0).policy)
    }

    #[test]
    fn without_a_word_the_policy_is_the_default_one() {
        assert_eq!(policy_of("", &[]).unwrap(), Policy::default());
        assert_eq!(policy_of("[org.safeguard]\n", &[]).unwrap(), Policy::default());
    }

    #[test]
    fn every_switch_of_an_org_can_be_set() {
        let policy = policy_of(
            "update_user_names = false\nunlinked_teams = 'delete'\nextra_members = 'remove'\nprotect = ['Boss@Corp.example', ' it@corp.example ']\nprotect_owners = false\napi_key_owner = 'Key@Corp.example'\n",
            &[],
        )
        .unwrap();
        let protected = ["boss@corp.example", "it@corp.example"].map(NormalName::of);
        let expected = Policy {
            update_user_names: false,
            unlinked_teams: UnlinkedTeams::Delete,
            extra_members: ExtraMembers::Remove,
            protected: protected.into(),
            protect_owners: false,
            api_key_owner: Some(NormalName::of("key@corp.example")),
            ..Policy::default()
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn every_limit_of_the_safeguard_can_be_set_and_a_day_has_the_limits_of_a_run_unless_told() {
        let mut text = String::from("[org.safeguard]\napproval_minutes = 5\n");
        for (n, harm) in (10..).step_by(10).zip(Harm::ALL) {
            text.push_str(&format!(
                "{harm}_percent = {n}\n{harm}_most = {}\n{harm}_floor = {}\n",
                n + 2,
                n + 1
            ));
            text.push_str(&format!(
                "{harm}_day_percent = {}\n{harm}_day_most = {}\n{harm}_day_floor = {}\n",
                n + 3,
                n + 5,
                n + 4
            ));
        }
        let safeguard = policy_of(&text, &[]).unwrap().safeguard;
        assert_eq!(safeguard.approval_ms, 300_000);
        for (n, harm) in (10..).step_by(10).zip(Harm::ALL) {
            let run = Limit {
                percent: n,
                most: n + 2,
                floor: n + 1,
            };
            let day = Limit {
                percent: n + 3,
                most: n + 5,
                floor: n + 4,
            };
            assert_eq!((safeguard.run[&harm], safeguard.day[&harm]), (run, day), "{harm}");
        }
        let environment = [
            ("ROLLCALL_ORG__0__SAFEGUARD__RENAME_PERCENT", "7"),
            ("ROLLCALL_ORG__0__PROTECT", "a@corp.example,b@corp.example"),
        ];
        let policy = policy_of(
            "[org.safeguard]\ndeactivate_most = 9\ndeactivate_day_most = 12\n",
            &environment,
        )
        .unwrap();
        let (run, day) = (&policy.safeguard.run, &policy.safeguard.day);
        assert_eq!((run[&Harm::Rename].percent, day[&Harm::Rename].percent), (7, 7));
        assert_eq!(
            (run[&Harm::Deactivate].most, day[&Harm::Deactivate].most),
            (9, 12)
        );
        assert_eq!(run[&Harm::TeamLoss], Safeguard::default().run[&Harm::TeamLoss]);
        let few = policy_of("[org.safeguard]\ndeactivate_most = 1\n", &[])
            .unwrap()
            .safeguard;
        assert_eq!(
            (few.run[&Harm::Deactivate].floor, few.day[&Harm::Deactivate].floor),
            (1, 1)
        );
        assert_eq!(policy.protected.len(), 2);
    }

    #[test]
    fn mistakes_in_the_policy_are_said_at_once_with_place_and_remedy() {
        let problems = policy_of(
            "unlinked_teams = 'drop'\nprotect = ['', 'a']\nupdate_user_names = 'perhaps'\n[org.safeguard]\n\
             deactivate_percent = 101\nrename_floor = 2000\nteam_loss_most = 3\nsack_percent = 1\napproval_minutes = 0\n",
            &[],
        )
        .unwrap_err();
        let file = problems.file.clone().unwrap().display().to_string();
        let described = problems.to_string().replace(&file, "rollcall.toml");
        let (known, others) = described
            .split_once("sack_percent: is no setting; known here: ")
            .unwrap();
        assert!(
            others.contains("deactivate_percent, deactivate_most, deactivate_floor, deactivate_day_percent")
        );
        assert_eq!(
            known,
            "the settings of rollcall.toml cannot be used:\n  \
             rollcall.toml:8: [[org]] #1 update_user_names: is a text; write true or false\n  \
             rollcall.toml:6: [[org]] #1 unlinked_teams: is \"drop\"; write \"leave\" or \"delete\"\n  \
             rollcall.toml:7: [[org]] #1 protect: holds an empty name; write the user names of accounts\n  \
             rollcall.toml:10: [[org]] #1 safeguard deactivate_percent: must be a whole number from 0 to 100\n  \
             rollcall.toml:11: [[org]] #1 safeguard rename_floor: 2000 is above rename_most 1000, so the floor is never reached; lower it, or raise rename_most\n  \
             rollcall.toml:14: [[org]] #1 safeguard approval_minutes: must be a whole number from 1 to 10080\n  \
             rollcall.toml:13: [[org]] #1 safeguard "
        );
    }

    #[test]
    fn all_mistakes_are_said_at_once() {
        let problems = load(
            "[scim]\nlisten = 'here'\n[nats]\nurll = 'x'\n[[org]]\nid = 'Acme Inc'\nbase_url = 'api.litmos.com'\nfeatures = ['create_user']\nrequests_per_minute = 0\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "[scim] listen",
            "urll: is no setting; did you mean url?",
            "Acme Inc",
            "http",
            "api_key",
            "company",
            "create_users",
            "requests_per_minute",
        ] {
            assert!(problems.contains(part), "{part} is missing in:\n{problems}");
        }
    }
}
