//! Faults on demand: typical failures of networks and servers, repeatable by seed.
//!
//! A rule has a kind, a filter for requests, and a frequency. Each rule has its own stream of random numbers, so a new
//! rule does not affect the others. Several rules may apply to one request.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::api::{Reply, Twist, html_page, maintenance_page, redirect};
use crate::chance::Chance;
use crate::model::Refusal;

/// Default target of redirects.
pub(crate) const MAINTENANCE_PATH: &str = "/maintenance";

/// A kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Litmos performs the request, then closes the connection without a response.
    LoseReplyAfterActing,
    /// Litmos closes the connection without performing the request. The request still counts.
    CutBeforeActing,
    /// Litmos performs the request late, and so responds late.
    Delay(Duration),
    /// Litmos performs the request at once, and responds late.
    DelayReply(Duration),
    /// Responds with an HTML page of this status. The request is not performed.
    Status(u16),
    /// Responds 429 with this `Retry-After` in seconds, independent of the limit. The request is not performed.
    RetryAfter(u64),
    /// Responds 403 in Litmos's own format. The request is not performed.
    Forbidden,
    /// Responds with a redirect. The request is not performed.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Value of the header `Location`.
        location: String,
    },
    /// Responds with a maintenance page of this status. The request is not performed.
    Maintenance(u16),
    /// A list response has half of its items.
    ShortPage,
    /// A list response is the page before the requested one.
    RepeatPage,
    /// A bulk import takes this much longer.
    SlowJob(Duration),
}

impl Fault {
    /// Names of the kinds, as in rules.
    pub const NAMES: &'static [&'static str] = &[
        "lose_reply_after_acting",
        "cut_before_acting",
        "delay_ms",
        "delay_reply_ms",
        "status",
        "retry_after",
        "forbidden",
        "redirect",
        "maintenance",
        "short_page",
        "repeat_page",
        "slow_job",
    ];

    fn parse(form: &RuleForm) -> Result<Self, FaultError> {
        let (name, value) = (form.kind.as_str(), form.value);
        if form.location.is_some() && name != "redirect" {
            return Err(FaultError::Location);
        }
        let needed = || value.ok_or_else(|| FaultError::Value(name.to_owned()));
        let bare = |fault| match value {
            None => Ok(fault),
            Some(_) => Err(FaultError::NoValue(name.to_owned())),
        };
        match name {
            "lose_reply_after_acting" => bare(Self::LoseReplyAfterActing),
            "cut_before_acting" => bare(Self::CutBeforeActing),
            "short_page" => bare(Self::ShortPage),
            "repeat_page" => bare(Self::RepeatPage),
            "delay_ms" => Ok(Self::Delay(Duration::from_millis(needed()?))),
            "delay_reply_ms" => Ok(Self::DelayReply(Duration::from_millis(needed()?))),
            "slow_job" => Ok(Self::SlowJob(Duration::from_millis(needed()?))),
            "status" => match needed()? {
                status @ 400..=599 => Ok(Self::Status(status as u16)),
                other => Err(FaultError::Status(other)),
            },
            "retry_after" => Ok(Self::RetryAfter(needed()?)),
            "forbidden" => bare(Self::Forbidden),
            "redirect" => match needed()? {
                status @ (301 | 302 | 303 | 307 | 308) => Ok(Self::Redirect {
                    status: status as u16,
                    location: form
                        .location
                        .clone()
                        .unwrap_or_else(|| MAINTENANCE_PATH.to_owned()),
                }),
                other => Err(FaultError::RedirectStatus(other)),
            },
            "maintenance" => match needed()? {
                status @ 200..=599 => Ok(Self::Maintenance(status as u16)),
                other => Err(FaultError::MaintenanceStatus(other)),
            },
            _ => Err(FaultError::Kind(name.to_owned())),
        }
    }

    /// Response of a fault that replaces performing the request.
    pub(crate) fn answer(&self) -> Option<Reply> {
        match self {
            Self::Status(status) => Some(html_page(*status)),
            Self::RetryAfter(seconds) => Some(Reply {
                retry_after_seconds: Some(*seconds),
                ..html_page(429)
            }),
            Self::Forbidden => Some(Reply::refused(&Refusal::NotPermitted)),
            Self::Redirect { status, location } => Some(redirect(*status, location.clone())),
            Self::Maintenance(status) => Some(maintenance_page(*status)),
            Self::LoseReplyAfterActing
            | Self::CutBeforeActing
            | Self::Delay(_)
            | Self::DelayReply(_)
            | Self::ShortPage
            | Self::RepeatPage
            | Self::SlowJob(_) => None,
        }
    }

    /// Delay before the request is performed.
    pub(crate) fn delay(&self) -> Duration {
        if let Self::Delay(wait) = self {
            *wait
        } else {
            Duration::ZERO
        }
    }

    /// Delay after the request was performed.
    pub(crate) fn reply_delay(&self) -> Duration {
        if let Self::DelayReply(wait) = self {
            *wait
        } else {
            Duration::ZERO
        }
    }

    /// Adds the fault's changes of the request handling to `twist`.
    pub(crate) fn bend(&self, twist: &mut Twist) {
        match self {
            Self::ShortPage => twist.short_page = true,
            Self::RepeatPage => twist.repeat_page = true,
            Self::SlowJob(longer) => twist.slow_job += *longer,
            Self::LoseReplyAfterActing
            | Self::CutBeforeActing
            | Self::Delay(_)
            | Self::DelayReply(_)
            | Self::Status(_)
            | Self::RetryAfter(_)
            | Self::Forbidden
            | Self::Redirect { .. }
            | Self::Maintenance(_) => {}
        }
    }

    /// Name of the kind, as in rules and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoseReplyAfterActing => "lose_reply_after_acting",
            Self::CutBeforeActing => "cut_before_acting",
            Self::Delay(_) => "delay_ms",
            Self::DelayReply(_) => "delay_reply_ms",
            Self::Status(_) => "status",
            Self::RetryAfter(_) => "retry_after",
            Self::Forbidden => "forbidden",
            Self::Redirect { .. } => "redirect",
            Self::Maintenance(_) => "maintenance",
            Self::ShortPage => "short_page",
            Self::RepeatPage => "repeat_page",
            Self::SlowJob(_) => "slow_job",
        }
    }
}

