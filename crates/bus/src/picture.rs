//! Pictures: one org's part of a bucket, packed into few large messages, so that a start is quick.
//!
//! A bucket gives its keys one message at a time, and each costs the server and the reader microseconds: a million and a
//! half of them are ten seconds of two processors. A picture holds the same values, thousands to a message, as they were
//! up to one sequence of the bucket. A watch begins with the picture and goes on in the bucket from the sequence after,
//! exactly as it goes on after a reconnect: since a bucket keeps the last message of every key, also of a removed one,
//! what changed since then is told, and nothing else is needed.
//!
//! Laws: a picture is only ever a shortcut, and whatever is odd about one (another bucket, other filters, a part of
//! another drawing, a part that is missing) means that the bucket is read; a head names a drawing only after all its
//! parts are stored; drawing never stands in the way of the watch.
//!
//! Deliberately missing: any use of a picture as a record. It leaves out removals and SCIM documents. And one thing is not
//! seen: messages that an operator takes out of a bucket's stream by hand, which no watch sees either.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{PictureHead, PictureItem, PicturePart};

use crate::bucket::{Bucket, Stored, header, is_removal};
use crate::connection::Bus;
use crate::error::WriteError;
use crate::key::Key;
use crate::publish::{EXPECTED, TYPE, headers};
use crate::record::Record;
use crate::record::fields::{Part, Parts, text};
use crate::trace::TRACEPARENT;
use crate::watch::{Source, WatchEvent};

pub(crate) const STREAM: &str = "pictures";

/// Bytes of one part: what goes into one message of the server's default size.
const PART_MAX: usize = 900_000;

/// When pictures are worth their making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureTerms {
    /// Fewer keys than this are read from the bucket in no time.
    pub keys_min: u64,
    /// A picture is drawn anew when so many messages have come since.
    pub stale_after: u64,
    /// How long a drawing waits before it begins.
    pub delay: Duration,
}

/// Twenty thousand keys are read in a fifth of a second, a hundred thousand messages in about one; and a drawing that
/// waits ten seconds does not compete with the first plan.
impl Default for PictureTerms {
    fn default() -> PictureTerms {
        PictureTerms {
            keys_min: 20_000,
            stale_after: 100_000,
            delay: Duration::from_secs(10),
        }
    }
}

/// How long drawing waits for the next message before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The sides that drawings take turns on.
const SIDES: [&str; 2] = ["a", "b"];

/// Parts that are fetched ahead of the one being read.
const AHEAD: usize = 2;

fn subject(source: &Source, rest: &str) -> String {
    format!("rollcall.picture.v1.{}.{}.{rest}", source.org, source.bucket)
}

/// A picture could not be used, or not be drawn, and why.
#[derive(Debug)]
pub(crate) struct NoPicture(String);

impl std::fmt::Display for NoPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn no(why: impl ToString) -> NoPicture {
    NoPicture(why.to_string())
}

/// How a watch stands to pictures.
#[derive(Debug)]
pub(crate) struct Pictures {
    terms: PictureTerms,
    reading: Option<Reading>,
    /// Nothing has been looked for yet.
    fresh: bool,
    /// There is a picture, or one is being drawn.
    drawn: bool,
    /// Messages that came from the bucket and are in no picture.
    since: u64,
    drawing: tokio::task::JoinSet<()>,
}

impl Pictures {
    pub(crate) fn new(terms: PictureTerms) -> Pictures {
        Pictures {
            terms,
            reading: None,
            fresh: true,
            drawn: false,
            since: 0,
            drawing: tokio::task::JoinSet::new(),
        }
    }

