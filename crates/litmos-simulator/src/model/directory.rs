//! All users, with indexes by id, username and position in lists.

use std::collections::HashMap;

use super::{User, UserId, UserKey};

#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    users: HashMap<UserKey, User>,
    /// Users in order of creation, which is the order of lists.
    order: Vec<UserKey>,
    by_id: HashMap<UserId, UserKey>,
    /// Users by username in lower case.
    by_name: HashMap<String, UserKey>,
}

impl Directory {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn get(&self, key: UserKey) -> Option<&User> {
        self.users.get(&key)
    }

    /// Returns a user to change. The username must not be changed, because it is indexed.
    pub(crate) fn get_mut(&mut self, key: UserKey) -> Option<&mut User> {
        self.users.get_mut(&key)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&User> {
        let key = self.by_id.get(&UserId(id.to_owned()))?;
        self.get(*key)
    }

    pub(crate) fn by_name(&self, user_name: &str) -> Option<&User> {
        let key = self.by_name.get(&user_name.to_lowercase())?;
        self.get(*key)
    }

    /// Keys in order of creation. Skipping elements costs nothing.
    pub(crate) fn keys(&self) -> impl Iterator<Item = UserKey> {
        self.order.iter().copied()
    }

    /// Users in order of creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.order.iter().map(|key| &self.users[key])
    }

    /// Stores a new user, or a new version of a user.
    pub(crate) fn put(&mut self, user: User) {
        let name = user.user_name.to_lowercase();
        if let Some(old) = self.users.get(&user.key) {
            let old_name = old.user_name.to_lowercase();
            if old_name != name {
                self.by_name.remove(&old_name);
            }
        } else {
            self.order.push(user.key);
            self.by_id.insert(user.id.clone(), user.key);
        }
        self.by_name.insert(name, user.key);
        self.users.insert(user.key, user);
    }

    pub(crate) fn remove(&mut self, key: UserKey) -> Option<User> {
        let user = self.users.remove(&key)?;
        self.by_id.remove(&user.id);
        self.by_name.remove(&user.user_name.to_lowercase());
        if let Ok(place) = self.order.binary_search(&key) {
            self.order.remove(place);
        }
        for other in self.users.values_mut().filter(|other| other.manager == Some(key)) {
            other.manager = None;
        }
        Some(user)
    }
}
