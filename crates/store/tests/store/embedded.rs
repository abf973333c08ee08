//! The embedded database: its file, its sweeper, and what is left after the process went away.

use std::fs;
use std::time::Duration;

use waxseal_store::{Batch, Clock, Durability, EntryId, Error, Fence, Namespace, Op, Options, Outcome, Store};

use crate::fixture::{LONG, NOW_MS, append, apply, bytes, eventually, plain, put};

fn namespace() -> Namespace {
    Namespace::new("9")
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_private_from_the_start_and_made_so_later() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    Store::open_embedded(&path, Options::default()).await.unwrap().close().await;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Store::open_embedded(&path, Options::default()).await.unwrap().close().await;
    assert_eq!(mode(), 0o600);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = Store::open_embedded(&path, Options::default()).await.unwrap();
    let lane = namespace().key("lane");
    store.claim(&lane, 9).await.unwrap();
    let mut last = EntryId::ZERO;
    for seq in 1..=20_u64 {
        let fence = Some(Fence {
            lane: lane.clone(),
            epoch: 10,
            seq,
        });
        let value = seq.to_string();
        let agenda = Op::Schedule {
            agenda: namespace().key("g"),
            member: bytes(&value),
            due_ms: seq,
            ttl: LONG,
        };
        let ops = vec![put(namespace().key("v"), &value), append(namespace().key("q"), &value), agenda];
        let Outcome::Applied { appended } = store
            .commit(Batch {
                fence,
                absent: vec![],
                ops,
            })
            .await
            .unwrap()
        else {
            panic!("applied")
        };
        last = appended[0];
        // The bytes of the file as a crash at this moment would leave them: the store still has it open.
        let copy = dir.path().join("copy.redb");
        fs::copy(&path, &copy).unwrap();
        let crashed = Store::open_embedded(&copy, Options::default()).await.unwrap();
        assert_eq!(crashed.get(&[namespace().key("v")]).await.unwrap(), [Some(bytes(&value))]);
        assert_eq!(crashed.queue_len(&namespace().key("q")).await.unwrap(), seq);
        crashed.close().await;
    }
    store.close().await;
    let store = Store::open_embedded(&path, Options::default()).await.unwrap();
    assert_eq!(store.due(&namespace().key("g"), 100, 100).await.unwrap().len(), 20);
    let claim = store.claim(&lane, 0).await.unwrap();
    assert_eq!((claim.epoch, claim.seq, claim.previous_epoch), (11, 20, 10));
    let ids = apply(&store, vec![append(namespace().key("q"), "later")]).await;
    assert!(ids[0] > last, "the numbers go on");
    store.close().await;
}

#[tokio::test]
async fn one_process_at_a_time_and_no_replicas() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = Store::open_embedded(&path, Options::default()).await.unwrap();
    assert!(matches!(Store::open_embedded(&path, Options::default()).await, Err(Error::Refused(text)) if text.contains("in use")));
    store.close().await;
    let replicated = Options {
        durability: Durability::Replicated(1),
        ..Options::default()
    };
    assert!(matches!(Store::open_embedded(&path, replicated).await, Err(Error::Refused(_))));
    assert!(
        Store::open_embedded(&dir.path().join("none/store.redb"), Options::default())
            .await
            .is_err()
    );
    fs::write(dir.path().join("odd"), b"not a database at all, but long enough to look at").unwrap();
    assert!(Store::open_embedded(&dir.path().join("odd"), Options::default()).await.is_err());
}

#[tokio::test]
async fn the_sweeper_removes_what_has_expired_and_the_file_stops_growing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let clock = Clock::manual(NOW_MS);
    let sweep_interval = Duration::from_millis(5);
    let options = Options {
        clock: clock.clone(),
        sweep_interval,
        durability: Durability::Memory,
        ..Options::default()
    };
    let store = Store::open_embedded(&path, options).await.unwrap();
    let ttl = Duration::from_secs(10);
    let mut sizes = Vec::new();
    for round in 0..6 {
        for number in 0..40 {
            let value = bytes(&"x".repeat(4_096));
            let name = format!("{round}/{number}");
            store.claim(&namespace().key(&format!("l{name}")), 0).await.unwrap();
            let ops = vec![
                Op::Put {
                    key: namespace().key(&format!("v{name}")),
                    value: value.clone(),
                    ttl,
                },
                Op::Append {
                    queue: namespace().key("q"),
                    value,
                    ttl,
                },
                Op::Schedule {
                    agenda: namespace().key(&format!("g{round}")),
                    member: bytes(&name),
                    due_ms: 1,
                    ttl,
                },
            ];
            store.commit(plain(ops)).await.unwrap();
        }
        clock.advance(ttl);
        // Lanes outlive the rest. Counting shows rows that are there, expired or not.
        eventually("the queue is swept", || async {
            store.queue_len(&namespace().key("q")).await.unwrap() == 0
        })
        .await;
        sizes.push(fs::metadata(&path).unwrap().len());
    }
    assert!(sizes[5] <= sizes[2] * 2, "{sizes:?}");
    let census = store.census(&namespace().key("")).await.unwrap();
    assert_eq!(census.keys, 240, "the lanes");
    clock.advance(Duration::from_secs(31 * 24 * 3_600));
    eventually("the lanes go, too", || async {
        store.census(&namespace().key("")).await.unwrap().keys == 0
    })
    .await;
    store.close().await;
}
