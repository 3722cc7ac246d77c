//! The sequential object: a few users, or a few groups, that may stand in each other's way by name.
//!
//! Each answer is exactly one that the state allows. What is left open is what nobody promises: the id of somebody new, the
//! text of a version, and whether a version changes when nothing else does. A version is known once it was told; after
//! a change that told none it is another one.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Answer, Call, Content, Kind, Request};
use super::search::Sequential;

/// One resource that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    content: Content,
    /// `None`: it has one that nobody has been told.
    version: Option<String>,
}

/// What is there, and what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    there: BTreeMap<String, Resource>,
    /// Names of deleted users who may come back: a rename to one of them may be refused.
    left: BTreeSet<String>,
}

impl State {
    fn with(&self, id: &str, content: &Content, version: Option<String>) -> State {
        let mut after = self.clone();
        let content = content.clone();
        after.left.remove(&content.name);
        after.there.insert(id.to_owned(), Resource { content, version });
        after
    }

    fn without(&self, id: &str) -> State {
        let mut after = self.clone();
        after
            .left
            .extend(after.there.remove(id).map(|resource| resource.content.name));
        after
    }

    fn holder(&self, name: &str) -> Option<(&String, &Resource)> {
        self.there
            .iter()
            .find(|(_, resource)| resource.content.name == name)
    }
}

/// Users or groups whose names are apart from everybody else's.
#[derive(Debug)]
pub(crate) struct Resources {
    kind: Kind,
    /// Every id that the history names.
    ids: BTreeSet<String>,
}

