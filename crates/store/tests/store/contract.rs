//! One contract, run against both backends.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use waxseal_store::{Batch, Claim, Durability, EntryId, Error, HARD_TTL_CAP, Namespace, Op, Options, Outcome};

use crate::fixture::{Fixture, Kind, LONG, NOW_MS, bytes, eventually, plain};

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Kind::Redis).await;
            })*
        }
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Kind::Embedded).await;
            })*
        }
    };
}

contract!(
    values_are_put_and_deleted,
    any_bytes_are_kept,
    a_fence_lets_each_step_through_once,
    a_claim_shuts_the_old_owner_out,
    claims_are_never_equal,
    an_absent_guard_lets_one_through,
    guards_refuse_the_whole_batch,
    a_batch_without_a_proper_ttl_is_refused,
    a_queue_keeps_its_order,
    entry_ids_are_never_used_twice,
    an_agenda_is_read_in_order_of_time,
    values_and_agendas_expire,
    entries_expire_one_by_one,
    a_lane_that_nobody_used_is_forgotten,
    erasing_takes_one_number_only,
    a_census_counts_and_sees_expiries,
    a_lane_may_have_many_batches_under_way,
    crowds_are_committed_exactly_once,
    too_much_at_once_is_refused_and_nothing_is_half_done,
    a_closed_store_says_so,
);

fn small() -> Options {
    Options {
        durability: Durability::Memory,
        ..Options::default()
    }
}

