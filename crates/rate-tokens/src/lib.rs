//! Decides when each request to one org may be sent, so that the org's limit is never exceeded.
//!
//! An org with a limit of N requests a minute has N **tokens**. A token is *free*, *held* by a worker, or *cooling*. It
//! cools for a whole window, counted from the moment its holder reports that the response has arrived. Two uses of one
//! token are therefore at least one window apart on any clock that the target may use. So no window, rolling or fixed,
//! ever contains more than N requests.
//!
//! [`Budget`] is the governor's side: it queues token requests, grants tokens by class and flow, and settles use
//! reports. It also returns every decision as a [`LedgerRecord`]; [`Budget::replay`] rebuilds a budget from these
//! records after a crash. [`Wallet`] and [`Permit`] are the worker's side. [`forecast()`] is for the planner.
//! [`Status`] is for monitoring.
//!
//! This crate reads no clock, opens no socket and draws no random number. `now` is a parameter, decisions are returned
//! as plain data, and the rate-governor service performs them.

mod budget;
mod class;
mod exchange;
mod flows;
mod forecast;
mod leadership;
mod moment;
mod names;
mod pacer;
mod permit;
mod record;
mod refusals;
mod replay;
mod ring;
mod settings;
mod status;
mod wallet;

pub use budget::Budget;
pub use class::{Class, PerClass};
pub use exchange::{
    Append, Grant, Reported, RequestRefused, Step, TokenRequest, UnknownGrant, WANT_MAX, Wait,
};
pub use flows::{REQUESTS_PER_CLASS_MAX, REQUESTS_PER_WORKER_MAX};
pub use forecast::{Demand, Forecast, forecast};
pub use leadership::{
    APPENDS_MAX, Anomalies, Command, Distrust, End, Entry, Input, LINES_MAX, Leadership, Line, ReportError,
    RequestError, ResponseBody, SNAPSHOT_EVERY, TokenResponse,
};
pub use moment::Moment;
pub use names::{
    Epoch, FlowId, GrantId, NAME_BYTES_MAX, NameRefused, NotAGrantId, OrgName, RequestId, WorkerId,
};
pub use permit::{Outcome, Permit, Settlement, Spent, VoidPermit};
pub use record::{Aged, LedgerRecord, Settled, Stamp};
pub use refusals::{
    CLIMB_AFTER, CLIMB_EVERY, EXPLORE_AGAIN, FIRST_PAUSE, RELAX_AFTER, RELAX_AFTER_MAX, RETRY_AFTER_MAX,
    STRETCH_MAX, WORKING_LIMIT_MIN,
};
pub use replay::ReplayError;
pub use settings::{
    BudgetSettings, CLOCK_ERROR_PPM_MAX, GUARD_MAX, LIMIT_MAX, PACING_PERMILLE_MAX, PERMIT_TTL_MAX, Pacing,
    SETTLE_MAX, SettingsError, Terms, WINDOW_MAX,
};
pub use status::{ClassCounts, Status};
pub use wallet::{GrantReport, HeldToken, REPORT_AGAIN, Wallet};
