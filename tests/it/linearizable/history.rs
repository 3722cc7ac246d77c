//! What clients asked, and what they were told: of users and of groups alike.

use std::collections::{BTreeMap, BTreeSet};

/// Users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

/// What a resource says, without id and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Content {
    /// `userName` or `displayName`.
    pub(crate) name: String,
    /// Users: `active`, `title` and `displayName`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Groups: ids of people.
    pub(crate) members: BTreeSet<String>,
}

/// One operation of a PATCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Rename(String),
    Set(&'static str, String),
    Remove(&'static str),
    AddMember(String),
    RemoveMember(String),
}

impl Content {
    /// The content after these edits.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Content {
        let mut content = self.clone();
        for edit in edits {
            match edit {
                Edit::Rename(name) => content.name.clone_from(name),
                Edit::Set(attribute, value) => {
                    content.attributes.insert((*attribute).to_owned(), value.clone());
                }
                Edit::Remove(attribute) => {
                    content.attributes.remove(*attribute);
                }
                Edit::AddMember(id) => {
                    content.members.insert(id.clone());
                }
                Edit::RemoveMember(id) => {
                    content.members.remove(id);
                }
            }
        }
        content
    }

    /// Whether somebody else may come under this name.
    pub(crate) fn is_inactive(&self) -> bool {
        self.attributes
            .get("active")
            .is_some_and(|active| active == "false")
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Create(Content),
    Read {
        id: String,
    },
    Replace {
        id: String,
        if_match: Option<String>,
        content: Content,
    },
    Patch {
        id: String,
        if_match: Option<String>,
        edits: Vec<Edit>,
    },
    Delete {
        id: String,
        if_match: Option<String>,
    },
}

impl Request {
    /// The resource that it is about, once that has an id.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Request::Create(_) => None,
            Request::Read { id }
            | Request::Replace { id, .. }
            | Request::Patch { id, .. }
            | Request::Delete { id, .. } => Some(id),
        }
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 or 201 with the resource.
    Shown {
        id: String,
        content: Content,
        version: String,
    },
    /// 204.
    Done,
    /// 404.
    Missing,
    /// 409.
    Applied,
    /// 412.
    Stale,
    /// Anything else that says that nothing was done; no object of ours answers so.
    Other(u16, String),
}

/// A request with its answer, if anybody heard one.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Number of the call; a resource that nobody saw is named after the call that made it.
    pub(crate) number: usize,
    pub(crate) request: Request,
    pub(crate) answer: Option<Answer>,
}
