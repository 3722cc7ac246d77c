//! Other values of the bucket `links`: the history of harmful changes, approvals, and runs with their forecasts.

use prost::Name as _;
use proto::v1;
use provisioning::{Approval, Forecast, Harm, HarmHistory, HarmKey, PlanHash, Run};

use super::{BrokenRecord, Wire, broken};

impl Wire<v1::HarmHistory> for HarmHistory {
    fn to_wire(&self) -> v1::HarmHistory {
        let hour = |(harm, hour, count): (Harm, u64, u32)| v1::HarmHour {
            harm: harm.as_str().to_owned(),
            hour,
            count,
        };
        v1::HarmHistory {
            hours: self.entries().map(hour).collect(),
        }
    }

    fn from_wire(message: v1::HarmHistory) -> Result<HarmHistory, BrokenRecord> {
        let hour = |hour: v1::HarmHour| {
            let harm = Harm::parse(&hour.harm);
            let harm = harm.ok_or_else(|| {
                broken(
                    v1::HarmHistory::full_name(),
                    format!("{:?} is no harm", hour.harm),
                )
            })?;
            Ok((harm, hour.hour, hour.count))
        };
        message.hours.into_iter().map(hour).collect()
    }
}

fn hash(type_name: String, text: &str) -> Result<PlanHash, BrokenRecord> {
    PlanHash::parse(text).map_err(|error| broken(type_name, error))
}

impl Wire<v1::Approval> for Approval {
    fn to_wire(&self) -> v1::Approval {
        v1::Approval {
            hash: self.hash.to_string(),
            keys: self.keys.iter().map(|key| key.0).collect(),
            by: self.by.clone(),
            at_ms: self.at_ms,
            expires_at_ms: self.expires_at_ms,
        }
    }

    fn from_wire(message: v1::Approval) -> Result<Approval, BrokenRecord> {
        Ok(Approval {
            hash: hash(v1::Approval::full_name(), &message.hash)?,
            keys: message.keys.into_iter().map(HarmKey).collect(),
            by: message.by,
            at_ms: message.at_ms,
            expires_at_ms: message.expires_at_ms,
        })
    }
}

impl Wire<v1::Run> for Run {
    fn to_wire(&self) -> v1::Run {
        let forecast = &self.forecast;
        v1::Run {
            id: self.id.to_string(),
            started_at_ms: self.started_at_ms,
            ended_at_ms: self.ended_at_ms,
            forecast: Some(v1::Forecast {
                made_at_ms: forecast.made_at_ms,
                calls: forecast.calls,
                expected_ms: forecast.expected_ms,
                low_ms: forecast.low_ms,
                high_ms: forecast.high_ms,
            }),
            revisions: self.revisions,
            calls: self.calls,
            operations: self.operations,
        }
    }

    fn from_wire(message: v1::Run) -> Result<Run, BrokenRecord> {
        let forecast = message.forecast;
        let forecast = forecast.ok_or_else(|| broken(v1::Run::full_name(), "has no forecast"))?;
        Ok(Run {
            id: hash(v1::Run::full_name(), &message.id)?,
            started_at_ms: message.started_at_ms,
            ended_at_ms: message.ended_at_ms,
            forecast: Forecast {
                made_at_ms: forecast.made_at_ms,
                calls: forecast.calls,
                expected_ms: forecast.expected_ms,
                low_ms: forecast.low_ms,
                high_ms: forecast.high_ms,
            },
            revisions: message.revisions,
            calls: message.calls,
            operations: message.operations,
        })
    }
}