/// Error of an invalid rule.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FaultError {
    #[error("there is no fault `{0}`; the faults are: {names}", names = Fault::NAMES.join(", "))]
    Kind(String),
    #[error("fault `{0}` needs a value, as in `{0}=500`")]
    Value(String),
    #[error("fault `{0}` takes no value")]
    NoValue(String),
    #[error("fault `status` takes a status from 400 to 599, not {0}")]
    Status(u64),
    #[error("fault `redirect` takes status 301, 302, 303, 307 or 308, not {0}")]
    RedirectStatus(u64),
    #[error("fault `maintenance` takes a status from 200 to 599, not {0}")]
    MaintenanceStatus(u64),
    #[error("location= goes with fault `redirect` only")]
    Location,
    #[error("a fault's probability lies between 0 and 1, not {0}")]
    Probability(f64),
    #[error(
        "`{part}` in fault `{text}` is not one of method=, path=, user=, location=, times=, probability=, skip= with a fitting value"
    )]
    Part { part: String, text: String },
}

/// One rule, in the format of the control API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// One of [`Fault::NAMES`].
    pub kind: String,
    /// Milliseconds, seconds or a status, if the kind needs a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// Applies only to requests with this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Applies only to requests whose path and query contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Applies only to requests that contain this id or username in path, query or body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Target of a redirect. Default: a page of the simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Number of matching requests without a fault at the start.
    #[serde(default)]
    pub skip: u64,
    /// Most faults of this rule. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Share of the matching requests that get the fault. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl FromStr for RuleForm {
    type Err = FaultError;

    /// Parses `KIND[=VALUE][,method=M][,path=TEXT][,user=TEXT][,location=URL][,skip=N][,times=N][,probability=P]`.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let mut form = Self {
            kind: head.to_owned(),
            value: None,
            method: None,
            path: None,
            user: None,
            location: None,
            skip: 0,
            times: None,
            probability: None,
        };
        let wrong = |part: &str| FaultError::Part {
            part: part.to_owned(),
            text: text.to_owned(),
        };
        if let Some((kind, value)) = head.split_once('=') {
            form.kind = kind.to_owned();
            form.value = Some(value.parse().map_err(|_| wrong(head))?);
        }
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            match name {
                "method" => form.method = Some(value.to_owned()),
                "path" => form.path = Some(value.to_owned()),
                "user" => form.user = Some(value.to_owned()),
                "location" => form.location = Some(value.to_owned()),
                "skip" => form.skip = value.parse().map_err(|_| wrong(part))?,
                "times" => form.times = Some(value.parse().map_err(|_| wrong(part))?),
                "probability" => form.probability = Some(value.parse().map_err(|_| wrong(part))?),
                _ => return Err(wrong(part)),
            }
        }
        Rule::try_from(form.clone())?;
        Ok(form)
    }
}

/// A checked rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    fault: Fault,
    form: RuleForm,
}