    /// Looks for a picture, once. Says the sequence up to which it tells everything.
    pub(crate) async fn begin(&mut self, bus: &Bus, source: &Source, made: &str, last: u64) -> Option<u64> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        match Reading::open(bus, source, made, last).await {
            Ok(reading) => {
                let through = reading.head.through;
                self.reading = Some(reading);
                self.drawn = true;
                Some(through)
            }
            Err(why) => {
                tracing::debug!(bucket = source.bucket, %why, "no picture to begin with");
                None
            }
        }
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The events of the next part; `None` when there are no more.
    ///
    /// # Errors
    /// When the picture turns out not to be whole: then the bucket must be read from the start.
    pub(crate) async fn next<K: Key, V: Record>(
        &mut self,
    ) -> Result<Option<VecDeque<WatchEvent<K, V>>>, NoPicture> {
        let Some(reading) = self.reading.as_mut() else {
            return Ok(None);
        };
        let events = reading.next().await;
        if !matches!(events, Ok(Some(_))) {
            self.reading = None;
        }
        self.drawn = events.is_ok();
        events
    }

    /// A message came from the bucket.
    pub(crate) fn count(&mut self) {
        self.since += 1;
    }

    /// Everything is told up to now: begins a drawing in the background if it is time for one.
    pub(crate) fn consider<K: Key, V: Record>(&mut self, bucket: &Bucket<K, V>, source: &Source) {
        let due = if self.drawn {
            self.terms.stale_after
        } else {
            self.terms.keys_min
        };
        if self.since < due {
            return;
        }
        while self.drawing.try_join_next().is_some() {}
        if !self.drawing.is_empty() {
            return;
        }
        (self.since, self.drawn) = (0, true);
        let (bucket, source, terms) = (bucket.clone(), source.clone(), self.terms);
        self.drawing.spawn(async move {
            tokio::time::sleep(terms.delay).await;
            match draw(&bucket, &source, terms.keys_min).await {
                Ok(None) => {}
                Ok(Some(items)) => {
                    tracing::info!(org.id = %source.org, bucket = source.bucket, items, "picture drawn")
                }
                Err(why) => {
                    tracing::warn!(org.id = %source.org, bucket = source.bucket, %why, "no picture was drawn")
                }
            }
        });
    }
}

/// A picture being read.
#[derive(Debug)]
struct Reading {
    bus: Bus,
    source: Source,
    head: PictureHead,
    /// Number of the next part to be asked for.
    asked: u32,
    coming: VecDeque<tokio::task::JoinHandle<Result<Bytes, NoPicture>>>,
}

impl Reading {
    async fn open(bus: &Bus, source: &Source, made: &str, last: u64) -> Result<Reading, NoPicture> {
        let (head, _) = find_head(bus, source).await?.ok_or_else(|| no("there is none"))?;
        if head.bucket_made != made || head.through > last {
            return Err(no("it is of another bucket"));
        }
        if head.filters != source.filters {
            return Err(no("it was drawn from other subjects"));
        }
        Ok(Reading {
            bus: bus.clone(),
            source: source.clone(),
            head,
            asked: 0,
            coming: VecDeque::new(),
        })
    }

    async fn next<K: Key, V: Record>(&mut self) -> Result<Option<VecDeque<WatchEvent<K, V>>>, NoPicture> {
        while self.coming.len() <= AHEAD && self.asked < self.head.parts {
            let part = subject(&self.source, &format!("{}.{}", self.head.side, self.asked));
            let bus = self.bus.clone();
            self.coming.push_back(tokio::spawn(async move {
                let message = last(&bus, &part).await?;
                Ok(message.ok_or_else(|| no(format!("{part} is missing")))?.payload)
            }));
            self.asked += 1;
        }
        let Some(coming) = self.coming.pop_front() else {
            return Ok(None);
        };
        let payload = coming.await.map_err(no)??;
        let part = read_part(&payload).ok_or_else(|| no("a part cannot be read"))?;
        if part.drawing != self.head.drawing {
            return Err(no("a part is of another drawing"));
        }
        let mut events = VecDeque::with_capacity(part.items.len());
        for item in &part.items {
            match event(&part, item) {
                Ok(event) => events.push_back(event),
                // It was in the bucket as it is here, and is set aside as it is there.
                Err(NoPicture(reason)) => {
                    let key = format!("$KV.{}.{}", K::BUCKET, item.key);
                    self.bus
                        .bury(&key, &reason, Bytes::copy_from_slice(item.payload))
                        .await;
                }
            }
        }
        Ok(Some(events))
    }
}

