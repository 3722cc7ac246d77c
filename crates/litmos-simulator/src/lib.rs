//! A simulated Litmos account for rehearsals.
//!
//! It implements the part of Litmos's REST API that provisioning needs, as public sources describe it. It has a request
//! limit, faults on demand, and a log of every request that is independent of clients and limiters. Where the sources
//! disagree, there is a [mode](Modes) for each side. The account is pure and behind one lock. HTTP is a thin layer on top.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use litmos_simulator::{Settings, Simulator, most_requests_in_any_window};
//!
//! let litmos = Simulator::start(Settings { users: 50, ..Settings::default() }).await?;
//! litmos.set_faults(&["lose_reply_after_acting,method=POST,path=/users,times=1"])?;
//! // ... let a client work against litmos.base_url() with litmos.api_key() ...
//! assert!(most_requests_in_any_window(&litmos.log(), std::time::Duration::from_secs(60)) <= 100);
//! litmos.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately missing: learning paths, sessions, mail, and web pages.

mod api;
mod bulk;
mod chance;
mod clock;
mod control;
mod effect;
mod fault;
mod limit;
mod log;
mod mode;
mod model;
mod oracle;
mod people;
mod report;
mod running;
mod server;
mod settings;
mod simulation;
mod wire;
mod xml;

pub use fault::{Fault, FaultError, RuleForm};
pub use limit::{Limiter, Verdict, Window};
pub use log::Entry;
pub use mode::{
    AbsentMember, ApiAccess, BadKey, BrandNames, BulkDuplicate, BulkRequired, BulkWord, ContentType,
    CreateStatus, CustomFieldsShape, Deactivate, Details, DetailsId, KeyPlace, Lengths, LimitScope,
    ListShape, ModeError, Modes, PageSize, Put, RangeDates, RefusalStatus, Refused, RetryAfter, TeamCode,
    TeamName, TeamWrites, TimeZones, help as mode_help,
};
pub use model::{AccessLevel, Snapshot, TeamId, TeamState, UserId, UserState};
pub use oracle::{LogError, most_in_any_window, most_requests_in_any_window, read_log};
pub use report::Report;
pub use running::{DeleteError, PutError, Running, Simulator, StartError, StopError};
pub use settings::{KeyForm, KeyFormError, Settings, USERS_MAX};
