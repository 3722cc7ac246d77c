//! Starts, inspects and stops a simulator in the same process.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fault::{FaultError, RuleForm};
use crate::log::Entry;
use crate::mode::ModeError;
use crate::model::{Fields, Refusal, Snapshot};
use crate::report::Report;
use crate::server::{self, Shared, lock};
use crate::settings::{Settings, USERS_MAX};
use crate::simulation::Simulation;

/// Starts simulators.
#[derive(Clone, Copy, Debug)]
pub struct Simulator;

/// Error when a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error("cannot listen on {address}; is the port taken?")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot write the request log {}; does its folder exist?", path.display())]
    Log { path: PathBuf, source: std::io::Error },
    #[error("a fault rule is wrong")]
    Fault(#[source] FaultError),
    #[error("{0} people are too many to invent; the most is {USERS_MAX}")]
    Users(usize),
    #[error("the limit must be at least 1")]
    Limit,
    #[error("two API keys are the same")]
    SameKey,
    #[error("the mandatory field `{0}` is none of the custom fields")]
    MandatoryField(String),
}

/// Error when a simulator stops.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StopError {
    #[error("the request log is not whole: {0}")]
    Log(String),
    #[error("the server task failed")]
    Server(#[source] tokio::task::JoinError),
}

/// Error when users or teams cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("item {index} was refused: {reason}")]
pub struct PutError {
    /// Index in the list.
    pub index: usize,
    /// Message of the account.
    pub reason: String,
}

/// Error when something cannot be deleted.
#[derive(Debug, thiserror::Error)]
#[error("{path} was not deleted: {reason}")]
pub struct DeleteError {
    /// Path of the object.
    pub path: String,
    /// Message of the account.
    pub reason: String,
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    api_key: String,
    simulation: Shared,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts a simulator on the current runtime.
    ///
    /// # Errors
    /// If the settings are out of bounds, the port is in use, or the log cannot be written.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        if settings.users > USERS_MAX {
            return Err(StartError::Users(settings.users));
        }
        if settings.limit == 0 {
            return Err(StartError::Limit);
        }
        let others = settings.other_keys.iter().map(|other| &other.key);
        let keys: Vec<&String> = others.chain([&settings.api_key]).collect();
        if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
            return Err(StartError::SameKey);
        }
        let unheard_of = |name: &&String| !settings.custom_fields.contains(name);
        if let Some(name) = settings.mandatory_custom_fields.iter().find(unheard_of) {
            return Err(StartError::MandatoryField(name.clone()));
        }
        let log = match &settings.log {
            None => None,
            Some(path) => Some(File::create(path).map_err(|source| StartError::Log {
                path: path.clone(),
                source,
            })?),
        };
        let listen_error = |source| StartError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let api_key = settings.api_key.clone();
        let simulation = Arc::new(Mutex::new(
            Simulation::new(settings, log).map_err(StartError::Fault)?,
        ));
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(server::serve(listener, Arc::clone(&simulation), stopped));
        Ok(Running {
            address,
            api_key,
            simulation,
            stop,
            server,
        })
    }
}

impl Running {
    /// Base URL, such as `http://127.0.0.1:40111`. The API is under `/v1.svc`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key of the account's owner.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// All finished requests, in order of arrival.
    pub fn log(&self) -> Vec<Entry> {
        lock(&self.simulation).log_since(0)
    }

    /// The whole account, including due bulk imports.
    pub fn state(&self) -> Snapshot {
        lock(&self.simulation).snapshot()
    }

    /// The figures so far.
    pub fn report(&self) -> Report {
        lock(&self.simulation).report()
    }

    /// Sets one mode. Example: `set_mode("put", "merge")`.
    ///
    /// # Errors
    /// If there is no such mode or value.
    pub fn set_mode(&self, name: &str, value: &str) -> Result<(), ModeError> {
        lock(&self.simulation).set_modes([(name, value)])
    }

    /// Replaces the fault rules. They are written as on the command line. An empty list ends all faults.
    ///
    /// # Errors
    /// If a rule is invalid. Then the old rules stay.
    pub fn set_faults(&self, rules: &[&str]) -> Result<(), FaultError> {
        let forms = rules
            .iter()
            .map(|rule| rule.parse())
            .collect::<Result<Vec<RuleForm>, _>>()?;
        lock(&self.simulation).set_faults(forms)
    }

    /// Creates or updates users by `UserName`, from records with Litmos's field names, without limit and log. Also sets
    /// `LastLogin`, and `SkipFirstLogin` of new users.
    ///
    /// # Errors
    /// At the first record that the account refuses. The records before it are stored.
    pub fn put_users(&self, records: &[serde_json::Value]) -> Result<(), PutError> {
        self.put_each(records, Simulation::put_user)
    }

    /// Creates or updates teams by `Name`, from records with `Name`, `Description`, `ParentTeamId` and lists of usernames
    /// in `Members`, `Leaders` and `Admins`, without limit and log.
    ///
    /// # Errors
    /// At the first record that the account refuses. The records before it are stored.
    pub fn put_teams(&self, records: &[serde_json::Value]) -> Result<(), PutError> {
        self.put_each(records, Simulation::put_team)
    }

    /// Deletes the object at a path below `v1.svc`, such as `teams/ID/users/ID`, without limit and log, like an admin in
    /// the web interface of Litmos.
    ///
    /// # Errors
    /// If the account refuses it, or the object does not exist.
    pub fn delete(&self, path: &str) -> Result<(), DeleteError> {
        let refused = |reason: Option<String>| DeleteError {
            path: path.to_owned(),
            reason: reason.unwrap_or_else(|| "nothing is there".to_owned()),
        };
        lock(&self.simulation).delete(path).map_err(refused)
    }

    fn put_each(
        &self,
        records: &[serde_json::Value],
        put: fn(&mut Simulation, &Fields) -> Result<(), Refusal>,
    ) -> Result<(), PutError> {
        let mut simulation = lock(&self.simulation);
        for (index, record) in records.iter().enumerate() {
            let refused = |reason: String| PutError { index, reason };
            let map = record
                .as_object()
                .ok_or_else(|| refused("it is not an object".to_owned()))?;
            put(&mut simulation, &Fields::new(map.clone()))
                .map_err(|refusal| refused(refusal.to_string()))?;
        }
        Ok(())
    }

    /// Invents more people.
    pub fn invent_people(&self, count: usize, seed: u64) {
        lock(&self.simulation).invent_people(count.min(USERS_MAX), seed);
    }

    /// Stops the server, after open requests are finished or a short delay.
    ///
    /// # Errors
    /// If the request log could not be written completely, or the server had failed.
    pub async fn stop(self) -> Result<(), StopError> {
        // Without a receiver, the server has already stopped.
        let _ = self.stop.send(true);
        self.server.await.map_err(StopError::Server)?;
        match lock(&self.simulation).report().log_failure {
            None => Ok(()),
            Some(failure) => Err(StopError::Log(failure)),
        }
    }
}
