//! Pages of lists.

use super::{Api, Call};
use crate::mode::PageSize;

const LIMIT_DEFAULT: usize = 100;
/// Largest limit. Larger ones are reduced to this one.
const LIMIT_MAX: usize = 1000;
/// Additional items of a page in the mode `over`.
const PAGE_OVER: usize = 2;

impl Api<'_> {
    pub(super) fn page<T>(&self, call: &Call, items: impl Iterator<Item = T>) -> Vec<T> {
        let limit = page_limit(call);
        let asked = page_start(call);
        let start = if call.twist.repeat_page {
            asked.saturating_sub(limit)
        } else {
            asked
        };
        let size = match self.modes.page {
            PageSize::Exact => limit,
            PageSize::Over => limit + PAGE_OVER,
        };
        let mut page: Vec<T> = items.skip(start).take(size).collect();
        if call.twist.short_page {
            page.truncate(page.len() / 2);
        }
        page
    }
}

pub(super) fn page_start(call: &Call) -> usize {
    call.query.number("start").unwrap_or(0)
}

pub(super) fn page_limit(call: &Call) -> usize {
    call.query
        .number("limit")
        .filter(|limit| *limit > 0)
        .unwrap_or(LIMIT_DEFAULT)
        .min(LIMIT_MAX)
}
