//! Drafts: what one source states about a person or a group. A draft is merged into the known value; what it leaves out stays.

mod groups;
mod members;
mod people;

pub use groups::GroupDraft;
pub use members::GroupChanged;
pub use people::{PersonDraft, PersonTarget};

use provisioning::{GroupId, SourceId, Sources};

use crate::Origin;

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) fn new_group_id() -> GroupId {
    GroupId::parse(new_id()).expect("a UUID is an id")
}

fn external_ids(sources: &Sources) -> impl Iterator<Item = (&SourceId, Option<&String>)> {
    sources
        .iter()
        .map(|(source, mark)| (source, mark.external_id.as_ref()))
}

/// Returns the source marks after a statement. The source keeps the id that it gave before.
fn marked(old: Option<&Sources>, origin: &Origin<'_>, external_id: Option<&String>) -> Sources {
    let mut sources = old.cloned().unwrap_or_default();
    let mark = sources.mark(origin.source);
    if external_id.is_some() {
        mark.external_id = external_id.cloned();
    }
    origin.mark(mark);
    sources
}
