//! A group, and a change of it that does not need its members.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::draft::read_only;
use crate::error::ScimError;
use crate::filter::AttributePath;
use crate::litmos::FieldChange;
use crate::meta::Meta;
use crate::note::{Note, NoteReason, Notes};
use crate::schema::{self, Attribute, CORE_GROUP_ATTRIBUTES, ResourceKind};
use crate::value::{self, type_of};

/// Most members in one request: a full push of the largest supported group.
pub const MAX_MEMBERS_PER_REQUEST: usize = 200_000;
/// Longest member id. Our own ids are far shorter.
const MAX_MEMBER_ID_BYTES: usize = 256;

/// A group without its members. They are stored one by one elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDocument {
    pub display_name: String,
    pub external_id: Option<String>,
    pub description: Option<String>,
    /// Parent group as the client named it: one of our ids, an external id or a name.
    pub parent: Option<String>,
}

/// A group parsed from a POST, its first members, and notes about attributes that were not used as sent.
#[derive(Clone, Debug)]
pub struct GroupWrite {
    pub document: GroupDocument,
    pub members: Vec<String>,
    pub notes: Vec<Note>,
}

/// A member as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub display: Option<String>,
}

/// Change of a group in a PUT or PATCH. It costs one write per named member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupChange {
    /// New name, never empty.
    pub display_name: Option<String>,
    /// `None` leaves it unchanged.
    pub external_id: Option<FieldChange>,
    /// `None` leaves it unchanged.
    pub description: Option<FieldChange>,
    /// `None` leaves it unchanged.
    pub parent: Option<FieldChange>,
    /// Steps in order. A later one overrides an earlier one.
    pub members: Vec<MemberChange>,
    pub notes: Vec<Note>,
}

/// One step of a membership change, with user ids in the order of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Add(Vec<String>),
    Remove(Vec<String>),
    ReplaceAll(Vec<String>),
}

/// Result of a list of membership changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetMembers {
    pub present: BTreeSet<String>,
    pub absent: BTreeSet<String>,
    /// Everyone who is not in `present` is removed, named or not.
    pub only_these: bool,
}

impl GroupDocument {
    /// Parses a POST body.
    ///
    /// # Errors
    /// A 400 that names the attribute. Only `displayName` is required.
    pub fn from_create(body: &Value) -> Result<GroupWrite, ScimError> {
        let change = GroupChange::from_replace(body)?;
        let Some(display_name) = change.display_name else {
            return Err(ScimError::invalid_value(
                "displayName is required and must not be empty",
            ));
        };
        let members = NetMembers::of(&change.members).present.into_iter().collect();
        Ok(GroupWrite {
            document: GroupDocument {
                display_name,
                external_id: changed(None, change.external_id.as_ref()),
                description: changed(None, change.description.as_ref()),
                parent: changed(None, change.parent.as_ref()),
            },
            members,
            notes: change.notes,
        })
    }

    /// The group after the change, without members.
    pub fn changed(&self, change: &GroupChange) -> GroupDocument {
        GroupDocument {
            display_name: change
                .display_name
                .clone()
                .unwrap_or_else(|| self.display_name.clone()),
            external_id: changed(self.external_id.as_ref(), change.external_id.as_ref()),
            description: changed(self.description.as_ref(), change.description.as_ref()),
            parent: changed(self.parent.as_ref(), change.parent.as_ref()),
        }
    }

    /// The group as clients read it. `None` leaves `members` out, for large groups and `excludedAttributes=members`.
    pub fn render(&self, meta: &Meta, members: Option<&[Member]>) -> Map<String, Value> {
        let mut body = Map::new();
        let extension: Map<String, Value> = [("description", &self.description), ("parent", &self.parent)]
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text.as_deref()?.into())))
            .collect();
        let mut schemas = vec![schema::GROUP];
        if !extension.is_empty() {
            schemas.push(schema::LITMOS_GROUP);
            body.insert(schema::LITMOS_GROUP.to_owned(), extension.into());
        }
        body.insert("schemas".to_owned(), json!(schemas));
        body.insert("displayName".to_owned(), self.display_name.as_str().into());
        if let Some(id) = &self.external_id {
            body.insert("externalId".to_owned(), id.as_str().into());
        }
        if let Some(members) = members {
            let members = members.iter().map(|member| {
                let mut entry = json!({
                    "value": member.id,
                    "$ref": meta.address_of(ResourceKind::User, &member.id),
                    "type": "User",
                });
                if let Some(display) = &member.display {
                    entry["display"] = display.as_str().into();
                }
                entry
            });
            body.insert("members".to_owned(), members.collect());
        }
        meta.put_into(&mut body);
        body
    }
}

