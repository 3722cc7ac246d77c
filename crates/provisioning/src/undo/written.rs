//! Collects what a run wrote, one entry for each value.
//!
//! If a run changed one value several times, the newest change shows whether the roster still has the value that the run
//! applied, and the oldest change has the value before the run. Values in between are not used: a source that wants one
//! of them now has changed the value since.
//!
//! No list of Litmos shows advanced custom fields and team descriptions. Their old value is known only if Rollcall had set
//! or read it before.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::Attribute;
use crate::{Decision, Ended, GroupId, NormalName, PersonId};

const MEMBERSHIP: &str = "the membership";

/// A value that a run can write more than once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing<'a> {
    Attribute(&'a PersonId, Attribute),
    /// An advanced custom field, by its normalized name.
    Custom(&'a PersonId, NormalName),
    Membership(&'a GroupId, &'a PersonId),
    Name(&'a GroupId),
    Description(&'a GroupId),
}

/// The decision that wrote a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    /// Position among all decisions of the run, newest first.
    pub(super) place: usize,
    pub(super) decision: &'a Decision,
}

/// The change that a run made to one value.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) newest: Writer<'a>,
    /// Name of the value in messages.
    what: &'a str,
    to: &'a str,
    /// Value before the run. `None`: not known.
    from: Option<&'a str>,
    /// True if a source asked for this change. If not, an older write has the desired value.
    by_source: bool,
}

impl<'a> Write<'a> {
    /// The value before the run, to be desired again. `None` if it is desired already, or if the run did not change it.
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

/// Compares two values without the spaces around them.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

/// A boolean as the text of a value.
pub(super) fn fact(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

/// The values that a run wrote, collected from its decisions, newest first.
#[derive(Debug, Default)]
pub(super) struct Written<'a> {
    things: BTreeMap<Thing<'a>, Write<'a>>,
    created: BTreeSet<&'a PersonId>,
}

impl<'a> Written<'a> {
    /// Records that the run created this account. Its fields were empty before, and the undo makes it inactive.
    pub(super) fn created(&mut self, person: &'a PersonId) {
        self.created.insert(person);
    }

    /// Records that a value was changed.
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

    /// Records that an account was made active or inactive.
    pub(super) fn active(&mut self, writer: Writer<'a>, person: &'a PersonId, is: bool) {
        let attribute = Attribute::Active;
        let thing = Thing::Attribute(person, attribute);
        self.value(writer, thing, attribute.wire(), Some(fact(!is)), fact(is));
    }

    /// Records that a membership began or ended.
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

    /// Records that a membership ended because the person was cut off, even if it is still desired.
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

    /// Records a write. All newer writes of the same value are recorded already.
    fn take(&mut self, thing: Thing<'a>, older: Write<'a>) {
        let entry = self.things.entry(thing).and_modify(|write| {
            write.from = older.from;
            if !write.by_source {
                (write.to, write.by_source) = (older.to, older.by_source);
            }
        });
        entry.or_insert(older);
    }

    /// All values that can have an old value to restore.
    pub(super) fn things(self) -> impl Iterator<Item = (Thing<'a>, Write<'a>)> {
        let Written { things, created } = self;
        things.into_iter().filter(move |(thing, write)| match thing {
            Thing::Custom(person, _) => write.from.is_some() || !created.contains(person),
            Thing::Attribute(..) | Thing::Membership(..) | Thing::Name(_) | Thing::Description(_) => true,
        })
    }
}
