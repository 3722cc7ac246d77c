//! Identity events as domain types and as protobuf.

use std::collections::BTreeMap;

use proto::v1::{self, identity_event};

/// One statement of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within the source.
    pub event_id: String,
    pub happened_at_ms: u64,
    /// Events arrive in order, as from a file. If false, the timestamp is stored even when nothing changed.
    pub in_order: bool,
    pub body: EventBody,
}

/// Content of an event as the source stated it. It is not validated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    PersonUpserted {
        external_id: String,
        user_name: String,
        /// `None` leaves it unchanged. A new person is active.
        active: Option<bool>,
        access_level: Option<String>,
        /// Litmos field names to values. An empty value clears the field.
        attributes: BTreeMap<String, String>,
        /// Empty clears it, `None` leaves it unchanged.
        manager: Option<String>,
        /// Names of all groups. `None` leaves the memberships unchanged.
        groups: Option<Vec<String>>,
        /// Names of advanced custom fields to values. An empty value clears the field.
        custom_fields: BTreeMap<String, String>,
        /// The event comes from a complete list of the source's people. A person that the source reported as left is active again.
        from_complete_list: bool,
    },
    PersonDeleted {
        person: String,
    },
    /// Access ends. All other data of the person stays.
    PersonLeft {
        person: String,
    },
    GroupUpserted {
        external_id: String,
        name: String,
        /// Empty clears it, `None` leaves it unchanged.
        description: Option<String>,
        /// The parent group. Empty: no parent. `None` leaves it unchanged.
        parent: Option<String>,
    },
    GroupDeleted {
        group: String,
    },
    MembershipChanged {
        group: String,
        person: String,
        present: bool,
    },
}

impl From<Event> for v1::IdentityEvent {
    fn from(event: Event) -> Self {
        use identity_event::Event as Out;
        let body = match event.body {
            EventBody::PersonUpserted {
                external_id,
                user_name,
                active,
                access_level,
                attributes,
                manager,
                groups,
                custom_fields,
                from_complete_list,
            } => {
                let groups = groups.map(|names| v1::GroupNames { names });
                Out::PersonUpserted(v1::PersonUpserted {
                    external_id,
                    user_name,
                    active,
                    access_level,
                    attributes,
                    manager,
                    groups,
                    custom_fields,
                    from_complete_list,
                })
            }
            EventBody::PersonDeleted { person } => Out::PersonDeleted(v1::PersonDeleted { person }),
            EventBody::PersonLeft { person } => Out::PersonLeft(v1::PersonLeft { person }),
            EventBody::GroupUpserted {
                external_id,
                name,
                description,
                parent,
            } => Out::GroupUpserted(v1::GroupUpserted {
                external_id,
                name,
                description,
                parent,
            }),
            EventBody::GroupDeleted { group } => Out::GroupDeleted(v1::GroupDeleted { group }),
            EventBody::MembershipChanged {
                group,
                person,
                present,
            } => Out::MembershipChanged(v1::MembershipChanged {
                group,
                person,
                present,
            }),
        };
        v1::IdentityEvent {
            event_id: event.event_id,
            happened_at_ms: event.happened_at_ms,
            in_order: event.in_order,
            event: Some(body),
        }
    }
}

pub(crate) fn event_in(message: v1::IdentityEvent) -> Result<Event, &'static str> {
    use identity_event::Event as In;
    let body = match message
        .event
        .ok_or("it says nothing that happened; set one of the events")?
    {
        In::PersonUpserted(person) => EventBody::PersonUpserted {
            external_id: person.external_id,
            user_name: person.user_name,
            active: person.active,
            access_level: person.access_level,
            attributes: person.attributes,
            manager: person.manager,
            groups: person.groups.map(|groups| groups.names),
            custom_fields: person.custom_fields,
            from_complete_list: person.from_complete_list,
        },
        In::PersonDeleted(person) => EventBody::PersonDeleted {
            person: person.person,
        },
        In::PersonLeft(person) => EventBody::PersonLeft {
            person: person.person,
        },
        In::GroupUpserted(group) => EventBody::GroupUpserted {
            external_id: group.external_id,
            name: group.name,
            description: group.description,
            parent: group.parent,
        },
        In::GroupDeleted(group) => EventBody::GroupDeleted { group: group.group },
        In::MembershipChanged(member) => EventBody::MembershipChanged {
            group: member.group,
            person: member.person,
            present: member.present,
        },
    };
    if message.event_id.is_empty() {
        return Err("it has no event_id, by which a repeated one is known");
    }
    Ok(Event {
        event_id: message.event_id,
        happened_at_ms: message.happened_at_ms,
        in_order: message.in_order,
        body,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        "\\PC{0,9}"
    }

    fn wish() -> impl Strategy<Value = Option<String>> {
        prop::option::of(text())
    }

    fn values() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map(text(), text(), 0..3)
    }

    fn body() -> impl Strategy<Value = EventBody> {
        let groups = prop::option::of(prop::collection::vec(text(), 0..3));
        let person = (
            text(),
            text(),
            prop::option::of(any::<bool>()),
            wish(),
            values(),
            wish(),
            groups,
            (values(), any::<bool>()),
        );
        prop_oneof![
            person.prop_map(
                |(
                    external_id,
                    user_name,
                    active,
                    access_level,
                    attributes,
                    manager,
                    groups,
                    (custom_fields, from_complete_list),
                )| {
                    EventBody::PersonUpserted {
                        external_id,
                        user_name,
                        active,
                        access_level,
                        attributes,
                        manager,
                        groups,
                        custom_fields,
                        from_complete_list,
                    }
                }
            ),
            text().prop_map(|person| EventBody::PersonDeleted { person }),
            text().prop_map(|person| EventBody::PersonLeft { person }),
            (text(), text(), wish(), wish()).prop_map(|(external_id, name, description, parent)| {
                EventBody::GroupUpserted {
                    external_id,
                    name,
                    description,
                    parent,
                }
            }),
            text().prop_map(|group| EventBody::GroupDeleted { group }),
            (text(), text(), any::<bool>()).prop_map(|(group, person, present)| {
                EventBody::MembershipChanged {
                    group,
                    person,
                    present,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written(event_id in "\\PC{1,9}", happened_at_ms: u64, in_order: bool, body in body()) {
            let event = Event { event_id, happened_at_ms, in_order, body };
            let bytes = v1::IdentityEvent::from(event.clone()).encode_to_vec();
            let read = event_in(v1::IdentityEvent::decode(bytes.as_slice()).unwrap());
            prop_assert_eq!(read, Ok(event));
        }

        #[test]
        fn bytes_that_are_no_event_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = v1::IdentityEvent::decode(bytes.as_slice()).map(event_in);
        }
    }
}
