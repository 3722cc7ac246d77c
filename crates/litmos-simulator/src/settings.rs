//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::RuleForm;
use crate::limit::Window;
use crate::mode::Modes;
use crate::model::AccessLevel;

/// The most invented people: the largest account that the product promises to serve.
pub const USERS_MAX: usize = 200_000;

/// An API key beside the owner's, and the access level of the user whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForm {
    /// What the user may do.
    pub level: AccessLevel,
    /// The key.
    pub key: String,
}

/// Why a text is not a key with its level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFormError {
    /// There is no `=`, or no key behind it.
    #[error("a key is given as LEVEL=KEY, as in Administrator=some-key")]
    Shape,
    /// There is no such level.
    #[error(
        "there is no access level `{0}`; the levels are Account_Owner, Administrator, Team_Admin, Team_Leader and Learner"
    )]
    Level(String),
}

impl FromStr for KeyForm {
    type Err = KeyFormError;

    /// Reads `LEVEL=KEY`.
    fn from_str(text: &str) -> Result<Self, KeyFormError> {
        let (level, key) = text.split_once('=').ok_or(KeyFormError::Shape)?;
        if key.is_empty() {
            return Err(KeyFormError::Shape);
        }
        Ok(Self {
            level: AccessLevel::from_record(level).ok_or_else(|| KeyFormError::Level(level.to_owned()))?,
            key: key.to_owned(),
        })
    }
}

/// Everything that a simulator is started with; the defaults are Litmos as the facts have it, on a free local port.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The API key of the account's owner.
    pub api_key: String,
    /// More API keys; a user of the key's level is made for each.
    pub other_keys: Vec<KeyForm>,
    /// Requests per window.
    pub limit: usize,
    /// The kind of window.
    pub window: Window,
    /// The length of the window.
    pub window_length: Duration,
    /// Where to write the request log, replacing what is there.
    pub log: Option<PathBuf>,
    /// The seed of ids, people and faults.
    pub seed: u64,
    /// How many people to invent.
    pub users: usize,
    /// The modes at the start.
    pub modes: Modes,
    /// The faults at the start.
    pub faults: Vec<RuleForm>,
    /// How long a bulk import waits before it runs.
    pub bulk_delay: Duration,
    /// The job roles that the account knows.
    pub job_roles: Vec<String>,
    /// The advanced custom fields that the account has, by position.
    pub custom_fields: Vec<String>,
    /// Those of them that every write of custom fields must give a value.
    pub mandatory_custom_fields: Vec<String>,
    /// The brands that the account has.
    pub brands: Vec<String>,
    /// The names of the courses that the account has, each with one module.
    pub courses: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: "simulator-key".to_owned(),
            other_keys: Vec::new(),
            limit: 100,
            window: Window::Rolling,
            window_length: Duration::from_secs(60),
            log: None,
            seed: 1,
            users: 0,
            modes: Modes::default(),
            faults: Vec::new(),
            bulk_delay: Duration::from_millis(1500),
            job_roles: words(&["Engineer", "Manager", "Nurse", "Sales", "Technician"]),
            custom_fields: words(&["Cost Centre", "Start Date", "Site"]),
            mandatory_custom_fields: Vec::new(),
            brands: words(&["Default"]),
            courses: words(&["First Aid", "Data Protection", "Safety at Work"]),
        }
    }
}
