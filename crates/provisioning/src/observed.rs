//! The observed state: the content of Litmos when it was last read or written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AccessLevel, AccountId, Attribute, AttributeChange, Field, InvalidId, Profile, TeamId};

/// A Litmos user. Never contains a password or `LoginKey`, which logs its owner in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub user_name: String,
    pub active: bool,
    /// `None` if Litmos returned a level that is not one of the five.
    pub access_level: Option<AccessLevel>,
    pub profile: Profile,
    pub manager: Option<AccountId>,
    /// When the request that returned this was sent, in Unix milliseconds. Older data never replaces newer data.
    pub as_of_ms: u64,
    /// True if the complete record was read, so that it can be written back. If false, this is only what a list shows.
    pub whole: bool,
    /// Attributes that no read has shown. In a whole record, Litmos does not have these fields. In any other record, they are unknown, not
    /// empty.
    pub unseen: Unseen,
    /// Fields that Rollcall does not know. They are written back unchanged.
    pub rest: Rest,
}

/// Set of attributes that a record does not contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen(u64);

impl Unseen {
    pub const NONE: Unseen = Unseen(0);

    /// Only access level, manager and profile fields can be unseen: every record that is read has the others.
    fn bit(attribute: Attribute) -> u64 {
        match attribute {
            Attribute::UserName | Attribute::Active => 0,
            Attribute::AccessLevel => 1 << 63,
            Attribute::Manager => 1 << 62,
            Attribute::Profile(field) => 1 << (field as u64),
        }
    }

    pub fn contains(self, attribute: Attribute) -> bool {
        self.0 & Unseen::bit(attribute) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn insert(&mut self, attribute: Attribute) {
        self.0 |= Unseen::bit(attribute);
    }

    pub fn remove(&mut self, attribute: Attribute) {
        self.0 &= !Unseen::bit(attribute);
    }

    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        [Attribute::AccessLevel, Attribute::Manager]
            .into_iter()
            .chain(Field::ALL.iter().copied().map(Attribute::Profile))
            .filter(move |attribute| self.contains(*attribute))
    }
}

impl FromIterator<Attribute> for Unseen {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Unseen {
        let mut unseen = Unseen::NONE;
        attributes
            .into_iter()
            .for_each(|attribute| unseen.insert(attribute));
        unseen
    }
}

/// Fields of a user record that Rollcall does not know, as serialized by the Litmos client. They are nearly always the same for all
/// accounts, so accounts share them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Rest(Option<Arc<str>>);

impl Rest {
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }
}

impl From<&str> for Rest {
    fn from(text: &str) -> Rest {
        Rest((!text.is_empty()).then(|| text.into()))
    }
}

impl From<String> for Rest {
    fn from(text: String) -> Rest {
        Rest::from(text.as_str())
    }
}

impl From<Rest> for String {
    fn from(rest: Rest) -> String {
        rest.as_str().to_owned()
    }
}

/// A user record of Litmos before its texts are parsed.
#[derive(Clone, Copy, Debug)]
pub struct RawAccount<'a> {
    pub id: &'a str,
    pub user_name: &'a str,
    pub active: bool,
    pub access_level: Option<&'a str>,
    pub manager: Option<&'a str>,
    /// True if this is the whole record.
    pub whole: bool,
    pub rest: &'a str,
}

