use std::time::Duration;

use bus::{Bus, Change, Expect, NatsServer, RosterKey, RosterValue, WatchEvent, Write, WriteError};

use crate::{Harness, harness, person};

fn key(harness: &Harness, n: usize) -> RosterKey {
    RosterKey::of_person(&harness.org, &person(n))
}

fn put(harness: &Harness, n: usize, expect: Expect) -> Write<RosterKey, RosterValue> {
    Write {
        key: key(harness, n),
        expect,
        change: Change::Put(RosterValue::Person(Box::new(person(n)))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_expects_another_revision_is_a_conflict_and_stores_nothing() {
    let harness = harness().await;
    let roster = harness.bus.roster();
    let first = roster.write(put(&harness, 1, Expect::Absent)).await.unwrap();
    assert!(
        roster
            .write(put(&harness, 1, Expect::Absent))
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert!(
        roster
            .write(put(&harness, 1, Expect::Revision(first + 7)))
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert_eq!(
        roster.get(&key(&harness, 1)).await.unwrap().unwrap().revision,
        first
    );
    let second = roster
        .write(put(&harness, 1, Expect::Revision(first)))
        .await
        .unwrap();
    assert!(second > first);
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_counts_as_absent() {
    let harness = harness().await;
    let roster = harness.bus.roster();
    roster.write(put(&harness, 1, Expect::Absent)).await.unwrap();
    let delete = Write {
        key: key(&harness, 1),
        expect: Expect::Any,
        change: Change::Delete,
    };
    roster.write(delete).await.unwrap();
    assert_eq!(roster.get(&key(&harness, 1)).await.unwrap(), None);
    roster.write(put(&harness, 1, Expect::Absent)).await.unwrap();
    roster
        .write_all(vec![
            Write {
                key: key(&harness, 1),
                expect: Expect::Any,
                change: Change::Delete,
            },
            put(&harness, 2, Expect::Absent),
        ])
        .await
        .unwrap();
    let revisions = roster
        .write_all(vec![
            put(&harness, 1, Expect::Absent),
            put(&harness, 3, Expect::Absent),
        ])
        .await
        .unwrap();
    assert_eq!(
        roster.get(&key(&harness, 1)).await.unwrap().unwrap().revision,
        revisions[0]
    );
    assert_eq!(
        roster.get(&key(&harness, 3)).await.unwrap().unwrap().revision,
        revisions[1]
    );
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_written_whole_or_not_at_all() {
    let harness = harness().await;
    let roster = harness.bus.roster();
    let all: Vec<_> = (0..1_000).map(|n| put(&harness, n, Expect::Absent)).collect();
    let revisions = roster.write_all(all).await.unwrap();
    for n in [0, 1, 500, 999] {
        assert_eq!(
            roster.get(&key(&harness, n)).await.unwrap().unwrap().revision,
            revisions[n]
        );
    }
    let stale = vec![
        put(&harness, 2_000, Expect::Absent),
        put(&harness, 3, Expect::Revision(revisions[3] + 1_000)),
    ];
    assert!(roster.write_all(stale).await.unwrap_err().is_conflict());
    assert_eq!(roster.get(&key(&harness, 2_000)).await.unwrap(), None);
    let many: Vec<_> = (0..1_001).map(|n| put(&harness, n, Expect::Any)).collect();
    assert!(matches!(
        roster.write_all(many).await,
        Err(WriteError::Refused { .. })
    ));
    harness.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_is_there_and_then_every_change_also_across_a_kill_of_the_server() {
    let harness = harness().await;
    let roster = harness.bus.roster();
    roster
        .write_all((0..20).map(|n| put(&harness, n, Expect::Absent)).collect())
        .await
        .unwrap();
    let mut watch = roster.watch(&harness.org);
    let mut seen = 0;
    while watch.next().await != WatchEvent::Synced {
        seen += 1;
    }
    assert_eq!(seen, 20);
    roster.write(put(&harness, 20, Expect::Absent)).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Put(key, _) if key == self::key(&harness, 20)));

    // A killed server starts again on the same data, with another port. The client library reconnects only to the same address. So
    // the new server gets the port of the old one through its configuration file.
    let pid = harness.server.pid().unwrap();
    let connection = harness.server.connection().clone();
    let config = harness.dir.path().join("nats.conf");
    std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    let mut again = std::process::Command::new(bus::find_binary().unwrap())
        .arg("--config")
        .arg(&config)
        .spawn()
        .unwrap();
    let other = Bus::connect(&connection, "other").await.unwrap();
    let mut write = other.roster().write(put(&harness, 21, Expect::Absent)).await;
    while write.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        write = other.roster().write(put(&harness, 21, Expect::Any)).await;
    }
    let synced = tokio::time::timeout(Duration::from_secs(8), async {
        loop {
            if let WatchEvent::Put(key, _) = watch.next().await
                && key == self::key(&harness, 21)
            {
                return;
            }
        }
    });
    let synced = synced.await;
    again.kill().unwrap();
    again.wait().unwrap();
    synced.expect("the watch did not go on after the server came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_server_ends_with_the_parent_that_was_killed() {
    let harness = harness().await;
    let pid = harness.server.pid().unwrap();
    // Dropping the server acts like a killed parent: it does not stop the child, the pipe just closes.
    drop(harness.server);
    let gone = async {
        while std::path::Path::new(&format!("/proc/{pid}/cmdline")).exists()
            && !std::fs::read(format!("/proc/{pid}/cmdline"))
                .unwrap_or_default()
                .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .expect("the server outlived its parent");
    let again = NatsServer::start(harness.dir.path()).await.unwrap();
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named_with_the_setting() {
    let nowhere = bus::NatsConnection {
        url: "nats://127.0.0.1:1".to_owned(),
        token: None,
    };
    let error = Bus::connect(&nowhere, "test").await.unwrap_err().to_string();
    assert!(
        error.contains("nats://127.0.0.1:1") && error.contains("[nats] url"),
        "{error}"
    );
}
