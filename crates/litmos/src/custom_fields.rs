//! Calls about a user's advanced custom fields.
//!
//! Public sources show the write in two JSON shapes and never show the read, so the read takes every shape that any of
//! them draws, and the write sends the shape that its caller names: one permit is one request, and the second shape is
//! a second request. A good answer is no proof that a value was kept: a name that the account does not have is passed
//! over in silence, so read the values back.

use std::collections::BTreeMap;

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client};
use crate::failure::{Failure, FailureKind};
use crate::read::scalar;

/// The JSON shape in which advanced custom fields are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomFieldsBody {
    /// `{"Region":"North","Site":"Lyon"}`, as the vendor's pages have it.
    #[default]
    Object,
    /// `[{"Region":"North"},{"Site":"Lyon"}]`, as one public client sends it.
    Pairs,
}

impl CustomFieldsBody {
    /// The one to try when a [`body_unreadable`](Failure::body_unreadable) answer meets this one.
    #[must_use]
    pub fn other(self) -> CustomFieldsBody {
        match self {
            CustomFieldsBody::Object => CustomFieldsBody::Pairs,
            CustomFieldsBody::Pairs => CustomFieldsBody::Object,
        }
    }

    fn of(self, values: &BTreeMap<String, String>) -> Value {
        match self {
            CustomFieldsBody::Object => json!(values),
            CustomFieldsBody::Pairs => values
                .iter()
                .map(|(name, value)| json!({ name: value }))
                .collect(),
        }
    }
}

/// Keys under which a record, as opposed to a pair, would name its field.
const NAME_KEYS: [&str; 4] = ["fieldname", "@fieldname", "name", "label"];

/// Keys under which such a record would hold the value.
const VALUE_KEYS: [&str; 3] = ["value", "#text", "text"];

impl Client {
    /// Names of the org's advanced custom fields, as one user has them.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn custom_fields(&self, permit: Permit, user: &str) -> Result<Vec<String>, Failure> {
        let values = self.custom_field_values(permit, user).await?;
        Ok(values.into_keys().collect())
    }

    /// The org's advanced custom fields with this user's values; empty where none was set or it was cleared, which
    /// Litmos does not tell apart reliably. An account without such fields has none.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn custom_field_values(
        &self,
        permit: Permit,
        user: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let arguments = [user];
        let call = Call::get("user.custom_fields", "/users/{}/usercustomfields", &arguments);
        let answer = self.send(permit, call).await?;
        values_in(&answer)
            .ok_or_else(|| Client::broken("user.custom_fields", "the answer is no set of custom fields"))
    }

    /// Sets advanced custom fields. What happens to those that `values` leaves out is not public, and a mandatory one
    /// left out is refused, while nothing tells which are mandatory: send all of them, as read, with the changes.
    ///
    /// # Errors
    /// See [`Failure`]. Litmos answers 404 for a mandatory field left out as well as for an unknown user, so it is
    /// [`Rejected`](FailureKind::Rejected) here: an account is not gone on that word. If
    /// [`body_unreadable`](Failure::body_unreadable), the account may take the [other shape](CustomFieldsBody::other).
    pub async fn set_custom_fields(
        &self,
        permit: Permit,
        user: &str,
        values: &BTreeMap<String, String>,
        body: CustomFieldsBody,
    ) -> Result<(), Failure> {
        let arguments = [user];
        let call = Call::write(
            "user.set_custom_fields",
            Method::POST,
            "/users/{}/usercustomfields",
            &arguments,
        )
        .body(body.of(values));
        self.send(permit, call).await.map(drop).map_err(not_gone)
    }
}

fn not_gone(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Gone {
        return failure;
    }
    let message = format!(
        "{} (a mandatory custom field is missing, or the user is)",
        failure.message
    );
    Failure {
        kind: FailureKind::Rejected { attribute: None },
        message,
        ..failure
    }
}

/// Names and values in any of the shapes that public sources show: one object, a list of one-pair objects, or records
/// with a name and a value, each bare or wrapped. `None` if it is none of these; no body at all is no fields.
fn values_in(answer: &Value) -> Option<BTreeMap<String, String>> {
    match answer {
        Value::Null => Some(BTreeMap::new()),
        Value::Array(items) => {
            let mut values = BTreeMap::new();
            for item in items {
                let item = item.as_object()?;
                match named(item) {
                    Some((name, value)) => drop(values.insert(name, value)),
                    None => values.extend(plain(item)?),
                }
            }
            Some(values)
        }
        Value::Object(fields) => match fields.values().next() {
            Some(inner @ (Value::Array(_) | Value::Object(_))) if fields.len() == 1 => values_in(inner),
            _ => plain(fields),
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Every key a field.
fn plain(fields: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), scalar(value)?));
    fields.iter().map(pair).collect()
}

