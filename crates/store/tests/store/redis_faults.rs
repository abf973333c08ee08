//! Lost replies, killed connections, killed servers, full servers: nothing acknowledged is lost, nothing is applied twice, and the store comes
//! back by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use waxseal_harness::redis::{AppendOnly, RedisOptions, RedisServer, Reply};
use waxseal_store::{Batch, Durability, EntryId, Error, Fence, Namespace, Op, Options, Outcome, Store};

use crate::fixture::{append, apply, bytes, eventually, plain, put};
use crate::proxy::Proxy;

fn namespace() -> Namespace {
    Namespace::new("7")
}

fn marked(mark: &str, value: &str) -> Batch {
    let (mark, queue) = (namespace().key(mark), namespace().key("q"));
    Batch {
        fence: None,
        absent: vec![mark.clone()],
        ops: vec![append(queue, value), put(mark, value)],
    }
}

fn fenced(lane: &str, epoch: u64, seq: u64, value: &str) -> Batch {
    let fence = Some(Fence {
        lane: namespace().key(lane),
        epoch,
        seq,
    });
    Batch {
        fence,
        absent: vec![],
        ops: vec![append(namespace().key("q"), value)],
    }
}

async fn queue(store: &Store) -> Vec<Bytes> {
    store
        .range(&namespace().key("q"), EntryId::ZERO, 1_000_000)
        .await
        .unwrap()
        .into_iter()
        .map(|(_, value)| value)
        .collect()
}

