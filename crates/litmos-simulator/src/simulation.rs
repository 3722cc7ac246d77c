//! The state behind the lock: the account, its limit, its faults, its log.
//!
//! A request is processed in three steps, so that nothing waits while the lock is held: *arrive* (count the request,
//! check key and limit), *strike* (choose faults) and *act*, and *finish* (count and log). Delays are between the steps.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::api::{self, Call, Method, Query, Reply, Twist};
use crate::clock::{Clock, Now, millis};
use crate::fault::{Fault, FaultError, FaultReport, Faults, Rule, RuleForm};
use crate::limit::{Limiter, Verdict};
use crate::log::{Entry, RequestLog};
use crate::mode::{KeyPlace, LimitScope, ModeError, Modes, RefusalStatus, Refused, RetryAfter};
use crate::model::{Account, Change, Fields, House, Refusal, Snapshot, timestamp};
use crate::report::{Report, Tally};
use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct Simulation {
    settings: Settings,
    clock: Clock,
    account: Account,
    modes: Modes,
    limiter: Limiter,
    /// One limiter per key, for the mode with one limit per key.
    key_limiters: Vec<Limiter>,
    faults: Faults,
    log: RequestLog,
    tally: Tally,
    arrived: u64,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The path as sent.
    pub(crate) path: String,
    /// The query as sent.
    pub(crate) query: String,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) api_key: Option<String>,
}

/// A request after it was counted.
#[derive(Debug)]
pub(crate) struct Arrival {
    n: u64,
    now: Now,
    head: Head,
    query: Query,
    /// Number of the request's key, if the account knows it.
    key: Option<usize>,
    refused: bool,
    faults: Vec<Fault>,
    /// The response, if the key or the limit has decided it already.
    pub(crate) settled: Option<Reply>,
}

impl Simulation {
    pub(crate) fn new(settings: Settings, log: Option<File>) -> Result<Self, FaultError> {
        let clock = Clock::start();
        let limiter = Limiter::new(settings.limit, settings.window, settings.window_length);
        let mut simulation = Self {
            clock,
            account: Account::new(House::default(), 0, clock.now().wall),
            modes: settings.modes,
            key_limiters: vec![limiter.clone(); settings.other_keys.len() + 1],
            limiter,
            faults: Faults::default(),
            log: RequestLog::new(log),
            tally: Tally::new(settings.window_length, 0),
            arrived: 0,
            settings,
        };
        simulation.reset()?;
        Ok(simulation)
    }

    /// Resets everything to the start, except the clock, the sequence of requests, the log file and the counted
    /// requests: a reset must not bypass the limit.
    pub(crate) fn reset(&mut self) -> Result<(), FaultError> {
        let settings = &self.settings;
        let house = House {
            job_roles: settings.job_roles.clone(),
            custom_fields: settings.custom_fields.clone(),
            mandatory_custom_fields: settings.mandatory_custom_fields.clone(),
            brands: settings.brands.clone(),
            courses: settings.courses.clone(),
            other_keys: settings.other_keys.iter().map(|key| key.level).collect(),
        };
        let now = self.clock.now().wall;
        self.account = Account::new(house, settings.seed, now);
        self.account.invent_people(settings.users, settings.seed, now);
        self.modes = settings.modes;
        self.tally = Tally::new(settings.window_length, settings.other_keys.len() + 1);
        self.log.clear();
        self.set_faults(self.settings.faults.clone())
    }

    pub(crate) fn arrive(&mut self, head: Head) -> Arrival {
        let now = self.clock.now();
        self.arrived += 1;
        let query = Query::parse(&head.query);
        let head = match self.modes.key_place {
            KeyPlace::QueryToo if head.api_key.is_none() => Head {
                api_key: query.get("apikey").map(str::to_owned),
                ..head
            },
            KeyPlace::Header | KeyPlace::QueryToo => head,
        };
        let key = head.api_key.as_deref().and_then(|key| self.key_number(key));
        let mut arrival = Arrival {
            n: self.arrived,
            now,
            query,
            key,
            refused: false,
            faults: Vec::new(),
            settled: None,
            head,
        };
        let Some(key) = key else {
            self.tally.unknown_key += 1;
            arrival.settled = Some(api::refused(&Refusal::Key, &self.modes));
            return arrival;
        };
        self.tally.requests += 1;
        self.tally.busiest.arrive(now.since_start);
        self.tally.busiest_key[key].arrive(now.since_start);
        // Both limiters always count, so that the mode can be switched at any time.
        let counts = self.modes.refused == Refused::Counted;
        let shared = self.limiter.arrive(now.since_start, counts);
        let own = self.key_limiters[key].arrive(now.since_start, counts);
        let verdict = match self.modes.limit_scope {
            LimitScope::Account => shared,
            LimitScope::Key => own,
        };
        match verdict {
            Verdict::Admitted => {}
            Verdict::Refused { retry_in } => {
                self.tally.refused += 1;
                arrival.refused = true;
                let mut page = api::html_page(match self.modes.refusal {
                    RefusalStatus::Unavailable => 503,
                    RefusalStatus::TooManyRequests => 429,
                });
                if self.modes.retry_after == RetryAfter::Seconds {
                    page.retry_after_seconds = Some(retry_in.as_millis().div_ceil(1000) as u64);
                }
                arrival.settled = Some(page);
            }
        }
        arrival
    }

