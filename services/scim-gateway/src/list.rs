//! Lists of users and groups: one page at a time, through an index if the filter allows it.
//!
//! A roster may hold hundreds of thousands of people, and a write waits while the roster is read. So at most [`CHUNK`] entries
//! are processed under the lock. A scan of all entries runs on a blocking thread, with a time limit, and only [`SCANS_MAX`] run
//! at a time per org.

mod groups;
mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster::{Directory, Roster};
use scim::{Filter, ListQuery, Lookup, Projection, ResourceKind, ScimError, list_response};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use groups::{Groups, rendered as rendered_group};
pub(crate) use users::{Users, groups_of, other_names, rendered, shown_email};

use crate::http::Answer;

/// Entries processed while the roster's lock is held: about a millisecond.
const CHUNK: usize = 500;
/// Most index candidates processed on the thread of the request: less work than a switch to another thread.
const AT_ONCE: usize = 16;
/// Ids skipped while the lock is held, on the way to a page.
const STRIDE: usize = 4000;
/// Longest scan of all entries. A scan of 200,000 people takes a few seconds; Okta disconnects after 60 s.
const SCAN_TIME: Duration = Duration::from_secs(30);
/// Most concurrent scans of one org. Each keeps a core busy.
const SCANS_MAX: usize = 2;

type Resource = Map<String, Value>;

/// A kind of resource that can be listed.
pub(crate) trait ResourceStore: Send + Sync + 'static {
    const KIND: ResourceKind;
    type Id: Clone + Ord + Send;
    type Entry: Clone + Send;

    fn id(entry: &Self::Entry) -> &Self::Id;
    /// True if clients see the entry.
    fn is_there(entry: &Self::Entry) -> bool;
    fn count(directory: &Directory) -> usize;
    fn get<'a>(directory: &'a Directory, id: &Self::Id) -> Option<&'a Self::Entry>;
    fn after<'a>(directory: &'a Directory, id: Option<&Self::Id>) -> impl Iterator<Item = &'a Self::Entry>;
    /// All entries that can satisfy the equality. May contain others too.
    fn candidates(directory: &Directory, lookup: &Lookup<'_>) -> Vec<Self::Id>;
    /// The resource with everything that the filter needs. The response is not considered.
    fn for_filter(
        &self,
        roster: &Roster,
        entry: &Self::Entry,
        filter: &Filter,
    ) -> Result<Resource, ScimError>;
    /// The resource as the response shows it.
    fn for_answer(
        &self,
        roster: &Roster,
        entry: &Self::Entry,
        projection: &Projection,
    ) -> Result<Resource, ScimError>;
    /// The resource with everything that the filter needs and the response shows, if one resource can serve both.
    fn for_both(
        &self,
        _roster: &Roster,
        _entry: &Self::Entry,
        _query: &ListQuery,
    ) -> Option<Result<Resource, ScimError>> {
        None
    }
}

/// Permits for scans of one org.
#[derive(Debug)]
pub(crate) struct Scans(Arc<Semaphore>);

impl Default for Scans {
    fn default() -> Scans {
        Scans(Arc::new(Semaphore::new(SCANS_MAX)))
    }
}

/// One list request.
struct Listing<S> {
    store: S,
    roster: Roster,
    query: ListQuery,
    /// Cancelled when the client has disconnected.
    gone: CancellationToken,
}

/// Answers a list request.
pub(crate) async fn answer<S: ResourceStore>(
    store: S,
    roster: &Roster,
    scans: &Scans,
    query: &ListQuery,
) -> Result<Answer, ScimError> {
    if let Some(parsed) = &query.filter {
        parsed.filter.check(S::KIND)?;
    }
    let listing = Listing {
        store,
        roster: roster.clone(),
        query: query.clone(),
        gone: CancellationToken::new(),
    };
    let candidates = listing.candidates();
    if let Some(ids) = &candidates
        && ids.len() <= AT_ONCE
    {
        return listing.among(ids);
    }
    let few = candidates.as_ref().is_some_and(|ids| ids.len() <= CHUNK);
    let permit = if query.filter.is_some() && !few {
        let permit = scans.0.clone().try_acquire_owned();
        Some(permit.map_err(|_| busy(S::KIND))?)
    } else {
        None
    };
    let _gone = listing.gone.clone().drop_guard();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match candidates {
            Some(ids) => listing.among(&ids),
            None => listing.among_all(),
        }
    });
    work.await
        .map_err(|_| ScimError::new(500, "the list could not be made; ask again"))?
}

impl<S: ResourceStore> Listing<S> {
    /// Ids that an index finds for the filter. `None` without a filter, or if no index fits.
    fn candidates(&self) -> Option<Vec<S::Id>> {
        let lookups = self.query.filter.as_ref()?.filter.lookups()?;
        let mut ids: Vec<S::Id> = lookups
            .iter()
            .flat_map(|lookup| self.roster.read(|directory| S::candidates(directory, lookup)))
            .collect();
        ids.sort();
        ids.dedup();
        Some(ids)
    }