async fn values_are_put_and_deleted(kind: Kind) {
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

async fn any_bytes_are_kept(kind: Kind) {
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

async fn a_fence_lets_each_step_through_once(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let step = |epoch, seq, value: &str| Batch {
        fence: fixture.fence("lane", epoch, seq),
        absent: vec![],
        ops: vec![fixture.put("state", value), fixture.append("q", value)],
    };
    assert_eq!(
        fixture.store.commit(step(1, 1, "unclaimed")).await.unwrap(),
        Outcome::Gap { epoch: 0, seq: 0 }
    );
    let claim = fixture.store.claim(&fixture.key("lane"), 0).await.unwrap();
    assert_eq!(
        claim,
        Claim {
            epoch: 1,
            seq: 0,
            previous_epoch: 0
        }
    );
    assert!(matches!(fixture.store.commit(step(1, 1, "one")).await.unwrap(), Outcome::Applied { appended } if appended.len() == 1));
    assert!(matches!(
        fixture.store.commit(step(1, 2, "two")).await.unwrap(),
        Outcome::Applied { .. }
    ));
    for (epoch, seq, outcome) in [
        (1, 1, Outcome::AlreadyApplied),
        (1, 2, Outcome::AlreadyApplied),
        (1, 4, Outcome::Gap { epoch: 1, seq: 2 }),
        (2, 1, Outcome::Gap { epoch: 1, seq: 2 }),
        (2, 3, Outcome::Gap { epoch: 1, seq: 2 }),
        (0, 3, Outcome::Stale { epoch: 1 }),
    ] {
        assert_eq!(
            fixture.store.commit(step(epoch, seq, "no")).await.unwrap(),
            outcome,
            "{epoch} {seq}"
        );
    }
    assert_eq!(fixture.value("state").await, Some(bytes("two")));
    assert_eq!(fixture.entries("q").await.len(), 2);
    let empty = Batch {
        fence: fixture.fence("lane", 1, 3),
        ..Batch::default()
    };
    assert_eq!(fixture.store.commit(empty).await.unwrap(), Outcome::Applied { appended: vec![] });
    let zero = Batch {
        fence: fixture.fence("lane", 1, 0),
        ..Batch::default()
    };
    assert!(matches!(fixture.store.commit(zero).await, Err(Error::Refused(_))));
}

async fn a_claim_shuts_the_old_owner_out(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lane = fixture.key("lane");
    let step = |epoch, seq| Batch {
        fence: fixture.fence("lane", epoch, seq),
        ops: vec![fixture.put("s", "v")],
        ..Batch::default()
    };
    assert_eq!(
        fixture.store.claim(&lane, 41).await.unwrap(),
        Claim {
            epoch: 42,
            seq: 0,
            previous_epoch: 0
        }
    );
    fixture.store.commit(step(42, 1)).await.unwrap();
    // The sequence goes on under the next owner; a lower wish does not lower the epoch.
    assert_eq!(
        fixture.store.claim(&lane, 7).await.unwrap(),
        Claim {
            epoch: 43,
            seq: 1,
            previous_epoch: 42
        }
    );
    assert_eq!(fixture.store.commit(step(42, 2)).await.unwrap(), Outcome::Stale { epoch: 43 });
    assert_eq!(
        fixture.store.commit(step(42, 1)).await.unwrap(),
        Outcome::Stale { epoch: 43 },
        "not even what was applied"
    );
    assert_eq!(
        fixture.store.commit(step(43, 2)).await.unwrap(),
        Outcome::Applied { appended: vec![] }
    );
    assert!(matches!(fixture.store.claim(&lane, u64::MAX).await, Err(Error::Refused(_))));
}

async fn claims_are_never_equal(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lane = fixture.key("lane");
    let claims = join_all((0..50).map(|_| fixture.store.claim(&lane, 0))).await;
    let epochs: BTreeSet<u64> = claims.into_iter().map(|claim| claim.unwrap().epoch).collect();
    assert_eq!(epochs, (1..=50).collect());
}

async fn an_absent_guard_lets_one_through(kind: Kind) {
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

async fn guards_refuse_the_whole_batch(kind: Kind) {
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

async fn a_batch_without_a_proper_ttl_is_refused(kind: Kind) {
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

async fn a_queue_keeps_its_order(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let queue = fixture.key("q");
    let mut ids = fixture
        .apply(vec![
            fixture.append("q", "0"),
            fixture.append("other", "x"),
            fixture.append("q", "1"),
        ])
        .await;
    ids.remove(1);
    for number in 2..10 {
        ids.extend(fixture.apply(vec![fixture.append("q", &number.to_string())]).await);
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    let expected: Vec<(EntryId, Bytes)> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| (*id, bytes(&number.to_string())))
        .collect();
    assert_eq!(fixture.entries("q").await, expected);
    assert_eq!(fixture.store.range(&queue, ids[3], 2).await.unwrap(), expected[4..6]);
    assert_eq!(fixture.store.range(&queue, ids[9], 5).await.unwrap(), []);
    assert_eq!(fixture.store.range(&queue, EntryId::ZERO, 0).await.unwrap(), []);
    assert_eq!(fixture.store.queue_len(&queue).await.unwrap(), 10);
    // Removing is idempotent and takes only what it names, and only from the queue it names.
    let remove = |queue: &str, id: EntryId| Op::Remove {
        queue: fixture.key(queue),
        id,
    };
    fixture
        .apply(vec![
            remove("q", ids[0]),
            remove("q", ids[5]),
            remove("q", ids[5]),
            remove("other", ids[1]),
        ])
        .await;
    let left: Vec<Bytes> = fixture.entries("q").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(left, ["1", "2", "3", "4", "6", "7", "8", "9"].map(bytes));
    assert_eq!(fixture.store.queue_len(&queue).await.unwrap(), 8);
    assert_eq!(fixture.store.queue_len(&fixture.key("other")).await.unwrap(), 1);
    assert_eq!(fixture.store.queue_len(&fixture.key("none")).await.unwrap(), 0);
}

async fn entry_ids_are_never_used_twice(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let mut last = EntryId::ZERO;
    for _ in 0..200 {
        let ids = fixture.apply(vec![fixture.append("q", "v")]).await;
        assert!(
            ids[0] > last,
            "the queue was emptied in between, and a reader's cursor must still hold"
        );
        last = ids[0];
        fixture
            .apply(vec![Op::Remove {
                queue: fixture.key("q"),
                id: last,
            }])
            .await;
    }
    assert_eq!(fixture.store.queue_len(&fixture.key("q")).await.unwrap(), 0);
}

async fn an_agenda_is_read_in_order_of_time(kind: Kind) {
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

async fn values_and_agendas_expire(kind: Kind) {
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

async fn entries_expire_one_by_one(kind: Kind) {
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

async fn a_lane_that_nobody_used_is_forgotten(kind: Kind) {
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

async fn erasing_takes_one_number_only(kind: Kind) {
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

async fn a_census_counts_and_sees_expiries(kind: Kind) {
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

async fn a_lane_may_have_many_batches_under_way(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lanes = ["l0", "l1", "l2", "l3", "l4"];
    for lane in lanes {
        fixture.store.claim(&fixture.key(lane), 0).await.unwrap();
    }
    let mut commits = Vec::new();
    for seq in 1..=200_u64 {
        for lane in lanes {
            let ops = vec![fixture.append(&format!("q{lane}"), &seq.to_string())];
            commits.push(fixture.store.commit(Batch {
                fence: fixture.fence(lane, 1, seq),
                absent: vec![],
                ops,
            }));
        }
    }
    for outcome in join_all(commits).await {
        assert!(matches!(outcome.unwrap(), Outcome::Applied { .. }));
    }
    for lane in lanes {
        let values: Vec<Bytes> = fixture
            .entries(&format!("q{lane}"))
            .await
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert!(values.into_iter().eq((1..=200).map(|seq: u64| bytes(&seq.to_string()))));
    }
}

async fn crowds_are_committed_exactly_once(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let (store, queue) = (fixture.store.clone(), fixture.key("q"));
            tokio::spawn(async move {
                for number in 0..20 {
                    let value = bytes(&format!("{task}/{number:02}"));
                    let batch = plain(vec![Op::Append {
                        queue: queue.clone(),
                        value,
                        ttl: LONG,
                    }]);
                    assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { appended } if appended.len() == 1));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let values: Vec<Bytes> = fixture.entries("q").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1_000);
    for task in 0..50 {
        let prefix = format!("{task}/");
        let own: Vec<&Bytes> = values.iter().filter(|value| value.starts_with(prefix.as_bytes())).collect();
        assert!(
            own.len() == 20 && own.windows(2).all(|pair| pair[0] < pair[1]),
            "each task's entries are there once and in its order"
        );
    }
}

async fn too_much_at_once_is_refused_and_nothing_is_half_done(kind: Kind) {
    let fixture = Fixture::open(
        kind,
        Options {
            max_pending_batches: 8,
            ..small()
        },
    )
    .await;
    let commits = (0..100).map(|number| {
        fixture
            .store
            .commit(plain(vec![fixture.append("q", &number.to_string()), fixture.put("last", "v")]))
    });
    let outcomes = join_all(commits).await;
    let overloaded = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Overloaded))).count();
    let applied = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Applied { .. })))
        .count();
    assert_eq!(overloaded + applied, 100);
    assert!(applied >= 8 && overloaded > 0, "{applied} applied");
    assert_eq!(fixture.store.queue_len(&fixture.key("q")).await.unwrap(), applied as u64);
    fixture.apply(vec![fixture.put("after", "v")]).await;
}

async fn a_closed_store_says_so(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let pending: Vec<_> = (0..100)
        .map(|number| {
            let (store, op) = (fixture.store.clone(), fixture.put(&format!("v{number}"), "x"));
            tokio::spawn(async move { store.commit(plain(vec![op])).await })
        })
        .collect();
    fixture.store.clone().close().await;
    for task in pending {
        // Whatever was accepted before is done, whatever came later is told so.
        match task.await.unwrap() {
            Ok(outcome) => assert_eq!(outcome, Outcome::Applied { appended: vec![] }),
            Err(error) => assert!(matches!(error, Error::Unavailable { in_doubt: false, .. }), "{error}"),
        }
    }
    let late = fixture.store.commit(plain(vec![fixture.put("late", "x")])).await;
    assert!(matches!(late, Err(Error::Unavailable { in_doubt: false, .. })));
}
