use bus::{Event, EventBody};
use provisioning::SourceId;
use rollcall_tests::Harness;

use crate::commands::{QUICK, account, quick, until};

/// What happened to somebody, in the order in which it happened.
#[derive(Clone, Copy, Debug)]
enum Happened {
    Came,
    JoinedTheGroup,
    LeftTheGroup,
    Left,
    CameBackAsHost,
}

use Happened::{Came, CameBackAsHost, JoinedTheGroup, Left, LeftTheGroup};

/// All orders of these.
fn orders(of: &[(u64, Happened)]) -> Vec<Vec<(u64, Happened)>> {
    let [] = of else {
        let mut all = Vec::new();
        for (place, first) in of.iter().enumerate() {
            let rest: Vec<_> = [&of[..place], &of[place + 1..]].concat();
            all.extend(
                orders(&rest)
                    .into_iter()
                    .map(|rest| [vec![*first], rest].concat()),
            );
        }
        return all;
    };
    vec![Vec::new()]
}

fn event(name: &str, (at_ms, happened): (u64, Happened)) -> Event {
    let there = |title: &str| EventBody::PersonUpserted {
        external_id: name.to_owned(),
        user_name: format!("{name}@corp.example"),
        active: Some(true),
        access_level: None,
        attributes: [("FirstName", "First"), ("LastName", name), ("JobTitle", title)]
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
            .into(),
        manager: None,
        groups: None,
        custom_fields: [].into(),
        from_complete_list: false,
    };
    Event {
        event_id: format!("{name} {at_ms} {happened:?}"),
        happened_at_ms: at_ms,
        in_order: false,
        body: match happened {
            Came => there("Guide"),
            CameBackAsHost => there("Host"),
            Left => EventBody::PersonLeft {
                person: name.to_owned(),
            },
            JoinedTheGroup | LeftTheGroup => EventBody::MembershipChanged {
                group: "Sales".to_owned(),
                person: name.to_owned(),
                present: matches!(happened, JoinedTheGroup),
            },
        },
    }
}

/// Complaint 29: a membership before its user, a cut-off before its user, or a notice that comes late end in another state.
#[tokio::test(flavor = "multi_thread")]
async fn events_in_any_order_end_in_the_same_state() {
    let mut harness = Harness::new(quick(), QUICK).await;
    harness.up(&[]).await;
    harness.settled(0).await;
    let (bus, source) = (harness.bus().await, SourceId::parse("hr").unwrap());
    let publish = async |event: Event| bus.publish_event(&harness.org, &source, event).await.unwrap();
    let back = orders(&[(1, Came), (2, JoinedTheGroup), (3, Left), (4, CameBackAsHost)]);
    let gone = orders(&[(1, Came), (2, JoinedTheGroup), (3, Left)]);
    assert_eq!((back.len(), gone.len()), (24, 6));
    let people: Vec<(String, &Vec<_>)> = back
        .iter()
        .enumerate()
        .map(|(n, order)| (format!("back{n}"), order))
        .chain(
            gone.iter()
                .enumerate()
                .map(|(n, order)| (format!("gone{n}"), order)),
        )
        .collect();
    for (name, order) in &people {
        for happened in order.iter() {
            publish(event(name, *happened)).await;
        }
    }
    // The group comes last of all.
    let group = EventBody::GroupUpserted {
        external_id: "G1".to_owned(),
        name: "Sales".to_owned(),
        description: None,
        parent: None,
    };
    publish(Event {
        event_id: "group".to_owned(),
        happened_at_ms: 5,
        in_order: false,
        body: group,
    })
    .await;
    // Now that it is there, words of which the newest says what the oldest said, and one between them comes late.
    let again = orders(&[(1, Came), (3, Left), (4, Came)]);
    let inside = orders(&[
        (1, Came),
        (2, JoinedTheGroup),
        (3, LeftTheGroup),
        (4, JoinedTheGroup),
    ]);
    let outside = orders(&[(1, Came), (2, JoinedTheGroup), (3, LeftTheGroup)]);
    for (name, orders) in [("again", &again), ("inside", &inside), ("outside", &outside)] {
        for (n, order) in orders.iter().enumerate() {
            for happened in order {
                publish(event(&format!("{name}{n}"), *happened)).await;
            }
        }
    }

    let members = |harness: &Harness| {
        harness
            .litmos
            .state()
            .teams
            .first()
            .map_or(0, |team| team.members.len())
    };
    until(&harness, "everybody who came back, in the team", |harness| {
        members(harness) == back.len() + inside.len()
    })
    .await;
    harness
        .settled(people.len() + again.len() + inside.len() + outside.len())
        .await;
    for (name, orders, teams) in [
        ("again", again, 0),
        ("inside", inside.clone(), 1),
        ("outside", outside, 0),
    ] {
        for (n, order) in orders.iter().enumerate() {
            let account = account(&harness, &format!("{name}{n}"));
            assert!(
                account.active && account.teams.len() == teams,
                "{name} {order:?}: {account:?}"
            );
        }
    }
    for (name, order) in &people {
        if name.starts_with("back") {
            let account = account(&harness, name);
            let title = account.attributes.get("JobTitle").map(String::as_str);
            assert!(
                account.active && title == Some("Host") && account.teams.len() == 1,
                "{order:?}: {account:?}"
            );
        } else {
            let users = harness.litmos.state().users;
            let with_access = |user: &&litmos_simulator::UserState| {
                user.active && user.user_name.starts_with(&format!("{name}@"))
            };
            assert_eq!(users.iter().filter(with_access).count(), 0, "{order:?}");
        }
    }
    assert_eq!(members(&harness), back.len() + inside.len());
}
