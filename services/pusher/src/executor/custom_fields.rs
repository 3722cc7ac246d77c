//! Sets the advanced custom fields of one account.
//!
//! Public sources disagree on the shape of the request body. A successful response does not prove that a value was kept, and Litmos refuses
//! a request that leaves out a mandatory field. So the accepted shape is found once and remembered, the fields are read back after each
//! write, and a refused request is sent once more with all fields of the account. No list of Litmos shows these fields. The link keeps the
//! values of the managed fields, as far as they were read.
//!
//! The journal gets the earlier values from the link. No request is sent for them, but if all fields had to be read, those values count
//! too. A field that is in neither was unknown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use litmos::{CustomFieldsBody, Failure, FailureKind};
use provisioning::{AccountId, Ended, IntentKind, ParkCode, Parked};
use rate_tokens::Permit;

use super::images::custom_set;
use super::people::PersonJob;
use super::setback::{bounded, person_setback};
use super::{Done, Executor, Outcome, Trouble, unix_ms};
use crate::effects::Effects;

/// The shape of the request body that this Litmos account accepts. The default shape is used until a response shows that it is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct CustomFieldsShape {
    other: Arc<AtomicBool>,
}

impl CustomFieldsShape {
    fn get(&self) -> CustomFieldsBody {
        let first = CustomFieldsBody::default();
        if self.other.load(Ordering::Relaxed) {
            first.other()
        } else {
            first
        }
    }

    fn set(&self, shape: CustomFieldsBody) {
        let other = shape != CustomFieldsBody::default();
        self.other.store(other, Ordering::Relaxed);
    }
}

type Values = BTreeMap<String, String>;

/// The fields of an account before and after a write.
#[derive(Debug)]
struct Around {
    /// The known values only.
    before: Values,
    after: Values,
}

/// Values of the managed fields in an account. A missing field is empty.
pub(crate) fn managed(wanted: &Values, there: &Values) -> Values {
    let value = |name: &String| there.get(name).cloned().unwrap_or_default();
    wanted.keys().map(|name| (name.clone(), value(name))).collect()
}

/// The first field whose value is not the desired one. Spaces around a value are ignored.
pub(crate) fn first_other<'a>(wanted: &'a Values, there: &Values) -> Option<&'a str> {
    let same =
        |name: &String, value: &String| there.get(name).map_or("", |there| there.trim()) == value.trim();
    let mut others = wanted.iter().filter(|(name, value)| !same(name, value));
    others.next().map(|(name, _)| name.as_str())
}

fn unreadable<T>(result: &Result<T, Trouble>) -> bool {
    matches!(result, Err(Trouble::Litmos(failure)) if failure.body_unreadable())
}

fn incomplete<T>(result: &Result<T, Trouble>) -> bool {
    let refused = |failure: &Failure| {
        matches!(failure.kind, FailureKind::Rejected { .. }) && failure.status == Some(404)
    };
    matches!(result, Err(Trouble::Litmos(failure)) if refused(failure))
}

impl Executor {
    pub(crate) async fn set_custom_fields(
        &self,
        permit: Permit,
        mut job: PersonJob,
        id: AccountId,
        values: Values,
    ) -> Done {
        match self.write_custom_fields(permit, &mut job, &id, &values).await {
            Ok(around) => self.custom_fields_set(job, id, values, around).await,
            Err(trouble) => self.failed(job, trouble).await,
        }
    }

    /// Sets the fields and reads them back.
    async fn write_custom_fields(
        &self,
        permit: Permit,
        job: &mut PersonJob,
        id: &AccountId,
        values: &Values,
    ) -> Result<Around, Trouble> {
        let mut before = job.link.value.custom.clone();
        let mut shape = self.custom_fields.get();
        let mut sent = self.put_custom_fields(permit, job, id, values, shape).await;
        if unreadable(&sent) {
            shape = shape.other();
            let permit = self.permit(job.class).await;
            sent = self.put_custom_fields(permit, job, id, values, shape).await;
            if sent.is_ok() || incomplete(&sent) {
                self.custom_fields.set(shape);
            }
        }
        if incomplete(&sent) {
            let mut all = self.custom_fields_now(job.class, id).await?;
            before.extend(managed(values, &all));
            all.retain(|_, value| !value.is_empty());
            all.extend(values.clone());
            if all != *values {
                let permit = self.permit(job.class).await;
                sent = self.put_custom_fields(permit, job, id, &all, shape).await;
            }
        }
        sent?;
        let after = self.custom_fields_now(job.class, id).await.map_err(unread)?;
        Ok(Around {
            before: before.into(),
            after,
        })
    }

    async fn put_custom_fields(
        &self,
        permit: Permit,
        job: &mut PersonJob,
        id: &AccountId,
        values: &Values,
        shape: CustomFieldsBody,
    ) -> Result<(), Trouble> {
        let intent = self.intent(&permit, &job.operation, IntentKind::CustomFields, job.revision);
        self.open_person(intent, job, Some(id)).await?;
        let sent = self.litmos.set_custom_fields(permit, id.as_str(), values, shape);
        Ok(sent.await?)
    }

    async fn custom_fields_set(
        &self,
        mut job: PersonJob,
        id: AccountId,
        values: Values,
        Around { before, after }: Around,
    ) -> Done {
        let there = managed(&values, &after);
        let link = &mut job.link.value;
        person_setback(link).over();
        let Some(name) = first_other(&values, &after).map(str::to_owned) else {
            let image = custom_set(&link.person, &id, &before, &values);
            link.custom = values.into();
            link.applied_revision = job.revision;
            link.parked = None;
            return self
                .close(job, Effects::default(), Outcome::done(vec![image]))
                .await;
        };
        // The values that Litmos kept count as done, and can be undone.
        let image = custom_set(&link.person, &id, &before, &there);
        link.custom = there.into();
        let kept = link.custom.get(&name).map_or("", String::as_str);
        let message = bounded(&format!(
            "Litmos accepted the request and stored {kept:?} in {name}"
        ));
        link.parked = Some(Box::new(Parked {
            code: ParkCode::ValueNotTaken,
            attribute: Some(name),
            message: message.clone(),
            remedy:
                "Check the field's type, options and length in Litmos, or correct the value at the source."
                    .to_owned(),
            revision: job.revision,
            at_ms: unix_ms(),
        }));
        let outcome = Outcome {
            images: vec![image],
            ..Outcome::not_done(Ended::Parked, message)
        };
        self.close(job, Effects::default(), outcome).await
    }
}

/// Makes a failed read-back an unknown outcome: Litmos accepted the write, but the result could not be read. The intent stays, and recovery
/// reads the fields again.
fn unread(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Litmos(failure) => Trouble::Litmos(Failure {
            kind: FailureKind::Unknown,
            ..failure
        }),
        other @ (Trouble::Stale | Trouble::Bus(_) | Trouble::Gone(_) | Trouble::Connection(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_field_that_is_not_there_is_an_empty_one() {
        let wanted = values(&[("Site", ""), ("Region", "North")]);
        assert_eq!(first_other(&wanted, &values(&[("Region", " North ")])), None);
        assert_eq!(first_other(&wanted, &values(&[("Site", "x")])), Some("Region"));
        let there = values(&[("Region", "South"), ("Shoe size", "44")]);
        assert_eq!(
            managed(&wanted, &there),
            values(&[("Site", ""), ("Region", "South")]),
            "what nobody wants anything of is not kept"
        );
    }
}
