//! Reads a snapshot part by part, a few hundred items at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::v1::SnapshotHead;

use super::{SnapshotError, find_head, last, no, subject};
use crate::bucket::Stored;
use crate::connection::Bus;
use crate::dead::Buried;
use crate::key::Key;
use crate::record::Record;
use crate::record::fields::{Field, Fields, flag, text};
use crate::watch::{Source, WatchEvent};

/// Items that are read from a part at once.
const AT_ONCE: usize = 256;

/// Most bytes of a part after decompression.
const UNPACKED_MAX: usize = 16 * 1_024 * 1_024;

/// Parts that are fetched ahead of the one being read.
const AHEAD: usize = 2;

/// A snapshot that is being read.
#[derive(Debug)]
pub(super) struct SnapshotReader {
    bus: Bus,
    source: Source,
    head: SnapshotHead,
    /// Number of the next part to request.
    asked: u32,
    coming: VecDeque<tokio::task::JoinHandle<Result<Bytes, SnapshotError>>>,
    /// The part being read.
    part: Option<Part>,
    /// Buffer for the next part. New memory for each part would cost more than reading it.
    room: Vec<u8>,
}

impl SnapshotReader {
    pub(super) async fn open(
        bus: &Bus,
        source: &Source,
        made: &str,
        last: u64,
    ) -> Result<SnapshotReader, SnapshotError> {
        let (head, _) = find_head(bus, source).await?.ok_or_else(|| no("there is none"))?;
        if head.bucket_made != made || head.through > last {
            return Err(no("it is of another bucket"));
        }
        if head.filters != source.filters {
            return Err(no("it was written for other subjects"));
        }
        Ok(SnapshotReader {
            bus: bus.clone(),
            source: source.clone(),
            head,
            asked: 0,
            coming: VecDeque::new(),
            part: None,
            room: Vec::new(),
        })
    }

    /// Sequence of the bucket up to which the snapshot is complete.
    pub(super) fn through(&self) -> u64 {
        self.head.through
    }

    pub(super) async fn next<K: Key, V: Record>(
        &mut self,
    ) -> Result<Option<VecDeque<WatchEvent<K, V>>>, SnapshotError> {
        while self.coming.len() <= AHEAD && self.asked < self.head.parts {
            let part = subject(&self.source, &format!("{}.{}", self.head.side, self.asked));
            let bus = self.bus.clone();
            self.coming.push_back(tokio::spawn(async move {
                let message = last(&bus, &part).await?;
                Ok(message.ok_or_else(|| no(format!("{part} is missing")))?.payload)
            }));
            self.asked += 1;
        }
        if self.part.is_none() {
            let Some(coming) = self.coming.pop_front() else {
                return Ok(None);
            };
            let part = Part::open(&coming.await.map_err(no)??, std::mem::take(&mut self.room))
                .ok_or_else(|| no("a part cannot be read"))?;
            if part.snapshot_id != self.head.snapshot_id {
                return Err(no("a part is of another snapshot"));
            }
            self.part = Some(part);
        }
        let Some(part) = self.part.as_mut() else {
            return Ok(None);
        };
        let mut events = VecDeque::with_capacity(AT_ONCE);
        let mut odd = Vec::new();
        let mut fields = Fields::of(&part.payload[part.at..]);
        while events.len() < AT_ONCE {
            let item = match fields.next() {
                Some(Field::Bytes(3, bytes)) => ItemView::read(bytes),
                None if !fields.broken => break,
                Some(Field::Number(..) | Field::Bytes(..)) | None => None,
            };
            let item = item.ok_or_else(|| no("a part cannot be read"))?;
            match event(&part.types, &item) {
                Ok(event) => events.push_back(event),
                Err(reason) => odd.push((item.key.to_owned(), reason, Bytes::copy_from_slice(item.payload))),
            }
        }
        part.at = part.payload.len() - fields.bytes.len();
        if part.at == part.payload.len() {
            self.room = self.part.take().map(|part| part.payload).unwrap_or_default();
        }
        // The bucket has the same records. They become dead letters here as they do when the bucket is read.
        for (key, SnapshotError(reason), payload) in odd {
            let subject = format!("$KV.{}.{key}", K::BUCKET);
            let buried = Buried {
                subject: &subject,
                sequence: 0,
                type_name: None,
                payload,
            };
            // The record stays in the bucket even if the dead letter cannot be written.
            let _ = self.bus.bury(buried, &reason).await;
        }
        Ok(Some(events))
    }
}

