//! Values and agendas, and what refuses a batch.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use waxseal_store::{Batch, Error, HARD_TTL_CAP, Op, Options, Outcome};

use super::small;
use crate::fixture::{Fixture, Kind, LONG, NOW_MS, bytes, plain};

pub async fn values_are_put_and_deleted(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    assert_eq!(fixture.value("a").await, None);
    fixture.apply(vec![fixture.put("a", "1"), fixture.put("b", "2")]).await;
    let keys = ["b", "none", "a"].map(|name| fixture.key(name));
    assert_eq!(fixture.store.get(&keys).await.unwrap(), [Some(bytes("2")), None, Some(bytes("1"))]);
    // In the order of the list: the last word counts.
    fixture
        .apply(vec![
            fixture.put("a", "x"),
            Op::Delete { key: fixture.key("a") },
            Op::Delete { key: fixture.key("none") },
        ])
        .await;
    fixture
        .apply(vec![Op::Delete { key: fixture.key("b") }, fixture.put("b", "3")])
        .await;
    assert_eq!((fixture.value("a").await, fixture.value("b").await), (None, Some(bytes("3"))));
    assert_eq!(fixture.store.get(&[]).await.unwrap(), Vec::<Option<Bytes>>::new());
    fixture.store.ping().await.unwrap();
}

pub async fn any_bytes_are_kept(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let values: [Vec<u8>; 6] = [
        vec![],
        vec![0],
        vec![1],
        vec![1; 17],
        (0..=255).collect(),
        (0..1_000_000_u32).map(|number| (number % 251) as u8).collect(),
    ];
    for value in &values {
        let op = Op::Put {
            key: fixture.key("v"),
            value: Bytes::from(value.clone()),
            ttl: LONG,
        };
        let entry = Op::Append {
            queue: fixture.key("q"),
            value: Bytes::from(value.clone()),
            ttl: LONG,
        };
        fixture.apply(vec![op, entry]).await;
        assert!(fixture.value("v").await.unwrap() == value.as_slice());
    }
    let entries = fixture.entries("q").await;
    assert!(entries.iter().map(|(_, value)| value.to_vec()).eq(values.iter().cloned()));
    let member = Bytes::from((0..=255).collect::<Vec<u8>>());
    let none = Bytes::new();
    let schedule = |member: &Bytes| Op::Schedule {
        agenda: fixture.key("g"),
        member: member.clone(),
        due_ms: 1,
        ttl: LONG,
    };
    fixture.apply(vec![schedule(&member), schedule(&none)]).await;
    assert_eq!(fixture.due("g").await, [(none, 1), (member, 1)]);
}

pub async fn an_absent_guard_lets_one_through(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let batch = |value: &str| Batch {
        fence: None,
        absent: vec![fixture.key("mark")],
        ops: vec![fixture.put("mark", value), fixture.append("q", value)],
    };
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let outcomes = join_all(names.iter().map(|name| fixture.store.commit(batch(name)))).await;
    let applied: Vec<usize> = (0..20)
        .filter(|index| matches!(outcomes[*index], Ok(Outcome::Applied { .. })))
        .collect();
    assert_eq!(applied.len(), 1);
    assert_eq!(
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(Outcome::Exists(0)))).count(),
        19
    );
    assert_eq!(fixture.value("mark").await.unwrap(), names[applied[0]]);
    assert_eq!(fixture.entries("q").await.len(), 1);
    fixture.apply(vec![Op::Delete { key: fixture.key("mark") }]).await;
    assert!(matches!(
        fixture.store.commit(batch("later")).await.unwrap(),
        Outcome::Applied { .. }
    ));
}

