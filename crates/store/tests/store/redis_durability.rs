//! What WAIT promises, with a real master and replica.

use std::time::Duration;

use waxseal_harness::redis::RedisServer;
use waxseal_store::{Batch, Durability, EntryId, Error, Fence, Namespace, Options, Outcome, Store};

use crate::fixture::{append, apply, bytes, eventually, plain, put};

fn namespace() -> Namespace {
    Namespace::new("8")
}

fn step(seq: u64) -> Batch {
    let fence = Some(Fence {
        lane: namespace().key("lane"),
        epoch: 1,
        seq,
    });
    Batch {
        fence,
        absent: vec![],
        ops: vec![append(namespace().key("q"), &seq.to_string())],
    }
}

async fn pair() -> (RedisServer, RedisServer) {
    let master = RedisServer::start_default().await.unwrap();
    let replica = RedisServer::start_default().await.unwrap();
    replica.replica_of(&master).await.unwrap();
    (master, replica)
}

fn patient(durability: Durability) -> Options {
    Options {
        durability,
        commit_deadline: Duration::from_millis(1_500),
        barrier_timeout: Duration::from_millis(200),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_replica_that_does_not_acknowledge_leaves_commits_in_doubt() {
    let (master, replica) = pair().await;
    let store = Store::open_redis(&master.url(), patient(Durability::Replicated(1))).await.unwrap();
    store.claim(&namespace().key("lane"), 0).await.unwrap();
    assert!(matches!(store.commit(step(1)).await.unwrap(), Outcome::Applied { .. }));

    replica.pause().unwrap();
    let (fenced, plainly) = tokio::join!(
        store.commit(step(2)),
        store.commit(plain(vec![append(namespace().key("other"), "v")]))
    );
    assert!(fenced.unwrap_err().is_in_doubt());
    assert!(plainly.unwrap_err().is_in_doubt());

    replica.resume().unwrap();
    // The master has it; the same batch again is durable only once the replica has it, too.
    eventually("the same batch is recognised and durable", || async {
        matches!(store.commit(step(2)).await, Ok(Outcome::AlreadyApplied))
    })
    .await;
    assert!(replica.command(&["XLEN", "wx:{8}:q"]).await.unwrap().int() == Some(2));
    assert_eq!(
        store.range(&namespace().key("q"), EntryId::ZERO, 10).await.unwrap().len(),
        2,
        "nothing was doubled"
    );
    assert_eq!(
        store.queue_len(&namespace().key("other")).await.unwrap(),
        1,
        "what is not repeatable was not repeated"
    );
}

#[tokio::test]
async fn a_short_stall_is_ridden_out_and_the_entry_ids_are_kept() {
    let (master, replica) = pair().await;
    let options = Options {
        commit_deadline: Duration::from_secs(20),
        ..patient(Durability::Replicated(1))
    };
    let store = Store::open_redis(&master.url(), options).await.unwrap();
    store.claim(&namespace().key("lane"), 0).await.unwrap();
    replica.pause().unwrap();
    let commit = tokio::spawn({
        let store = store.clone();
        async move { store.commit(step(1)).await }
    });
    // Applied on the master, and at least one WAIT came back short before the replica goes on.
    eventually("two runs of the script", || async {
        let stats = master.command(&["INFO", "commandstats"]).await.unwrap().text();
        let calls = |name: &str| {
            stats
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split([':', '=', ',']).nth(2)?.parse::<u64>().ok())
        };
        calls("cmdstat_wait").is_some_and(|calls| calls >= 3)
    })
    .await;
    assert!(!commit.is_finished(), "no answer before the replica has it");
    replica.resume().unwrap();
    let Outcome::Applied { appended } = commit.await.unwrap().unwrap() else {
        panic!("the ids are known from the first run")
    };
    assert_eq!(
        store.range(&namespace().key("q"), EntryId::ZERO, 10).await.unwrap(),
        [(appended[0], bytes("1"))]
    );
}

#[tokio::test]
async fn a_repeated_batch_on_a_new_connection_waits_for_the_replica_too() {
    let (master, replica) = pair().await;
    let store = Store::open_redis(&master.url(), patient(Durability::Replicated(1))).await.unwrap();
    store.claim(&namespace().key("lane"), 0).await.unwrap();
    replica.pause().unwrap();
    assert!(store.commit(step(1)).await.unwrap_err().is_in_doubt());
    // WAIT looks at the last write of its own connection only. A fresh connection that finds the batch applied must not answer at once.
    master
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await
        .unwrap();
    assert!(store.commit(step(1)).await.unwrap_err().is_in_doubt());
    let mark = namespace().key("mark");
    let marked = Batch {
        fence: None,
        absent: vec![mark.clone()],
        ops: vec![put(mark, "v")],
    };
    assert!(store.commit(marked.clone()).await.unwrap_err().is_in_doubt());
    master
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await
        .unwrap();
    assert!(
        store.commit(marked.clone()).await.unwrap_err().is_in_doubt(),
        "Exists is acted upon, so it must be durable as well"
    );
    replica.resume().unwrap();
    eventually("it exists durably", || async {
        matches!(store.commit(marked.clone()).await, Ok(Outcome::Exists(0)))
    })
    .await;
}

#[tokio::test]
async fn auto_asks_for_a_replica_once_there_is_one_and_never_goes_back() {
    let (master, replica) = pair().await;
    let store = Store::open_redis(&master.url(), patient(Durability::Auto)).await.unwrap();
    apply(&store, vec![put(namespace().key("x"), "v")]).await;
    let info = master.command(&["INFO", "commandstats"]).await.unwrap().text();
    assert!(info.contains("cmdstat_wait"), "{info}");
    drop(replica);
    let error = store.commit(plain(vec![put(namespace().key("y"), "v")])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    master
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await
        .unwrap();
    assert!(matches!(
        store.commit(plain(vec![put(namespace().key("y"), "v")])).await,
        Err(Error::Unavailable { .. })
    ));
    let again = RedisServer::start_default().await.unwrap();
    again.replica_of(&master).await.unwrap();
    eventually("a new replica is enough", || async {
        store.commit(plain(vec![put(namespace().key("y"), "v")])).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_alone_until_it_is_master_again() {
    let (master, replica) = pair().await;
    let store = Store::open_redis(&replica_url_after_swap(&master, &replica).await, patient(Durability::Memory))
        .await
        .unwrap();
    apply(&store, vec![put(namespace().key("x"), "v")]).await;
    replica
        .command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()])
        .await
        .unwrap();
    let error = store.commit(plain(vec![put(namespace().key("y"), "v")])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { in_doubt: false, .. }), "{error}");
    replica.promote().await.unwrap();
    eventually("it takes writes again", || async {
        store.commit(plain(vec![put(namespace().key("y"), "v")])).await.is_ok()
    })
    .await;
}

/// The former replica, promoted; it keeps the master's data.
async fn replica_url_after_swap(master: &RedisServer, replica: &RedisServer) -> String {
    replica.promote().await.unwrap();
    assert!(master.command(&["PING"]).await.is_ok());
    replica.url()
}
