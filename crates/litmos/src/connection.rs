use std::time::Duration;

use rate_tokens::Moment;
use secrecy::SecretString;

/// Most characters of `source` that Litmos accepts.
const SOURCE_MAX: usize = 50;

/// Longest timeout of one request. It is shorter than the time after which a sent request is assumed to have had its effect.
const TIMEOUT_MAX: Duration = Duration::from_secs(29);

/// Address and credentials of a Litmos account.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `https://api.litmos.com` (US), `https://api.litmos.com.au` (AU), `https://api.litmoseu.com` (EU) or a simulator, with or
    /// without `/v1.svc`.
    pub base_url: String,
    /// Litmos's `source` parameter: any text that names the company.
    pub company: String,
    pub api_key: SecretString,
    pub timeout: Duration,
    /// Clock that decides whether a permit has expired.
    pub clock: fn() -> Moment,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectionProblem {
    #[error(
        "the base URL cannot be used; write https://api.litmos.com, https://api.litmos.com.au or \
         https://api.litmoseu.com (plain http only reaches a simulator)"
    )]
    BaseUrl,
    #[error(
        "the API key holds characters that no HTTP header may hold; copy it again from My Profile & Settings"
    )]
    ApiKey,
    #[error("no HTTP client can be made here")]
    Http(#[source] reqwest::Error),
}

impl Connection {
    pub(crate) fn root(&self) -> Result<String, ConnectionProblem> {
        let url = self.base_url.trim().trim_end_matches('/');
        let near = || url.strip_prefix("http://").filter(|host| is_near(host));
        let host = url.strip_prefix("https://").or_else(near);
        let odd =
            |host: &str| host.is_empty() || host.contains(|c: char| c.is_whitespace() || "@?#".contains(c));
        if host.is_none_or(odd) {
            return Err(ConnectionProblem::BaseUrl);
        }
        Ok(if url.ends_with("/v1.svc") {
            url.to_owned()
        } else {
            format!("{url}/v1.svc")
        })
    }

    pub(crate) fn source(&self) -> String {
        self.company.trim().chars().take(SOURCE_MAX).collect()
    }

    pub(crate) fn bounded_timeout(&self) -> Duration {
        self.timeout.min(TIMEOUT_MAX)
    }
}

/// True if a host is this machine, or a name without a dot, such as a simulator in the same network. The API key must not cross
/// the internet unencrypted.
fn is_near(host: &str) -> bool {
    let name = host.split(['/', ':']).next().unwrap_or_default();
    name == "127.0.0.1" || (!name.contains('.') && !name.is_empty())
}
