//! Where those who ask and report are heard and answered.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bus::{AskIn, Bus, Exchange, GovernorRequest, Reply, ReplyTo, ReportIn, StatusAnswer};
use rate_tokens::{
    Answer, Ask, AskId, AskRefused, AskUnheard, Class, FlowId, Heard, OrgName, Reign, Status, Told, WorkerId,
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
    org: String,
}

pub(crate) struct Desk {
    bus: Bus,
    pub(crate) reign: Reign,
    pub(crate) has_ruled: bool,
    askers: HashMap<AskId, Asker>,
    next_ask: u64,
    replies: BTreeMap<ReplyTo, Vec<Reply>>,
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
            GovernorRequest::Exchange(Exchange {
                worker,
                asks,
                reports,
                reply_to,
            }) => {
                // Answered in any case: also an empty exchange is a question.
                self.replies.entry(reply_to.clone()).or_default();
                for report in reports {
                    self.report(&reply_to, report);
                }
                for ask in asks {
                    self.ask(&reply_to, &worker, ask);
                }
            }
            GovernorRequest::Status { org, answer } => self.status(org, answer),
        }
    }

    fn ask(&mut self, to: &ReplyTo, worker: &str, ask: AskIn) {
        let id = ask.id;
        let org = ask.org.clone();
        match self.try_ask(worker, ask) {
            Ok(asked) => {
                let asker = Asker {
                    to: to.clone(),
                    id,
                    org,
                };
                self.askers.insert(asked, asker);
            }
            Err(Refusal::ForNow) => self.reply(
                to,
                Reply::Wait {
                    id,
                    retry_after: AGAIN,
                },
            ),
            Err(Refusal::Senseless(said)) => {
                metrics::counter!("rollcall_asks_refused_total").increment(1);
                self.reply(to, Reply::Refused { id, said });
            }
        }
    }

    fn try_ask(&mut self, worker: &str, ask: AskIn) -> Result<AskId, Refusal> {
        let senseless = |said: &dyn ToString| Refusal::Senseless(said.to_string());
        let org = OrgName::new(&ask.org).map_err(|error| senseless(&error))?;
        let class = ask
            .class
            .ok_or_else(|| senseless(&"the class of the ask is none of the four"))?;
        let worker = WorkerId::new(worker).map_err(|error| senseless(&error))?;
        let flow = FlowId::new(&ask.flow).map_err(|error| senseless(&error))?;
        if let Some(seen) = ask.seen {
            self.reign.seen(&org, seen);
        }
        self.next_ask += 1;
        let id = AskId::new(self.next_ask);
        let ask = Ask {
            id,
            worker,
            flow,
            class,
            want: ask.want,
            deadline: now() + ask.wait,
        };
        match self.reign.ask(now(), &org, ask) {
            Ok(()) => Ok(id),
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

    fn report(&mut self, to: &ReplyTo, report: ReportIn) {
        let ReportIn {
            id,
            org,
            grant,
            settled,
        } = report;
        let (Ok(name), Some(grant)) = (OrgName::new(&org), grant) else {
            let said = Some("the report names no org or no grant".to_owned());
            self.reply(to, Reply::Heard { id, said });
            return;
        };
        let said = match self.reign.report(now(), &name, grant, &settled) {
            Ok(reported) if reported.contradictions + reported.no_such_token > 0 => {
                tracing::error!(org.id = org, ?reported, %grant, "a report contradicts the ledger");
                Some("it contradicts what was reported before".to_owned())
            }
            Ok(_) => None,
            // Left unanswered it comes again.
            Err(unheard) if unheard.is_for_now() => return,
            Err(unheard) => Some(unheard.to_string()),
        };
        self.reply(to, Reply::Heard { id, said });
    }

    fn reply(&mut self, to: &ReplyTo, reply: Reply) {
        self.replies.entry(to.clone()).or_default().push(reply);
    }

    /// Sends what may be told by now, one message to each process.
    pub(crate) async fn tell(&mut self) {
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
                    metrics::counter!("rollcall_tokens_granted_total", "org" => org.clone(), "class" => class.as_str())
                        .increment(u64::from(tokens));
                    Reply::Grant {
                        id,
                        org,
                        grant,
                        tokens,
                        ttl,
                    }
                }
                Told::Wait { retry_after } => Reply::Wait { id, retry_after },
            };
            self.replies.entry(to).or_default().push(reply);
        }
        for (to, replies) in std::mem::take(&mut self.replies) {
            self.bus.tell(&to, replies).await;
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