fn event<K: Key, V: Record>(
    types: &[String],
    item: &ItemView<'_>,
) -> Result<WatchEvent<K, V>, SnapshotError> {
    let key = K::parse(item.key).ok_or_else(|| no("is no key of this bucket"))?;
    if item.removed {
        return Ok(WatchEvent::Removed(key));
    }
    let type_name = types.get(item.type_at).ok_or_else(|| no("has no type"))?;
    let stored = Stored {
        value: V::decode(type_name, item.payload).map_err(no)?,
        revision: item.revision,
        trace: item.traceparent.map(str::to_owned),
    };
    Ok(WatchEvent::Put(key, stored))
}

impl Drop for SnapshotReader {
    fn drop(&mut self) {
        for coming in &self.coming {
            coming.abort();
        }
    }
}

/// A [`SnapshotPart`](proto::v1::SnapshotPart) whose items are read on demand: a start reads hundreds of megabytes of them.
#[derive(Debug)]
struct Part {
    payload: Vec<u8>,
    /// Offset of the next item.
    at: usize,
    snapshot_id: String,
    types: Vec<String>,
}

impl Part {
    fn open(compressed: &[u8], mut payload: Vec<u8>) -> Option<Part> {
        let (size, compressed) = lz4_flex::block::uncompressed_size(compressed).ok()?;
        // A part with one large record may exceed the writer's limit, but not the largest message of the server.
        if size > UNPACKED_MAX {
            return None;
        }
        payload.resize(size, 0);
        let size = lz4_flex::block::decompress_into(compressed, &mut payload).ok()?;
        payload.truncate(size);
        let (mut snapshot_id, mut types) = (String::new(), Vec::new());
        let mut fields = Fields::of(&payload);
        loop {
            let at = payload.len() - fields.bytes.len();
            match fields.next() {
                Some(Field::Bytes(1, bytes)) => text(bytes)?.clone_into(&mut snapshot_id),
                Some(Field::Bytes(2, bytes)) => types.push(text(bytes)?.to_owned()),
                Some(Field::Bytes(3, _)) => {
                    return Some(Part {
                        payload,
                        at,
                        snapshot_id,
                        types,
                    });
                }
                Some(Field::Number(..) | Field::Bytes(..)) | None => return None,
            }
        }
    }
}

/// A [`SnapshotItem`](proto::v1::SnapshotItem), borrowed from its bytes.
#[derive(Default)]
struct ItemView<'a> {
    key: &'a str,
    type_at: usize,
    payload: &'a [u8],
    revision: u64,
    traceparent: Option<&'a str>,
    removed: bool,
}

impl ItemView<'_> {
    fn read(bytes: &[u8]) -> Option<ItemView<'_>> {
        let mut view = ItemView::default();
        let mut fields = Fields::of(bytes);
        for field in &mut fields {
            match field {
                Field::Bytes(1, bytes) => view.key = text(bytes)?,
                Field::Number(2, value) => view.type_at = usize::try_from(value).ok()?,
                Field::Bytes(3, bytes) => view.payload = bytes,
                Field::Number(4, value) => view.revision = value,
                Field::Bytes(5, bytes) => view.traceparent = Some(text(bytes)?),
                Field::Number(6, value) => view.removed = flag(value),
                Field::Number(..) | Field::Bytes(..) => return None,
            }
        }
        (!fields.broken).then_some(view)
    }
}