impl GroupChange {
    /// Parses a PUT body. Absent or null `members` stay unchanged, an empty list removes all members.
    ///
    /// # Errors
    /// A 400 that names the attribute.
    pub fn from_replace(body: &Value) -> Result<GroupChange, ScimError> {
        let object = body
            .as_object()
            .ok_or_else(|| ScimError::invalid_syntax("a group is a JSON object"))?;
        let mut draft = GroupDraft::default();
        for (key, value) in object {
            match GroupPlace::of(key) {
                GroupPlace::Unknown => draft.notes.add(key, NoteReason::UnknownAttribute),
                GroupPlace::Extension => draft.write_extension(value)?,
                GroupPlace::Attribute(attribute) if attribute.name != "members" => {
                    draft.write(attribute, value)?;
                }
                GroupPlace::Attribute(_) if value.is_null() => {
                    draft.notes.add("members", NoteReason::NullIgnored);
                }
                GroupPlace::Attribute(_) => {
                    let ids = draft.member_ids(value)?;
                    draft.push(MemberChange::ReplaceAll(ids))?;
                }
            }
        }
        Ok(draft.finish())
    }

    /// True if anything other than members would change.
    pub fn is_about_the_group(&self) -> bool {
        self.display_name.is_some()
            || self.external_id.is_some()
            || self.description.is_some()
            || self.parent.is_some()
    }

    /// True if nothing would change.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && !self.is_about_the_group()
    }
}

impl NetMembers {
    pub fn of(changes: &[MemberChange]) -> NetMembers {
        let mut net = NetMembers::default();
        for change in changes {
            match change {
                MemberChange::Add(ids) => ids.iter().for_each(|id| net.put(id, true)),
                MemberChange::Remove(ids) => ids.iter().for_each(|id| net.put(id, false)),
                MemberChange::ReplaceAll(ids) => {
                    net = NetMembers {
                        present: ids.iter().cloned().collect(),
                        absent: BTreeSet::new(),
                        only_these: true,
                    };
                }
            }
        }
        net
    }

    fn put(&mut self, id: &str, present: bool) {
        let (into, from) = if present {
            (&mut self.present, &mut self.absent)
        } else {
            (&mut self.absent, &mut self.present)
        };
        from.remove(id);
        into.insert(id.to_owned());
    }
}

/// A change of a group while a request is parsed into it.
#[derive(Debug, Default)]
pub(crate) struct GroupDraft {
    change: GroupChange,
    pub(crate) notes: Notes,
    /// Reason why the last edit without an effect had none.
    pub(crate) without_effect: Option<ScimError>,
    members_named: usize,
}

impl GroupDraft {
    pub(crate) fn finish(self) -> GroupChange {
        GroupChange {
            notes: self.notes.into_vec(),
            ..self.change
        }
    }

    /// Sets an attribute other than `members`. Read-only attributes are ignored without a note.
    pub(crate) fn write(&mut self, attribute: &Attribute, given: &Value) -> Result<(), ScimError> {
        match attribute.name {
            "displayName" => match value::simple(attribute, "displayName", given, &mut self.notes)? {
                Value::String(name) if !name.trim().is_empty() => self.change.display_name = Some(name),
                _ => return Err(ScimError::invalid_value("displayName must not be empty")),
            },
            "externalId" => {
                match FieldChange::of(&value::simple(attribute, "externalId", given, &mut self.notes)?) {
                    // The client needs it to find the group again.
                    FieldChange::Clear => {
                        self.notes.add("externalId", NoteReason::NullIgnored);
                        self.without_effect.get_or_insert_with(|| {
                            ScimError::mutability("externalId: a group keeps it; replace it with another")
                        });
                    }
                    change @ FieldChange::Set(_) => self.change.external_id = Some(change),
                }
            }
            "description" => {
                let text = value::simple(attribute, "description", given, &mut self.notes)?;
                self.change.description = Some(FieldChange::of(&text));
            }
            "parent" => {
                let reference = value::simple(attribute, "parent", given, &mut self.notes)?;
                self.change.parent = Some(FieldChange::of(&reference));
            }
            // Clients name the schemas that they use.
            "schemas" => {}
            _ => {
                self.without_effect.get_or_insert_with(|| read_only(attribute));
            }
        }
        Ok(())
    }

    /// True if the change removes members, or may do so.
    pub(crate) fn takes_members_out(&self) -> bool {
        let out = |change: &MemberChange| !matches!(change, MemberChange::Add(_));
        self.change.members.iter().any(out)
    }

    /// Sets attributes of the Litmos extension from an object. Null clears all of them.
    pub(crate) fn write_extension(&mut self, given: &Value) -> Result<(), ScimError> {
        let known = schema::attributes_of(schema::LITMOS_GROUP);
        match given {
            Value::Null => known
                .iter()
                .try_for_each(|attribute| self.write(attribute, &Value::Null)),
            Value::Object(parts) => {
                let mut effects = parts.is_empty();
                for (name, value) in parts {
                    match schema::find(known, name) {
                        Some(attribute) => {
                            self.write(attribute, value)?;
                            effects = true;
                        }
                        None => self.notes.add(name, NoteReason::UnknownAttribute),
                    }
                }
                if !effects {
                    self.without_effect.get_or_insert_with(|| {
                        ScimError::invalid_value(format!(
                            "{}: it has description and parent only",
                            schema::LITMOS_GROUP
                        ))
                    });
                }
                Ok(())
            }
            other => Err(ScimError::invalid_value(format!(
                "{}: expected an object, found {}",
                schema::LITMOS_GROUP,
                type_of(other)
            ))),
        }
    }

