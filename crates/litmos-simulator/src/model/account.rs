//! The account, and changes of its users.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::directory::Directory;
use super::ids::Ids;
use super::{
    AccessLevel, Change, Course, CourseKey, Fields, Given, Refusal, Team, TeamId, TeamKey, Text, User,
    UserKey, rules, zones,
};
use crate::bulk::Jobs;
use crate::effect::Effect;
use crate::mode::{BrandNames, Deactivate, Modes, Put, TimeZones};

/// Cultures that this account knows. Litmos publishes no list.
const CULTURES: &[&str] = &[
    "ar-SA", "cs-CZ", "da-DK", "de-AT", "de-CH", "de-DE", "en-AU", "en-CA", "en-GB", "en-IE", "en-IN",
    "en-NZ", "en-US", "en-ZA", "es-ES", "es-MX", "fi-FI", "fr-BE", "fr-CA", "fr-CH", "fr-FR", "he-IL",
    "hu-HU", "id-ID", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-BE", "nl-NL", "pl-PL", "pt-BR", "pt-PT",
    "ro-RO", "ru-RU", "sv-SE", "th-TH", "tr-TR", "uk-UA", "vi-VN", "zh-CN", "zh-TW",
];

/// Longest value of an advanced custom field, in characters.
const CUSTOM_FIELD_MAX: usize = 255;

/// Settings of the account that an administrator makes in the web interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct House {
    pub(crate) job_roles: Vec<String>,
    /// Advanced custom fields, by position.
    pub(crate) custom_fields: Vec<String>,
    pub(crate) mandatory_custom_fields: Vec<String>,
    pub(crate) brands: Vec<String>,
    /// Names of the courses.
    pub(crate) courses: Vec<String>,
    /// Access levels of the users with an API key, except the owner.
    pub(crate) other_keys: Vec<AccessLevel>,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) house: House,
    pub(crate) users: Directory,
    pub(crate) teams: BTreeMap<TeamKey, Team>,
    pub(crate) team_by_id: HashMap<TeamId, TeamKey>,
    pub(crate) courses: BTreeMap<CourseKey, Course>,
    pub(crate) jobs: Jobs,
    pub(crate) ids: Ids,
    expirations: BTreeSet<(Timestamp, UserKey)>,
    /// Users with an API key. The owner is first.
    key_holders: Vec<UserKey>,
}

impl Account {
    /// Creates an account with only the users who have an API key.
    pub(crate) fn new(house: House, seed: u64, now: Timestamp) -> Self {
        let mut ids = Ids::new(seed);
        let (id, owner) = ids.user();
        let user = User {
            user_name: "account.owner@corp.example".to_owned(),
            first_name: "Account".to_owned(),
            last_name: "Owner".to_owned(),
            email: "account.owner@corp.example".to_owned(),
            access_level: AccessLevel::AccountOwner,
            id,
            key: owner,
            login_secret: ids.secret(),
            ..User::blank(now)
        };
        let mut account = Self {
            house,
            users: Directory::default(),
            teams: BTreeMap::new(),
            team_by_id: HashMap::new(),
            courses: BTreeMap::new(),
            jobs: Jobs::default(),
            ids,
            expirations: BTreeSet::new(),
            key_holders: vec![owner],
        };
        account.store(
            user.checked()
                .expect("the owner's record above keeps to the rules"),
        );
        for (number, level) in (1..).zip(account.house.other_keys.clone()) {
            account.add_key_holder(number, level, now);
        }
        let courses = std::mem::take(&mut account.house.courses);
        account.make_courses(&courses);
        account
    }

    fn add_key_holder(&mut self, number: usize, level: AccessLevel, now: Timestamp) {
        let address = format!("{}.{number}@corp.example", level.name().to_lowercase());
        let user = User {
            user_name: address.clone(),
            first_name: "Key".to_owned(),
            last_name: format!("Holder {number}"),
            email: address,
            access_level: level,
            ..User::blank(now)
        };
        let user = user.checked().expect("the record above keeps to the rules");
        let key = self.admit(user);
        self.key_holders.push(key);
    }