impl Resources {
    pub(crate) fn of<'a>(kind: Kind, calls: impl Iterator<Item = &'a Call>) -> Resources {
        let mut ids = BTreeSet::new();
        for call in calls {
            ids.extend(call.request.id().map(str::to_owned));
            if let Some(Answer::Shown { id, .. }) = &call.answer {
                ids.insert(id.clone());
            }
        }
        Resources { kind, ids }
    }

    fn create(&self, state: &State, number: usize, wanted: &Content, answer: Option<&Answer>) -> Vec<State> {
        let holder = state.holder(&wanted.name);
        // Somebody who was cut off comes back in place.
        let comes_back =
            holder.filter(|(_, resource)| self.kind == Kind::User && resource.content.is_inactive());
        let with = |id: &str, version: Option<String>| state.with(id, wanted, version);
        match answer {
            Some(Answer::Shown { id, content, version }) => {
                let free = match (holder, comes_back) {
                    (None, _) => !state.there.contains_key(id),
                    (Some(_), Some((old, resource))) => {
                        old == id
                            && (resource.content == *wanted || resource.version.as_ref() != Some(version))
                    }
                    (Some(_), None) => false,
                };
                let fits = free && content == wanted;
                fits.then(|| with(id, Some(version.clone())))
                    .into_iter()
                    .collect()
            }
            Some(Answer::Applied) => holder.map(|_| state.clone()).into_iter().collect(),
            Some(Answer::Done | Answer::Missing | Answer::Stale | Answer::Other(..)) => Vec::new(),
            None => match (holder, comes_back) {
                (None, _) => {
                    // Whoever was made has one of the ids that appear later, or one that nobody ever saw.
                    let unseen = format!("unseen-{number}");
                    let ids = self.ids.iter().filter(|id| !state.there.contains_key(*id));
                    ids.chain([&unseen]).map(|id| with(id, None)).collect()
                }
                (Some(_), Some((id, _))) => vec![with(id, None)],
                (Some(_), None) => Vec::new(),
            },
        }
    }

    fn read(state: &State, id: &str, answer: Option<&Answer>) -> Vec<State> {
        match (state.there.get(id), answer) {
            (_, None) => vec![state.clone()],
            (None, Some(Answer::Missing)) => vec![state.clone()],
            (
                Some(resource),
                Some(Answer::Shown {
                    id: shown,
                    content,
                    version,
                }),
            ) => {
                let same_version = resource.version.as_ref().is_none_or(|known| known == version);
                if shown != id || resource.content != *content || !same_version {
                    return Vec::new();
                }
                vec![state.with(id, content, Some(version.clone()))]
            }
            (_, Some(_)) => Vec::new(),
        }
    }

    /// A change of one resource that is there; `None` deletes it.
    fn change(
        state: &State,
        id: &str,
        if_match: Option<&String>,
        edit: impl Fn(&Content) -> Option<Content>,
        answer: Option<&Answer>,
    ) -> Vec<State> {
        let same = || vec![state.clone()];
        let Some(resource) = state.there.get(id) else {
            return match answer {
                Some(Answer::Missing) | None => same(),
                Some(Answer::Stale) if if_match.is_some() => same(),
                Some(_) => Vec::new(),
            };
        };
        // A version that nobody was told is none that a client could have sent.
        let stale = if_match.is_some_and(|tag| resource.version.as_ref() != Some(tag));
        let wanted = edit(&resource.content);
        let other = |wanted: &Content| state.holder(&wanted.name).is_some_and(|(holder, _)| holder != id);
        let taken = wanted.as_ref().is_some_and(other);
        let renamed = |wanted: &Content| wanted.name != resource.content.name;
        let left = |wanted: &Content| renamed(wanted) && state.left.contains(&wanted.name);
        let with = |content: &Content, version: Option<String>| state.with(id, content, version);
        // The state after a change that told no version.
        let untold = |content: &Content| {
            let mut all = vec![with(content, None)];
            if *content == resource.content {
                all.push(state.clone());
            }
            all
        };
        match answer {
            Some(Answer::Stale) if stale => same(),
            Some(Answer::Applied) if taken || wanted.as_ref().is_some_and(left) => same(),
            None if stale || taken => same(),
            _ if stale || taken => Vec::new(),
            Some(Answer::Done) | None => wanted.as_ref().map_or_else(|| vec![state.without(id)], untold),
            Some(Answer::Shown {
                id: shown,
                content,
                version,
            }) => {
                let renewed = resource.content == *content || resource.version.as_ref() != Some(version);
                let fits = shown == id && wanted.as_ref() == Some(content) && renewed;
                fits.then(|| with(content, Some(version.clone())))
                    .into_iter()
                    .collect()
            }
            Some(Answer::Stale | Answer::Applied | Answer::Missing | Answer::Other(..)) => Vec::new(),
        }
    }
}

impl Sequential for Resources {
    type State = State;
    type Call = Call;

    fn initial(&self) -> State {
        State::default()
    }

    fn after(&self, state: &State, call: &Call) -> Vec<State> {
        let answer = call.answer.as_ref();
        match &call.request {
            Request::Create(content) => self.create(state, call.number, content, answer),
            Request::Read { id } => Resources::read(state, id, answer),
            Request::Replace {
                id,
                if_match,
                content,
            } => Resources::change(state, id, if_match.as_ref(), |_| Some(content.clone()), answer),
            Request::Patch { id, if_match, edits } => Resources::change(
                state,
                id,
                if_match.as_ref(),
                |old| Some(old.edited(edits)),
                answer,
            ),
            Request::Delete { id, if_match } => {
                Resources::change(state, id, if_match.as_ref(), |_| None, answer)
            }
        }
    }
}

/// Versions that were shown with two contents: each names one.
pub(crate) fn shared_versions<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<String> {
    let mut shown: BTreeMap<(String, String), Content> = BTreeMap::new();
    let mut shared = Vec::new();
    for call in calls {
        if let Some(Answer::Shown { id, content, version }) = &call.answer {
            let there = shown
                .entry((id.clone(), version.clone()))
                .or_insert_with(|| content.clone());
            if there != content {
                shared.push(format!("version {version} of {id} is {there:?} and {content:?}"));
            }
        }
    }
    shared
}