    fn among(&self, ids: &[S::Id]) -> Result<Answer, ScimError> {
        let mut found = Found::of(&self.query);
        let started = Instant::now();
        for ids in ids.chunks(CHUNK) {
            self.goes_on(started)?;
            let entries: Vec<S::Entry> = self.roster.read(|directory| {
                let known = ids.iter().filter_map(|id| S::get(directory, id));
                known.filter(|entry| S::is_there(entry)).cloned().collect()
            });
            self.look_at(&entries, &mut found)?;
        }
        Ok(found.answer())
    }

    fn among_all(&self) -> Result<Answer, ScimError> {
        if self.query.filter.is_none() {
            return self.page();
        }
        let mut found = Found::of(&self.query);
        let started = Instant::now();
        let mut last: Option<S::Id> = None;
        loop {
            self.goes_on(started)?;
            let entries: Vec<S::Entry> = self
                .roster
                .read(|directory| S::after(directory, last.as_ref()).take(CHUNK).cloned().collect());
            let Some(entry) = entries.last() else {
                return Ok(found.answer());
            };
            last = Some(S::id(entry).clone());
            self.look_at(&entries, &mut found)?;
        }
    }

    /// A page without a filter: only its own entries are processed.
    fn page(&self) -> Result<Answer, ScimError> {
        let total = self.roster.read(S::count);
        let wanted = self.query.page.range(total);
        let mut found = Found::of(&self.query);
        found.total = wanted.start;
        let (mut passed, mut last): (usize, Option<S::Id>) = (0, None);
        while found.total < wanted.end {
            let mut ids = Vec::new();
            let from = last.take();
            let walked = self.roster.read(|directory| {
                let mut walked = 0;
                for entry in S::after(directory, from.as_ref()).take(STRIDE) {
                    walked += 1;
                    last = Some(S::id(entry).clone());
                    if S::is_there(entry) {
                        passed += 1;
                        if passed > wanted.start && passed <= wanted.end {
                            ids.push(S::id(entry).clone());
                        }
                    }
                    if passed >= wanted.end {
                        break;
                    }
                }
                walked
            });
            for ids in ids.chunks(CHUNK) {
                let entries: Vec<S::Entry> = self.roster.read(|directory| {
                    ids.iter()
                        .filter_map(|id| S::get(directory, id))
                        .cloned()
                        .collect()
                });
                self.look_at(&entries, &mut found)?;
            }
            if walked == 0 || passed >= wanted.end {
                break;
            }
        }
        found.total = total.max(found.total);
        Ok(found.answer())
    }

    fn look_at(&self, entries: &[S::Entry], found: &mut Found) -> Result<(), ScimError> {
        for entry in entries.iter().filter(|entry| S::is_there(entry)) {
            let mut resource = None;
            if let Some(parsed) = &self.query.filter {
                // Most index candidates match, so one resource is built for both the filter and the response.
                let both = (entries.len() <= AT_ONCE)
                    .then(|| self.store.for_both(&self.roster, entry, &self.query))
                    .flatten()
                    .transpose()?;
                let matches = match &both {
                    Some(both) => parsed.filter.matches(both),
                    None => {
                        let lean = self.store.for_filter(&self.roster, entry, &parsed.filter)?;
                        parsed.filter.matches(&lean)
                    }
                };
                if !matches {
                    continue;
                }
                resource = both;
            }
            found.total += 1;
            if found.page.contains(&(found.total - 1)) {
                let projection = &self.query.projection;
                let resource = match resource {
                    Some(resource) => resource,
                    None => self.store.for_answer(&self.roster, entry, projection)?,
                };
                found.resources.push(projection.apply(resource));
            }
        }
        Ok(())
    }

    fn goes_on(&self, started: Instant) -> Result<(), ScimError> {
        if self.gone.is_cancelled() {
            return Err(ScimError::new(503, "the client has gone"));
        }
        if started.elapsed() > SCAN_TIME {
            return Err(ScimError::bad_request(
                scim::ScimType::TooMany,
                format!(
                    "this filter needs a scan of all resources, and {} seconds were not enough; {}",
                    SCAN_TIME.as_secs(),
                    found_at_once(S::KIND)
                ),
            ));
        }
        Ok(())
    }
}

/// Number of matches so far, and the matches on the page.
struct Found {
    total: usize,
    page: std::ops::Range<usize>,
    start_index: usize,
    resources: Vec<Resource>,
}

impl Found {
    fn of(query: &ListQuery) -> Found {
        Found {
            total: 0,
            page: query.page.range(usize::MAX),
            start_index: query.page.start_index,
            resources: Vec::new(),
        }
    }

    fn answer(self) -> Answer {
        Answer::Found(list_response(self.total, self.start_index, self.resources))
    }
}

fn busy(kind: ResourceKind) -> ScimError {
    ScimError::too_many_requests(format!(
        "this filter needs a scan of all resources, and {SCANS_MAX} such lists of this org are under way; ask again in a \
         moment, or {}",
        found_at_once(kind)
    ))
}

fn found_at_once(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::User => {
            "filter with eq by id, userName, externalId, emails or displayName, which are found at once"
        }
        ResourceKind::Group => {
            "filter with eq by id, displayName, externalId or members, which are found at once"
        }
    }
}
