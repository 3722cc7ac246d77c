//! What a run wrote, thing by thing.
//!
//! Of all changes that a run made of one thing, the newest says whether its wish still stands, and the oldest what was
//! there before. Whatever it had in the middle says neither: a source that says so since has changed its mind.
//!
//! Of advanced custom fields and descriptions of teams, which no list of Litmos shows, what was there before is known
//! where Rollcall has set or read the value before, and only there.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::Attribute;
use crate::{Decision, Ended, GroupId, NormalName, PersonId};

const MEMBERSHIP: &str = "the membership";

/// Something that a run can write more than once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing<'a> {
    Attribute(&'a PersonId, Attribute),
    /// By the field's name, in whatever spelling.
    Custom(&'a PersonId, NormalName),
    Membership(&'a GroupId, &'a PersonId),
    Name(&'a GroupId),
    Description(&'a GroupId),
}

/// What wrote something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    /// Among all that the run did, newest first.
    pub(super) place: usize,
    pub(super) decision: &'a Decision,
}

/// What a run did to one thing.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) newest: Writer<'a>,
    /// What is written of it in words.
    what: &'a str,
    to: &'a str,
    /// `None`: not known.
    from: Option<&'a str>,
    /// Whether a wish about this very thing led to it. Where none did, an older one says what was desired of it.
    by_source: bool,
}

impl<'a> Write<'a> {
    /// What was there before, to be desired again; `None` where it is desired already, or never was otherwise.
    pub(super) fn to_request(&self, desired: impl Fn(&str) -> bool) -> Result<Option<&'a str>, String> {
        let what = self.what;
        match (self.from, self.newest.decision.ended) {
            (Some(from), _) if desired(from) || same(from, self.to) => Ok(None),
            (_, Ended::Parked) if !desired(self.to) => Err(format!(
                "{what} was not stored by Litmos as requested; correct it at the source"
            )),
            _ if !desired(self.to) => Err(format!("{what} has been changed again since")),
            (Some(from), _) => Ok(Some(from)),
            (None, _) => Err(format!(
                "what was in {what} before is not known, as Rollcall had neither set nor read it; say at the source \
                 what is to be there"
            )),
        }
    }
}

/// Blanks around a value are none of it.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

/// Something that is or is not, as a value.
pub(super) fn fact(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

/// The things that a run wrote, taken from what it did, newest first.
#[derive(Debug, Default)]
pub(super) struct Written<'a> {
    things: BTreeMap<Thing<'a>, Write<'a>>,
    created: BTreeSet<&'a PersonId>,
}

impl<'a> Written<'a> {
    /// An account that was not there before the run had nothing in its fields, and is inactive after the undo.
    pub(super) fn created(&mut self, person: &'a PersonId) {
        self.created.insert(person);
    }

    /// Takes in that a value was changed.
    pub(super) fn value(
        &mut self,
        writer: Writer<'a>,
        thing: Thing<'a>,
        what: &'a str,
        from: Option<&'a str>,
        to: &'a str,
    ) {
        let write = Write {
            newest: writer,
            what,
            to,
            from,
            by_source: true,
        };
        self.take(thing, write);
    }

    /// Takes in that an account was made active or inactive.
    pub(super) fn active(&mut self, writer: Writer<'a>, person: &'a PersonId, is: bool) {
        let attribute = Attribute::Active;
        let thing = Thing::Attribute(person, attribute);
        self.value(writer, thing, attribute.wire(), Some(fact(!is)), fact(is));
    }

    /// Takes in that a membership began or ended.
    pub(super) fn membership(
        &mut self,
        writer: Writer<'a>,
        group: &'a GroupId,
        person: &'a PersonId,
        is: bool,
    ) {
        let thing = Thing::Membership(group, person);
        self.value(writer, thing, MEMBERSHIP, Some(fact(!is)), fact(is));
    }

    /// Takes in that a membership ended because the person was cut off, whatever is desired of it.
    pub(super) fn swept(&mut self, writer: Writer<'a>, group: &'a GroupId, person: &'a PersonId) {
        let write = Write {
            newest: writer,
            what: MEMBERSHIP,
            to: fact(false),
            from: Some(fact(true)),
            by_source: false,
        };
        self.take(Thing::Membership(group, person), write);
    }

    /// Those that were made after it are known already.
    fn take(&mut self, thing: Thing<'a>, older: Write<'a>) {
        let entry = self.things.entry(thing).and_modify(|write| {
            write.from = older.from;
            if !write.by_source {
                (write.to, write.by_source) = (older.to, older.by_source);
            }
        });
        entry.or_insert(older);
    }

    /// All that has something before it to go back to.
    pub(super) fn things(self) -> impl Iterator<Item = (Thing<'a>, Write<'a>)> {
        let Written { things, created } = self;
        things.into_iter().filter(move |(thing, write)| match thing {
            Thing::Custom(person, _) => write.from.is_some() || !created.contains(person),
            Thing::Attribute(..) | Thing::Membership(..) | Thing::Name(_) | Thing::Description(_) => true,
        })
    }
}
