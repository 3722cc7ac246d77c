//! Journal entries with the values before an operation. The values come from the record that the operation replaced.

use std::collections::BTreeMap;

use provisioning::{
    Account, AccountId, Attribute, AttributeChange, Field, GroupId, Image, PersonId, TeamId, ValueChange,
};

fn value(account: &Account, attribute: Attribute) -> String {
    match attribute {
        Attribute::UserName => account.user_name.clone(),
        Attribute::Active => account.active.to_string(),
        Attribute::AccessLevel => account
            .access_level
            .map_or_else(String::new, |level| level.as_litmos().to_owned()),
        Attribute::Manager => account
            .manager
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        Attribute::Profile(field) => account.profile.value(field).to_owned(),
    }
}

/// The changes between two versions of an account; `None` if they are equal.
pub(crate) fn changed(person: &PersonId, before: &Account, after: &Account) -> Option<Image> {
    let own = [
        Attribute::UserName,
        Attribute::Active,
        Attribute::AccessLevel,
        Attribute::Manager,
    ];
    let attributes = own
        .into_iter()
        .chain(Field::ALL.iter().copied().map(Attribute::Profile));
    let changes: Vec<AttributeChange> = attributes
        .map(|attribute| AttributeChange {
            attribute,
            from: value(before, attribute),
            to: value(after, attribute),
        })
        .filter(|change| change.from != change.to)
        .collect();
    (!changes.is_empty()).then(|| Image::Changed {
        person: person.clone(),
        account: after.id.clone(),
        changes,
    })
}

/// The advanced custom fields that were written with a new value. Spaces around a value are ignored.
pub(crate) fn custom_set(
    person: &PersonId,
    account: &AccountId,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Image {
    let changed = after
        .iter()
        .filter(|(name, to)| before.get(*name).is_none_or(|from| from.trim() != to.trim()));
    let changes = changed.map(|(name, to)| {
        let change = ValueChange {
            from: before.get(name).cloned(),
            to: to.clone(),
        };
        (name.clone(), change)
    });
    Image::CustomSet {
        person: person.clone(),
        account: account.clone(),
        changes: changes.collect(),
    }
}

/// Memberships that ended, for teams that belong to a group.
pub(crate) fn left(person: &PersonId, teams: &[(TeamId, Option<GroupId>)]) -> Vec<Image> {
    let groups = teams.iter().filter_map(|(_, group)| group.clone());
    groups
        .map(|group| Image::Left {
            group,
            person: person.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use provisioning::{AccessLevel, AccountId, Profile};

    use super::*;

    fn account() -> Account {
        Account {
            id: AccountId::parse("A1").unwrap(),
            user_name: "mira@corp.example".to_owned(),
            active: true,
            access_level: Some(AccessLevel::Learner),
            profile: [(Field::City, "Oslo")].into_iter().collect(),
            manager: None,
            as_of_ms: 1,
            whole: true,
            unseen: provisioning::Unseen::NONE,
            rest: provisioning::Rest::default(),
        }
    }

    #[test]
    fn every_attribute_is_said_with_what_it_was() {
        let person = PersonId::parse("mira").unwrap();
        let after = Account {
            user_name: "mira.lund@corp.example".to_owned(),
            active: false,
            access_level: None,
            profile: Profile::new(),
            manager: Some(AccountId::parse("B2").unwrap()),
            as_of_ms: 2,
            ..account()
        };
        let Some(Image::Changed { changes, .. }) = changed(&person, &account(), &after) else {
            panic!("something changed");
        };
        let message: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {:?} -> {:?}", change.attribute, change.from, change.to))
            .collect();
        assert_eq!(
            message,
            [
                "UserName \"mira@corp.example\" -> \"mira.lund@corp.example\"",
                "Active \"true\" -> \"false\"",
                "AccessLevel \"Learner\" -> \"\"",
                "ManagerId \"\" -> \"B2\"",
                "City \"Oslo\" -> \"\"",
            ]
        );
        assert_eq!(changed(&person, &account(), &account()), None);
    }
}
