//! The need of one person or one group: the next change for it, a reason to wait, or a reason to park it.

mod bulk;
mod group;
mod name;
mod parent;
mod person;
mod protection;
mod values;

pub(crate) use bulk::{bulk_can_create, bulk_leaves_alone, bulk_update_profile, leaves_alone_when_made};
pub(crate) use group::{GroupNeed, ParentTeam, TeamAmendment, group_need, subteams};
pub(crate) use parent::{Parent, parent_of};
pub(crate) use person::{
    CustomNeed, PersonNeed, awaited_manager, can_join, custom_need, is_fresh, leaves_all_teams, person_need,
};
pub(crate) use protection::is_protected;
pub use protection::{Protection, protection_of};

use crate::plan::WaitReason;
use crate::{Intent, ParkCode, Parked};

/// Remedy if two people in the roster want the same user name.
const NAME_REMEDY: &str = "Give one of the two another user name at the source.";

/// Start of the remedy if the account belongs to a leaver with the same user name. A person id follows.
const HAND_OVER: &str = "If they are the same person, hand the account over with: rollcall links unlink ";

/// Remedy if an account without a person has the user name.
const STRANGER_REMEDY: &str = "Rename that account in Litmos and run: rollcall import. Or give the person another user name at the source.";

/// Remedy if several groups or teams have one name.
const AMBIGUOUS_REMEDY: &str = "Rename all but one of them, in Litmos or at the source, and import again.";

fn parked(
    code: ParkCode,
    attribute: &str,
    message: String,
    remedy: String,
    revision: u64,
    at_ms: u64,
) -> Parked {
    Parked {
        code,
        attribute: Some(attribute.to_owned()),
        message,
        remedy,
        revision,
        at_ms,
    }
}

/// True if the roster and the observed state show if the reason still holds, so that planning checks it again.
///
/// Litmos also refuses a user name that is taken. Such a reason has another remedy and is not checked again, because
/// Litmos would refuse the same request again.
pub(crate) fn is_looked_at_again(parked: &Parked) -> bool {
    match parked.code {
        ParkCode::ProtectedAccount | ParkCode::TeamParentDiffers | ParkCode::ParentCircle => true,
        ParkCode::UserNameTaken => {
            [NAME_REMEDY, STRANGER_REMEDY].contains(&parked.remedy.as_str())
                || parked.remedy.starts_with(HAND_OVER)
        }
        ParkCode::TeamNameAmbiguous => parked.remedy == AMBIGUOUS_REMEDY,
        ParkCode::UserNameForbidden
        | ParkCode::ValueMissing
        | ParkCode::ValueTooLong
        | ParkCode::RejectedByLitmos
        | ParkCode::KeepsFailing
        | ParkCode::ValueNotTaken => false,
    }
}

/// The parts of a link that can stop a change for now.
struct Standing<'a> {
    intent: Option<&'a Intent>,
    parked: Option<&'a Parked>,
    next_try_ms: u64,
    last_error: Option<&'a String>,
}

impl Standing<'_> {
    fn wait(&self, revision: u64, now_ms: u64) -> Option<WaitReason> {
        if self.intent.is_some() {
            return Some(WaitReason::UnderWay);
        }
        let standing = |parked: &&Parked| parked.revision >= revision && !is_looked_at_again(parked);
        if let Some(parked) = self.parked.filter(standing) {
            return Some(WaitReason::Parked(parked.clone()));
        }
        (self.next_try_ms > now_ms).then(|| WaitReason::RetryAt {
            at_ms: self.next_try_ms,
            error: self.last_error.cloned(),
        })
    }
}
