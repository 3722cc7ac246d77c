//! `[[org]]`: one Litmos account with its limit and its switches.

use std::time::Duration;

use chassis::settings::Section;
use provisioning::{OrgId, Policy};
use rate_tokens::{BudgetSettings, Pacing, SettingsError, Terms};
use secrecy::{ExposeSecret as _, SecretString};

use crate::policy;

/// Fewest characters of a SCIM token. A shorter one could be guessed.
const SCIM_TOKEN_MIN: usize = 12;

/// How changes are applied: automatically, or by an admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyMode {
    Automatic,
    /// Changes wait for `rollcall apply`. Only cut-offs are applied automatically.
    Manual,
}

/// One Litmos account under one API key.
#[derive(Clone, Debug)]
pub struct Org {
    pub id: OrgId,
    pub base_url: String,
    /// The `source` parameter of Litmos: any value that names the company.
    pub company: String,
    pub api_key: SecretString,
    pub scim_token: Option<SecretString>,
    pub import_groups: bool,
    pub policy: Policy,
    pub apply: ApplyMode,
    budget: BudgetSettings,
}

impl Org {
    /// The limit and pacing that the governor uses.
    pub fn budget(&self) -> &BudgetSettings {
        &self.budget
    }

    /// Number of requests per minute, converted from the org's window.
    pub fn per_minute(&self) -> u32 {
        let per_ms = f64::from(self.budget.tokens()) / self.budget.window().as_millis() as f64;
        (per_ms * 60_000.0) as u32
    }
}

pub(crate) fn read(org: &mut Section<'_>) -> Option<Org> {
    let id = org.required_text("id", "a short name for this Litmos account, of a-z, 0-9 and -");
    let id = OrgId::parse(&id)
        .map_err(|error| org.problem("id", error.to_string()))
        .ok();
    let base_url = org.required_text(
        "base_url",
        "https://api.litmos.com (US), https://api.litmos.com.au (AU) or https://api.litmoseu.com (EU)",
    );
    if !base_url.is_empty() && !base_url.starts_with("https://") && !base_url.starts_with("http://") {
        org.problem("base_url", format!("is {base_url:?}; begin it with https://"));
    }
    let company = org.required_text(
        "company",
        "any value that names your company; Litmos calls it source",
    );
    let api_key = required_secret(
        org,
        "api_key",
        "from My Profile & Settings in Litmos, of an Account Owner",
    );
    let scim_token = org.secret("scim_token");
    if scim_token
        .as_ref()
        .is_some_and(|token| token.expose_secret().len() < SCIM_TOKEN_MIN)
    {
        org.problem(
            "scim_token",
            format!("is too short; use at least {SCIM_TOKEN_MIN} random characters"),
        );
    }
    let budget = read_budget(org);
    let import_groups = org.flag_or("import_groups", true);
    let apply = match org.text_or("apply", "automatic").as_str() {
        "automatic" => ApplyMode::Automatic,
        "manual" => ApplyMode::Manual,
        other => {
            org.problem(
                "apply",
                format!("is {other:?}; write \"automatic\" or \"manual\""),
            );
            ApplyMode::Automatic
        }
    };
    let policy = policy::read(org);
    Some(Org {
        id: id?,
        base_url,
        company,
        api_key: api_key?,
        scim_token,
        import_groups,
        policy,
        apply,
        budget: budget?,
    })
}

fn required_secret(org: &mut Section<'_>, key: &'static str, what_for: &str) -> Option<SecretString> {
    let there = org.has(key);
    let secret = org.secret(key);
    if !there {
        org.problem(
            key,
            format!("is missing: {what_for}; give the value, env:NAME or file:PATH"),
        );
    }
    secret
}

fn read_budget(org: &mut Section<'_>) -> Option<BudgetSettings> {
    let limit = org.number_or("requests_per_minute", 100, 1, u64::from(rate_tokens::LIMIT_MAX));
    let mut terms = Terms::per_minute(u32::try_from(limit).unwrap_or(100));
    // For tests with a simulator that has another window; Litmos's window is a minute.
    terms.window = Duration::from_millis(org.number_or("window_ms", 60_000, 1_000, 3_600_000));
    terms.permit_ttl = Duration::from_millis(org.number_or("permit_ttl_ms", 10_000, 500, 60_000));
    terms.settle = Duration::from_millis(org.number_or("settle_ms", 30_000, 500, 600_000));
    terms.share_percent = u32::try_from(org.number_or("share_percent", 100, 1, 100)).unwrap_or(100);
    let explore_to = org.number_or("explore_to", 0, 0, u64::from(rate_tokens::LIMIT_MAX));
    terms.explore_to = u32::try_from(explore_to).ok().filter(|limit| *limit > 0);
    if !org.flag_or("paced", true) {
        terms.pacing = Pacing::Unpaced;
    }
    BudgetSettings::new(terms)
        .map_err(|error| {
            let key = match error {
                SettingsError::ExploreTo { .. } => "explore_to",
                _ => "requests_per_minute",
            };
            org.problem(key, error.to_string());
        })
        .ok()
}