pub async fn guards_refuse_the_whole_batch(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    fixture.store.claim(&fixture.key("lane"), 0).await.unwrap();
    fixture.apply(vec![fixture.put("there", "x")]).await;
    let absent = ["a", "b", "there", "c"].map(|name| fixture.key(name)).to_vec();
    let ops = vec![
        fixture.put("a", "1"),
        fixture.append("q", "1"),
        fixture.schedule("g", "1", 1),
        Op::Delete { key: fixture.key("there") },
    ];
    let batch = Batch {
        fence: fixture.fence("lane", 1, 1),
        absent,
        ops,
    };
    assert_eq!(fixture.store.commit(batch.clone()).await.unwrap(), Outcome::Exists(2));
    assert_eq!((fixture.value("a").await, fixture.value("there").await), (None, Some(bytes("x"))));
    assert!(fixture.entries("q").await.is_empty() && fixture.due("g").await.is_empty());
    // The sequence was not used up.
    let batch = Batch {
        absent: vec![fixture.key("a")],
        ..batch
    };
    assert!(matches!(
        fixture.store.commit(batch.clone()).await.unwrap(),
        Outcome::Applied { .. }
    ));
    // The fence is asked first: a second run is recognised although the guard would now fail.
    assert_eq!(fixture.store.commit(batch).await.unwrap(), Outcome::AlreadyApplied);
}

pub async fn a_batch_without_a_proper_ttl_is_refused(kind: Kind) {
    let cap = Duration::from_secs(100);
    let fixture = Fixture::open(kind, Options { ttl_cap: cap, ..small() }).await;
    for ttl in [
        Duration::ZERO,
        Duration::from_micros(10),
        cap + Duration::from_millis(1),
        HARD_TTL_CAP,
        Duration::MAX,
    ] {
        let (key, queue, agenda) = (fixture.key("x"), fixture.key("q"), fixture.key("g"));
        for bad in [
            Op::Put {
                key,
                value: bytes("v"),
                ttl,
            },
            Op::Append {
                queue,
                value: bytes("v"),
                ttl,
            },
            Op::Schedule {
                agenda,
                member: bytes("m"),
                due_ms: 1,
                ttl,
            },
        ] {
            let good = Op::Put {
                key: fixture.key("good"),
                value: bytes("v"),
                ttl: cap,
            };
            assert!(
                matches!(fixture.store.commit(plain(vec![good, bad])).await, Err(Error::Refused(_))),
                "{ttl:?}"
            );
        }
    }
    for name in ["x", "good"] {
        assert_eq!(fixture.value(name).await, None);
    }
    assert!(fixture.entries("q").await.is_empty() && fixture.due("g").await.is_empty());
}

pub async fn an_agenda_is_read_in_order_of_time(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let agenda = fixture.key("g");
    let schedule = |member: &str, due| fixture.schedule("g", member, due);
    fixture
        .apply(vec![
            schedule("late", NOW_MS + 10),
            schedule("b", NOW_MS),
            schedule("a", NOW_MS),
            schedule("early", 5),
        ])
        .await;
    let names = |found: Vec<(Bytes, u64)>| found.into_iter().map(|(member, _)| member).collect::<Vec<_>>();
    assert_eq!(
        names(fixture.store.due(&agenda, NOW_MS, 10).await.unwrap()),
        ["early", "a", "b"].map(bytes)
    );
    assert_eq!(fixture.store.due(&agenda, NOW_MS, 1).await.unwrap(), [(bytes("early"), 5)]);
    assert_eq!(fixture.store.due(&agenda, 4, 10).await.unwrap(), []);
    assert_eq!(fixture.store.due(&agenda, NOW_MS, 0).await.unwrap(), []);
    // Scheduling again moves; taking off is idempotent.
    let unschedule = |member: &str| Op::Unschedule {
        agenda: agenda.clone(),
        member: bytes(member),
    };
    fixture
        .apply(vec![
            schedule("early", NOW_MS + 99),
            unschedule("b"),
            unschedule("b"),
            unschedule("none"),
        ])
        .await;
    assert_eq!(
        fixture.due("g").await,
        [(bytes("a"), NOW_MS), (bytes("late"), NOW_MS + 10), (bytes("early"), NOW_MS + 99)]
    );
    fixture.apply(vec![unschedule("a"), unschedule("late"), unschedule("early")]).await;
    assert_eq!(fixture.due("g").await, []);
    assert_eq!(fixture.store.census(&agenda).await.unwrap().keys, 0, "an empty agenda is not there");
}
