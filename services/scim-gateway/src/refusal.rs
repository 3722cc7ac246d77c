//! Refused changes as SCIM errors.

use provisioning::NormalName;
use roster::{Applied, ChangeError, RosterError};
use scim::ScimError;

use crate::http::ScimRequest;

/// Reason why a change is refused: the rules of SCIM, or the rules of the roster.
#[derive(Debug)]
pub(crate) enum Refusal {
    Scim(ScimError),
    Roster(RosterError),
}

impl From<ScimError> for Refusal {
    fn from(error: ScimError) -> Refusal {
        Refusal::Scim(error)
    }
}

impl From<RosterError> for Refusal {
    fn from(error: RosterError) -> Refusal {
        Refusal::Roster(error)
    }
}

/// Turns the outcome of a change into a SCIM result. A raised identity question is stored, for a person to answer.
pub(crate) async fn answered<T>(
    request: &ScimRequest<'_>,
    outcome: Result<Applied<T>, ChangeError<Refusal>>,
) -> Result<Applied<T>, ScimError> {
    let error = match outcome {
        Ok(applied) => return Ok(applied),
        Err(ChangeError::Refused(Refusal::Scim(error))) => return Err(error),
        Err(ChangeError::Refused(Refusal::Roster(error)) | ChangeError::Roster(error)) => error,
    };
    if let RosterError::Unclear(question) = &error {
        request.org.roster.ask(question).await.map_err(scim_error)?;
    }
    Err(scim_error(error))
}

fn scim_error(error: RosterError) -> ScimError {
    match error {
        RosterError::NameTaken { .. } => ScimError::conflict("userName", error),
        RosterError::GroupNameTaken { .. } => ScimError::conflict("displayName", error),
        RosterError::Unclear(ref question) => {
            let same = |name: &str| NormalName::of(name);
            let attribute = match same(&question.stated.user_name) == same(&question.known.user_name) {
                true => "userName",
                false => "externalId",
            };
            ScimError::conflict(attribute, error)
        }
        RosterError::NoSuchPerson { .. } | RosterError::NoSuchGroup { .. } => {
            ScimError::not_found(error.to_string())
        }
        RosterError::Contended
        | RosterError::InPart { .. }
        | RosterError::Behind(_)
        | RosterError::Bus(_) => {
            tracing::error!(
                error = chassis::error_chain(&error),
                "a SCIM write could not be made durable"
            );
            ScimError::new(
                503,
                format!("{error}; send it again, what is there already is not written twice"),
            )
        }
    }
}
