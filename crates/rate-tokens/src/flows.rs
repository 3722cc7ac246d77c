//! Chooses the next token request. Requests wait in flows and flows in classes; both share by stride scheduling.
//!
//! Laws:
//! - Within a flow, the oldest request is served first. A worker at its bound is skipped.
//! - Waiting flows of one class get equal numbers of tokens, no matter how often, or by how many workers, they request.
//! - Waiting classes share 64 : 16 : 4 : 1. So every class makes progress, and a class that starts to wait gets nothing
//!   for the time before.
//! - While background waits it gets the configured floor, in addition to its share by weight.
//! - The urgent class is served first, before any backlog and before the floor, as long as its demand is small (see
//!   [`HEAD_START`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Class, FlowId, Moment, RequestId, TokenRequest, WorkerId};

/// Most waiting requests of one class. A backlog stays with the workers; only requests that may be granted soon wait
/// here.
pub const REQUESTS_PER_CLASS_MAX: usize = 4_096;
/// Most waiting requests of one worker in one class, so that one worker cannot fill the queue of all.
pub const REQUESTS_PER_WORKER_MAX: usize = 256;

/// Number of idle flows above which idle flows that may be forgotten are removed.
const IDLE_FLOWS_MAX: usize = 64;

/// Increase of a class's pass per token: the reciprocal of the weights 64 : 16 : 4 : 1.
const STRIDE: [u64; 4] = [1, 4, 16, 64];
/// How far behind the others a class may start when it begins to wait: 20 urgent or 4 interactive tokens are served
/// before all others, and about one token of normal work makes up for that.
const HEAD_START: [u64; 4] = [20, 16, 0, 0];

#[derive(Clone, Debug, Hash)]
pub(crate) struct Waiting {
    classes: [ClassQueue; 4],
    places: BTreeMap<RequestId, Place>,
    deadlines: BTreeSet<(Moment, RequestId)>,
    per_worker: BTreeMap<(WorkerId, Class), usize>,
    arrivals: u64,
    /// Largest pass that was ever served. A class that begins to wait starts relative to it.
    served_pass: u64,
    /// Urgent tokens granted since the urgent queue was last empty.
    urgent_streak: u64,
    /// Tokens that other classes got since background last got one, while background waited.
    background_passed_over: u32,
}

#[derive(Clone, Debug, Default, Hash)]
struct ClassQueue {
    pass: u64,
    requests: usize,
    flows: BTreeMap<FlowId, Flow>,
    /// Flows with requests, in the order of service.
    order: BTreeSet<(u64, u64, FlowId)>,
    served_pass: u64,
}

#[derive(Clone, Debug, Default, Hash)]
struct Flow {
    pass: u64,
    turn: u64,
    /// By arrival number, oldest first.
    requests: VecDeque<(u64, TokenRequest)>,
}

/// Position of a waiting request.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Place {
    pub(crate) class: Class,
    flow: FlowId,
    arrival: u64,
    /// Chosen out of order, to keep the background floor.
    by_floor: bool,
}

/// Reason why a request cannot be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Class,
    Worker,
}

