//! Tests whether the credentials are good for provisioning, and finds the reason if not.

use rate_tokens::Permit;

use crate::client::Client;
use crate::failure::{Failure, FailureKind};

/// Result of a test of the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Wrong key, wrong company setting, or a key of another region. Litmos answers the same in all three cases.
    KeyRefused,
    /// The key works, but its owner may not read whole records.
    LevelTooLow,
    Unreachable,
    /// A server answers, but it is not Litmos.
    NotLitmos,
    /// The rate limit is used up. The key was not tested.
    Throttled,
}

/// Result of a test of the credentials, with texts for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub verdict: Verdict,
    pub found: String,
    pub remedy: String,
}

const REGIONS: &str = "US https://api.litmos.com, AU https://api.litmos.com.au, EU https://api.litmoseu.com";

fn refused(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Credentials | FailureKind::Forbidden)
}

impl Client {
    /// Tests the credentials with one request, and with a second one if the first succeeds.
    pub async fn diagnose(&self, first: Permit, second: Permit) -> Diagnosis {
        match self.list_users(first, 0, 1).await {
            Err(failure) => self.explain(&failure),
            Ok(_) => match self.list_users_details(second, None, 0, 1).await {
                Ok(_) => Diagnosis {
                    verdict: Verdict::Good,
                    found: format!(
                        "{} accepts the key, and its owner may read and write everything",
                        self.base()
                    ),
                    remedy: String::new(),
                },
                Err(failure) if refused(&failure) => Diagnosis {
                    verdict: Verdict::LevelTooLow,
                    found: format!(
                        "{} accepts the key, but its owner may not read whole user records ({})",
                        self.base(),
                        failure.message
                    ),
                    remedy: "Use the API key of an Account Owner (My Profile & Settings in Litmos)."
                        .to_owned(),
                },
                Err(failure) => self.explain(&failure),
            },
        }
    }

    fn explain(&self, failure: &Failure) -> Diagnosis {
        let base = self.base();
        let diagnosis = |verdict, found: String, remedy: String| Diagnosis {
            verdict,
            found,
            remedy,
        };
        match &failure.kind {
            FailureKind::Credentials | FailureKind::Forbidden => diagnosis(
                Verdict::KeyRefused,
                format!("{base} refuses the key: {}", failure.message),
                format!(
                    "Copy the key again from My Profile & Settings, see that company is set, and that base_url is your \
                     region ({REGIONS}): a key works only in its own. Trial accounts have no API."
                ),
            ),
            FailureKind::NotSent | FailureKind::Unknown => diagnosis(
                Verdict::Unreachable,
                format!("{base} cannot be reached: {}", failure.message),
                format!("Correct base_url ({REGIONS}), or see what stands between here and there."),
            ),
            FailureKind::RateLimited { .. } => diagnosis(
                Verdict::Throttled,
                format!("{base} is over its limit just now"),
                "Something else uses the limit of this account; try again in a minute.".to_owned(),
            ),
            FailureKind::Void => diagnosis(
                Verdict::Throttled,
                "the permit ran out before it could be used".to_owned(),
                "Try again.".to_owned(),
            ),
            FailureKind::Gone
            | FailureKind::Redirected
            | FailureKind::Broken
            | FailureKind::Retry
            | FailureKind::Rejected { .. }
            | FailureKind::NoSuchCall
            | FailureKind::Exists => diagnosis(
                Verdict::NotLitmos,
                format!("{base} answers, but not as Litmos does: {failure}"),
                format!("Correct base_url ({REGIONS})."),
            ),
        }
    }
}
