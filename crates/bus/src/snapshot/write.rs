//! Writes a snapshot: reads one org's part of a bucket and packs it.

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use std::time::Duration;

use async_nats::jetstream;
use futures_util::StreamExt as _;
use prost::{Message as _, Name as _};
use proto::v1::{SnapshotHead, SnapshotItem, SnapshotPart};

use super::{STREAM, SnapshotError, find_head, no, subject};
use crate::bucket::{Bucket, header, is_removal};
use crate::connection::Bus;
use crate::error::WriteError;
use crate::key::Key;
use crate::publish::{TYPE, headers};
use crate::record::Record;
use crate::trace::TRACEPARENT;
use crate::watch::Source;

/// Most bytes of one part before compression. Fits in one message of the server's default size, even if compression gains nothing.
const PART_MAX: usize = 900_000;

/// Bytes that an item needs in its part besides its own: a tag and a length.
const ITEM_OVERHEAD: usize = 6;

/// How long the writer waits for the next message before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The two sides. Each new snapshot is written to the side that is not in use.
const SIDES: [&str; 2] = ["a", "b"];

/// Reads the bucket and writes a snapshot of it. Returns the number of items; `None` if there are fewer keys than `keys_min`.
pub(super) async fn write<K: Key, V: Record>(
    bucket: &Bucket<K, V>,
    source: &Source,
    keys_min: u64,
) -> Result<Option<u64>, SnapshotError> {
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
    let mut writer = SnapshotWriter {
        bus: bus.clone(),
        source: source.clone(),
        began: stream.cached_info().state.last_sequence,
        part: SnapshotPart {
            snapshot_id: uuid::Uuid::now_v7().simple().to_string(),
            ..SnapshotPart::default()
        },
        bytes: 0,
        head: SnapshotHead {
            side: side.to_owned(),
            bucket_made: stream.cached_info().created.to_string(),
            filters: source.filters.clone(),
            ..SnapshotHead::default()
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
        writer.head.through = sequence;
        writer.add::<V>(message, sequence).await?;
        if pending == 0 {
            break;
        }
    }
    drop(messages);
    writer.flush().await?;
    let mut head = writer.head;
    head.snapshot_id = writer.part.snapshot_id;
    let mut guarded = headers(&SnapshotHead::full_name());
    guarded.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
    let stored = bus
        .publish(&subject(source, "head"), guarded, head.encode_to_vec().into())
        .await;
    stored.map_err(|error| match error {
        WriteError::Conflict { .. } => no("another process has written one in the meantime"),
        other => no(other),
    })?;
    // The old snapshot is not needed any more. If it cannot be cleared now, the next snapshot clears it.
    let _ = clear(
        bus,
        source,
        SIDES.into_iter().find(|other| *other != side).unwrap_or(SIDES[1]),
    )
    .await;
    Ok(Some(head.items))
}

async fn clear(bus: &Bus, source: &Source, side: &str) -> Result<(), SnapshotError> {
    let stream = bus.js.get_stream_no_info(STREAM).await.map_err(no)?;
    let parts = subject(source, &format!("{side}.*"));
    stream.purge().filter(parts).await.map(drop).map_err(no)
}

/// A snapshot that is being written.
struct SnapshotWriter {
    bus: Bus,
    source: Source,
    /// The bucket's last sequence when writing began.
    began: u64,
    head: SnapshotHead,
    part: SnapshotPart,
    bytes: usize,
}

impl SnapshotWriter {
    async fn add<V: Record>(
        &mut self,
        message: jetstream::Message,
        revision: u64,
    ) -> Result<(), SnapshotError> {
        let jetstream::Message { message, .. } = message;
        let headers = message.headers.unwrap_or_default();
        let key = message.subject.as_str().strip_prefix("$KV.");
        let Some((_, key)) = key.and_then(|rest| rest.split_once('.')) else {
            return Ok(());
        };
        let item = if is_removal(&headers) {
            // A key that was removed before writing began needs no item.
            if revision <= self.began {
                return Ok(());
            }
            SnapshotItem {
                key: key.to_owned(),
                revision,
                removed: true,
                ..SnapshotItem::default()
            }
        } else {
            let Some(type_name) = headers.get(TYPE) else {
                return Ok(());
            };
            let lean = V::lean(type_name.as_str(), &message.payload);
            SnapshotItem {
                key: key.to_owned(),
                r#type: self.place_of(type_name.as_str()),
                payload: lean.unwrap_or_else(|| message.payload.to_vec()),
                revision,
                traceparent: header(&headers, TRACEPARENT),
                removed: false,
            }
        };
        let size = item.encoded_len() + ITEM_OVERHEAD;
        if self.bytes + size > PART_MAX {
            self.flush().await?;
        }
        self.bytes += size;
        self.part.items.push(item);
        Ok(())
    }

    fn place_of(&mut self, type_name: &str) -> u32 {
        let known = self.part.types.iter().position(|known| known == type_name);
        let place = known.unwrap_or_else(|| {
            self.part.types.push(type_name.to_owned());
            self.part.types.len() - 1
        });
        u32::try_from(place).expect("a bucket has a handful of types")
    }

    async fn flush(&mut self) -> Result<(), SnapshotError> {
        if self.part.items.is_empty() {
            return Ok(());
        }
        let subject = subject(&self.source, &format!("{}.{}", self.head.side, self.head.parts));
        let payload = lz4_flex::block::compress_prepend_size(&self.part.encode_to_vec());
        let headers = headers(&SnapshotPart::full_name());
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
