//! Handles requests and reports of workers, and sends the responses.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bus::{Bus, Exchange, GovernorRequest, OrgMessages, ReplyTo, ResponseBatch, StatusAnswer, UseReport};
use rate_tokens::{
    Class, FlowId, Input, Leadership, Moment, NameRefused, OrgName, RequestError, RequestId, RequestRefused,
    ResponseBody, Settled, Status, WorkerId,
};
use serde_json::{Value, json};

use crate::now;

/// Time after which a worker requests again if its queue is full or this governor does not lead yet.
const AGAIN: Duration = Duration::from_millis(100);

/// A token request that waits for its response.
#[derive(Debug)]
struct PendingRequest {
    to: ReplyTo,
    id: u64,
    org: OrgName,
}

/// Data that all requests of one exchange share.
struct ExchangeContext {
    worker: Result<WorkerId, NameRefused>,
    at: Moment,
    deadline: Moment,
    to: ReplyTo,
}

pub(crate) struct GovernorServer {
    bus: Bus,
    pub(crate) leadership: Leadership,
    pub(crate) has_led: bool,
    pending: HashMap<RequestId, PendingRequest>,
    next_request: u64,
    responses: BTreeMap<ReplyTo, ResponseBatch>,
    /// Buffer that is reused for each report.
    settled: Vec<Settled>,
    appends: u64,
}

impl GovernorServer {
    pub(crate) fn new(bus: Bus, leadership: Leadership) -> GovernorServer {
        GovernorServer {
            bus,
            leadership,
            has_led: false,
            pending: HashMap::new(),
            next_request: 0,
            responses: BTreeMap::new(),
            settled: Vec::new(),
            appends: 0,
        }
    }

    /// Handles the result of a ledger command. Returns whether a pause is needed before the next one.
    pub(crate) fn handle_input(&mut self, input: Input) -> bool {
        let failed = match &input {
            Input::Appended { .. } => {
                self.appends += 1;
                false
            }
            Input::Read { .. } | Input::Fenced => false,
            Input::Rejected | Input::Unknown | Input::Failed => true,
        };
        self.leadership.handle(now(), input);
        if self.leadership.is_leading() && !self.has_led {
            self.has_led = true;
            tracing::info!(
                epoch = self.leadership.epoch().unwrap_or_default().get(),
                "leading the rate governor"
            );
        }
        failed
    }

    pub(crate) fn handle_request(&mut self, request: GovernorRequest) {
        match request {
            GovernorRequest::Exchange(exchange) => self.exchange(exchange),
            GovernorRequest::Status { org, answer } => self.status(org, answer),
        }
    }

    fn exchange(&mut self, exchange: Exchange) {
        let Exchange {
            worker,
            number,
            wait,
            orgs,
            reply_to: to,
        } = exchange;
        let at = now();
        let context = ExchangeContext {
            worker: WorkerId::new(&worker),
            at,
            deadline: at + wait,
            to: to.clone(),
        };
        // An empty exchange is answered too.
        let mut responses = self.responses.remove(&to).unwrap_or_default();
        let mut all_taken = true;
        for OrgMessages {
            org,
            seen,
            requests,
            reports,
        } in orgs
        {
            let name = OrgName::new(&org);
            for of_one_grant in reports.chunk_by(|one, next| one.grant == next.grant) {
                match self.report(context.at, name.as_ref().ok(), of_one_grant) {
                    ReportOutcome::Accepted => {}
                    ReportOutcome::ForNow => all_taken = false,
                    ReportOutcome::Odd(message) => responses.odd.push(message),
                }
            }
            if let (Ok(name), Some(seen)) = (&name, seen) {
                self.leadership.seen(name, seen);
            }
            for request in requests {
                let id = request.id;
                match self.request(&name, &context, request) {
                    Ok(()) => {}
                    Err(RequestFailure::ForNow) => responses.add(
                        &org,
                        bus::TokenResponse::Wait {
                            id,
                            retry_after: AGAIN,
                        },
                    ),
                    Err(RequestFailure::Invalid(message)) => {
                        metrics::counter!("rollcall_token_requests_refused_total").increment(1);
                        responses.add(&org, bus::TokenResponse::Refused { id, message });
                    }
                }
            }
        }
        // Reports that are not acknowledged are sent again.
        responses.acknowledged.extend(Some(number).filter(|_| all_taken));
        self.responses.insert(to, responses);
    }

    fn request(
        &mut self,
        org: &Result<OrgName, NameRefused>,
        context: &ExchangeContext,
        request: bus::TokenRequest,
    ) -> Result<(), RequestFailure> {
        let invalid = |message: &dyn ToString| RequestFailure::Invalid(message.to_string());
        let org = org.as_ref().map_err(|error| invalid(error))?;
        let class = request
            .class
            .ok_or_else(|| invalid(&"the class of the request is none of the four"))?;
        let worker = context.worker.clone().map_err(|error| invalid(&error))?;
        let flow = FlowId::new(&request.flow).map_err(|error| invalid(&error))?;
        self.next_request += 1;
        let id = RequestId::new(self.next_request);
        let pending_request = PendingRequest {
            to: context.to.clone(),
            id: request.id,
            org: org.clone(),
        };
        let request = rate_tokens::TokenRequest {
            id,
            worker,
            flow,
            class,
            want: request.want,
            deadline: context.deadline,
        };
        match self.leadership.request(context.at, org, request) {
            Ok(()) => {
                self.pending.insert(id, pending_request);
                Ok(())
            }
            Err(
                RequestError::NotLeading
                | RequestError::Refused(RequestRefused::ClassFull { .. } | RequestRefused::WorkerFull { .. }),
            ) => Err(RequestFailure::ForNow),
            Err(
                error @ (RequestError::UnknownOrg { .. }
                | RequestError::Refused(
                    RequestRefused::WantsNothing
                    | RequestRefused::WantsTooMuch { .. }
                    | RequestRefused::Duplicate { .. },
                )),
            ) => Err(invalid(&error)),
        }
    }

