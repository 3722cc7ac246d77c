//! Reasons for which Litmos refuses a request, each with its status and its message.

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("The request body could not be read: {0}")]
    BodyUnreadable(String),
    #[error("The request body is larger than {0} KB")]
    BodyTooLarge(usize),
    #[error("Mobile phone number is missing or not in the form +15551234567")]
    PhoneMobileForm,
    #[error("{0} is not a date")]
    NotADate(&'static str),
    #[error("Bulk import not found")]
    NoSuchJob,
    #[error("API key is invalid or the API is not enabled for this account")]
    Key,
    #[error("The source parameter is missing")]
    SourceMissing,
    #[error("You do not have the proper permissions for this call")]
    NotPermitted,
    #[error("Endpoint not found")]
    NoSuchEndpoint,
    #[error("User not found")]
    NoSuchUser,
    #[error("Team not found")]
    NoSuchTeam,
    #[error("Manager not found")]
    NoSuchManager,
    #[error("The Id in the URL and the Id in the body are not the same")]
    IdMismatch,
    #[error("User is not a member of the team")]
    NotAMember,
    #[error("Mandatory custom field {0} is missing")]
    MandatoryField(String),
    #[error("The list of users is empty")]
    EmptyUserList,
    #[error("No more than 25 teams can be given")]
    TooManyTeams,
    #[error("Method not allowed")]
    MethodNotAllowed,
    #[error("{0} is missing or not a valid date range of at most 7 days")]
    DateRange(&'static str),
    #[error("UserName already exists")]
    UserNameTaken,
    #[error("UserName must be more than 3 and at most 255 characters")]
    UserNameLength,
    #[error("UserName contains invalid characters")]
    UserNameCharacters,
    #[error("{0} is required")]
    Required(&'static str),
    #[error("Email is invalid")]
    EmailInvalid,
    #[error("Password does not meet the requirements")]
    PasswordWeak,
    #[error("AccessLevel is invalid")]
    AccessLevelInvalid,
    #[error("Culture is invalid")]
    CultureInvalid,
    #[error("Job Role is invalid")]
    JobRoleInvalid,
    #[error("{name} is longer than {max} characters")]
    TooLong { name: &'static str, max: usize },
    #[error("User is already assigned to one of the teams")]
    AlreadyInTeam,
    #[error("Team name already exists")]
    TeamNameTaken,
    #[error("Brand is invalid")]
    BrandInvalid,
    #[error("TimeZone is invalid")]
    TimeZoneInvalid,
    #[error("Content-Type must be application/json, application/xml or text/xml")]
    ContentType,
    #[error("Course not found")]
    NoSuchCourse,
    #[error("Module not found")]
    NoSuchModule,
    #[error("User is not assigned to the course")]
    NotAssigned,
    /// An error that Litmos does not handle: the response is an HTML page instead of Litmos's own format.
    #[error("{0} could not be deserialized")]
    Unhandled(&'static str),
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::BodyUnreadable(_)
            | Self::BodyTooLarge(_)
            | Self::PhoneMobileForm
            | Self::NotADate(_)
            | Self::NoSuchJob => 400,
            Self::Key | Self::SourceMissing => 401,
            Self::NotPermitted | Self::ContentType => 403,
            Self::NoSuchEndpoint
            | Self::NoSuchUser
            | Self::NoSuchTeam
            | Self::NoSuchManager
            | Self::NoSuchCourse
            | Self::NoSuchModule
            | Self::NotAssigned
            | Self::IdMismatch
            | Self::NotAMember
            | Self::MandatoryField(_)
            | Self::EmptyUserList
            | Self::TooManyTeams => 404,
            Self::MethodNotAllowed => 405,
            Self::DateRange(_) => 406,
            Self::UserNameTaken
            | Self::UserNameLength
            | Self::UserNameCharacters
            | Self::Required(_)
            | Self::EmailInvalid
            | Self::PasswordWeak
            | Self::AccessLevelInvalid
            | Self::CultureInvalid
            | Self::JobRoleInvalid
            | Self::BrandInvalid
            | Self::TimeZoneInvalid
            | Self::TooLong { .. }
            | Self::AlreadyInTeam
            | Self::TeamNameTaken => 409,
            Self::Unhandled(_) => 500,
        }
    }
}
