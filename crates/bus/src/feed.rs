//! Identity events from sources: de-duplicated on the way in, taken in batches, acknowledged one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{self, identity_event};
use provisioning::{OrgId, SourceId};

use crate::bucket::header;
use crate::connection::Bus;
use crate::error::{BusError, WriteError};
use crate::publish::{Stored, TYPE, headers};
use crate::trace::TRACEPARENT;

/// Events taken at once.
const BATCH: usize = 200;

/// How long an event may be worked on before somebody else gets it.
const ACK_WAIT: Duration = Duration::from_secs(60);

/// Events that may be out at once, with those that wait to come again: while there are more, nobody's events are taken. So
/// it is as many as the largest company has people, told of in the wrong order: the members of a group before anybody in it.
const OUT_MAX: i64 = 200_000;

/// Something that happened at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within the source.
    pub event_id: String,
    pub happened_at_ms: u64,
    /// No older word about the same thing is on its way, as within a file.
    pub in_order: bool,
    pub body: EventBody,
}

/// What happened, in the words of the source: nothing here has been checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    PersonUpserted {
        external_id: String,
        user_name: String,
        /// `None` leaves it as it is; somebody new is active.
        active: Option<bool>,
        access_level: Option<String>,
        /// Litmos field names to values; empty clears.
        attributes: BTreeMap<String, String>,
        /// Empty clears, `None` leaves.
        manager: Option<String>,
        /// All groups by name; `None` leaves memberships as they are.
        groups: Option<Vec<String>>,
        /// Advanced custom fields by name; empty clears.
        custom_fields: BTreeMap<String, String>,
        /// The event comes from a complete list: somebody whom the source let go is active again.
        from_complete_list: bool,
    },
    PersonDeleted {
        person: String,
    },
    /// Access ends; all else that is known of the person stays.
    PersonLeft {
        person: String,
    },
    GroupUpserted {
        external_id: String,
        name: String,
        /// Empty clears, `None` leaves.
        description: Option<String>,
        /// The group it stands under. Empty: none; `None` leaves.
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

fn event_in(message: v1::IdentityEvent) -> Result<Event, &'static str> {
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

/// One event on its way, to be ended by one of the three answers.
#[derive(Debug)]
pub struct Delivery {
    pub org: OrgId,
    pub source: SourceId,
    pub event: Event,
    /// Position in the feed; larger for everything that came later.
    pub sequence: u64,
    pub trace: Option<String>,
    /// How often it came, this time included.
    pub times: u32,
    message: Message,
}

impl Delivery {
    /// It is durably in the roster.
    pub async fn done(&self) {
        if let Err(error) = self.message.ack().await {
            tracing::warn!(%error, "an event was taken in but not acknowledged; it comes again and changes nothing");
        }
    }

    /// Not now: it comes again after a pause.
    pub async fn later(&self, pause: Duration) {
        // Unanswered it comes again too, only later.
        let _ = self.message.ack_with(AckKind::Nak(Some(pause))).await;
    }

    /// Never: it is set aside with the reason.
    pub async fn refuse(&self, bus: &Bus, reason: &str) {
        bus.bury(
            self.message.subject.as_str(),
            reason,
            self.message.payload.clone(),
        )
        .await;
        let _ = self.message.ack_with(AckKind::Term).await;
    }
}

/// Takes events from the feed, for as many processes as there are.
#[derive(Debug)]
pub struct FeedBatch {
    bus: Bus,
    consumer: async_nats::jetstream::consumer::Consumer<pull::Config>,
    end: u64,
}

impl Bus {
    /// Hands an event in. The same event again is recognised for two hours.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn publish_event(
        &self,
        org: &OrgId,
        source: &SourceId,
        event: Event,
    ) -> Result<Stored, WriteError> {
        let mut headers = headers(&v1::IdentityEvent::full_name());
        headers.insert(
            "Nats-Msg-Id",
            format!("{org}/{source}/{}", event.event_id).as_str(),
        );
        let payload = v1::IdentityEvent::from(event).encode_to_vec();
        self.publish(
            &format!("rollcall.feed.v1.{org}.{source}"),
            headers,
            Bytes::from(payload),
        )
        .await
    }

    /// Joins those who take events from the feed.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn feed(&self) -> Result<FeedBatch, BusError> {
        let unavailable = |said: String| BusError::Unavailable {
            doing: "joining the feed",
            said,
        };
        let stream = self
            .js
            .get_stream("feed")
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let end = stream.cached_info().state.last_sequence;
        let config = pull::Config {
            durable_name: Some("intake".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: OUT_MAX,
            ..pull::Config::default()
        };
        // One that is there already is brought up to this.
        let consumer = stream
            .create_consumer(config)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(FeedBatch {
            bus: self.clone(),
            consumer,
            end,
        })
    }
}

impl FeedBatch {
    /// Last position of the feed that is known here.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The next events, in the order of the feed; empty if there was none for a second. What cannot be read is set aside.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub async fn next(&mut self) -> Result<Vec<Delivery>, BusError> {
        let unavailable = |said: String| BusError::Unavailable {
            doing: "reading the feed",
            said,
        };
        let batch = self
            .consumer
            .batch()
            .max_messages(BATCH)
            .expires(Duration::from_secs(1))
            .messages()
            .await;
        let mut messages = batch.map_err(|error| unavailable(error.to_string()))?;
        let mut deliveries = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| unavailable(error.to_string()))?;
            match self.read(&message) {
                Ok((org, source, event, (sequence, times))) => {
                    self.end = self.end.max(sequence);
                    let trace = message
                        .headers
                        .as_ref()
                        .and_then(|headers| header(headers, TRACEPARENT));
                    deliveries.push(Delivery {
                        org,
                        source,
                        event,
                        sequence,
                        trace,
                        times,
                        message,
                    });
                }
                Err(reason) => {
                    self.bus
                        .bury(message.subject.as_str(), &reason, message.payload.clone())
                        .await;
                    let _ = message.ack_with(AckKind::Term).await;
                }
            }
        }
        Ok(deliveries)
    }

    fn read(&self, message: &Message) -> Result<(OrgId, SourceId, Event, (u64, u32)), String> {
        let tokens: Vec<&str> = message.subject.as_str().split('.').collect();
        let [_, _, _, org, source] = tokens.as_slice() else {
            return Err("its subject is not rollcall.feed.v1.{org}.{source}".to_owned());
        };
        let type_name = message.headers.as_ref().and_then(|headers| header(headers, TYPE));
        if let Some(other) = type_name.filter(|name| *name != v1::IdentityEvent::full_name()) {
            return Err(format!(
                "its {TYPE} is {other}, not {}",
                v1::IdentityEvent::full_name()
            ));
        }
        let org = OrgId::parse(org).map_err(|error| error.to_string())?;
        let source = SourceId::parse(source).map_err(|error| error.to_string())?;
        let event = v1::IdentityEvent::decode(message.payload.as_ref()).map_err(|error| error.to_string())?;
        let info = message.info().map_err(|error| error.to_string())?;
        let times = u32::try_from(info.delivered).unwrap_or(1);
        Ok((org, source, event_in(event)?, (info.stream_sequence, times)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