    pub(crate) fn owner(&self) -> UserKey {
        self.key_holders[0]
    }

    /// Owner of the API key with this number. The account owner's key has number 0.
    pub(crate) fn key_holder(&self, number: usize) -> Option<UserKey> {
        self.key_holders.get(number).copied()
    }

    pub(crate) fn has_key(&self, user: UserKey) -> bool {
        self.key_holders.contains(&user)
    }

    /// Rights of a user's API key: the user's access level. `None` if the user is deleted or inactive.
    pub(crate) fn key_rights(&self, holder: UserKey) -> Option<AccessLevel> {
        self.users
            .get(holder)
            .filter(|holder| holder.active)
            .map(|holder| holder.access_level)
    }

    pub(crate) fn manager_of(&self, user: &User) -> Option<&User> {
        user.manager.and_then(|key| self.users.get(key))
    }

    /// Deactivates users whose expiration date has passed.
    pub(crate) fn expire(&mut self, now: Timestamp, modes: &Modes) {
        while let Some((due, key)) = self.expirations.first().copied().filter(|(due, _)| *due <= now) {
            self.expirations.pop_first();
            let due_still = self
                .users
                .get(key)
                .filter(|user| user.active && user.expires() == Some(due));
            if let Some(user) = due_still.cloned() {
                self.store_changed(
                    User {
                        active: false,
                        ..user
                    },
                    now,
                    modes,
                );
            }
        }
    }