impl Waiting {
    pub(crate) fn new() -> Waiting {
        Waiting {
            classes: Default::default(),
            places: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            per_worker: BTreeMap::new(),
            arrivals: 0,
            served_pass: HEAD_START[Class::Urgent as usize],
            urgent_streak: 0,
            background_passed_over: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn contains(&self, request: RequestId) -> bool {
        self.places.contains_key(&request)
    }

    pub(crate) fn len(&self, class: Class) -> usize {
        self.classes[class as usize].requests
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    pub(crate) fn push(&mut self, request: TokenRequest) -> Result<(), Full> {
        let class = request.class;
        let queue = &mut self.classes[class as usize];
        if queue.requests >= REQUESTS_PER_CLASS_MAX {
            return Err(Full::Class);
        }
        let of_worker = self
            .per_worker
            .entry((request.worker.clone(), class))
            .or_insert(0);
        if *of_worker >= REQUESTS_PER_WORKER_MAX {
            return Err(Full::Worker);
        }
        *of_worker += 1;
        self.arrivals += 1;
        if queue.requests == 0 {
            if class == Class::Urgent {
                self.urgent_streak = 0;
            }
            queue.pass = queue
                .pass
                .max(self.served_pass.saturating_sub(HEAD_START[class as usize]));
        }
        self.deadlines.insert((request.deadline, request.id));
        self.places.insert(
            request.id,
            Place {
                class,
                flow: request.flow.clone(),
                arrival: self.arrivals,
                by_floor: false,
            },
        );
        queue.push(request, self.arrivals);
        Ok(())
    }

    /// Chooses the next request to serve among those that `fits` accepts.
    pub(crate) fn choose(
        &self,
        background_floor_percent: u32,
        fits: impl Fn(&TokenRequest) -> bool,
    ) -> Option<(Place, &TokenRequest)> {
        let mut order: Vec<Class> = Class::ALL
            .into_iter()
            .filter(|&class| self.len(class) > 0)
            .collect();
        order.sort_by_key(|&class| self.classes[class as usize].pass);
        let few_urgent =
            order.first() == Some(&Class::Urgent) && self.urgent_streak < HEAD_START[Class::Urgent as usize];
        let floor_due =
            background_floor_percent > 0 && self.background_passed_over + 1 >= 100 / background_floor_percent;
        if floor_due
            && !few_urgent
            && let Some((place, request)) =
                self.classes[Class::Background as usize].choose(Class::Background, &fits)
        {
            return Some((
                Place {
                    by_floor: true,
                    ..place
                },
                request,
            ));
        }
        order
            .into_iter()
            .find_map(|class| self.classes[class as usize].choose(class, &fits))
    }

    /// Removes a chosen request and charges its tokens to its flow and class.
    pub(crate) fn serve(&mut self, place: &Place, tokens: u32) -> Option<TokenRequest> {
        let tokens_wide = u64::from(tokens);
        let queue = &mut self.classes[place.class as usize];
        // Tokens by the floor are in addition to the share by weight.
        if !place.by_floor {
            self.served_pass = self.served_pass.max(queue.pass);
            queue.pass += STRIDE[place.class as usize] * tokens_wide;
        }
        queue.charge(&place.flow, tokens_wide, self.arrivals);
        if place.class == Class::Urgent {
            self.urgent_streak += tokens_wide;
        }
        if place.class == Class::Background {
            self.background_passed_over = 0;
        } else if self.len(Class::Background) > 0 {
            self.background_passed_over = self.background_passed_over.saturating_add(tokens);
        }
        self.remove(place)
    }

    /// Removes the next request whose deadline is before `now`, or at `now` if `due_now`.
    pub(crate) fn overdue(&mut self, now: Moment, due_now: bool) -> Option<TokenRequest> {
        let &(deadline, id) = self.deadlines.first()?;
        if deadline > now || (deadline == now && !due_now) {
            return None;
        }
        let place = self.places.get(&id)?.clone();
        self.remove(&place)
    }

    fn remove(&mut self, place: &Place) -> Option<TokenRequest> {
        let request = self.classes[place.class as usize].remove(&place.flow, place.arrival)?;
        self.places.remove(&request.id);
        self.deadlines.remove(&(request.deadline, request.id));
        let key = (request.worker.clone(), request.class);
        if let Some(count) = self.per_worker.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.per_worker.remove(&key);
            }
        }
        Some(request)
    }
}

impl ClassQueue {
    fn push(&mut self, request: TokenRequest, arrival: u64) {
        let flow = self.flows.entry(request.flow.clone()).or_default();
        if flow.requests.is_empty() {
            // Joins behind the flows that already wait in this round.
            flow.pass = flow.pass.max(self.served_pass + 1);
            flow.turn = arrival;
            self.order.insert((flow.pass, flow.turn, request.flow.clone()));
        }
        flow.requests.push_back((arrival, request));
        self.requests += 1;
    }

    fn choose(&self, class: Class, fits: &impl Fn(&TokenRequest) -> bool) -> Option<(Place, &TokenRequest)> {
        self.order.iter().find_map(|(_, _, name)| {
            let (arrival, request) = self
                .flows
                .get(name)?
                .requests
                .iter()
                .find(|(_, request)| fits(request))?;
            Some((
                Place {
                    class,
                    flow: name.clone(),
                    arrival: *arrival,
                    by_floor: false,
                },
                request,
            ))
        })
    }

    fn charge(&mut self, name: &FlowId, tokens: u64, turn: u64) {
        if let Some(flow) = self.flows.get_mut(name) {
            self.order.remove(&(flow.pass, flow.turn, name.clone()));
            self.served_pass = self.served_pass.max(flow.pass);
            flow.pass += tokens;
            flow.turn = turn;
            self.order.insert((flow.pass, flow.turn, name.clone()));
        }
    }

    fn remove(&mut self, name: &FlowId, arrival: u64) -> Option<TokenRequest> {
        let flow = self.flows.get_mut(name)?;
        let place = flow
            .requests
            .binary_search_by_key(&arrival, |&(arrival, _)| arrival)
            .ok()?;
        let (_, request) = flow.requests.remove(place)?;
        self.requests -= 1;
        if flow.requests.is_empty() {
            self.order.remove(&(flow.pass, flow.turn, name.clone()));
            // An idle flow is remembered only while it has had more than its share.
            let served = self.served_pass;
            if flow.pass <= served + 1 {
                self.flows.remove(name);
            } else if self.flows.len() > 2 * self.order.len() + IDLE_FLOWS_MAX {
                self.flows
                    .retain(|_, flow| !flow.requests.is_empty() || flow.pass > served + 1);
            }
        }
        Some(request)
    }
}