/// The field that a record names. A lone name without a value is a record only under `fieldname`: a field may be called
/// Name or Label itself.
fn named(record: &Map<String, Value>) -> Option<(String, String)> {
    let key_among = |keys: &[&str]| {
        keys.iter().find_map(|wanted| {
            let (_, value) = record.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
            scalar(value)
        })
    };
    let value = key_among(&VALUE_KEYS);
    let names = if value.is_some() {
        &NAME_KEYS[..]
    } else {
        &NAME_KEYS[..2]
    };
    Some((key_among(names)?, value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_are_read_in_every_shape() {
        let wanted = map(&[("Region", "North"), ("Shoe size", "")]);
        for shape in [
            json!({"Region": "North", "Shoe size": null}),
            json!([{"Region": "North"}, {"Shoe size": ""}]),
            json!([{"Region": "North", "Shoe size": null}]),
            json!([{"fieldname": "Region", "value": "North"}, {"fieldname": "Shoe size"}]),
            json!([{"Name": "Region", "Value": "North"}, {"Name": "Shoe size", "Value": null}]),
            json!([{"@fieldname": "Region", "#text": "North"}, {"@fieldname": "Shoe size"}]),
            json!([{"CustomFieldId": 7, "Label": "Region", "Value": "North"}, {"Label": "Shoe size", "Value": ""}]),
            json!({"UserCustomField": {"Parameter": [{"fieldname": "Region", "value": "North"}, {"fieldname": "Shoe size"}]}}),
            json!({"ArrayOfparameter": [{"Region": "North"}, {"Shoe size": ""}]}),
        ] {
            assert_eq!(values_in(&shape), Some(wanted.clone()), "{shape}");
        }
    }

    #[test]
    fn a_field_may_be_called_name_or_value_itself() {
        for shape in [
            json!([{"Name": "Mira"}, {"Value": "high"}]),
            json!({"Name": "Mira", "Value": "high"}),
        ] {
            assert_eq!(
                values_in(&shape),
                Some(map(&[("Name", "Mira"), ("Value", "high")])),
                "{shape}"
            );
        }
    }

    #[test]
    fn numbers_and_flags_are_read_as_text_and_no_fields_as_none() {
        assert_eq!(
            values_in(&json!({"Badge": 4711, "Remote": true})),
            Some(map(&[("Badge", "4711"), ("Remote", "true")]))
        );
        for nothing in [json!(null), json!({}), json!([])] {
            assert_eq!(values_in(&nothing), Some(BTreeMap::new()), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_set_of_fields_is_not_taken_for_an_empty_one() {
        for other in [
            json!("page"),
            json!(7),
            json!(["Region"]),
            json!([{"Region": {"a": "b"}}]),
            json!({"Region": "North", "Site": ["Lyon"]}),
        ] {
            assert_eq!(values_in(&other), None, "{other}");
        }
    }

    #[test]
    fn each_shape_is_written_as_its_source_has_it_and_read_back() {
        let values = map(&[("Region", "North"), ("Site", "")]);
        assert_eq!(
            CustomFieldsBody::Object.of(&values),
            json!({"Region": "North", "Site": ""})
        );
        assert_eq!(
            CustomFieldsBody::Pairs.of(&values),
            json!([{"Region": "North"}, {"Site": ""}])
        );
        for body in [CustomFieldsBody::Object, CustomFieldsBody::Pairs] {
            assert_eq!(values_in(&body.of(&values)).as_ref(), Some(&values));
            assert_ne!(body.other(), body);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            values in proptest::collection::btree_map("[A-Za-z ]{1,8}", "\\PC{0,12}", 0..6),
        ) {
            // In a list of one-pair objects, `fieldname` alone reads as a record without a value.
            let reserved = |name: &String| name.eq_ignore_ascii_case("fieldname");
            proptest::prop_assume!(!values.keys().any(reserved));
            for body in [CustomFieldsBody::Object, CustomFieldsBody::Pairs] {
                proptest::prop_assert_eq!(values_in(&body.of(&values)), Some(values.clone()));
            }
        }
    }
}
