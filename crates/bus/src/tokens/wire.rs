//! Types of `rate_tokens` as protobuf messages.

use proto::v1;
use rate_tokens::{Class, Epoch, GrantId, Outcome, Settled, Settlement};

use super::UseReport;

pub(crate) fn class_out(class: Class) -> v1::TokenClass {
    match class {
        Class::Urgent => v1::TokenClass::Urgent,
        Class::Interactive => v1::TokenClass::Interactive,
        Class::Normal => v1::TokenClass::Normal,
        Class::Background => v1::TokenClass::Background,
    }
}

pub(crate) fn class_in(class: i32) -> Option<Class> {
    match v1::TokenClass::try_from(class).ok()? {
        v1::TokenClass::Urgent => Some(Class::Urgent),
        v1::TokenClass::Interactive => Some(Class::Interactive),
        v1::TokenClass::Normal => Some(Class::Normal),
        v1::TokenClass::Background => Some(Class::Background),
        v1::TokenClass::Unspecified => None,
    }
}

pub(crate) fn grant_out(grant: GrantId) -> v1::GrantRef {
    v1::GrantRef {
        epoch: grant.epoch.get(),
        number: grant.number,
    }
}

pub(crate) fn grant_in(grant: v1::GrantRef) -> GrantId {
    GrantId {
        epoch: Epoch::new(grant.epoch),
        number: grant.number,
    }
}

pub(super) fn use_report_out(grant: GrantId, settled: &Settled) -> v1::UseReport {
    let (settlement, retry_after_ms) = settlement_out(settled.settlement);
    v1::UseReport {
        grant: Some(grant_out(grant)),
        token: settled.token,
        settlement: settlement.into(),
        retry_after_ms,
    }
}

pub(super) fn use_report_in(report: &v1::UseReport) -> UseReport {
    let settlement = settlement_in(report.settlement(), report.retry_after_ms);
    UseReport {
        grant: report.grant.map(grant_in),
        settled: Settled {
            token: report.token,
            settlement,
        },
    }
}

pub(crate) fn settlement_out(settlement: Settlement) -> (v1::Settlement, Option<u64>) {
    match settlement {
        Settlement::Unused => (v1::Settlement::Unused, None),
        Settlement::Used(Outcome::Answered) => (v1::Settlement::Answered, None),
        Settlement::Used(Outcome::Refused { retry_after_ms }) => (v1::Settlement::Refused, retry_after_ms),
        Settlement::Used(Outcome::Unknown) => (v1::Settlement::Unknown, None),
    }
}

pub(crate) fn settlement_in(settlement: v1::Settlement, retry_after_ms: Option<u64>) -> Settlement {
    match settlement {
        v1::Settlement::Unused => Settlement::Unused,
        v1::Settlement::Answered => Settlement::Used(Outcome::Answered),
        v1::Settlement::Refused => Settlement::Used(Outcome::Refused { retry_after_ms }),
        v1::Settlement::Unknown => Settlement::Used(Outcome::Unknown),
    }
}
