//! Token requests of the controller: as many as there is work for, by class.

use rate_tokens::Class;
use tokio::time::Instant;

use super::{Controller, Finished};
use crate::schedule;

/// Most open token requests of normal class. At a limit of 100 per minute, a request to Litmos takes only a fraction of the time between
/// two tokens. Higher limits need a few permits at once.
const ASKS_MAX: usize = 4;

/// Most open token requests of urgent class.
const URGENT_ASKS_MAX: usize = 8;

impl Controller {
    pub(super) fn ask_for_permits(&mut self) {
        if self
            .halt
            .as_ref()
            .is_some_and(|(_, until)| Instant::now() < *until)
            || self.executor.gate.is_closed()
        {
            return;
        }
        let traffic = self.traffic();
        let (mut urgent, mut normal) = (0, self.together.len());
        for operation in
            schedule::ready(&self.plan, &self.state, &traffic).filter(|operation| operation.calls > 0)
        {
            match schedule::class_of(&operation.change) {
                Class::Urgent => urgent += 1,
                Class::Interactive | Class::Normal | Class::Background => normal += 1,
            }
            if urgent >= URGENT_ASKS_MAX && normal >= ASKS_MAX {
                break;
            }
        }
        self.ask(Class::Urgent, urgent.min(URGENT_ASKS_MAX));
        self.ask(Class::Normal, normal.min(ASKS_MAX));
    }

    /// Sends the probe of a closed gate when it is due.
    pub(super) fn probe(&mut self) {
        if !self.executor.gate.begins_probe() {
            return;
        }
        let executor = self.executor.clone();
        let about = service::About {
            class: Class::Interactive.as_str(),
            kind: "probe".to_owned(),
            ..service::About::default()
        };
        self.running.spawn(service::about(about, async move {
            executor.probe().await;
            Finished::default()
        }));
    }

    fn ask(&mut self, class: Class, wanted: usize) {
        let trace = self.next_trace();
        let asked = self.asked.entry(class).or_default();
        while *asked < wanted {
            *asked += 1;
            let executor = self.executor.clone();
            let span = tracing::info_span!("permit.acquire", org.id = %self.org, class = class.as_str());
            bus::trace::set_parent(&span, trace.as_deref());
            let ask = async move { (class, executor.permit(class).await) };
            self.asks.spawn(tracing::Instrument::instrument(ask, span));
        }
    }

    fn next_trace(&self) -> Option<String> {
        let traffic = self.traffic();
        let operation = schedule::next(&self.plan, &self.state, &traffic)?;
        operation
            .change
            .subjects()
            .first()
            .and_then(|subject| self.traces.get(subject).cloned())
    }
}
