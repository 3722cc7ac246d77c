//! Where those who ask and report are heard and answered.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bus::{AskIn, Bus, Exchange, GovernorRequest, OrgWords, Replies, Reply, ReplyTo, ReportIn, StatusAnswer};
use rate_tokens::{
    Answer, Ask, AskId, AskRefused, AskUnheard, Class, FlowId, Heard, Moment, NameRefused, OrgName, Reign,
    Settled, Status, Told, WorkerId,
};
use serde_json::{Value, json};

use crate::now;

/// When to ask again where there was no place, or no rule yet.
const AGAIN: Duration = Duration::from_millis(100);

/// Who waits for an answer.
#[derive(Debug)]
struct Asker {
    to: ReplyTo,
    id: u64,
    org: OrgName,
}

/// What all asks of one exchange have in common.
struct Asked {
    worker: Result<WorkerId, NameRefused>,
    at: Moment,
    deadline: Moment,
    to: ReplyTo,
}

pub(crate) struct Desk {
    bus: Bus,
    pub(crate) reign: Reign,
    pub(crate) has_ruled: bool,
    askers: HashMap<AskId, Asker>,
    next_ask: u64,
    replies: BTreeMap<ReplyTo, Replies>,
    /// Used again for each report.
    settled: Vec<Settled>,
    appends: u64,
}

impl Desk {
    pub(crate) fn new(bus: Bus, reign: Reign) -> Desk {
        Desk {
            bus,
            reign,
            has_ruled: false,
            askers: HashMap::new(),
            next_ask: 0,
            replies: BTreeMap::new(),
            settled: Vec::new(),
            appends: 0,
        }
    }

    /// Takes in what came of a command; whether a pause is due before the next.
    pub(crate) fn hear(&mut self, heard: Heard) -> bool {
        let failed = match &heard {
            Heard::Appended { .. } => {
                self.appends += 1;
                false
            }
            Heard::Read { .. } | Heard::Fenced => false,
            Heard::Rejected | Heard::Unknown | Heard::Failed => true,
        };
        self.reign.heard(now(), heard);
        if self.reign.is_ruling() && !self.has_ruled {
            self.has_ruled = true;
            tracing::info!(
                epoch = self.reign.epoch().unwrap_or_default().get(),
                "leading the rate governor"
            );
        }
        failed
    }

    pub(crate) fn take(&mut self, request: GovernorRequest) {
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
        let asked = Asked {
            worker: WorkerId::new(&worker),
            at,
            deadline: at + wait,
            to: to.clone(),
        };
        // Answered in any case: also an empty exchange is a question.
        let mut replies = self.replies.remove(&to).unwrap_or_default();
        let mut heard = true;
        for OrgWords {
            org,
            seen,
            asks,
            reports,
        } in orgs
        {
            let name = OrgName::new(&org);
            for of_one_grant in reports.chunk_by(|one, next| one.grant == next.grant) {
                match self.report(asked.at, name.as_ref().ok(), of_one_grant) {
                    Reported::TakenIn => {}
                    Reported::ForNow => heard = false,
                    Reported::Odd(said) => replies.odd.push(said),
                }
            }
            if let (Ok(name), Some(seen)) = (&name, seen) {
                self.reign.seen(name, seen);
            }
            for ask in asks {
                let id = ask.id;
                match self.ask(&name, &asked, ask) {
                    Ok(()) => {}
                    Err(Refusal::ForNow) => replies.add(
                        &org,
                        Reply::Wait {
                            id,
                            retry_after: AGAIN,
                        },
                    ),
                    Err(Refusal::Senseless(said)) => {
                        metrics::counter!("rollcall_asks_refused_total").increment(1);
                        replies.add(&org, Reply::Refused { id, said });
                    }
                }
            }
        }
        // Left unanswered, reports come again.
        replies.heard.extend(Some(number).filter(|_| heard));
        self.replies.insert(to, replies);
    }

    fn ask(&mut self, org: &Result<OrgName, NameRefused>, asked: &Asked, ask: AskIn) -> Result<(), Refusal> {
        let senseless = |said: &dyn ToString| Refusal::Senseless(said.to_string());
        let org = org.as_ref().map_err(|error| senseless(error))?;
        let class = ask
            .class
            .ok_or_else(|| senseless(&"the class of the ask is none of the four"))?;
        let worker = asked.worker.clone().map_err(|error| senseless(&error))?;
        let flow = FlowId::new(&ask.flow).map_err(|error| senseless(&error))?;
        self.next_ask += 1;
        let id = AskId::new(self.next_ask);
        let asker = Asker {
            to: asked.to.clone(),
            id: ask.id,
            org: org.clone(),
        };
        let ask = Ask {
            id,
            worker,
            flow,
            class,
            want: ask.want,
            deadline: asked.deadline,
        };
        match self.reign.ask(asked.at, org, ask) {
            Ok(()) => {
                self.askers.insert(id, asker);
                Ok(())
            }
            Err(
                AskUnheard::NotRuling
                | AskUnheard::Refused(AskRefused::ClassFull { .. } | AskRefused::WorkerFull { .. }),
            ) => Err(Refusal::ForNow),
            Err(
                error @ (AskUnheard::UnknownOrg { .. }
                | AskUnheard::Refused(
                    AskRefused::WantsNothing | AskRefused::WantsTooMuch { .. } | AskRefused::Duplicate { .. },
                )),
            ) => Err(senseless(&error)),
        }
    }