    fn report(&mut self, now: Moment, org: Option<&OrgName>, of_one_grant: &[UseReport]) -> ReportOutcome {
        let grant = of_one_grant.first().and_then(|report| report.grant);
        let (Some(org), Some(grant)) = (org, grant) else {
            return ReportOutcome::Odd("the report names no org or no grant".to_owned());
        };
        self.settled.clear();
        self.settled
            .extend(of_one_grant.iter().map(|report| report.settled));
        match self.leadership.report(now, org, grant, &self.settled) {
            Ok(reported) if reported.contradictions + reported.no_such_token > 0 => {
                tracing::error!(org.id = org.as_str(), ?reported, %grant, "a report contradicts the ledger");
                ReportOutcome::Odd("it contradicts what was reported before".to_owned())
            }
            Ok(_) => ReportOutcome::Accepted,
            Err(unacknowledged) if unacknowledged.is_for_now() => ReportOutcome::ForNow,
            Err(unacknowledged) => ReportOutcome::Odd(unacknowledged.to_string()),
        }
    }

    /// Sends the responses that are ready, one message to each process. Unless `all`, acknowledgements wait for the
    /// next grant.
    pub(crate) async fn send_responses(&mut self, all: bool) {
        let mut granted: BTreeMap<(OrgName, Class), u64> = BTreeMap::new();
        for rate_tokens::TokenResponse { request, body } in self.leadership.take_responses() {
            let Some(PendingRequest { to, id, org }) = self.pending.remove(&request) else {
                continue;
            };
            let response = match body {
                ResponseBody::Grant {
                    grant,
                    class,
                    tokens,
                    ttl,
                } => {
                    *granted.entry((org.clone(), class)).or_default() += u64::from(tokens);
                    bus::TokenResponse::Grant {
                        id,
                        grant,
                        tokens,
                        ttl,
                    }
                }
                ResponseBody::Wait { retry_after } => bus::TokenResponse::Wait { id, retry_after },
            };
            self.responses.entry(to).or_default().add(org.as_str(), response);
        }
        for ((org, class), tokens) in granted {
            metrics::counter!("rollcall_tokens_granted_total", "org" => org.to_string(), "class" => class.as_str())
                .increment(tokens);
        }
        for (to, responses) in std::mem::take(&mut self.responses) {
            if !all && responses.are_idle() {
                self.responses.insert(to, responses);
            } else {
                self.bus.respond(&to, responses).await;
            }
        }
    }

    fn status(&self, org: Option<String>, answer: StatusAnswer) {
        let orgs: serde_json::Map<String, Value> = match org {
            Some(org) => {
                let status = OrgName::new(&org)
                    .ok()
                    .and_then(|name| self.leadership.status(now(), &name));
                status
                    .into_iter()
                    .map(|status| (org.clone(), json!(status)))
                    .collect()
            }
            None => self
                .leadership
                .statuses(now())
                .map(|(org, status)| (org.to_string(), json!(status)))
                .collect(),
        };
        answer.send(json!({
            "governor": {
                "leading": self.leadership.is_leading(),
                "epoch": self.leadership.epoch(),
                "appends": self.appends,
                "odd": self.leadership.anomalies(),
            },
            "orgs": orgs,
        }));
    }

    pub(crate) fn measure(&self) {
        for (org, status) in self.leadership.statuses(now()) {
            measure_org(org.as_str(), &status);
        }
        let odd = self.leadership.anomalies();
        for (what, count) in [
            ("unknown org", odd.unknown_orgs),
            ("refused request", odd.refused_requests),
            ("unknown grant", odd.unknown_grants),
            ("contradiction", odd.contradictions),
            ("damaged entry", odd.damaged_entries),
        ] {
            metrics::counter!("rollcall_governor_odd_total", "what" => what).absolute(count);
        }
    }
}

/// Reason why a request was not queued.
enum RequestFailure {
    ForNow,
    Invalid(String),
}

/// Result of a use report.
enum ReportOutcome {
    Accepted,
    /// The governor does not lead now. The same report may be accepted later.
    ForNow,
    /// The report is wrong, and repeating it does not help.
    Odd(String),
}

fn measure_org(org: &str, status: &Status) {
    for (state, tokens) in [
        ("free", status.free),
        ("held", status.held),
        ("cooling", status.cooling),
    ] {
        metrics::gauge!("rollcall_tokens", "org" => org.to_owned(), "state" => state).set(f64::from(tokens));
    }
    metrics::gauge!("rollcall_working_limit", "org" => org.to_owned()).set(f64::from(status.working_limit));
    for class in Class::ALL {
        let counts = status.classes.get(class);
        metrics::gauge!("rollcall_token_requests_waiting", "org" => org.to_owned(), "class" => class.as_str())
            .set(f64::from(counts.waiting));
        metrics::counter!("rollcall_refusals_total", "org" => org.to_owned(), "class" => class.as_str())
            .absolute(counts.refused);
    }
}