impl TryFrom<RuleForm> for Rule {
    type Error = FaultError;

    fn try_from(form: RuleForm) -> Result<Self, FaultError> {
        if let Some(share) = form.probability.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(FaultError::Probability(share));
        }
        Ok(Self {
            fault: Fault::parse(&form)?,
            form,
        })
    }
}

impl Rule {
    fn concerns(&self, method: &str, target: &str, body: &[u8]) -> bool {
        self.form
            .method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.form.path.as_deref().is_none_or(|part| target.contains(part))
            && self.form.user.as_deref().is_none_or(|user| {
                percent_decode_str(target).decode_utf8_lossy().contains(user)
                    || String::from_utf8_lossy(body).contains(user)
            })
    }
}

/// Active rules, with the number of matching requests and of faults for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

#[derive(Clone, Debug)]
struct Armed {
    rule: Rule,
    chance: Chance,
    met: u64,
    struck: u64,
}

/// A rule and its counts, for the control API.
#[derive(Debug, Serialize)]
pub(crate) struct FaultReport<'a> {
    #[serde(flatten)]
    form: &'a RuleForm,
    met: u64,
    struck: u64,
}

impl Faults {
    pub(crate) fn new(rules: Vec<Rule>, seed: u64) -> Self {
        let armed = rules
            .into_iter()
            .zip(0_u64..)
            .map(|(rule, stream)| {
                let chance = Chance::new(seed ^ (stream + 1).wrapping_mul(0xD1B5_4A32_D192_ED03));
                Armed {
                    rule,
                    chance,
                    met: 0,
                    struck: 0,
                }
            })
            .collect();
        Self { armed }
    }

    /// Faults for this request. `target` is path and query as sent.
    pub(crate) fn strike(&mut self, method: &str, target: &str, body: &[u8]) -> Vec<Fault> {
        self.armed
            .iter_mut()
            .filter_map(|armed| armed.meet(method, target, body))
            .collect()
    }

    pub(crate) fn report(&self) -> Vec<FaultReport<'_>> {
        self.armed
            .iter()
            .map(|armed| FaultReport {
                form: &armed.rule.form,
                met: armed.met,
                struck: armed.struck,
            })
            .collect()
    }
}

impl Armed {
    fn meet(&mut self, method: &str, target: &str, body: &[u8]) -> Option<Fault> {
        if !self.rule.concerns(method, target, body) {
            return None;
        }
        self.met += 1;
        let form = &self.rule.form;
        if self.met <= form.skip || form.times.is_some_and(|times| self.struck >= times) {
            return None;
        }
        if form.probability.is_some_and(|share| !self.chance.hits(share)) {
            return None;
        }
        self.struck += 1;
        Some(self.rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str], seed: u64) -> Faults {
        let rules = texts
            .iter()
            .map(|text| Rule::try_from(text.parse::<RuleForm>().unwrap()).unwrap())
            .collect();
        Faults::new(rules, seed)
    }

    #[test]
    fn a_rule_strikes_only_its_method_and_path_after_its_skips_and_only_so_often() {
        let mut faults = faults(&["status=504,method=POST,path=/users,skip=1,times=2"], 1);
        let mut posts = || faults.strike("POST", "/v1.svc/users", b"");
        assert_eq!(
            [posts(), posts(), posts(), posts()],
            [vec![], vec![Fault::Status(504)], vec![Fault::Status(504)], vec![]]
        );
        assert!(faults.strike("GET", "/v1.svc/users", b"").is_empty());
        assert_eq!(faults.armed[0].met, 4);
    }

    #[test]
    fn chance_strikes_alike_for_one_seed_and_near_its_share() {
        let run = |seed| {
            let mut faults = faults(
                &["cut_before_acting,probability=0.25", "short_page,probability=0.5"],
                seed,
            );
            (0..1000)
                .map(|_| faults.strike("GET", "/", b""))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let cuts = run(7)
            .iter()
            .filter(|struck| struck.contains(&Fault::CutBeforeActing))
            .count();
        assert!((200..300).contains(&cuts), "{cuts}");
    }

    #[test]
    fn a_mistyped_fault_says_what_is_wrong() {
        let message = |text: &str| text.parse::<RuleForm>().unwrap_err().to_string();
        assert!(message("lose_reply").contains("lose_reply_after_acting"));
        assert!(message("delay_ms").contains("needs a value"));
        assert!(message("short_page=3").contains("takes no value"));
        assert!(message("status=200").contains("400 to 599"));
        assert!(message("short_page,often=3").contains("`often=3`"));
        assert!(message("short_page,probability=2").contains("between 0 and 1"));
    }
}
