//! What goes away: by itself, or when it is erased.

use std::time::Duration;

use bytes::Bytes;
use waxseal_store::{Batch, Claim, EntryId, Namespace, Op, Options, Outcome};

use super::small;
use crate::fixture::{Fixture, Kind, LONG, bytes, eventually};

pub async fn values_and_agendas_expire(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let short = Duration::from_millis(150);
    let put = |name: &str, ttl| Op::Put {
        key: fixture.key(name),
        value: bytes("v"),
        ttl,
    };
    let schedule = |agenda: &str, ttl| Op::Schedule {
        agenda: fixture.key(agenda),
        member: bytes("m"),
        due_ms: 1,
        ttl,
    };
    fixture
        .apply(vec![
            put("short", short),
            put("long", LONG),
            put("longer", short),
            put("longer", LONG),
        ])
        .await;
    // An agenda lives as long as the longest wish for it; a later short one does not cut it.
    fixture
        .apply(vec![schedule("brief", short), schedule("g", LONG), schedule("g", short)])
        .await;
    fixture.advance(short);
    eventually("the short ones are gone", || async {
        fixture.value("short").await.is_none() && fixture.due("brief").await.is_empty()
    })
    .await;
    assert!(fixture.value("long").await.is_some() && fixture.value("longer").await.is_some());
    assert_eq!(fixture.due("g").await.len(), 1);
    // What has expired does not guard any more, and an agenda starts afresh.
    let batch = Batch {
        absent: vec![fixture.key("short")],
        ops: vec![put("short", LONG)],
        fence: None,
    };
    assert_eq!(fixture.store.commit(batch).await.unwrap(), Outcome::Applied { appended: vec![] });
    let other = Op::Schedule {
        agenda: fixture.key("brief"),
        member: bytes("other"),
        due_ms: 1,
        ttl: LONG,
    };
    fixture.apply(vec![other]).await;
    assert_eq!(fixture.due("brief").await, [(bytes("other"), 1)]);
}

pub async fn entries_expire_one_by_one(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let short = Duration::from_millis(150);
    let append = |value: &str, ttl| Op::Append {
        queue: fixture.key("q"),
        value: bytes(value),
        ttl,
    };
    fixture
        .apply(vec![append("1", short), append("2", LONG), append("3", short), append("4", LONG)])
        .await;
    fixture
        .apply(vec![Op::Append {
            queue: fixture.key("all"),
            value: bytes("x"),
            ttl: short,
        }])
        .await;
    fixture.advance(short);
    eventually("the short entries are gone", || async {
        fixture.entries("q").await.len() == 2 && fixture.entries("all").await.is_empty()
    })
    .await;
    let values: Vec<Bytes> = fixture.entries("q").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["2", "4"].map(bytes));
    eventually("the count follows", || async {
        fixture.store.queue_len(&fixture.key("q")).await.unwrap() == 2
    })
    .await;
    let first = fixture.store.range(&fixture.key("q"), EntryId::ZERO, 1).await.unwrap();
    assert_eq!(first[0].1, bytes("2"), "expired entries do not count for the limit");
}

pub async fn a_lane_that_nobody_used_is_forgotten(kind: Kind) {
    let cap = Duration::from_millis(300);
    let fixture = Fixture::open(kind, Options { ttl_cap: cap, ..small() }).await;
    let claim = fixture.store.claim(&fixture.key("lane"), 4).await.unwrap();
    assert_eq!(claim.epoch, 5);
    fixture.advance(cap);
    let probe = || Batch {
        fence: fixture.fence("lane", 4, 1),
        ..Batch::default()
    };
    eventually("the lane is forgotten", || async {
        // Stale while it is known; asking does not prolong it.
        fixture.store.commit(probe()).await.unwrap() == Outcome::Gap { epoch: 0, seq: 0 }
    })
    .await;
    assert_eq!(
        fixture.store.claim(&fixture.key("lane"), 0).await.unwrap(),
        Claim {
            epoch: 1,
            seq: 0,
            previous_epoch: 0
        }
    );
}

pub async fn erasing_takes_one_number_only(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let other = Namespace::new("1055501001");
    let mut ops = Vec::new();
    for number in 0..300 {
        ops.push(fixture.put(&format!("v{number}"), "x"));
    }
    for name in ["a", "b"] {
        ops.extend([
            fixture.append(&format!("q{name}"), "x"),
            fixture.append(&format!("q{name}"), "y"),
            fixture.schedule(&format!("g{name}"), "m", 1),
        ]);
    }
    fixture.apply(ops).await;
    fixture.store.claim(&fixture.key("lane"), 0).await.unwrap();
    let kept = Op::Put {
        key: other.key("v1"),
        value: bytes("kept"),
        ttl: LONG,
    };
    fixture.apply(vec![kept]).await;
    assert_eq!(fixture.store.erase(&fixture.namespace).await.unwrap(), 305);
    assert_eq!(fixture.store.census(&fixture.key("")).await.unwrap().keys, 0);
    assert_eq!(fixture.value("v1").await, None);
    assert!(fixture.entries("qa").await.is_empty() && fixture.due("ga").await.is_empty());
    let fenced = Batch {
        fence: fixture.fence("lane", 1, 1),
        ..Batch::default()
    };
    assert_eq!(fixture.store.commit(fenced).await.unwrap(), Outcome::Gap { epoch: 0, seq: 0 });
    assert_eq!(fixture.store.get(&[other.key("v1")]).await.unwrap(), [Some(bytes("kept"))]);
    assert_eq!(fixture.store.erase(&fixture.namespace).await.unwrap(), 0);
}

pub async fn a_census_counts_and_sees_expiries(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let put = |name: &str, ttl| Op::Put {
        key: fixture.key(name),
        value: bytes("v"),
        ttl,
    };
    let hour = Duration::from_secs(3_600);
    fixture
        .apply(vec![put("s:1", hour), put("s:2", 3 * hour), put("t:1", 5 * hour)])
        .await;
    fixture
        .apply(vec![Op::Append {
            queue: fixture.key("s:q"),
            value: bytes("v"),
            ttl: 2 * hour,
        }])
        .await;
    let census = fixture.store.census(&fixture.key("s:")).await.unwrap();
    assert_eq!((census.keys, census.without_expiry, census.complete), (3, 0, true));
    let near =
        |left: Option<Duration>, hours: u32| left.is_some_and(|left| left <= hours * hour && left > hours * hour - Duration::from_secs(60));
    assert!(near(census.soonest_expiry, 1) && near(census.latest_expiry, 3), "{census:?}");
    assert_eq!(fixture.store.census(&fixture.key("none")).await.unwrap().soonest_expiry, None);
    assert_eq!(fixture.store.census(&fixture.key("")).await.unwrap().keys, 4);
}
