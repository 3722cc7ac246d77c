//! Settings of a simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::RuleForm;
use crate::limit::Window;
use crate::mode::Modes;
use crate::model::AccessLevel;

/// Most invented people: the largest account that Rollcall supports.
pub const USERS_MAX: usize = 200_000;

/// An API key in addition to the owner's, and the access level of the user who owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForm {
    /// Access level of the key's owner.
    pub level: AccessLevel,
    /// The key.
    pub key: String,
}

/// Error for a text that is not `LEVEL=KEY`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFormError {
    /// There is no `=`, or no key after it.
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

    /// Parses `LEVEL=KEY`.
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

/// Settings of a simulator. The defaults behave like Litmos, as far as known, on a free local port.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address to listen on. Port 0 chooses a free port.
    pub listen: SocketAddr,
    /// The API key of the account's owner.
    pub api_key: String,
    /// More API keys. For each, a user of that level is created.
    pub other_keys: Vec<KeyForm>,
    /// Requests per window.
    pub limit: usize,
    /// The kind of window.
    pub window: Window,
    /// The length of the window.
    pub window_length: Duration,
    /// File for the request log. An existing file is replaced.
    pub log: Option<PathBuf>,
    /// Seed of ids, invented people and faults.
    pub seed: u64,
    /// Number of people to invent.
    pub users: usize,
    /// The modes at the start.
    pub modes: Modes,
    /// The faults at the start.
    pub faults: Vec<RuleForm>,
    /// Delay before a bulk import runs.
    pub bulk_delay: Duration,
    /// The job roles that the account knows.
    pub job_roles: Vec<String>,
    /// The advanced custom fields that the account has, by position.
    pub custom_fields: Vec<String>,
    /// Custom fields that need a value in every write of custom fields.
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
