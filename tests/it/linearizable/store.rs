//! A store in memory that is asked by clients who overlap, with or without a fault: what the checker is tried on.

use std::collections::BTreeMap;

use rollcall_tests::Chance;

use super::history::{Answer, Call, Content, Kind, Request};
use super::search::Timed;
use super::work::Known;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A change is computed from a copy, and laid over what is there.
    LostUpdate,
    /// `If-Match` is compared with a copy.
    StaleIfMatch,
    /// Whether a name is free is looked up in a copy.
    DoubleCreate,
    /// A read is answered from a copy that may be older than an answered write.
    StaleRead,
    /// A change brings back what was deleted since its copy was made.
    Resurrection,
    /// The members are computed from a copy.
    LostMember,
}

pub(crate) const FAULTS: [Fault; 6] = [
    Fault::LostUpdate,
    Fault::StaleIfMatch,
    Fault::DoubleCreate,
    Fault::StaleRead,
    Fault::Resurrection,
    Fault::LostMember,
];

impl Fault {
    /// What it shows in.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Fault::LostUpdate
            | Fault::StaleIfMatch
            | Fault::DoubleCreate
            | Fault::StaleRead
            | Fault::Resurrection => Kind::User,
            Fault::LostMember => Kind::Group,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Store {
    there: BTreeMap<String, (Content, u64)>,
    ids: u64,
    revision: u64,
}

impl Store {
    fn shown(&self, id: &str) -> Answer {
        match self.there.get(id) {
            None => Answer::Missing,
            Some((content, revision)) => Answer::Shown {
                id: id.to_owned(),
                content: content.clone(),
                version: revision.to_string(),
            },
        }
    }

    fn put(&mut self, id: &str, content: Content) -> Answer {
        self.revision += 1;
        self.there.insert(id.to_owned(), (content, self.revision));
        self.shown(id)
    }

    fn holder(&self, name: &str) -> Option<(&String, &(Content, u64))> {
        self.there.iter().find(|(_, (content, _))| content.name == name)
    }

    /// Does what is asked; `copy` is the store as it was when the request came.
    fn apply(&mut self, kind: Kind, request: &Request, copy: &Store, fault: Option<Fault>) -> Answer {
        let has = |wanted| fault == Some(wanted);
        match request {
            Request::Create(content) => {
                let seen = if has(Fault::DoubleCreate) { copy } else { &*self };
                let id = match seen.holder(&content.name) {
                    None => {
                        self.ids += 1;
                        format!("id-{}", self.ids)
                    }
                    Some((id, (old, _))) if kind == Kind::User && old.is_inactive() => id.clone(),
                    Some(_) => return Answer::Applied,
                };
                self.put(&id, content.clone())
            }
            Request::Read { id } if has(Fault::StaleRead) => copy.shown(id),
            Request::Read { id } => self.shown(id),
            Request::Replace {
                id,
                if_match,
                content,
            } => self.change(id, if_match.as_ref(), |_| content.clone(), copy, fault),
            Request::Patch { id, if_match, edits } => {
                self.change(id, if_match.as_ref(), |old| old.edited(edits), copy, fault)
            }
            Request::Delete { id, if_match } => match self.refusal(id, if_match.as_ref(), copy, fault) {
                Some(refusal) => refusal,
                None => {
                    self.there.remove(id);
                    Answer::Done
                }
            },
        }
    }

    fn refusal(
        &self,
        id: &str,
        if_match: Option<&String>,
        copy: &Store,
        fault: Option<Fault>,
    ) -> Option<Answer> {
        let Some((_, revision)) = self.there.get(id) else {
            return Some(Answer::Missing);
        };
        let compared = match copy.there.get(id) {
            Some((_, of_copy)) if fault == Some(Fault::StaleIfMatch) => of_copy,
            _ => revision,
        };
        let stale = if_match.is_some_and(|tag| *tag != compared.to_string());
        stale.then_some(Answer::Stale)
    }

    fn change(
        &mut self,
        id: &str,
        if_match: Option<&String>,
        edit: impl Fn(&Content) -> Content,
        copy: &Store,
        fault: Option<Fault>,
    ) -> Answer {
        let copied = copy.there.get(id);
        let old = match (self.there.get(id), copied) {
            (None, Some((copied, _))) if fault == Some(Fault::Resurrection) => copied.clone(),
            (Some(_), Some((copied, _))) if matches!(fault, Some(Fault::LostUpdate | Fault::LostMember)) => {
                copied.clone()
            }
            (Some((now, _)), _) => now.clone(),
            (None, _) => return Answer::Missing,
        };
        if let Some(refusal) = self.refusal(id, if_match, copy, fault)
            && !(fault == Some(Fault::Resurrection) && refusal == Answer::Missing)
        {
            return refusal;
        }
        let content = edit(&old);
        if self.holder(&content.name).is_some_and(|(holder, _)| holder != id) {
            return Answer::Applied;
        }
        self.put(id, content)
    }
}

/// One client's request under way.
struct UnderWay {
    call: Timed<Call>,
    copy: Store,
    acts: u64,
    returns: u64,
    heard: bool,
    happens: bool,
}

/// A history of this store: so many clients with so many requests each. Two in a hundred answers are lost.
pub(crate) fn history(
    fault: Option<Fault>,
    kind: Kind,
    clients: usize,
    each: usize,
    seed: u64,
) -> Vec<Timed<Call>> {
    let mut chance = Chance::new(seed);
    let cast = (0..4).map(|n| format!("person-{n}")).collect();
    let mut known = Known::new(kind, "family", cast);
    let mut store = Store::default();
    let mut left = vec![each; clients];
    let mut under_way: Vec<Option<UnderWay>> = (0..clients).map(|_| None).collect();
    let mut history = Vec::new();
    let (mut now, mut number) = (0_u64, 0);
    // The store as it was at each moment.
    let mut past = vec![store.clone()];
    // A stale copy is older than the request; the others are taken when it comes.
    let age = if fault == Some(Fault::StaleRead) { 15 } else { 0 };
    loop {
        now += 1;
        past.push(store.clone());
        for (client, slot) in under_way.iter_mut().enumerate() {
            if let Some(way) = slot {
                if way.acts == now && way.happens {
                    let answer = store.apply(kind, &way.call.call.request, &way.copy, fault);
                    way.call.call.answer = Some(answer);
                }
                if way.returns == now {
                    if let Some(answer) = way.call.call.answer.take().filter(|_| way.heard) {
                        known.hear(&answer);
                        way.call.call.answer = Some(answer);
                        way.call.returned = Some(now);
                    }
                    history.push(way.call.clone());
                    *slot = None;
                }
            } else if left[client] > 0 && chance.percent(30) {
                let first = left[client] == each;
                left[client] -= 1;
                number += 1;
                let request = if first {
                    known.first(&mut chance)
                } else {
                    known.next(&mut chance)
                };
                let lost = chance.percent(2);
                let acts = now + 1 + chance.below(12);
                *slot = Some(UnderWay {
                    call: Timed {
                        call: Call {
                            number,
                            request,
                            answer: None,
                        },
                        invoked: now,
                        returned: None,
                    },
                    copy: past[now.saturating_sub(age) as usize].clone(),
                    acts,
                    returns: acts + 1 + chance.below(8),
                    heard: !lost,
                    happens: !lost || chance.percent(50),
                });
            }
        }
        if left.iter().all(|left| *left == 0) && under_way.iter().all(Option::is_none) {
            return history;
        }
    }
}