    /// Creates a user. `skip_first_login` comes from the query; the value in the body is ignored.
    pub(crate) fn create_user(
        &mut self,
        fields: &Fields,
        skip_first_login: bool,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<UserKey, Refusal> {
        let blank = User {
            unset_is_empty: true,
            ..User::blank(now)
        };
        let user = blank.changed(fields, Change::Merge, modes.lengths)?;
        let user = self.judged(user, fields, Change::Merge, modes)?;
        Ok(self.admit(User {
            skip_first_login,
            ..user
        }))
    }

    /// Assigns an id to a checked new user and stores the user.
    pub(crate) fn admit(&mut self, user: User) -> UserKey {
        let (id, key) = self.ids.user();
        let login_secret = self.ids.secret();
        self.store(User {
            id,
            key,
            login_secret,
            ..user
        });
        key
    }

    pub(crate) fn update_user(
        &mut self,
        key: UserKey,
        fields: &Fields,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let change = match modes.put {
            Put::Replace => Change::Replace,
            Put::Merge => Change::Merge,
        };
        self.change_user(key, fields, change, modes, now)
    }

    /// Changes a user. `change` says what happens to missing fields.
    pub(crate) fn change_user(
        &mut self,
        key: UserKey,
        fields: &Fields,
        change: Change,
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let old = self.users.get(key).ok_or(Refusal::NoSuchUser)?.clone();
        let user = self.judged(old.changed(fields, change, modes.lengths)?, fields, change, modes)?;
        Ok(self.store_changed(user, now, modes))
    }

    /// Checks that need other data of the account. Also sets the manager.
    fn judged(
        &self,
        mut user: User,
        fields: &Fields,
        change: Change,
        modes: &Modes,
    ) -> Result<User, Refusal> {
        if self
            .users
            .by_name(&user.user_name)
            .is_some_and(|other| other.key != user.key)
        {
            return Err(Refusal::UserNameTaken);
        }
        user.manager = match (fields.text("ManagerId")?, change) {
            (Given::Absent, Change::Merge) => user.manager,
            (Given::Absent | Given::Null, _) => None,
            (Given::Value(id), _) if id.is_empty() || id == "0" => None,
            (Given::Value(id), _) => Some(self.users.by_id(&id).ok_or(Refusal::NoSuchManager)?.key),
        };
        self.check_house_lists(&user, modes)?;
        Ok(user)
    }

    /// Checks that the account knows the culture and the job role, and, in some modes, the brand and the time zone.
    pub(crate) fn check_house_lists(&self, user: &User, modes: &Modes) -> Result<(), Refusal> {
        let culture = user.text(Text::Culture).unwrap_or_default();
        if !CULTURES.iter().any(|known| known.eq_ignore_ascii_case(culture)) {
            return Err(Refusal::CultureInvalid);
        }
        let role = user.text(Text::JobRole).unwrap_or_default();
        if !role.is_empty() && !self.house.job_roles.iter().any(|known| known == role) {
            return Err(Refusal::JobRoleInvalid);
        }
        let brand = user.text(Text::Brand).unwrap_or_default();
        let brand_known = || {
            self.house
                .brands
                .iter()
                .any(|known| known.eq_ignore_ascii_case(brand))
        };
        if modes.brand == BrandNames::Known && !brand.is_empty() && !brand_known() {
            return Err(Refusal::BrandInvalid);
        }
        let zone = user.text(Text::TimeZone).unwrap_or_default();
        if modes.time_zone == TimeZones::Known && !zone.is_empty() && !zones::is_known(zone) {
            return Err(Refusal::TimeZoneInvalid);
        }
        Ok(())
    }

    /// Stores a new version of a user and returns the effect.
    pub(crate) fn store_changed(&mut self, user: User, now: Timestamp, modes: &Modes) -> Effect {
        let Some(old) = self.users.get(user.key) else {
            return Effect::UserUnchanged(user.id);
        };
        let id = user.id.clone();
        let effect = match (old.active, user.active) {
            (true, false) => Effect::UserDeactivated(id),
            (false, true) => Effect::UserReactivated(id),
            _ if *old == user => Effect::UserUnchanged(id),
            _ => Effect::UserUpdated(id),
        };
        let key = user.key;
        self.store(User { updated: now, ..user });
        if matches!(effect, Effect::UserDeactivated(_)) && modes.deactivate == Deactivate::LeaveTeams {
            self.leave_all_teams(key, now);
        }
        effect
    }

    fn store(&mut self, user: User) {
        if let Some(old) = self.users.get(user.key).and_then(User::expires) {
            self.expirations.remove(&(old, user.key));
        }
        if let Some(due) = user.expires() {
            self.expirations.insert((due, user.key));
        }
        self.users.put(user);
    }

    pub(crate) fn delete_user(&mut self, key: UserKey) -> Result<Effect, Refusal> {
        let user = self.users.remove(key).ok_or(Refusal::NoSuchUser)?;
        for team in self.teams.values_mut() {
            team.memberships.remove(&key);
        }
        Ok(Effect::UserDeleted(user.id))
    }

    /// Sets advanced custom fields. Names that the account does not have are ignored. Missing fields keep their value, but
    /// every request must contain a value for each mandatory field.
    pub(crate) fn set_custom_fields(
        &mut self,
        key: UserKey,
        fields: &[Fields],
        modes: &Modes,
        now: Timestamp,
    ) -> Result<Effect, Refusal> {
        let user = self.users.get_mut(key).ok_or(Refusal::NoSuchUser)?;
        let mut given = BTreeMap::new();
        for (name, value) in fields.iter().flat_map(Fields::texts) {
            if self.house.custom_fields.iter().any(|field| field == name) {
                let value = rules::fit(
                    "Custom field",
                    value.unwrap_or_default(),
                    CUSTOM_FIELD_MAX,
                    modes.lengths,
                )?;
                given.insert(name.to_owned(), value);
            }
        }
        let missing = |name: &&String| given.get(*name).is_none_or(|value| value.trim().is_empty());
        if let Some(name) = self.house.mandatory_custom_fields.iter().find(missing) {
            return Err(Refusal::MandatoryField(name.clone()));
        }
        if given
            .iter()
            .all(|(name, value)| user.custom_fields.get(name) == Some(value))
        {
            return Ok(Effect::UserUnchanged(user.id.clone()));
        }
        user.custom_fields.extend(given);
        user.updated = now;
        Ok(Effect::CustomFieldsSet(user.id.clone()))
    }
}