/// One connection, so that a swallowed reply is that of the commit just sent.
fn one_connection() -> Options {
    Options {
        connections: 1,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_lost_reply_is_found_again_or_admitted() {
    let server = RedisServer::start_default().await.unwrap();
    let proxy = Proxy::start(server.port()).await;
    let store = Store::open_redis(&proxy.url(), one_connection()).await.unwrap();
    let claim = store.claim(&namespace().key("lane"), 0).await.unwrap();

    proxy.swallow(2);
    let outcome = store.commit(fenced("lane", claim.epoch, 1, "fenced")).await.unwrap();
    assert_eq!((outcome, proxy.left_to_swallow()), (Outcome::AlreadyApplied, 0));

    proxy.swallow(2);
    let outcome = store.commit(marked("mark", "marked")).await.unwrap();
    assert_eq!((outcome, proxy.left_to_swallow()), (Outcome::AlreadyApplied, 0));
    assert_eq!(
        store.commit(marked("mark", "marked")).await.unwrap(),
        Outcome::Exists(0),
        "the same bytes of another caller are not ours"
    );

    // The mark of somebody else is told apart even when our own reply was the lost one.
    proxy.swallow(1);
    assert_eq!(store.commit(marked("mark", "other")).await.unwrap(), Outcome::Exists(0));

    proxy.swallow(1);
    let error = store.commit(plain(vec![append(namespace().key("q"), "plain")])).await.unwrap_err();
    assert!(error.is_in_doubt(), "{error}");
    assert_eq!(proxy.left_to_swallow(), 0);

    proxy.swallow(1);
    let claim_again = store.claim(&namespace().key("lane"), 0).await.unwrap();
    assert_eq!(
        (claim_again.epoch, claim_again.previous_epoch, claim_again.seq),
        (2, 1, 1),
        "a repeated claim is one claim"
    );

    assert_eq!(queue(&store).await, ["fenced", "marked", "plain"].map(bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_neither_lose_nor_double() {
    let server = Arc::new(RedisServer::start_default().await.unwrap());
    let store = Store::open_redis(
        &server.url(),
        Options {
            commit_deadline: Duration::from_secs(20),
            ..Options::default()
        },
    )
    .await
    .unwrap();
    for lane in 0..4 {
        store.claim(&namespace().key(&format!("l{lane}")), 0).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let killer = tokio::spawn({
        let (server, done, acknowledged) = (Arc::clone(&server), Arc::clone(&done), Arc::clone(&acknowledged));
        async move {
            let mut killed = 0;
            while !done.load(Ordering::SeqCst) {
                // As often as some progress is possible at all.
                let before = acknowledged.load(Ordering::SeqCst);
                eventually("progress", || async {
                    done.load(Ordering::SeqCst) || acknowledged.load(Ordering::SeqCst) > before + 10
                })
                .await;
                let reply = server
                    .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                    .await
                    .unwrap();
                killed += reply.int().unwrap();
                server.command(&["SCRIPT", "FLUSH"]).await.unwrap();
            }
            killed
        }
    });
    let mut tasks = Vec::new();
    for task in 0..8_u64 {
        let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
        tasks.push(tokio::spawn(async move {
            let lane = format!("l{task}");
            for round in 0..40_u64 {
                // Lanes pipeline; the others write under marks.
                let outcomes = if task < 4 {
                    join_all((1..=5).map(|step| store.commit(fenced(&lane, 1, round * 5 + step, &format!("{task}/{round}/{step}"))))).await
                } else {
                    let name = |step| format!("{task}/{round}/{step}");
                    join_all((1..=5).map(|step| store.commit(marked(&name(step), &name(step))))).await
                };
                for outcome in outcomes {
                    let outcome = outcome.unwrap();
                    assert!(matches!(outcome, Outcome::Applied { .. } | Outcome::AlreadyApplied), "{outcome:?}");
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let killed = killer.await.unwrap();
    assert!(killed > 20, "only {killed} connections were killed");
    let entries = queue(&store).await;
    assert_eq!(entries.len(), 8 * 40 * 5);
    assert_eq!(
        entries.iter().collect::<BTreeSet<_>>().len(),
        entries.len(),
        "nothing is there twice"
    );
    for task in 0..4 {
        let own: Vec<&Bytes> = entries
            .iter()
            .filter(|entry| entry.starts_with(format!("{task}/").as_bytes()))
            .collect();
        let expected = (0..40).flat_map(|round| (1..=5).map(move |step| format!("{task}/{round}/{step}")));
        assert!(
            own.into_iter()
                .map(|entry| String::from_utf8_lossy(entry).into_owned())
                .eq(expected),
            "a lane's order holds"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_keeps_what_was_acknowledged() {
    let mut server = RedisServer::start(RedisOptions {
        appendonly: AppendOnly::Always,
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let options = Options {
        durability: Durability::Fsync,
        commit_deadline: Duration::from_secs(1),
        ..Options::default()
    };
    let store = Store::open_redis(&server.url(), options).await.unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..16 {
        let (store, acknowledged, stop) = (store.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            // What this caller knows about each of its writes: true when acknowledged, false when in doubt.
            let mut ledger = BTreeMap::new();
            for number in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let name = format!("{task}/{number}");
                match store.commit(marked(&name, &name)).await {
                    Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                        ledger.insert(name, true);
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => {
                        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
                        if error.is_in_doubt() {
                            ledger.insert(name, false);
                        }
                    }
                }
            }
            ledger
        }));
    }
    for round in 1..=3 {
        let before = acknowledged.load(Ordering::SeqCst);
        eventually("load", || async { acknowledged.load(Ordering::SeqCst) > before + 200 }).await;
        server.kill().unwrap();
        let down = Instant::now();
        if round == 2 {
            // Long enough for some to give up.
            eventually("a pause", || async { down.elapsed() > Duration::from_millis(1_500) }).await;
        }
        server.restart().await.unwrap();
    }
    let before = acknowledged.load(Ordering::SeqCst);
    eventually("it goes on by itself", || async {
        acknowledged.load(Ordering::SeqCst) > before + 200
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let mut ledger = BTreeMap::new();
    for task in tasks {
        ledger.extend(task.await.unwrap());
    }
    let entries = queue(&store).await;
    let stored: BTreeSet<String> = entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect();
    assert_eq!(stored.len(), entries.len(), "nothing is there twice");
    for (name, acknowledged) in &ledger {
        assert!(!acknowledged || stored.contains(name), "{name} was acknowledged and is lost");
    }
    assert!(
        stored.iter().all(|name| ledger.contains_key(name)),
        "what was refused for certain is not there"
    );
}

#[tokio::test]
async fn a_stopped_server_makes_commits_fail_in_time_and_comes_back() {
    let mut server = RedisServer::start(RedisOptions {
        appendonly: AppendOnly::EverySecond,
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let deadline = Duration::from_millis(300);
    let store = Store::open_redis(
        &server.url(),
        Options {
            commit_deadline: deadline,
            ..Options::default()
        },
    )
    .await
    .unwrap();
    apply(&store, vec![put(namespace().key("before"), "v")]).await;
    server.stop().await.unwrap();
    let started = Instant::now();
    let results = join_all((0..20).map(|number| store.commit(marked(&format!("m{number}"), "v")))).await;
    assert!(results.iter().all(|result| matches!(result, Err(Error::Unavailable { .. }))));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(matches!(
        store.get(&[namespace().key("before")]).await,
        Err(Error::Unavailable { .. })
    ));
    assert!(matches!(store.ping().await, Err(Error::Unavailable { .. })));
    server.restart().await.unwrap();
    eventually("writes work again", || async {
        store.commit(plain(vec![put(namespace().key("after"), "v")])).await.is_ok()
    })
    .await;
    assert_eq!(store.get(&[namespace().key("before")]).await.unwrap(), [Some(bytes("v"))]);
    store.ping().await.unwrap();
    // Nothing that was given up is sent later.
    let keys = server.keys().await.unwrap();
    assert!(!keys.iter().any(|key| key.contains(":m")), "{keys:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_nothing_is_doubled() {
    let server = RedisServer::start_default().await.unwrap();
    let options = Options {
        commit_deadline: Duration::from_millis(300),
        response_timeout: Duration::from_millis(300),
        barrier_timeout: Duration::from_millis(100),
        connect_timeout: Duration::from_millis(200),
        ..one_connection()
    };
    let store = Store::open_redis(&server.url(), options).await.unwrap();
    apply(&store, vec![append(namespace().key("q"), "before")]).await;
    server.pause().unwrap();
    let (plainly, with_mark) = tokio::join!(
        store.commit(plain(vec![append(namespace().key("q"), "plain")])),
        store.commit(marked("mark", "marked"))
    );
    assert!(plainly.unwrap_err().is_in_doubt());
    assert!(with_mark.unwrap_err().is_in_doubt());
    server.resume().unwrap();
    eventually("it is back", || async {
        store.commit(plain(vec![put(namespace().key("x"), "v")])).await.is_ok()
    })
    .await;
    // Both lay in the server's socket and were run when it woke up: in doubt was the truth.
    let mut entries = queue(&store).await;
    entries.sort();
    assert_eq!(entries, ["before", "marked", "plain"].map(bytes));
}

#[tokio::test]
async fn a_full_server_refuses_writes_but_lets_memory_be_freed() {
    let server = RedisServer::start_default().await.unwrap();
    let store = Store::open_redis(&server.url(), Options::default()).await.unwrap();
    let key = namespace().key("big");
    let big = Op::Put {
        key: key.clone(),
        value: Bytes::from(vec![7; 2_000_000]),
        ttl: Duration::from_secs(60),
    };
    let ids = apply(&store, vec![big, append(namespace().key("q"), "entry")]).await;
    store.claim(&namespace().key("lane"), 0).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1500000"]).await.unwrap();
    let error = store
        .commit(plain(vec![put(namespace().key("x"), "v"), Op::Delete { key: key.clone() }]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable { in_doubt: false, reason } if reason.contains("maxmemory")),
        "{error}"
    );
    assert!(
        store.get(std::slice::from_ref(&key)).await.unwrap()[0].is_some(),
        "the whole batch was refused"
    );
    let free = Batch {
        fence: Some(Fence {
            lane: namespace().key("lane"),
            epoch: 1,
            seq: 1,
        }),
        absent: vec![],
        ops: vec![
            Op::Remove {
                queue: namespace().key("q"),
                id: ids[0],
            },
            Op::Delete { key },
        ],
    };
    assert_eq!(store.commit(free).await.unwrap(), Outcome::Applied { appended: vec![] });
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    apply(&store, vec![put(namespace().key("x"), "v")]).await;
}

#[tokio::test]
async fn a_failed_step_of_a_lane_is_not_taken_for_a_rollback() {
    let server = RedisServer::start_default().await.unwrap();
    let store = Store::open_redis(&server.url(), Options::default()).await.unwrap();
    store.claim(&namespace().key("lane"), 0).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    // The second only frees, so the full server would run it; but it stands behind the first.
    let fence = Some(Fence {
        lane: namespace().key("lane"),
        epoch: 1,
        seq: 2,
    });
    let second = Batch {
        fence,
        absent: vec![],
        ops: vec![Op::Delete { key: namespace().key("x") }],
    };
    let (first, second) = tokio::join!(store.commit(fenced("lane", 1, 1, "one")), store.commit(second));
    assert!(matches!(first, Err(Error::Unavailable { in_doubt: false, .. })));
    assert!(matches!(second, Err(Error::Unavailable { in_doubt: false, .. })), "{second:?}");
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    assert!(matches!(
        store.commit(fenced("lane", 1, 1, "one")).await.unwrap(),
        Outcome::Applied { .. }
    ));
    // A real rollback is told.
    server.command(&["FLUSHALL"]).await.unwrap();
    assert_eq!(
        store.commit(fenced("lane", 1, 2, "two")).await.unwrap(),
        Outcome::Gap { epoch: 0, seq: 0 }
    );
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_error_not_a_hang() {
    let server = RedisServer::start_default().await.unwrap();
    let store = Store::open_redis(&server.url(), Options::default()).await.unwrap();
    assert!(matches!(
        server.command(&["SET", "wx:{7}:q", "no header"]).await.unwrap(),
        Reply::Status(_)
    ));
    let error = store.commit(plain(vec![append(namespace().key("q"), "v")])).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert!(matches!(store.get(&[namespace().key("q")]).await, Err(Error::Corrupt(_))));
    assert!(store.range(&namespace().key("q"), EntryId::ZERO, 1).await.is_err());
    apply(&store, vec![put(namespace().key("fine"), "v")]).await;
}