    /// Number of a key. The owner's key has number 0.
    fn key_number(&self, key: &str) -> Option<usize> {
        let others = self.settings.other_keys.iter().map(|other| other.key.as_str());
        std::iter::once(self.settings.api_key.as_str())
            .chain(others)
            .position(|known| known == key)
    }

    /// Chooses the faults of a request, after its body was received.
    pub(crate) fn strike(&mut self, arrival: &mut Arrival, body: &[u8]) {
        let target = format!("{}?{}", arrival.head.path, arrival.head.query);
        arrival.faults = self.faults.strike(&arrival.head.method, &target, body);
    }

    /// Performs the request.
    pub(crate) fn act(&mut self, arrival: &Arrival, body: Bytes) -> Reply {
        let Some(segments) = segments(&arrival.head.path) else {
            return Reply::refused(&Refusal::NoSuchEndpoint);
        };
        let Some(caller) = arrival.key.and_then(|key| self.account.key_holder(key)) else {
            return api::refused(&Refusal::Key, &self.modes);
        };
        let mut twist = Twist::default();
        arrival.faults.iter().for_each(|fault| fault.bend(&mut twist));
        let call = Call {
            method: match arrival.head.method.as_str() {
                "GET" => Method::Get,
                "POST" => Method::Post,
                "PUT" => Method::Put,
                "DELETE" => Method::Delete,
                _ => Method::Other,
            },
            segments,
            query: arrival.query.clone(),
            accept: arrival.head.accept.clone(),
            content_type: arrival.head.content_type.clone(),
            body,
            caller,
            bulk_delay: self.settings.bulk_delay,
            twist,
        };
        api::respond(&mut self.account, &call, &self.modes, self.clock.now())
    }

    /// Counts and logs a finished request. Without a status no response was sent, but the request may have had an effect.
    pub(crate) fn finish(
        &mut self,
        arrival: &Arrival,
        status: Option<u16>,
        effect: Option<&crate::effect::Effect>,
    ) {
        match status {
            Some(status) => *self.tally.by_status.entry(status).or_default() += 1,
            None => self.tally.unanswered += 1,
        }
        if let Some(effect) = effect {
            *self.tally.effects.entry(effect.name().to_owned()).or_default() += 1;
        }
        let names: Vec<&str> = arrival.faults.iter().map(Fault::name).collect();
        let entry = Entry {
            n: arrival.n,
            at_ms: millis(arrival.now.since_start),
            at: arrival.now.wall.to_string(),
            method: arrival.head.method.clone(),
            path: logged_path(&arrival.head),
            source: arrival.query.get("source").map(str::to_owned),
            sendmessage: arrival.query.choice("sendmessage"),
            skipfirstlogin: arrival.query.choice("skipfirstlogin"),
            status,
            key: arrival.head.api_key.as_deref().map(key_print),
            known_key: arrival.key.is_some(),
            refused: arrival.refused,
            fault: (!names.is_empty()).then(|| names.join("+")),
            effect: effect.map(ToString::to_string),
            duration_ms: millis(
                self.clock
                    .now()
                    .since_start
                    .saturating_sub(arrival.now.since_start),
            ),
        };
        if let Err(error) = self.log.append(entry) {
            self.tally.log_failure.get_or_insert_with(|| error.to_string());
        }
    }

    pub(crate) fn set_faults(&mut self, rules: Vec<RuleForm>) -> Result<(), FaultError> {
        let rules = rules
            .into_iter()
            .map(Rule::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        self.faults = Faults::new(rules, self.settings.seed);
        Ok(())
    }

    pub(crate) fn faults(&self) -> Vec<FaultReport<'_>> {
        self.faults.report()
    }

