//! Advanced custom fields: Litmos shows them by labels, SCIM names them by attributes of the Litmos extension.
//!
//! Identity providers map flat attributes, so each field that schema discovery found is one, under a name that SCIM
//! allows. The list `customFields` of names and values reaches every field, found or not.

use std::collections::{BTreeMap, BTreeSet};

use crate::fold::normal_form;
use crate::litmos::FieldChange;
use crate::schema::{self, LITMOS_USER};
use crate::user::UserDocument;

/// FieldChanges by the label of the field, as Litmos shows it.
pub type CustomFieldChanges = BTreeMap<String, FieldChange>;

/// One field and the attribute that stands for it; all of them are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomAttribute {
    /// Unique in the extension, in any case.
    pub name: String,
    pub label: String,
}

/// The advanced custom fields of one Litmos account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomAttributes(Vec<CustomAttribute>);

impl CustomAttributes {
    /// Gives each label a name of its own; labels that come to one name are numbered in their order.
    pub fn of(labels: impl IntoIterator<Item = String>) -> CustomAttributes {
        let known = schema::attributes_of(LITMOS_USER).iter();
        let mut taken: BTreeSet<String> = known.map(|attribute| normal_form(attribute.name)).collect();
        let mut all = Vec::new();
        for label in labels {
            let plain = attribute_name(&label);
            let mut name = plain.clone();
            let mut count = 1;
            while !taken.insert(normal_form(&name)) {
                count += 1;
                name = format!("{plain}{count}");
            }
            all.push(CustomAttribute { name, label });
        }
        CustomAttributes(all)
    }

    pub fn iter(&self) -> impl Iterator<Item = &CustomAttribute> {
        self.0.iter()
    }

    /// The label that an attribute's name or a label in any case stands for.
    pub fn label_of(&self, name: &str) -> Option<&str> {
        let wanted = normal_form(name.trim());
        let by = |spelling: fn(&CustomAttribute) -> &str| {
            self.0
                .iter()
                .find(|attribute| normal_form(spelling(attribute)) == wanted)
        };
        let found = by(|attribute| &attribute.label).or_else(|| by(|attribute| &attribute.name));
        found.map(|attribute| attribute.label.as_str())
    }

    /// What the user as a client wrote it wants of these fields. An entry of `customFields` counts under its own name
    /// where no field of that name was found; an attribute that stands for no field is no change.
    pub fn changes(&self, user: &UserDocument) -> CustomFieldChanges {
        let flat = user
            .further_litmos_attributes()
            .filter_map(|(name, change)| Some((self.label_of(name)?.to_owned(), change)));
        let listed = user.custom_fields().map(|(name, change)| {
            let label = self.label_of(name).unwrap_or(name.trim());
            (label.to_owned(), change)
        });
        flat.chain(listed).collect()
    }
}

/// The changes now on top of those before: what was wished and is no longer mentioned is cleared.
pub fn carry_over_custom(previous: &CustomFieldChanges, now: CustomFieldChanges) -> CustomFieldChanges {
    let mut changes = now;
    for label in previous.keys() {
        changes.entry(label.clone()).or_insert(FieldChange::Clear);
    }
    changes
}

/// A label as SCIM may name it: letters and digits, the first one small.
fn attribute_name(label: &str) -> String {
    let mut name = String::new();
    for word in label
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let mut letters = word.chars();
        let first = letters.next().map(|c| {
            if name.is_empty() {
                c.to_ascii_lowercase()
            } else {
                c.to_ascii_uppercase()
            }
        });
        name.extend(first.into_iter().chain(letters));
    }
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        format!("field{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_names_that_scim_allows() {
        for (label, name) in [
            ("Cost Centre", "costCentre"),
            ("Region", "region"),
            ("2nd site", "field2ndSite"),
            ("été", "t"),
        ] {
            assert_eq!(attribute_name(label), name);
        }
    }
}
