//! Finds columns by name, with the same rule for CSV headers and JSON fields.

use provisioning::{Field, NormalName};

/// The meaning of a column about people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    ExternalId,
    UserName,
    Active,
    AccessLevel,
    Manager,
    Groups,
    Field(Field),
    /// The advanced custom field of this name.
    Custom(String),
}

/// The normal form of a column name. Letter case, spaces and punctuation make no difference.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

impl Column {
    pub(super) fn named(name: &str) -> Option<Column> {
        if let Some((_, field)) = name
            .split_once(':')
            .filter(|(prefix, _)| plain(prefix) == "custom")
        {
            let field = provisioning::repaired(field);
            return (!field.is_empty()).then(|| Column::Custom(field.into_owned()));
        }
        let plain = plain(name);
        Some(match plain.as_str() {
            "externalid" | "id" => Column::ExternalId,
            "username" | "login" => Column::UserName,
            "active" => Column::Active,
            "accesslevel" | "level" => Column::AccessLevel,
            "manager" => Column::Manager,
            "groups" => Column::Groups,
            other => Column::Field(Field::from_wire(other)?),
        })
    }

    /// True if two columns have the same meaning.
    pub(super) fn means(&self, other: &Column) -> bool {
        match (self, other) {
            (Column::Custom(one), Column::Custom(other)) => NormalName::of(one) == NormalName::of(other),
            (one, other) => one == other,
        }
    }

    /// True if its values identify a person. A shortened number would identify another person.
    pub(super) fn names_somebody(&self) -> bool {
        matches!(
            self,
            Column::ExternalId
                | Column::UserName
                | Column::Manager
                | Column::Field(Field::ExternalEmployeeId)
        )
    }
}

/// The columns of a line about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupColumn {
    Group,
    UserName,
    ExternalId,
    Description,
    Parent,
    Deleted,
}

impl GroupColumn {
    pub(super) fn named(name: &str) -> Option<GroupColumn> {
        Some(match plain(name).as_str() {
            "group" => GroupColumn::Group,
            "username" | "login" => GroupColumn::UserName,
            "externalid" | "id" => GroupColumn::ExternalId,
            "description" => GroupColumn::Description,
            "parent" => GroupColumn::Parent,
            "deleted" => GroupColumn::Deleted,
            _ => return None,
        })
    }
}
