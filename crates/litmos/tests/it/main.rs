//! The client against the simulator, over real HTTP, in every mode where public facts disagree.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod custom_fields;
mod teams;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use litmos::{BulkRow, Client, Connection, FailureKind, NewUser, Verdict};
use litmos_simulator::{Running, Settings, Simulator};
use rate_tokens::{Moment, Permit};

static NEXT: AtomicU64 = AtomicU64::new(1);

fn permit() -> Permit {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Permit::new("acme", number.to_string(), Moment::from_millis(u64::MAX), |_| {})
}

fn client_with(base_url: &str, key: &str) -> Client {
    Client::new(Connection {
        base_url: base_url.to_owned(),
        company: "acme".to_owned(),
        api_key: key.to_owned().into(),
        timeout: Duration::from_secs(5),
        clock: || Moment::from_millis(0),
    })
    .unwrap()
}

async fn account() -> (Running, Client) {
    account_with(Settings {
        bulk_delay: Duration::ZERO,
        ..Settings::default()
    })
    .await
}

async fn account_with(settings: Settings) -> (Running, Client) {
    let litmos = Simulator::start(settings).await.unwrap();
    let client = client_with(&litmos.base_url(), litmos.api_key());
    (litmos, client)
}

fn mira() -> NewUser {
    NewUser {
        user_name: "mira.lund@corp.example".to_owned(),
        active: true,
        access_level: "Learner".to_owned(),
        manager_id: None,
        fields: fields(&[
            ("FirstName", "Mira"),
            ("LastName", "Lund"),
            ("Email", "mira.lund@corp.example"),
            ("City", "Ålesund"),
        ]),
    }
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_user_is_made_found_changed_and_cut_off_in_every_mode() {
    for modes in [
        &[][..],
        &[("put", "merge"), ("create-status", "200"), ("list", "wrapped")],
    ] {
        let (litmos, client) = account().await;
        for (name, value) in modes {
            litmos.set_mode(name, value).unwrap();
        }
        let made = client.create_user(permit(), &mira()).await.unwrap();
        let found = client
            .user_by_name(permit(), "MIRA.LUND@corp.example")
            .await
            .unwrap();
        assert_eq!(found.id, made.id);
        assert_eq!(found.fields.get("City").map(String::as_str), Some("Ålesund"));
        let mut changed = found.clone();
        changed.fields.remove("City");
        changed.fields.insert("JobTitle".to_owned(), "Guide".to_owned());
        client.put_user(permit(), &changed).await.unwrap();
        let read = client.user(permit(), &made.id).await.unwrap();
        assert_eq!(
            read.fields, changed.fields,
            "a whole record replaces in both readings of PUT"
        );
        client
            .put_user(
                permit(),
                &litmos::UserRecord {
                    active: false,
                    ..read
                },
            )
            .await
            .unwrap();
        assert!(!client.user(permit(), &made.id).await.unwrap().active);
        let page = client.list_users_details(permit(), None, 0, 1_000).await.unwrap();
        assert!(page.iter().any(|user| user.id == made.id));
        litmos.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_taken_name_a_forbidden_one_and_a_missing_user_are_told_apart() {
    let (litmos, client) = account().await;
    client.create_user(permit(), &mira()).await.unwrap();
    let again = client.create_user(permit(), &mira()).await.unwrap_err();
    assert_eq!(again.kind, FailureKind::Exists);
    let plus = NewUser {
        user_name: "a+b@corp.example".to_owned(),
        ..mira()
    };
    let refused = client.create_user(permit(), &plus).await.unwrap_err();
    assert_eq!(
        refused.kind,
        FailureKind::Rejected {
            attribute: Some("UserName".to_owned())
        },
        "{refused}"
    );
    assert_eq!(
        client.user(permit(), "nobody-here").await.unwrap_err().kind,
        FailureKind::Gone
    );
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_a_lost_reply_a_fault_and_a_void_permit_are_told_apart() {
    let (litmos, client) = account().await;
    for (fault, kind) in [
        ("status=500,times=1", FailureKind::Retry),
        ("lose_reply_after_acting,times=1", FailureKind::Unknown),
        (
            "status=503,times=1",
            FailureKind::RateLimited { retry_after: None },
        ),
    ] {
        litmos.set_faults(&[fault]).unwrap();
        assert_eq!(
            client.list_users(permit(), 0, 1).await.unwrap_err().kind,
            kind,
            "{fault}"
        );
    }
    litmos.set_faults(&[]).unwrap();
    let before = litmos.log().len();
    let void = Permit::new("acme", "void", Moment::from_millis(0), |settled| {
        assert_eq!(settled, rate_tokens::Settlement::Unused);
    });
    assert_eq!(
        client.list_users(void, 0, 1).await.unwrap_err().kind,
        FailureKind::Void
    );
    assert_eq!(
        litmos.log().len(),
        before,
        "nothing may be sent with a void permit"
    );
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn every_way_of_wrong_credentials_is_named() {
    let (litmos, client) = account().await;
    assert_eq!(client.diagnose(permit(), permit()).await.verdict, Verdict::Good);
    let wrong = client_with(&litmos.base_url(), "another-key");
    let found = wrong.diagnose(permit(), permit()).await;
    assert_eq!(found.verdict, Verdict::KeyRefused);
    assert!(found.remedy.contains("https://api.litmoseu.com"), "{found:?}");
    let nobody = client_with("http://127.0.0.1:1", "key");
    assert_eq!(
        nobody.diagnose(permit(), permit()).await.verdict,
        Verdict::Unreachable
    );
    let elsewhere = client_with(&format!("{}/somewhere", litmos.base_url()), litmos.api_key());
    assert_eq!(
        elsewhere.diagnose(permit(), permit()).await.verdict,
        Verdict::NotLitmos
    );
    let owner = client
        .user_by_name(permit(), "account.owner@corp.example")
        .await
        .unwrap();
    client
        .put_user(
            permit(),
            &litmos::UserRecord {
                access_level: Some("Administrator".to_owned()),
                ..owner
            },
        )
        .await
        .unwrap();
    assert_eq!(
        client.diagnose(permit(), permit()).await.verdict,
        Verdict::LevelTooLow
    );
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn a_bulk_import_makes_people_with_teams_and_says_who_was_refused() {
    let (litmos, client) = account().await;
    let team = client
        .create_team(permit(), "Field Sales", "", None)
        .await
        .unwrap();
    let row = |name: &str, email: &str| BulkRow {
        user_name: name.to_owned(),
        fields: fields(&[
            ("Email", email),
            ("FirstName", "F"),
            ("LastName", "L"),
            ("Title", "Guide"),
        ]),
        access_level: Some("TL".to_owned()),
        manager: None,
        teams: vec![team.bulk_code.clone()],
    };
    let rows = [
        row("one@corp.example", "one@corp.example"),
        row("a+b@corp.example", "b@corp.example"),
    ];
    let job = client.bulk_import(permit(), &rows).await.unwrap();
    let mut state = client.bulk_job(permit(), &job.id).await.unwrap();
    for _ in 0..50 {
        if state.status.eq_ignore_ascii_case("completed") {
            break;
        }
        state = client.bulk_job(permit(), &job.id).await.unwrap();
    }
    assert_eq!((state.created, state.failed), (1, 1));
    let refused = client.bulk_errors(permit(), &job.id, 0).await.unwrap();
    assert_eq!(refused[0].user_name, "a+b@corp.example");
    let made = client.user_by_name(permit(), "one@corp.example").await.unwrap();
    assert_eq!(made.access_level.as_deref(), Some("Team_Leader"));
    assert_eq!(made.fields.get("JobTitle").map(String::as_str), Some("Guide"));
    let members = client.team_members(permit(), &team.id, 0, 100).await.unwrap();
    assert_eq!(members.len(), 1);
    client.remove_member(permit(), &team.id, &made.id).await.unwrap();
    client.add_members(permit(), &team.id, &[&made.id]).await.unwrap();
    client.leave_all_teams(permit(), &made.id).await.unwrap();
    assert!(
        client
            .team_members(permit(), &team.id, 0, 100)
            .await
            .unwrap()
            .is_empty()
    );
    litmos.stop().await.unwrap();
}

#[tokio::test]
async fn what_changed_within_a_range_is_told_in_every_form_of_dates_and_ids() {
    for modes in [
        &[][..],
        &[
            ("range-dates", "wcf"),
            ("details-id", "OriginalId"),
            ("list", "wrapped"),
        ],
    ] {
        let (litmos, client) = account().await;
        for (name, value) in modes {
            litmos.set_mode(name, value).unwrap();
        }
        let made = client.create_user(permit(), &mira()).await.unwrap();
        let team = client
            .create_team(permit(), "Field Sales", "", None)
            .await
            .unwrap();
        client.add_members(permit(), &team.id, &[&made.id]).await.unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        let range = litmos::Range {
            since_ms: now - 86_400_000,
            to_ms: now + 86_400_000,
            start: 0,
            limit: 1_000,
        };
        let users = client.changed_users(permit(), range).await.unwrap();
        assert!(users.iter().any(|user| user.id == made.id), "{users:?}");
        assert_eq!(
            client.changed_teams(permit(), range).await.unwrap()[0].name,
            "Field Sales"
        );
        let members = client.changed_members(permit(), range).await.unwrap();
        assert!(
            members
                .iter()
                .any(|member| member.user_id == made.id && member.team_id == team.id && member.active)
        );
        let backwards = litmos::Range {
            since_ms: now,
            to_ms: now - 86_400_000,
            ..range
        };
        assert!(client.changed_users(permit(), backwards).await.is_err());
        litmos.stop().await.unwrap();
    }
}

/// Answers every request with this body: what a proxy or a bad day may put before Litmos.
async fn answering(status: &'static str, body: &'static str) -> Client {
    overheard(status, body).await.0
}

/// The same, with the heads of the requests as they came.
async fn overheard(
    status: &'static str,
    body: &'static str,
) -> (Client, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (tell, heard) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let length = socket.read(&mut request).await.unwrap_or_default();
            let _ = tell.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (client_with(&url, "key"), heard)
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_never_taken_for_an_empty_one() {
    for body in [
        "",
        "null",
        "{\"Detail\":\"x\",\"Errors\":[]}",
        "{}",
        "[{\"Name\":\"no id\"}]",
    ] {
        let client = answering("200 OK", body).await;
        let failure = client
            .list_users_details(permit(), None, 0, 10)
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Broken, "{body:?}");
        assert_eq!(
            client.list_teams(permit(), 0, 10).await.unwrap_err().kind,
            FailureKind::Broken,
            "{body:?}"
        );
    }
    assert_eq!(
        answering("200 OK", "[]")
            .await
            .list_teams(permit(), 0, 10)
            .await
            .unwrap(),
        Vec::new()
    );
}

#[tokio::test]
async fn a_record_without_its_level_is_not_written() {
    let (litmos, client) = account().await;
    let made = client.create_user(permit(), &mira()).await.unwrap();
    let before = litmos.log().len();
    let levelless = litmos::UserRecord {
        access_level: None,
        ..made
    };
    assert!(matches!(
        client.put_user(permit(), &levelless).await.unwrap_err().kind,
        FailureKind::Rejected { .. }
    ));
    assert_eq!(litmos.log().len(), before);
    litmos.stop().await.unwrap();
}

#[test]
fn a_key_is_sent_in_clear_to_this_machine_only() {
    for url in [
        "http://api.litmos.com",
        "https://user:pw@api.litmos.com",
        "ftp://x",
        "litmos",
    ] {
        let connection = Connection {
            base_url: url.to_owned(),
            company: "acme".to_owned(),
            api_key: "k".to_owned().into(),
            timeout: Duration::from_secs(1),
            clock: || Moment::from_millis(0),
        };
        assert!(Client::new(connection).is_err(), "{url}");
    }
}