    fn report(&mut self, now: Moment, org: Option<&OrgName>, of_one_grant: &[ReportIn]) -> Reported {
        let grant = of_one_grant.first().and_then(|report| report.grant);
        let (Some(org), Some(grant)) = (org, grant) else {
            return Reported::Odd("the report names no org or no grant".to_owned());
        };
        self.settled.clear();
        self.settled
            .extend(of_one_grant.iter().map(|report| report.settled));
        match self.reign.report(now, org, grant, &self.settled) {
            Ok(reported) if reported.contradictions + reported.no_such_token > 0 => {
                tracing::error!(org.id = org.as_str(), ?reported, %grant, "a report contradicts the ledger");
                Reported::Odd("it contradicts what was reported before".to_owned())
            }
            Ok(_) => Reported::TakenIn,
            Err(unheard) if unheard.is_for_now() => Reported::ForNow,
            Err(unheard) => Reported::Odd(unheard.to_string()),
        }
    }

    /// Sends what may be told by now, one message to each process. Unless `all`, that reports were heard waits for company.
    pub(crate) async fn tell(&mut self, all: bool) {
        let mut granted: BTreeMap<(OrgName, Class), u64> = BTreeMap::new();
        for Answer { ask, told } in self.reign.take_answers() {
            let Some(Asker { to, id, org }) = self.askers.remove(&ask) else {
                continue;
            };
            let reply = match told {
                Told::Grant {
                    grant,
                    class,
                    tokens,
                    ttl,
                } => {
                    *granted.entry((org.clone(), class)).or_default() += u64::from(tokens);
                    Reply::Grant {
                        id,
                        grant,
                        tokens,
                        ttl,
                    }
                }
                Told::Wait { retry_after } => Reply::Wait { id, retry_after },
            };
            self.replies.entry(to).or_default().add(org.as_str(), reply);
        }
        for ((org, class), tokens) in granted {
            metrics::counter!("rollcall_tokens_granted_total", "org" => org.to_string(), "class" => class.as_str())
                .increment(tokens);
        }
        for (to, replies) in std::mem::take(&mut self.replies) {
            if !all && replies.are_idle() {
                self.replies.insert(to, replies);
            } else {
                self.bus.tell(&to, replies).await;
            }
        }
    }

    fn status(&self, org: Option<String>, answer: StatusAnswer) {
        let orgs: serde_json::Map<String, Value> = match org {
            Some(org) => {
                let status = OrgName::new(&org)
                    .ok()
                    .and_then(|name| self.reign.status(now(), &name));
                status
                    .into_iter()
                    .map(|status| (org.clone(), json!(status)))
                    .collect()
            }
            None => self
                .reign
                .statuses(now())
                .map(|(org, status)| (org.to_string(), json!(status)))
                .collect(),
        };
        answer.send(json!({
            "governor": {
                "ruling": self.reign.is_ruling(),
                "epoch": self.reign.epoch(),
                "appends": self.appends,
                "odd": self.reign.oddities(),
            },
            "orgs": orgs,
        }));
    }

    pub(crate) fn measure(&self) {
        for (org, status) in self.reign.statuses(now()) {
            measure_org(org.as_str(), &status);
        }
        let odd = self.reign.oddities();
        for (what, count) in [
            ("unknown org", odd.unknown_orgs),
            ("refused ask", odd.refused_asks),
            ("unknown grant", odd.unknown_grants),
            ("contradiction", odd.contradictions),
            ("damaged entry", odd.damaged_entries),
        ] {
            metrics::counter!("rollcall_governor_odd_total", "what" => what).absolute(count);
        }
    }
}

/// Why an ask waits for no token.
enum Refusal {
    ForNow,
    Senseless(String),
}

/// What became of a report.
enum Reported {
    TakenIn,
    /// It is of use later.
    ForNow,
    /// It need not come again, but something is wrong with it.
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
        metrics::gauge!("rollcall_asks_waiting", "org" => org.to_owned(), "class" => class.as_str())
            .set(f64::from(counts.waiting));
        metrics::counter!("rollcall_refusals_total", "org" => org.to_owned(), "class" => class.as_str())
            .absolute(counts.refused);
    }
}