impl Account {
    /// Parses a user record. `unseen` lists the names of attributes that it does not show. Fields that are not profile fields, and empty
    /// values, are dropped.
    ///
    /// # Errors
    /// [`InvalidId`] if an id from Litmos is not valid.
    pub fn read<'a>(
        raw: RawAccount<'_>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        unseen: impl IntoIterator<Item = &'a str>,
        as_of_ms: u64,
    ) -> Result<Account, InvalidId> {
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Account {
            id: AccountId::parse(raw.id)?,
            user_name: raw.user_name.to_owned(),
            active: raw.active,
            access_level: raw.access_level.and_then(|level| AccessLevel::parse(level).ok()),
            profile: fields
                .filter_map(|(name, value)| Field::from_wire(name).map(|field| (field, value)))
                .collect(),
            manager: raw.manager.map(AccountId::parse).transpose()?,
            as_of_ms,
            whole: raw.whole,
            unseen: unseen.into_iter().filter_map(Attribute::from_wire).collect(),
            rest: raw.rest.into(),
        })
    }

    /// True if the value of this attribute is known. An attribute that a whole record does not have is known to be empty.
    pub fn knows(&self, attribute: Attribute) -> bool {
        self.whole || !self.unseen.contains(attribute)
    }

    /// Copies the attributes that this read does not show from an earlier read of the same account.
    pub fn or_as_known(mut self, before: &Account) -> Account {
        for attribute in self.unseen.iter().filter(|_| !self.whole).collect::<Vec<_>>() {
            if !before.knows(attribute) {
                continue;
            }
            match attribute {
                Attribute::UserName | Attribute::Active => {}
                Attribute::AccessLevel => self.access_level = before.access_level,
                Attribute::Manager => self.manager.clone_from(&before.manager),
                Attribute::Profile(field) => match before.profile.value(field) {
                    "" => self.profile.remove(field),
                    value => self.profile.set(field, value),
                },
            }
            self.unseen.remove(attribute);
        }
        self
    }

    /// Copies the values that were just written if the response does not show them.
    pub fn or_as_written(mut self, profile: &Profile) -> Account {
        for (field, value) in profile.iter() {
            let attribute = Attribute::Profile(field);
            if !value.is_empty() && !self.whole && self.unseen.contains(attribute) {
                self.profile.set(field, value);
                self.unseen.remove(attribute);
            }
        }
        self
    }

    /// Returns the account with these changes applied.
    pub fn changed(&self, changes: &[AttributeChange]) -> Account {
        let mut account = self.clone();
        for change in changes {
            if !change.to.is_empty() {
                account.unseen.remove(change.attribute);
            }
            match change.attribute {
                Attribute::UserName => account.user_name.clone_from(&change.to),
                Attribute::Active => account.active = change.to == "true",
                Attribute::AccessLevel => {
                    account.access_level = AccessLevel::parse(&change.to).ok().or(account.access_level);
                }
                Attribute::Manager => account.manager = AccountId::parse(&change.to).ok(),
                Attribute::Profile(field) if change.to.is_empty() => account.profile.remove(field),
                Attribute::Profile(field) => account.profile.set(field, change.to.as_str()),
            }
        }
        account
    }
}

/// A Litmos team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    /// `None` if it has not been read: lists do not show it.
    pub description: Option<String>,
    pub parent: Option<TeamId>,
    /// `TeamCodeForBulkImport`; empty if not known. It may change with the name.
    pub bulk_code: String,
    pub as_of_ms: u64,
}

/// The roles of an account inside one team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    pub leader: bool,
    pub admin: bool,
}

impl Roles {
    pub const NONE: Roles = Roles {
        leader: false,
        admin: false,
    };

    pub fn holds(self, role: TeamRole) -> bool {
        match role {
            TeamRole::Leader => self.leader,
            TeamRole::Admin => self.admin,
        }
    }

    pub fn with(self, role: TeamRole, holds: bool) -> Roles {
        match role {
            TeamRole::Leader => Roles {
                leader: holds,
                ..self
            },
            TeamRole::Admin => Roles { admin: holds, ..self },
        }
    }
}

/// A role inside one team. The access level of the same name has no effect until the account is promoted in each team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamRole {
    Leader,
    Admin,
}

impl TeamRole {
    pub const ALL: [TeamRole; 2] = [TeamRole::Leader, TeamRole::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            TeamRole::Leader => "leader",
            TeamRole::Admin => "admin",
        }
    }
}

/// The progress of a full import. After a crash, the import continues at the page that it had reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Reading `/users/details` from this offset.
    Users { start: u32 },
    /// Reading `/teams` from this offset.
    Teams { start: u32 },
    /// Reading the members of one team from offset `start`. `team` is its position in the order of team ids.
    Members { team: u32, start: u32 },
    /// Everything was read.
    Complete,
    /// The import ended with this reason. It may add and update, but a missing item proves nothing.
    Failed { reason: String },
}