    /// Sets all given modes, or none of them.
    pub(crate) fn set_modes<'m>(
        &mut self,
        given: impl IntoIterator<Item = (&'m str, &'m str)>,
    ) -> Result<(), ModeError> {
        let mut modes = self.modes;
        given
            .into_iter()
            .try_for_each(|(name, value)| modes.set(name, value))?;
        self.modes = modes;
        Ok(())
    }

    pub(crate) fn modes(&self) -> &Modes {
        &self.modes
    }

    pub(crate) fn log_since(&self, n: u64) -> Vec<Entry> {
        self.log.since(n)
    }

    /// The account, after all due work is done.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.settle();
        self.account.snapshot()
    }

    pub(crate) fn report(&mut self) -> Report {
        self.settle();
        self.tally.report(
            &self.account,
            self.modes.limit_scope,
            self.settings.limit,
            self.settings.window_length,
        )
    }

    fn settle(&mut self) {
        let now = self.clock.now();
        self.account.expire(now.wall, &self.modes);
        self.account.run_imports(now, &self.modes);
    }

    pub(crate) fn invent_people(&mut self, count: usize, seed: u64) {
        self.account.invent_people(count, seed, self.clock.now().wall);
    }

    /// Deletes the object at a path below `v1.svc`, without limit and log.
    pub(crate) fn delete(&mut self, path: &str) -> Result<(), Option<String>> {
        let call = Call {
            method: Method::Delete,
            segments: path.split('/').map(str::to_owned).collect(),
            query: Query::parse("source=by-hand"),
            accept: String::new(),
            // Required for every write in one of the modes.
            content_type: "application/json".to_owned(),
            body: Bytes::new(),
            caller: self.account.owner(),
            bulk_delay: Duration::ZERO,
            twist: Twist::default(),
        };
        let reply = api::respond(&mut self.account, &call, &self.modes, self.clock.now());
        match reply.effect {
            Some(_) => Ok(()),
            None => Err(reply.reason),
        }
    }

    /// Creates or updates a user by username, without limit and log. Also sets `LastLogin`, and `SkipFirstLogin` of a new
    /// user, which are read-only for clients.
    pub(crate) fn put_user(&mut self, fields: &Fields) -> Result<(), Refusal> {
        let now = self.clock.now().wall;
        let name = fields.text("UserName")?.value().unwrap_or_default();
        let key = match self.account.users.by_name(&name).map(|user| user.key) {
            Some(key) => {
                self.account
                    .change_user(key, fields, Change::Merge, &self.modes, now)?;
                key
            }
            None => {
                let skips = fields.flag("SkipFirstLogin")?.value().unwrap_or(false);
                self.account.create_user(fields, skips, &self.modes, now)?
            }
        };
        let login = fields.text("LastLogin")?.value().as_deref().and_then(timestamp);
        if let (Some(login), Some(user)) = (login, self.account.users.get_mut(key)) {
            user.last_login = Some(login);
        }
        Ok(())
    }

    /// Creates or updates a team by name, and adds members, leaders and admins by username.
    pub(crate) fn put_team(&mut self, fields: &Fields) -> Result<(), Refusal> {
        use crate::model::Role;
        let now = self.clock.now().wall;
        let name = fields.text("Name")?.value().unwrap_or_default();
        let known = self
            .account
            .teams
            .values()
            .find(|team| team.name == name)
            .map(|team| team.key);
        let team = match known {
            Some(key) => {
                self.account.update_team(key, fields, &self.modes, now)?;
                key
            }
            None => self.account.create_team(None, fields, &self.modes, now)?,
        };
        for (list, role) in [
            ("Members", None),
            ("Leaders", Some(Role::Leader)),
            ("Admins", Some(Role::Admin)),
        ] {
            for user_name in fields.words(list).unwrap_or_default() {
                let user = self
                    .account
                    .users
                    .by_name(&user_name)
                    .ok_or(Refusal::NoSuchUser)?
                    .key;
                self.account.join(team, user, now);
                if let Some(role) = role {
                    self.account.set_role(team, user, role, true, now)?;
                }
            }
        }
        Ok(())
    }
}

impl Arrival {
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Decoded path segments after `v1.svc`. Accepts repeated slashes, and any letter case in fixed segments such as `users`.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.next().filter(|root| root.eq_ignore_ascii_case("v1.svc"))?;
    parts
        .map(|part| {
            let part = percent_encoding::percent_decode_str(part).decode_utf8().ok()?;
            let word = api::WORDS.iter().find(|word| word.eq_ignore_ascii_case(&part));
            Some(word.map_or_else(|| part.into_owned(), |word| (*word).to_owned()))
        })
        .collect()
}

/// Path and query without keys and without `source`, which has its own field in the log.
fn logged_path(head: &Head) -> String {
    let kept: Vec<&str> = head
        .query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty()
                && !["source", "apikey"]
                    .iter()
                    .any(|hidden| name.eq_ignore_ascii_case(hidden))
        })
        .collect();
    if kept.is_empty() {
        head.path.clone()
    } else {
        format!("{}?{}", head.path, kept.join("&"))
    }
}

fn key_print(key: &str) -> String {
    Sha256::digest(key.as_bytes())
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
