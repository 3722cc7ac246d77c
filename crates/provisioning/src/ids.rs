//! Identifiers. Each kind has its own type, and each value is valid as one token of a NATS subject or key.
//!
//! Clones share the text, because many indexes contain the same id.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest accepted identifier, in bytes. Litmos documents 50 for its own; a UUID has 36.
const ID_MAX: usize = 64;

/// A text that is not valid as an identifier of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: {rule}")]
pub struct InvalidId {
    pub kind: &'static str,
    pub text: String,
    pub rule: &'static str,
}

fn is_opaque(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 40
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// [`InvalidId`] with the rule that the text breaks.
            pub fn parse(text: impl AsRef<str>) -> Result<$name, InvalidId> {
                let text = text.as_ref();
                if $check(text) {
                    Ok($name(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, text: text.chars().take(80).collect(), rule: $rule })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<$name, InvalidId> {
                $name::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                (*id.0).to_owned()
            }
        }

        /// An id and its text are equal and have the same hash, so maps keyed by ids can be searched with a text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// One Litmos account under one API key. The operator chooses the name.
    OrgId, "org id", is_slug, "1 to 40 of a-z, 0-9 and -, not starting with -"
);
identifier!(
    /// A source of desired state. The operator chooses the name.
    SourceId, "source id", is_slug, "1 to 40 of a-z, 0-9 and -, not starting with -"
);
identifier!(
    /// A person in the roster; also the SCIM id of the user. Never reused for another person.
    PersonId, "person id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// A group in the roster; also the SCIM id of the group.
    GroupId, "group id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// A Litmos user's `Id`: opaque and case-sensitive.
    AccountId, "account id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// A Litmos team's `Id`: opaque and case-sensitive.
    TeamId, "team id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// An operation of a plan. The same work planned twice has the same id.
    OperationId, "operation id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// Hash of the content of a plan. An approval is bound to it.
    PlanHash, "plan hash", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
identifier!(
    /// A question whether two records mean the same person. The same question has the same id.
    QuestionId, "question id", is_opaque, "1 to 64 of A-Z, a-z, 0-9, -, _ and ="
);