    /// Appends a step, or merges it into the previous step of the same kind.
    pub(crate) fn push(&mut self, change: MemberChange) -> Result<(), ScimError> {
        let (MemberChange::Add(ids) | MemberChange::Remove(ids) | MemberChange::ReplaceAll(ids)) = &change;
        self.members_named += ids.len();
        if self.members_named > MAX_MEMBERS_PER_REQUEST {
            return Err(ScimError::too_large(format!(
                "more than {MAX_MEMBERS_PER_REQUEST} members in one request; send them in several"
            )));
        }
        match (self.change.members.last_mut(), change) {
            (Some(MemberChange::Add(before)), MemberChange::Add(ids))
            | (Some(MemberChange::ReplaceAll(before)), MemberChange::Add(ids))
            | (Some(MemberChange::Remove(before)), MemberChange::Remove(ids)) => before.extend(ids),
            (_, MemberChange::Add(ids) | MemberChange::Remove(ids)) if ids.is_empty() => {}
            (_, change) => self.change.members.push(change),
        }
        Ok(())
    }

    /// User ids of a member list: objects with `value`, or bare ids. A single member without a list is accepted.
    pub(crate) fn member_ids(&mut self, value: &Value) -> Result<Vec<String>, ScimError> {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        let mut ids = Vec::with_capacity(values.len().min(MAX_MEMBERS_PER_REQUEST));
        for value in values {
            let kind = value.get("type").and_then(Value::as_str);
            if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Group")) {
                self.notes.add("members", NoteReason::NestedGroup);
                continue;
            }
            ids.push(member_id(value)?);
        }
        if ids.is_empty() && !values.is_empty() {
            self.without_effect.get_or_insert_with(|| {
                ScimError::invalid_value(
                    "members: they are groups, and Litmos teams hold people only; send the people in them",
                )
            });
        }
        Ok(ids)
    }
}

fn member_id(value: &Value) -> Result<String, ScimError> {
    let id = match value {
        Value::Object(parts) => parts
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("value"))
            .map(|(_, value)| value),
        bare => Some(bare),
    };
    match id {
        Some(Value::String(id)) => check_member_id(id),
        Some(Value::Number(id)) => Ok(id.to_string()),
        Some(other) => Err(ScimError::invalid_value(format!(
            "members: a member's value is a user id, not {}",
            type_of(other)
        ))),
        None => Err(ScimError::invalid_value(
            "members: a member has no value; it must be the user's id",
        )),
    }
}

pub(crate) fn check_member_id(id: &str) -> Result<String, ScimError> {
    if id.trim().is_empty() {
        return Err(ScimError::invalid_value(
            "members: a member's value is empty; it must be the user's id",
        ));
    }
    if id.len() > MAX_MEMBER_ID_BYTES {
        return Err(ScimError::invalid_value(format!(
            "members: an id of {} bytes is too long; at most {MAX_MEMBER_ID_BYTES}",
            id.len()
        )));
    }
    Ok(id.to_owned())
}

/// Target of a key or a path.
pub(crate) enum GroupPlace {
    /// Attribute of the core or of the Litmos extension. No name is in both.
    Attribute(&'static Attribute),
    /// The Litmos extension as a whole.
    Extension,
    Unknown,
}

impl GroupPlace {
    fn of(key: &str) -> GroupPlace {
        AttributePath::parse(key).map_or(GroupPlace::Unknown, |path| GroupPlace::at(&path))
    }

    pub(crate) fn at(path: &AttributePath) -> GroupPlace {
        let whole = path.as_urn();
        if whole.and_then(|urn| schema::canonical_urn(&urn)) == Some(schema::LITMOS_GROUP) {
            return GroupPlace::Extension;
        }
        let attributes = match path.urn().map(schema::canonical_urn) {
            None | Some(Some(schema::GROUP)) => CORE_GROUP_ATTRIBUTES,
            Some(Some(schema::LITMOS_GROUP)) => schema::attributes_of(schema::LITMOS_GROUP),
            Some(_) => return GroupPlace::Unknown,
        };
        schema::find(attributes, path.name()).map_or(GroupPlace::Unknown, GroupPlace::Attribute)
    }

    pub(crate) fn is_members(&self) -> bool {
        matches!(self, GroupPlace::Attribute(attribute) if attribute.name == "members")
    }
}

/// Returns a value after a change.
fn changed(before: Option<&String>, change: Option<&FieldChange>) -> Option<String> {
    match change {
        None => before.cloned(),
        Some(change) => change.value().map(str::to_owned),
    }
}
