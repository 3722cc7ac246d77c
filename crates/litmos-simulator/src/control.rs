//! The control API under `/_sim/`: for tests and rehearsals, from this machine only. It needs no key, does not count toward
//! the limit, and writes no line to the request log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Query;
use crate::fault::RuleForm;
use crate::model::{Fields, Refusal};
use crate::settings::USERS_MAX;
use crate::simulation::Simulation;

/// Largest control body: about 200,000 users.
pub(crate) const BODY_MAX: usize = 256 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

/// Error of a control call.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("the body is not what this call takes: {0}")]
    Body(#[from] serde_json::Error),
    #[error("item {index} of the list was refused and the ones before it were put: {refusal}")]
    Item { index: usize, refusal: Refusal },
    #[error("the body is not what this call takes: {0}")]
    List(Refusal),
    #[error("{0}")]
    Mode(#[from] crate::mode::ModeError),
    #[error("{0}")]
    Fault(#[from] crate::fault::FaultError),
    #[error("at most {USERS_MAX} people can be invented")]
    TooMany,
    #[error(
        "there is no such control call; there are GET state, log, report, modes, faults and POST modes, faults, users, teams, seed, reset"
    )]
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    users: usize,
    #[serde(default)]
    seed: u64,
}

pub(crate) fn respond(
    simulation: &mut Simulation,
    method: &str,
    name: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    run(simulation, method, name, query, body).unwrap_or_else(|mistake| {
        let status = if matches!(mistake, Mistake::Unknown) {
            404
        } else {
            400
        };
        json(status, &BTreeMap::from([("error", mistake.to_string())]))
    })
}

/// Response to callers from other machines.
pub(crate) fn not_from_here() -> Answer {
    json(
        403,
        &BTreeMap::from([("error", "the control API answers callers on this machine only")]),
    )
}

fn run(
    simulation: &mut Simulation,
    method: &str,
    name: &str,
    query: &str,
    body: &[u8],
) -> Result<Answer, Mistake> {
    match (method, name) {
        ("GET", "state") => Ok(json(200, &simulation.snapshot())),
        ("GET", "report") => Ok(json(200, &simulation.report())),
        ("GET", "modes") => Ok(json(200, &simulation.modes().current())),
        ("GET", "faults") => Ok(json(200, &simulation.faults())),
        ("GET", "log") => {
            let since = Query::parse(query).number("since").unwrap_or(0);
            let lines = simulation.log_since(since as u64);
            let text: String = lines.iter().map(|line| printed(line) + "\n").collect();
            Ok(Answer {
                status: 200,
                content_type: "application/x-ndjson",
                body: text.into_bytes(),
            })
        }
        ("POST", "modes") => {
            let given: BTreeMap<String, String> = serde_json::from_slice(body)?;
            simulation.set_modes(given.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
            Ok(json(200, &simulation.modes().current()))
        }
        ("POST", "faults") => {
            let rules: Vec<RuleForm> = serde_json::from_slice(body)?;
            simulation.set_faults(rules)?;
            Ok(json(200, &simulation.faults()))
        }
        ("POST", "users") => put_each(body, |fields| simulation.put_user(fields)),
        ("POST", "teams") => put_each(body, |fields| simulation.put_team(fields)),
        ("POST", "seed") => {
            let seed: Seed = serde_json::from_slice(body)?;
            if seed.users > USERS_MAX {
                return Err(Mistake::TooMany);
            }
            simulation.invent_people(seed.users, seed.seed);
            Ok(json(200, &BTreeMap::from([("users", simulation.report().users)])))
        }
        ("POST", "reset") => {
            simulation.reset()?;
            Ok(json(200, &simulation.report()))
        }
        _ => Err(Mistake::Unknown),
    }
}

fn put_each(body: &[u8], mut put: impl FnMut(&Fields) -> Result<(), Refusal>) -> Result<Answer, Mistake> {
    let items = Fields::list_from_body(body, "items").map_err(Mistake::List)?;
    for (index, fields) in items.iter().enumerate() {
        put(fields).map_err(|refusal| Mistake::Item { index, refusal })?;
    }
    Ok(json(200, &BTreeMap::from([("put", items.len())])))
}

fn printed(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("control answers are plain data with text keys")
}

fn json(status: u16, value: &impl Serialize) -> Answer {
    Answer {
        status,
        content_type: "application/json",
        body: printed(value).into_bytes(),
    }
}
