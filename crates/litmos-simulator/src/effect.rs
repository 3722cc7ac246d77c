//! The effect of a request, for the request log and the report.

use std::fmt;

use crate::model::{TeamId, UserId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    UserCreated(UserId),
    UserUpdated(UserId),
    /// A write that changed nothing.
    UserUnchanged(UserId),
    UserDeactivated(UserId),
    UserReactivated(UserId),
    UserDeleted(UserId),
    CustomFieldsSet(UserId),
    UserTeamsAdded {
        user: UserId,
        added: usize,
    },
    UserTeamsLeft {
        user: UserId,
        left: usize,
    },
    TeamCreated(TeamId),
    TeamUpdated(TeamId),
    TeamDeleted(TeamId),
    MembersAdded {
        team: TeamId,
        added: usize,
    },
    MemberRemoved {
        team: TeamId,
        user: UserId,
    },
    Promoted {
        team: TeamId,
        user: UserId,
        role: &'static str,
    },
    Demoted {
        team: TeamId,
        user: UserId,
        role: &'static str,
    },
    TeamCoursesAdded {
        team: TeamId,
        added: usize,
    },
    TeamCoursesRemoved {
        team: TeamId,
        removed: usize,
    },
    UserCoursesAdded {
        user: UserId,
        added: usize,
    },
    UserCourseRemoved(UserId),
    UserCourseReset(UserId),
    ResultRecorded(UserId),
    BulkAccepted {
        job: String,
        rows: usize,
    },
    /// A write that succeeded and changed nothing.
    Nothing,
}

impl Effect {
    /// Name of the effect without ids, for counting.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::UserCreated(_) => "user.created",
            Self::UserUpdated(_) => "user.updated",
            Self::UserUnchanged(_) => "user.unchanged",
            Self::UserDeactivated(_) => "user.deactivated",
            Self::UserReactivated(_) => "user.reactivated",
            Self::UserDeleted(_) => "user.deleted",
            Self::CustomFieldsSet(_) => "user.custom_fields_set",
            Self::UserTeamsAdded { .. } => "user.teams_added",
            Self::UserTeamsLeft { .. } => "user.teams_left",
            Self::TeamCreated(_) => "team.created",
            Self::TeamUpdated(_) => "team.updated",
            Self::TeamDeleted(_) => "team.deleted",
            Self::MembersAdded { .. } => "member.added",
            Self::MemberRemoved { .. } => "member.removed",
            Self::Promoted { .. } => "member.promoted",
            Self::Demoted { .. } => "member.demoted",
            Self::TeamCoursesAdded { .. } => "team.courses_added",
            Self::TeamCoursesRemoved { .. } => "team.courses_removed",
            Self::UserCoursesAdded { .. } => "user.courses_added",
            Self::UserCourseRemoved(_) => "user.course_removed",
            Self::UserCourseReset(_) => "user.course_reset",
            Self::ResultRecorded(_) => "result.recorded",
            Self::BulkAccepted { .. } => "bulk.accepted",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::UserCreated(id)
            | Self::UserUpdated(id)
            | Self::UserUnchanged(id)
            | Self::UserDeactivated(id)
            | Self::UserReactivated(id)
            | Self::UserDeleted(id)
            | Self::CustomFieldsSet(id)
            | Self::UserCourseRemoved(id)
            | Self::UserCourseReset(id)
            | Self::ResultRecorded(id) => write!(f, "{name} id={id}"),
            Self::UserTeamsAdded { user, added } => write!(f, "{name} id={user} n={added}"),
            Self::UserTeamsLeft { user, left } => write!(f, "{name} id={user} n={left}"),
            Self::TeamCreated(id) | Self::TeamUpdated(id) | Self::TeamDeleted(id) => {
                write!(f, "{name} id={id}")
            }
            Self::UserCoursesAdded { user, added } => write!(f, "{name} id={user} n={added}"),
            Self::TeamCoursesAdded { team, added } => write!(f, "{name} team={team} n={added}"),
            Self::TeamCoursesRemoved { team, removed } => write!(f, "{name} team={team} n={removed}"),
            Self::MembersAdded { team, added } => write!(f, "{name} team={team} n={added}"),
            Self::MemberRemoved { team, user } => write!(f, "{name} team={team} id={user}"),
            Self::Promoted { team, user, role } | Self::Demoted { team, user, role } => {
                write!(f, "{name} team={team} id={user} role={role}")
            }
            Self::BulkAccepted { job, rows } => write!(f, "{name} id={job} n={rows}"),
            Self::Nothing => f.write_str(name),
        }
    }
}