fn event<K: Key, V: Record>(part: &PartView<'_>, item: &ItemView<'_>) -> Result<WatchEvent<K, V>, NoPicture> {
    let type_name = part.types.get(item.type_at).ok_or_else(|| no("has no type"))?;
    let key = K::parse(item.key).ok_or_else(|| no("is no key of this bucket"))?;
    let stored = Stored {
        value: V::decode(type_name, item.payload).map_err(no)?,
        revision: item.revision,
        trace: item.traceparent.map(str::to_owned),
    };
    Ok(WatchEvent::Put(key, stored))
}

impl Drop for Reading {
    fn drop(&mut self) {
        for coming in &self.coming {
            coming.abort();
        }
    }
}

/// The message on a subject of pictures.
async fn last(bus: &Bus, subject: &str) -> Result<Option<StreamMessage>, NoPicture> {
    let stream = bus.js.get_stream_no_info(STREAM).await.map_err(no)?;
    bus.last_of(&stream, subject).await.map_err(no)
}

/// The head and its revision.
async fn find_head(bus: &Bus, source: &Source) -> Result<Option<(PictureHead, u64)>, NoPicture> {
    let message = last(bus, &subject(source, "head")).await?;
    let head = message.map(|message| {
        let head = PictureHead::decode(message.payload).map_err(no)?;
        Ok((head, message.sequence))
    });
    head.transpose()
}

/// Reads the bucket beside everything else, and leaves a picture of it. Says how many items it has; `None` if so few keys
/// are not worth it.
async fn draw<K: Key, V: Record>(
    bucket: &Bucket<K, V>,
    source: &Source,
    keys_min: u64,
) -> Result<Option<u64>, NoPicture> {
    let bus = &bucket.bus;
    let old = find_head(bus, source).await?;
    let revision = old.as_ref().map_or(0, |(_, revision)| *revision);
    let taken = old.map(|(head, _)| head.side).unwrap_or_default();
    let side = SIDES.into_iter().find(|side| *side != taken).unwrap_or(SIDES[0]);
    clear(bus, source, side).await?;
    let stream = source.stream(bus).await.map_err(no)?;
    let consumer = source.consumer(&stream, 0).await.map_err(no)?;
    if consumer.cached_info().num_pending < keys_min.max(1) {
        return Ok(None);
    }
    let mut drawing = Drawing {
        bus: bus.clone(),
        source: source.clone(),
        part: PicturePart {
            drawing: uuid::Uuid::now_v7().simple().to_string(),
            ..PicturePart::default()
        },
        bytes: 0,
        head: PictureHead {
            side: side.to_owned(),
            bucket_made: stream.cached_info().created.to_string(),
            filters: source.filters.clone(),
            ..PictureHead::default()
        },
    };
    let mut messages = Source::messages(consumer).await.map_err(no)?;
    loop {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await;
        let message = message
            .map_err(no)?
            .ok_or_else(|| no("the bucket fell silent"))?
            .map_err(no)?;
        let (sequence, pending) = message
            .info()
            .map(|info| (info.stream_sequence, info.pending))
            .map_err(no)?;
        drawing.head.through = sequence;
        drawing.take::<V>(message, sequence).await?;
        if pending == 0 {
            break;
        }
    }
    drop(messages);
    drawing.flush().await?;
    let mut head = drawing.head;
    head.drawing = drawing.part.drawing;
    let mut guarded = headers(&PictureHead::full_name());
    guarded.insert(EXPECTED, revision.to_string().as_str());
    let stored = bus
        .publish(&subject(source, "head"), guarded, head.encode_to_vec().into())
        .await;
    stored.map_err(|error| match error {
        WriteError::Conflict { .. } => no("somebody else has drawn one meanwhile"),
        other => no(other),
    })?;
    // The old one is of no use any more; what cannot be cleared now is cleared by the drawing after the next.
    let _ = clear(
        bus,
        source,
        SIDES.into_iter().find(|other| *other != side).unwrap_or(SIDES[1]),
    )
    .await;
    Ok(Some(head.items))
}

