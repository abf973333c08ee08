//! One opened store of either kind, and small words for building batches.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use waxseal_harness::redis::{RedisOptions, RedisServer};
use waxseal_store::{Batch, Clock, Durability, EntryId, Fence, Key, Namespace, Op, Options, Outcome, Store};

pub const LONG: Duration = Duration::from_secs(3_600);
pub const NOW_MS: u64 = 1_763_800_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Embedded,
}

pub struct Fixture {
    pub store: Store,
    pub namespace: Namespace,
    clock: Clock,
    _server: Option<RedisServer>,
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub async fn open(kind: Kind, options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let options = Options {
            clock: clock.clone(),
            ..options
        };
        let (store, server) = match kind {
            Kind::Redis => {
                let server = RedisServer::start(RedisOptions::default()).await.unwrap();
                (Store::open_redis(&server.url(), options).await.unwrap(), Some(server))
            }
            Kind::Embedded => {
                let options = Options {
                    durability: Durability::Memory,
                    sweep_interval: Duration::from_millis(20),
                    ..options
                };
                (Store::open_embedded(&dir.path().join("store.redb"), options).await.unwrap(), None)
            }
        };
        Self {
            store,
            namespace: Namespace::new("105550100"),
            clock,
            _server: server,
            _dir: dir,
        }
    }

    pub fn key(&self, name: &str) -> Key {
        self.namespace.key(name)
    }

    /// Turns the embedded clock; with Redis the server's own clock runs on, and [`eventually`] waits for it.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub async fn value(&self, name: &str) -> Option<Bytes> {
        self.store.get(&[self.key(name)]).await.unwrap().pop().unwrap()
    }

    pub async fn entries(&self, name: &str) -> Vec<(EntryId, Bytes)> {
        self.store.range(&self.key(name), EntryId::ZERO, 10_000).await.unwrap()
    }

    pub async fn due(&self, name: &str) -> Vec<(Bytes, u64)> {
        self.store.due(&self.key(name), u64::MAX >> 12, 10_000).await.unwrap()
    }

    pub fn fence(&self, lane: &str, epoch: u64, seq: u64) -> Option<Fence> {
        Some(Fence {
            lane: self.key(lane),
            epoch,
            seq,
        })
    }

    pub fn put(&self, name: &str, value: &str) -> Op {
        put(self.key(name), value)
    }

    pub fn append(&self, name: &str, value: &str) -> Op {
        append(self.key(name), value)
    }

    pub fn schedule(&self, name: &str, member: &str, due_ms: u64) -> Op {
        Op::Schedule {
            agenda: self.key(name),
            member: bytes(member),
            due_ms,
            ttl: LONG,
        }
    }

    pub async fn apply(&self, ops: Vec<Op>) -> Vec<EntryId> {
        apply(&self.store, ops).await
    }
}

pub fn put(key: Key, value: &str) -> Op {
    Op::Put {
        key,
        value: bytes(value),
        ttl: LONG,
    }
}

pub fn append(queue: Key, value: &str) -> Op {
    Op::Append {
        queue,
        value: bytes(value),
        ttl: LONG,
    }
}

pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub fn plain(ops: Vec<Op>) -> Batch {
    Batch { ops, ..Batch::default() }
}

pub async fn apply(store: &Store, ops: Vec<Op>) -> Vec<EntryId> {
    match store.commit(plain(ops)).await.unwrap() {
        Outcome::Applied { appended } => appended,
        other => panic!("not applied: {other:?}"),
    }
}

/// Waits until a condition holds; the deadline is far above anything that is right.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
