//! `/bulkimports`.

use super::{Api, Call, Reply};
use crate::bulk::Options;
use crate::effect::Effect;
use crate::model::contract::USER_IMPORT;
use crate::model::{AccessLevel, Refusal};
use crate::wire::{Body, Record};

impl Api<'_> {
    pub(super) fn import(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let rows = call.objects(&USER_IMPORT)?;
        let level = self.account.key_rights(call.caller);
        if level.is_some_and(AccessLevel::leads_only) && !self.account.leads_all_teams_of(call.caller, &rows)
        {
            return Err(Refusal::NotPermitted);
        }
        let count = rows.len();
        let options = Options {
            send_emails: call.query.flag("sendmessage"),
            skip_first_login: call.query.flag("skipfirstlogin"),
            delay: call.bulk_delay + call.twist.slow_job,
        };
        let shape = call.shape(self.modes);
        let job = self.account.accept_import(rows, options, self.now);
        let effect = Effect::BulkAccepted {
            job: job.id.clone(),
            rows: count,
        };
        Ok(Reply::with(200, shape, &Body::One(job.record(self.modes))).and(effect))
    }

    pub(super) fn list_imports(&self, call: &Call) -> Result<Reply, Refusal> {
        let items = self
            .page(call, self.account.jobs.latest())
            .into_iter()
            .map(|job| job.record(self.modes))
            .collect();
        let body = Body::List {
            root: "UserBulkImports",
            item: "UserBulkImport",
            items,
        };
        Ok(Reply::with(200, call.shape(self.modes), &body))
    }

    pub(super) fn show_import(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let job = self.account.jobs.find(id)?;
        Ok(Reply::with(
            200,
            call.shape(self.modes),
            &Body::One(job.record(self.modes)),
        ))
    }

    pub(super) fn list_import_errors(&self, call: &Call, id: &str) -> Result<Reply, Refusal> {
        let errors = self.account.jobs.find(id)?.user_errors();
        let items: Vec<Record<'_>> = self.page(call, errors.into_iter());
        let body = Body::List {
            root: "UserErrors",
            item: "UserError",
            items,
        };
        Ok(Reply::with(200, call.shape(self.modes), &body))
    }
}
