//! The statements of sources about one person or group. Stored compactly: there are 200 000 of these, and nearly all have one source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{SourceId, SourceMark};

/// The newest statement of each source about one person or group, in source order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<SourceId, SourceMark>",
    into = "BTreeMap<SourceId, SourceMark>"
)]
pub struct Sources(Box<[(SourceId, SourceMark)]>);

impl Sources {
    pub fn new() -> Sources {
        Sources::default()
    }

    pub fn get(&self, source: &SourceId) -> Option<&SourceMark> {
        self.position(source).ok().map(|at| &self.0[at].1)
    }

    /// The mark of this source. An empty one is added if there is none.
    pub fn mark(&mut self, source: &SourceId) -> &mut SourceMark {
        let at = self.position(source).unwrap_or_else(|at| {
            let mut marks = std::mem::take(&mut self.0).into_vec();
            marks.reserve_exact(1);
            marks.insert(at, (source.clone(), SourceMark::default()));
            self.0 = marks.into_boxed_slice();
            at
        });
        &mut self.0[at].1
    }

    pub fn contains_key(&self, source: &SourceId) -> bool {
        self.position(source).is_ok()
    }

    pub fn keys(&self) -> impl Iterator<Item = &SourceId> {
        self.0.iter().map(|(source, _)| source)
    }

    pub fn values(&self) -> impl Iterator<Item = &SourceMark> {
        self.0.iter().map(|(_, mark)| mark)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&SourceId, &SourceMark)> {
        self.0.iter().map(|(source, mark)| (source, mark))
    }

    /// Replaces each id by the equal id that `known` returns, so that both share one text.
    pub(crate) fn share_ids(&mut self, mut known: impl FnMut(&SourceId) -> SourceId) {
        for (source, _) in &mut self.0 {
            *source = known(source);
        }
    }

    fn position(&self, source: &SourceId) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(source))
    }
}

/// If a source appears twice, its last mark is used.
impl FromIterator<(SourceId, SourceMark)> for Sources {
    fn from_iter<I: IntoIterator<Item = (SourceId, SourceMark)>>(marks: I) -> Sources {
        let mut sources = Sources::new();
        for (source, mark) in marks {
            *sources.mark(&source) = mark;
        }
        sources
    }
}

impl<const N: usize> From<[(SourceId, SourceMark); N]> for Sources {
    fn from(marks: [(SourceId, SourceMark); N]) -> Sources {
        marks.into_iter().collect()
    }
}

impl From<BTreeMap<SourceId, SourceMark>> for Sources {
    fn from(marks: BTreeMap<SourceId, SourceMark>) -> Sources {
        marks.into_iter().collect()
    }
}

impl From<Sources> for BTreeMap<SourceId, SourceMark> {
    fn from(sources: Sources) -> BTreeMap<SourceId, SourceMark> {
        sources.0.into_iter().collect()
    }
}
