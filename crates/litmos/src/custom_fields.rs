//! Calls about a user's advanced custom fields.
//!
//! Public sources show the write in two JSON forms and never show the read. So the read accepts every form that a source shows,
//! and the write sends the form that its caller chooses: one permit is one request, and the second form is a second request. A
//! success response does not prove that a value was stored, because Litmos silently ignores unknown names. So read the values
//! back.

use std::collections::BTreeMap;

use rate_tokens::Permit;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Call, Client};
use crate::failure::{Failure, FailureKind};
use crate::read::scalar;

/// JSON form for writing advanced custom fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomFieldsBody {
    /// `{"Region":"North","Site":"Lyon"}`, as in the vendor's documentation.
    #[default]
    Object,
    /// `[{"Region":"North"},{"Site":"Lyon"}]`, as one public client sends it.
    Pairs,
}

impl CustomFieldsBody {
    /// The form to try after a [`body_unreadable`](Failure::body_unreadable) failure with this one.
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

/// Keys that name the field in a record with name and value.
const NAME_KEYS: [&str; 4] = ["fieldname", "@fieldname", "name", "label"];

/// Keys that contain the value in such a record.
const VALUE_KEYS: [&str; 3] = ["value", "#text", "text"];

impl Client {
    /// Names of the org's advanced custom fields, taken from one user.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn custom_fields(&self, permit: Permit, user: &str) -> Result<Vec<String>, Failure> {
        let values = self.custom_field_values(permit, user).await?;
        Ok(values.into_keys().collect())
    }

    /// The org's advanced custom fields with this user's values. A value is empty if it was never set or was cleared; Litmos does
    /// not reliably distinguish the two. The map is empty if the account has no such fields.
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

    /// Sets advanced custom fields. Send all fields, as read, with the changes: the effect on omitted fields is not documented,
    /// omitting a mandatory field is refused, and no call shows which fields are mandatory.
    ///
    /// # Errors
    /// See [`Failure`]. Litmos answers 404 both for a missing mandatory field and for an unknown user, so that is
    /// [`Rejected`](FailureKind::Rejected) here: it does not prove that the account is gone. After
    /// [`body_unreadable`](Failure::body_unreadable), the account may accept the [other form](CustomFieldsBody::other).
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

/// Names and values in any form that public sources show: one object, a list of objects with one pair, or records with a name and
/// a value, each bare or wrapped. `None` for any other form. A missing body means no fields.
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

/// Reads every key as a field.
fn plain(fields: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), scalar(value)?));
    fields.iter().map(pair).collect()
}

/// The field of a record with name and value. Without a value, only the key `fieldname` makes it such a record, because a field
/// itself may be called Name or Label.
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
            // In a list of objects with one pair, a lone `fieldname` is read as a record without a value.
            let reserved = |name: &String| name.eq_ignore_ascii_case("fieldname");
            proptest::prop_assume!(!values.keys().any(reserved));
            for body in [CustomFieldsBody::Object, CustomFieldsBody::Pairs] {
                proptest::prop_assert_eq!(values_in(&body.of(&values)), Some(values.clone()));
            }
        }
    }
}
