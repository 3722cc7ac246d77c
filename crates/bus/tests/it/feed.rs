//! Many events at once, their receipts, and events that cannot be processed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Delivery, Event, FeedBatch, LETTERS_AT_ONCE, Outcome, Receipts};
use provisioning::SourceId;

use crate::streams::{event, stranger};
use crate::{Harness, harness};

fn hr() -> SourceId {
    SourceId::parse("hr").unwrap()
}

fn events(count: usize) -> impl Iterator<Item = Event> {
    (0..count).map(|n| event(&n.to_string()))
}

/// Reads events until no more events come.
async fn all(feed: &mut FeedBatch) -> Vec<Delivery> {
    let mut taken = Vec::new();
    loop {
        let more = feed.next().await.unwrap();
        if more.is_empty() {
            return taken;
        }
        taken.extend(more);
    }
}

async fn outcomes(receipts: &mut Receipts, count: usize) -> BTreeMap<String, Outcome> {
    let mut heard = BTreeMap::new();
    for _ in 0..count {
        let receipt = receipts.next().await.unwrap();
        heard.insert(receipt.event_id, receipt.outcome);
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_are_stored_once_each_and_come_by_the_thousand() {
    let harness = harness().await;
    let publish = async |count| {
        harness
            .bus
            .publish_events(&harness.org, &hr(), events(count), None)
            .await
    };
    publish(700).await.unwrap();
    // The second time a part is stored already, as after a batch whose response was lost.
    publish(1_900).await.unwrap();
    publish(1_900).await.unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    let first = feed.next().await.unwrap();
    assert_eq!(first.len(), 1_000);
    let mut ids: BTreeSet<String> = first
        .iter()
        .map(|delivery| delivery.event.event_id.clone())
        .collect();
    let rest = all(&mut feed).await;
    assert_eq!(rest.len(), 900);
    ids.extend(rest.iter().map(|delivery| delivery.event.event_id.clone()));
    assert_eq!(ids.len(), 1_900);
    harness.server.stop().await;
}

/// `publish_events` relies on this: the server checks message ids within a batch too, and then stores nothing of the batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_an_event_that_is_there_already_is_refused_as_a_whole() {
    let harness = harness().await;
    let stranger = stranger(&harness).await;
    let batch = async |id: &str, events: [&str; 3]| {
        let mut last = None;
        for (at, event) in events.into_iter().enumerate() {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", event);
            headers.insert("Nats-Batch-Id", id);
            headers.insert("Nats-Batch-Sequence", (at + 1).to_string().as_str());
            if at == 2 {
                headers.insert("Nats-Batch-Commit", "1");
            }
            let sent = stranger.request_with_headers("rollcall.feed.v1.acme.hr", headers, "x".into());
            last = Some(sent.await.unwrap().payload);
        }
        String::from_utf8(last.unwrap().to_vec()).unwrap()
    };
    let stored = batch("first", ["a", "b", "c"]).await;
    assert!(stored.contains("\"seq\":3"), "{stored}");
    let refused = batch("second", ["d", "b", "e"]).await;
    assert!(refused.contains("10201"), "{refused}");
    let twice = batch("third", ["f", "g", "g"]).await;
    assert!(twice.contains("10201"), "{twice}");
    let stored = batch("fourth", ["d", "e", "f"]).await;
    assert!(stored.contains("\"seq\":6"), "{stored}");
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_what_became_of_each_event() {
    let harness = harness().await;
    let (inbox, mut receipts) = harness.bus.receipts().await.unwrap();
    harness
        .bus
        .publish_events(&harness.org, &hr(), events(3), Some(&inbox))
        .await
        .unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    let taken = feed.next().await.unwrap();
    taken[0].done().await;
    taken[1].refuse("the user name belongs to somebody else").await;
    taken[2]
        .later(Duration::ZERO, "nobody is known as \"x\" yet")
        .await;
    let heard = outcomes(&mut receipts, 3).await;
    assert_eq!(heard["0"], Outcome::Applied);
    assert_eq!(
        heard["1"],
        Outcome::SetAside("the user name belongs to somebody else".to_owned())
    );
    assert_eq!(
        heard["2"],
        Outcome::Waits("nobody is known as \"x\" yet".to_owned())
    );
    let again = feed.next().await.unwrap();
    assert_eq!(again.len(), 1);
    again[0].done().await;
    assert_eq!(outcomes(&mut receipts, 1).await["2"], Outcome::Applied);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_goes_to_an_inbox_and_nowhere_else() {
    let harness = harness().await;
    let stranger = stranger(&harness).await;
    let mut forged = stranger
        .subscribe("rollcall.operator.v1.pusher.acme")
        .await
        .unwrap();
    harness
        .bus
        .publish_event(&harness.org, &hr(), event("1"))
        .await
        .unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    let plain = feed.next().await.unwrap().remove(0);
    let stream = async_nats::jetstream::new(stranger.clone())
        .get_stream("feed")
        .await
        .unwrap();
    let stored = stream.get_raw_message(plain.sequence).await.unwrap();
    let mut headers = stored.headers.clone();
    headers.insert("Nats-Msg-Id", "another");
    headers.insert("Rollcall-Receipt", "rollcall.operator.v1.pusher.acme");
    stranger
        .publish_with_headers("rollcall.feed.v1.acme.hr", headers, stored.payload)
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    feed.next().await.unwrap().remove(0).done().await;
    let nothing = tokio::time::timeout(
        Duration::from_millis(300),
        futures_util::StreamExt::next(&mut forged),
    )
    .await;
    assert!(nothing.is_err());
    harness.server.stop().await;
}

/// Deletes the stream of dead letters, so that nothing can be set aside.
async fn without_letters(harness: &Harness) {
    let js = async_nats::jetstream::new(stranger(harness).await);
    js.delete_stream("dead").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_be_neither_taken_nor_set_aside_is_kept() {
    let harness = harness().await;
    without_letters(&harness).await;
    let (inbox, mut receipts) = harness.bus.receipts().await.unwrap();
    harness
        .bus
        .publish_events(&harness.org, &hr(), events(1), Some(&inbox))
        .await
        .unwrap();
    let stranger = stranger(&harness).await;
    stranger
        .publish("rollcall.feed.v1.acme.hr", "no protobuf at all".into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    let taken = feed.next().await.unwrap();
    assert_eq!(taken.len(), 1);
    taken[0].refuse("no").await;
    assert!(matches!(outcomes(&mut receipts, 1).await["0"], Outcome::Waits(_)));
    harness.bus.prepare(1).await.unwrap();
    let again = loop {
        let mut again = feed.next().await.unwrap();
        if let Some(again) = again.pop() {
            break again;
        }
    };
    assert_eq!(again.event.event_id, "0");
    again.refuse("no").await;
    assert_eq!(
        outcomes(&mut receipts, 1).await["0"],
        Outcome::SetAside("no".to_owned())
    );
    while harness.bus.dead_letter_count(&harness.org).await.unwrap() < 2 {
        assert!(feed.next().await.unwrap().is_empty());
    }
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_by_the_page_replayed_and_dropped() {
    let harness = harness().await;
    let count = LETTERS_AT_ONCE + 30;
    harness
        .bus
        .publish_events(&harness.org, &hr(), events(count), None)
        .await
        .unwrap();
    let mut feed = harness.bus.feed().await.unwrap();
    for delivery in all(&mut feed).await {
        delivery.refuse(&format!("no, {}", delivery.event.event_id)).await;
        // Refuse it again, as after a lost response.
        delivery.refuse("no").await;
    }
    assert_eq!(
        harness.bus.dead_letter_count(&harness.org).await.unwrap(),
        count as u64
    );
    let page = harness.bus.dead_letters(&harness.org, 0).await.unwrap();
    let next = harness
        .bus
        .dead_letters(&harness.org, page.last().unwrap().place())
        .await
        .unwrap();
    assert_eq!((page.len(), next.len()), (LETTERS_AT_ONCE, 30));
    assert!(
        harness
            .bus
            .dead_letters(&harness.org, next[29].place())
            .await
            .unwrap()
            .is_empty()
    );
    let letter = harness
        .bus
        .dead_letter(&harness.org, &page[7].id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter, page[7]);
    assert_eq!(
        (letter.event.as_ref(), letter.reason.as_str()),
        (Some(&event("7")), "no, 7")
    );
    assert_eq!(letter.source(), Some(hr()));
    assert_eq!(harness.bus.dead_letter(&harness.org, "*").await.unwrap(), None);

    let (inbox, mut receipts) = harness.bus.receipts().await.unwrap();
    harness
        .bus
        .replay_letter(&harness.org, &letter, Some(&inbox), ("mira", 5))
        .await
        .unwrap();
    let again = all(&mut feed).await;
    assert_eq!(again.len(), 1);
    again[0].done().await;
    assert_eq!(outcomes(&mut receipts, 1).await["7"], Outcome::Applied);
    harness
        .bus
        .drop_letter(&harness.org, &page[8], ("mira", 6))
        .await
        .unwrap();
    assert_eq!(
        harness.bus.dead_letter_count(&harness.org).await.unwrap(),
        count as u64 - 2
    );
    assert_eq!(
        harness.bus.dead_letter(&harness.org, &letter.id).await.unwrap(),
        None
    );
    // A second replay of the same letter changes nothing: the feed recognizes it.
    let _ = harness
        .bus
        .replay_letter(&harness.org, &letter, None, ("mira", 7))
        .await;
    assert!(all(&mut feed).await.is_empty());
    let js = async_nats::jetstream::new(stranger(&harness).await);
    let journal = js.get_stream("journal").await.unwrap();
    let kept = journal
        .get_last_raw_message_by_subject("rollcall.journal.v1.acme.letter")
        .await
        .unwrap();
    assert!(kept.payload.windows(7).any(|part| part == b"dropped"));
    harness.server.stop().await;
}
