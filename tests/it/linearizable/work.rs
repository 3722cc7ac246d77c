//! Random requests about one family: a few names that clients fight for, and the resources that come to bear them.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_tests::Chance;

use super::history::{Answer, Content, Edit, Kind, Request};

/// Names of one family.
const NAMES: usize = 2;

/// Versions of one resource that clients remember: enough that some are stale.
const VERSIONS: usize = 3;

/// What the clients of one family have been told so far.
#[derive(Debug)]
pub(crate) struct Known {
    kind: Kind,
    names: Vec<String>,
    /// People who may be members.
    cast: Vec<String>,
    ids: Vec<String>,
    versions: BTreeMap<String, Vec<String>>,
    /// Numbers the values, so that each is written once.
    values: u64,
}

impl Known {
    pub(crate) fn new(kind: Kind, family: &str, cast: Vec<String>) -> Known {
        Known {
            kind,
            names: (0..NAMES).map(|n| format!("{family}-{n}")).collect(),
            cast,
            ids: Vec::new(),
            versions: BTreeMap::new(),
            values: 0,
        }
    }

    pub(crate) fn hear(&mut self, answer: &Answer) {
        if let Answer::Shown { id, version, .. } = answer {
            self.meet(id);
            let versions = self.versions.entry(id.clone()).or_default();
            if versions.last() != Some(version) {
                versions.push(version.clone());
            }
            if versions.len() > VERSIONS {
                versions.remove(0);
            }
        }
    }

    /// Remembers a resource of this family.
    pub(crate) fn meet(&mut self, id: &str) {
        if !self.ids.iter().any(|known| known == id) {
            self.ids.push(id.to_owned());
        }
    }

    /// The first request of every client: they all want one name.
    pub(crate) fn first(&mut self, chance: &mut Chance) -> Request {
        let name = self.names[0].clone();
        Request::Create(self.content(chance, name))
    }

    pub(crate) fn next(&mut self, chance: &mut Chance) -> Request {
        // The newest resources are met most.
        let recent = self.ids.len().saturating_sub(2);
        let ids = if chance.percent(80) {
            &self.ids[recent..]
        } else {
            &self.ids[..]
        };
        if ids.is_empty() || chance.percent(12) {
            let name = chance.one_of(&self.names).clone();
            return Request::Create(self.content(chance, name));
        }
        let id = chance.one_of(ids).clone();
        let versions = self.versions.get(&id).filter(|_| chance.percent(30));
        let if_match = versions.map(|versions| chance.one_of(versions).clone());
        match chance.below(100) {
            0..30 => Request::Read { id },
            30..80 => {
                let edits = (0..=u64::from(chance.percent(25)))
                    .map(|_| self.edit(chance))
                    .collect();
                Request::Patch { id, if_match, edits }
            }
            80..93 => {
                let name = self.new_name(chance);
                let content = self.content(chance, name);
                Request::Replace {
                    id,
                    if_match,
                    content,
                }
            }
            _ => Request::Delete { id, if_match },
        }
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    /// Mostly one of the family's, which may be taken.
    fn new_name(&mut self, chance: &mut Chance) -> String {
        if chance.percent(80) {
            return chance.one_of(&self.names).clone();
        }
        let value = self.value();
        format!("{}-{value}", self.names[0])
    }

    fn content(&mut self, chance: &mut Chance, name: String) -> Content {
        let mut content = Content {
            name,
            ..Content::default()
        };
        match self.kind {
            Kind::User => {
                content
                    .attributes
                    .insert("active".to_owned(), (!chance.percent(15)).to_string());
                if chance.percent(70) {
                    content.attributes.insert("title".to_owned(), self.value());
                }
                if chance.percent(30) {
                    content.attributes.insert("displayName".to_owned(), self.value());
                }
            }
            Kind::Group => {
                let some = self.cast.iter().filter(|_| chance.percent(40)).cloned();
                content.members = some.collect::<BTreeSet<String>>();
            }
        }
        content
    }

    fn edit(&mut self, chance: &mut Chance) -> Edit {
        if chance.percent(8) {
            return Edit::Rename(self.new_name(chance));
        }
        match self.kind {
            Kind::User => match chance.below(10) {
                0..3 => Edit::Set("active", chance.percent(50).to_string()),
                3..6 => Edit::Set("title", self.value()),
                6..9 => Edit::Set("displayName", self.value()),
                _ => Edit::Remove("title"),
            },
            Kind::Group => {
                let person = chance.one_of(&self.cast).clone();
                if chance.percent(60) {
                    Edit::AddMember(person)
                } else {
                    Edit::RemoveMember(person)
                }
            }
        }
    }
}