/// Counts for one kind of item, in the words of Okta's import report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportTally {
    pub scanned: u32,
    pub new: u32,
    pub updated: u32,
    pub unchanged: u32,
    pub removed: u32,
}

/// The ten counters and three lists of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    pub users: ImportTally,
    pub groups: ImportTally,
    /// Number of accounts that are linked to a person.
    pub linked: u32,
    /// Number of unlinked accounts whose user name is the user name of a person in the roster.
    pub to_be_matched: u32,
    /// Number of unlinked accounts whose user name no person in the roster has.
    pub unmanaged: u32,
}

/// One full import of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRun {
    pub id: String,
    pub phase: ImportPhase,
    pub calls: u32,
    pub started_at_ms: u64,
    pub changed_at_ms: u64,
    /// Why the import is paused, as a text for an admin; `None` while it is not paused.
    pub paused: Option<String>,
    pub report: ImportReport,
}

impl ImportRun {
    pub fn is_complete(&self) -> bool {
        matches!(self.phase, ImportPhase::Complete)
    }

    pub fn is_running(&self) -> bool {
        !matches!(self.phase, ImportPhase::Complete | ImportPhase::Failed { .. })
    }
}

/// The origin of a user attribute of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaKind {
    /// A field that every org has.
    Standard,
    /// `CustomField1` to `CustomField10`.
    LegacyCustom,
    /// A field that the org defined itself.
    AdvancedCustom,
}

/// One user attribute of an org.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaField {
    pub name: String,
    pub kind: SchemaKind,
    /// Most characters; 0 if not known.
    pub max_chars: u32,
}

/// The user attributes of an org at one time. A new version is stored only if they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    pub version: u32,
    pub fields: Vec<SchemaField>,
    pub seen_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(profile: &[(Field, &str)], unseen: &[Attribute], whole: bool) -> Account {
        Account {
            id: AccountId::parse("A1").expect("an id"),
            user_name: "mira@corp.example".to_owned(),
            active: true,
            access_level: Some(AccessLevel::Learner),
            profile: profile.iter().copied().collect(),
            manager: None,
            as_of_ms: 1,
            whole,
            unseen: unseen.iter().copied().collect(),
            rest: Rest::default(),
        }
    }

    #[test]
    fn what_a_list_does_not_show_stays_as_it_was_read() {
        let culture = Attribute::Profile(Field::Culture);
        let before = account(&[(Field::Culture, "nb-NO"), (Field::City, "Oslo")], &[], true);
        let listed = account(&[(Field::City, "Bergen")], &[culture], false);
        let now = listed.or_as_known(&before);
        assert!(now.knows(culture) && !now.whole);
        assert_eq!(now.profile.value(Field::Culture), "nb-NO");
        assert_eq!(now.profile.value(Field::City), "Bergen");
        // The number of fields in a response may differ from day to day. A value that is shown has priority.
        let shown = account(&[(Field::Culture, "en-US")], &[], true).or_as_known(&now);
        assert_eq!(shown.profile.value(Field::Culture), "en-US");
        // An attribute that no read has shown stays unknown.
        let never = account(&[], &[culture], false).or_as_known(&account(&[], &[culture], false));
        assert!(!never.knows(culture));
        // If a single read does not show the field, Litmos does not have it.
        assert!(account(&[], &[culture], true).knows(culture));
        let written: Profile = [(Field::Culture, "de-DE"), (Field::City, "Kiel")]
            .into_iter()
            .collect();
        let made = account(&[(Field::City, "Oslo")], &[culture], false).or_as_written(&written);
        assert_eq!(made.profile.value(Field::Culture), "de-DE");
        assert_eq!(made.profile.value(Field::City), "Oslo", "what was shown counts");
    }

    #[test]
    fn every_attribute_has_a_place_of_its_own_among_the_unseen() {
        let all = [Attribute::AccessLevel, Attribute::Manager]
            .into_iter()
            .chain(Field::ALL.iter().copied().map(Attribute::Profile));
        for attribute in all {
            let one: Unseen = [attribute].into_iter().collect();
            assert_eq!(one.iter().collect::<Vec<_>>(), [attribute]);
        }
    }
}