async fn clear(bus: &Bus, source: &Source, side: &str) -> Result<(), NoPicture> {
    let stream = bus.js.get_stream_no_info(STREAM).await.map_err(no)?;
    let parts = subject(source, &format!("{side}.*"));
    stream.purge().filter(parts).await.map(drop).map_err(no)
}

/// A picture being drawn.
struct Drawing {
    bus: Bus,
    source: Source,
    head: PictureHead,
    part: PicturePart,
    bytes: usize,
}

impl Drawing {
    async fn take<V: Record>(&mut self, message: jetstream::Message, revision: u64) -> Result<(), NoPicture> {
        let jetstream::Message { message, .. } = message;
        let headers = message.headers.unwrap_or_default();
        let key = message.subject.as_str().strip_prefix("$KV.");
        let (Some((_, key)), Some(type_name)) =
            (key.and_then(|rest| rest.split_once('.')), headers.get(TYPE))
        else {
            return Ok(());
        };
        if is_removal(&headers) {
            return Ok(());
        }
        let payload = V::lean(type_name.as_str(), &message.payload)
            .map_or_else(|| message.payload.to_vec(), Into::into);
        let place = self
            .part
            .types
            .iter()
            .position(|known| known == type_name.as_str());
        let place = place.unwrap_or_else(|| {
            self.part.types.push(type_name.as_str().to_owned());
            self.part.types.len() - 1
        });
        let item = PictureItem {
            key: key.to_owned(),
            r#type: u32::try_from(place).map_err(no)?,
            payload,
            revision,
            traceparent: header(&headers, TRACEPARENT),
        };
        let size = item.encoded_len() + ITEM_OVERHEAD;
        if self.bytes + size > PART_MAX {
            self.flush().await?;
        }
        self.bytes += size;
        self.part.items.push(item);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), NoPicture> {
        if self.part.items.is_empty() {
            return Ok(());
        }
        let subject = subject(&self.source, &format!("{}.{}", self.head.side, self.head.parts));
        let payload = self.part.encode_to_vec();
        let headers = headers(&PicturePart::full_name());
        self.bus
            .publish(&subject, headers, payload.into())
            .await
            .map_err(no)?;
        self.head.parts += 1;
        self.head.items += self.part.items.len() as u64;
        self.part.items.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Bytes that an item takes in its part beside its own: a tag and a length.
const ITEM_OVERHEAD: usize = 6;

/// A [`PicturePart`], borrowed from its bytes: a start reads a few hundred megabytes of them.
#[derive(Default)]
struct PartView<'a> {
    drawing: &'a str,
    types: Vec<&'a str>,
    items: Vec<ItemView<'a>>,
}

#[derive(Default)]
struct ItemView<'a> {
    key: &'a str,
    type_at: usize,
    payload: &'a [u8],
    revision: u64,
    traceparent: Option<&'a str>,
}

fn read_part(bytes: &[u8]) -> Option<PartView<'_>> {
    let mut view = PartView::default();
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => view.drawing = text(bytes)?,
            Part::Bytes(2, bytes) => view.types.push(text(bytes)?),
            Part::Bytes(3, bytes) => view.items.push(read_item(bytes)?),
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    (!parts.broken).then_some(view)
}

fn read_item(bytes: &[u8]) -> Option<ItemView<'_>> {
    let mut view = ItemView::default();
    let mut parts = Parts::of(bytes);
    for part in &mut parts {
        match part {
            Part::Bytes(1, bytes) => view.key = text(bytes)?,
            Part::Number(2, value) => view.type_at = usize::try_from(value).ok()?,
            Part::Bytes(3, bytes) => view.payload = bytes,
            Part::Number(4, value) => view.revision = value,
            Part::Bytes(5, bytes) => view.traceparent = Some(text(bytes)?),
            Part::Number(..) | Part::Bytes(..) => return None,
        }
    }
    (!parts.broken).then_some(view)
}
