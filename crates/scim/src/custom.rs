//! Advanced custom fields. Litmos names them by labels, SCIM by attributes of the Litmos extension.
//!
//! Identity providers map flat attributes, so each discovered field becomes an attribute with a name that SCIM allows. The list
//! `customFields` of names and values can set any field, discovered or not.

use std::collections::{BTreeMap, BTreeSet};

use crate::fold::normal_form;
use crate::litmos::FieldChange;
use crate::schema::{self, LITMOS_USER};
use crate::user::UserDocument;

/// Field changes by the label of the field in Litmos.
pub type CustomFieldChanges = BTreeMap<String, FieldChange>;

/// One custom field and its SCIM attribute. The type is always text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomAttribute {
    /// Name of the attribute, unique in the extension in any case.
    pub name: String,
    pub label: String,
}

/// The advanced custom fields of one Litmos account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomAttributes(Vec<CustomAttribute>);

impl CustomAttributes {
    /// Creates an attribute for each label. Labels that give the same name are numbered in order.
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

    /// Finds a label by the name of its attribute or by the label itself, in any case.
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

    /// Returns the changes that a user document means for these fields. An entry of `customFields` for an undiscovered field
    /// keeps its own name. An attribute without a field is no change.
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

/// Adds changes to clear fields that had a desired value before and are no longer mentioned.
pub fn carry_over_custom(previous: &CustomFieldChanges, now: CustomFieldChanges) -> CustomFieldChanges {
    let mut changes = now;
    for label in previous.keys() {
        changes.entry(label.clone()).or_insert(FieldChange::Clear);
    }
    changes
}

/// Turns a label into a SCIM name: letters and digits, the first one in lower case.
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
