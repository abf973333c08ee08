//! Random walks: Redis, the embedded database and a model of a few lines must agree after every step.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use waxseal_harness::redis::{RedisOptions, RedisServer};
use waxseal_store::{Batch, Durability, EntryId, Fence, Namespace, Op, Options, Outcome, Store};

use crate::fixture::LONG;

const NAMES: u8 = 4;

#[derive(Clone, Debug)]
enum Change {
    Put(u8, u8),
    Delete(u8),
    Append(u8, u8),
    /// The n-th of all entries ever appended; something that is not there when it is of the other queue.
    Remove(u8, u8),
    Schedule(u8, u8, u8),
    Unschedule(u8, u8),
}

#[derive(Clone, Debug)]
enum Step {
    Claim(u8, u8),
    /// Lane and how far epoch and sequence are from what the lane expects.
    Commit(Option<(u8, i8, i8)>, Vec<u8>, Vec<Change>),
}

fn change() -> impl Strategy<Value = Change> {
    let name = 0..NAMES;
    prop_oneof![
        (name.clone(), any::<u8>()).prop_map(|(name, value)| Change::Put(name, value)),
        name.clone().prop_map(Change::Delete),
        (0..2_u8, any::<u8>()).prop_map(|(queue, value)| Change::Append(queue, value)),
        (0..2_u8, 0..12_u8).prop_map(|(queue, entry)| Change::Remove(queue, entry)),
        (0..2_u8, 0..4_u8, 0..6_u8).prop_map(|(agenda, member, due)| Change::Schedule(agenda, member, due)),
        (0..2_u8, 0..4_u8).prop_map(|(agenda, member)| Change::Unschedule(agenda, member)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fence = proptest::option::of((
        0..2_u8,
        prop_oneof![8 => Just(0_i8), 1 => -1..=1_i8],
        prop_oneof![8 => Just(0_i8), 2 => -1..=1_i8],
    ));
    let commit = (
        fence,
        proptest::collection::vec(0..NAMES, 0..2),
        proptest::collection::vec(change(), 0..6),
    );
    prop_oneof![
        1 => (0..2_u8, 0..4_u8).prop_map(|(lane, at_least)| Step::Claim(lane, at_least)),
        6 => commit.prop_map(|(fence, absent, changes)| Step::Commit(fence, absent, changes)),
    ]
}

/// An outcome, with the number of entries instead of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Applied(usize),
    Already,
    Exists(usize),
    Stale(u64),
    Gap(u64, u64),
    Claimed(u64, u64, u64),
}

#[derive(Default)]
struct Model {
    values: BTreeMap<u8, u8>,
    queues: BTreeSet<(u8, usize)>,
    /// Queue and value of each.
    entries: Vec<(u8, u8)>,
    agendas: BTreeMap<(u8, u8), u8>,
    lanes: BTreeMap<u8, (u64, u64)>,
}

impl Model {
    fn lane(&self, lane: u8) -> (u64, u64) {
        self.lanes.get(&lane).copied().unwrap_or((0, 0))
    }

    /// Epoch and sequence that a step means.
    fn meant(&self, (lane, epoch, seq): (u8, i8, i8)) -> (u64, u64) {
        let (stored_epoch, stored_seq) = self.lane(lane);
        (
            stored_epoch.saturating_add_signed(epoch.into()),
            (stored_seq + 1).saturating_add_signed(seq.into()).max(1),
        )
    }

    fn run(&mut self, step: &Step) -> Seen {
        match step {
            Step::Claim(lane, at_least) => {
                let (previous, seq) = self.lane(*lane);
                let epoch = previous.max(u64::from(*at_least)) + 1;
                self.lanes.insert(*lane, (epoch, seq));
                Seen::Claimed(epoch, seq, previous)
            }
            Step::Commit(fence, absent, changes) => {
                if let Some(fence) = fence {
                    let (stored_epoch, stored_seq) = self.lane(fence.0);
                    let (epoch, seq) = self.meant(*fence);
                    if stored_epoch > epoch {
                        return Seen::Stale(stored_epoch);
                    }
                    if stored_epoch == 0 || stored_epoch < epoch || stored_seq + 1 < seq {
                        return Seen::Gap(stored_epoch, stored_seq);
                    }
                    if seq <= stored_seq {
                        return Seen::Already;
                    }
                }
                if let Some(index) = absent.iter().position(|name| self.values.contains_key(name)) {
                    return Seen::Exists(index);
                }
                let before = self.entries.len();
                changes.iter().for_each(|change| self.change(change, before));
                if let Some(fence) = fence {
                    let meant = self.meant(*fence);
                    self.lanes.insert(fence.0, meant);
                }
                Seen::Applied(self.entries.len() - before)
            }
        }
    }

    /// `known`: entries of the same batch have no id yet that anybody could name.
    fn change(&mut self, change: &Change, known: usize) {
        match *change {
            Change::Put(name, value) => drop(self.values.insert(name, value)),
            Change::Delete(name) => drop(self.values.remove(&name)),
            Change::Append(queue, value) => {
                self.queues.insert((queue, self.entries.len()));
                self.entries.push((queue, value));
            }
            Change::Remove(queue, entry) if usize::from(entry) < known => drop(self.queues.remove(&(queue, usize::from(entry)))),
            Change::Remove(..) => {}
            Change::Schedule(agenda, member, due) => drop(self.agendas.insert((agenda, member), due)),
            Change::Unschedule(agenda, member) => drop(self.agendas.remove(&(agenda, member))),
        }
    }

    fn queue(&self, queue: u8) -> Vec<(usize, u8)> {
        self.queues
            .iter()
            .filter(|(name, _)| *name == queue)
            .map(|(_, entry)| (*entry, self.entries[*entry].1))
            .collect()
    }

    fn agenda(&self, agenda: u8) -> Vec<(u8, u64)> {
        let mut members: Vec<(u8, u64)> = self
            .agendas
            .iter()
            .filter(|((name, _), _)| *name == agenda)
            .map(|((_, member), due)| (*member, (*due).into()))
            .collect();
        members.sort_by_key(|(member, due)| (*due, *member));
        members
    }
}

/// A real store, with the ids of the entries in the order of appending.
struct Real {
    store: Store,
    namespace: Namespace,
    ids: Vec<EntryId>,
}

impl Real {
    fn op(&self, change: &Change, model: &Model) -> Op {
        let byte = |value: u8| Bytes::copy_from_slice(&[value]);
        let queue = |queue: u8| self.namespace.key(&format!("q{queue}"));
        let agenda = |agenda: u8| self.namespace.key(&format!("g{agenda}"));
        let value = |name: u8| self.namespace.key(&format!("v{name}"));
        match *change {
            Change::Put(name, content) => Op::Put {
                key: value(name),
                value: byte(content),
                ttl: LONG,
            },
            Change::Delete(name) => Op::Delete { key: value(name) },
            Change::Append(name, content) => Op::Append {
                queue: queue(name),
                value: byte(content),
                ttl: LONG,
            },
            Change::Remove(name, entry) => {
                // Ids are unique within a queue only.
                let own = model.entries.get(usize::from(entry)).is_some_and(|(queue, _)| *queue == name);
                Op::Remove {
                    queue: queue(name),
                    id: if own { self.ids[usize::from(entry)] } else { EntryId::ZERO },
                }
            }
            Change::Schedule(name, member, due) => Op::Schedule {
                agenda: agenda(name),
                member: byte(member),
                due_ms: due.into(),
                ttl: LONG,
            },
            Change::Unschedule(name, member) => Op::Unschedule {
                agenda: agenda(name),
                member: byte(member),
            },
        }
    }

    async fn run(&mut self, step: &Step, model: &Model) -> Seen {
        match step {
            Step::Claim(lane, at_least) => {
                let claim = self
                    .store
                    .claim(&self.namespace.key(&format!("l{lane}")), (*at_least).into())
                    .await
                    .unwrap();
                Seen::Claimed(claim.epoch, claim.seq, claim.previous_epoch)
            }
            Step::Commit(fence, absent, changes) => {
                let fence = fence.map(|fence| {
                    let (epoch, seq) = model.meant(fence);
                    Fence {
                        lane: self.namespace.key(&format!("l{}", fence.0)),
                        epoch,
                        seq,
                    }
                });
                let absent = absent.iter().map(|name| self.namespace.key(&format!("v{name}"))).collect();
                let ops = changes.iter().map(|change| self.op(change, model)).collect();
                match self.store.commit(Batch { fence, absent, ops }).await.unwrap() {
                    Outcome::Applied { appended } => {
                        self.ids.extend(&appended);
                        Seen::Applied(appended.len())
                    }
                    Outcome::AlreadyApplied => Seen::Already,
                    Outcome::Exists(index) => Seen::Exists(index),
                    Outcome::Stale { epoch } => Seen::Stale(epoch),
                    Outcome::Gap { epoch, seq } => Seen::Gap(epoch, seq),
                }
            }
        }
    }

    async fn compare(&self, model: &Model) {
        let keys: Vec<_> = (0..NAMES).map(|name| self.namespace.key(&format!("v{name}"))).collect();
        let values: Vec<Option<u8>> = self
            .store
            .get(&keys)
            .await
            .unwrap()
            .into_iter()
            .map(|value| value.map(|value| value[0]))
            .collect();
        assert_eq!(values, (0..NAMES).map(|name| model.values.get(&name).copied()).collect::<Vec<_>>());
        for name in 0..2 {
            let queue = self.namespace.key(&format!("q{name}"));
            let entries = self.store.range(&queue, EntryId::ZERO, 1_000).await.unwrap();
            let expected: Vec<(EntryId, u8)> = model
                .queue(name)
                .into_iter()
                .map(|(entry, value)| (self.ids[entry], value))
                .collect();
            assert_eq!(entries.iter().map(|(id, value)| (*id, value[0])).collect::<Vec<_>>(), expected);
            assert_eq!(self.store.queue_len(&queue).await.unwrap(), expected.len() as u64);
            let members = self.store.due(&self.namespace.key(&format!("g{name}")), 4, 1_000).await.unwrap();
            let members: Vec<(u8, u64)> = members.into_iter().map(|(member, due)| (member[0], due)).collect();
            assert_eq!(
                members,
                model.agenda(name).into_iter().filter(|(_, due)| *due <= 4).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn redis_the_embedded_database_and_the_model_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        durability: Durability::Memory,
        ..Options::default()
    };
    let (server, redis, embedded) = runtime.block_on(async {
        let server = RedisServer::start(RedisOptions::default()).await.unwrap();
        let redis = Store::open_redis(&server.url(), options.clone()).await.unwrap();
        let embedded = Store::open_embedded(&dir.path().join("store.redb"), options).await.unwrap();
        (server, redis, embedded)
    });
    let case = std::cell::Cell::new(0_u64);
    let mut runner = TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&proptest::collection::vec(step(), 1..40), |steps| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            let mut model = Model::default();
            let namespace = Namespace::new(&case.get().to_string());
            let mut reals = [&redis, &embedded].map(|store| Real {
                store: store.clone(),
                namespace: namespace.clone(),
                ids: Vec::new(),
            });
            for step in &steps {
                let mut seen = Vec::new();
                for real in &mut reals {
                    seen.push(real.run(step, &model).await);
                }
                let expected = model.run(step);
                assert_eq!(seen, [expected.clone(), expected], "{step:?}");
                for real in &reals {
                    real.compare(&model).await;
                }
            }
        });
        Ok(())
    });
    outcome.unwrap();
    // The walk is over: every key in that Redis has a time to live below the cap.
    runtime.block_on(async {
        let keys = server.keys().await.unwrap();
        assert!(keys.len() > 100, "only {} keys", keys.len());
        for key in keys {
            let left = server.command(&["PTTL", &key]).await.unwrap().int().unwrap();
            assert!(left > 0 && left <= 30 * 24 * 3_600_000, "{key}: {left}");
            assert!(key.starts_with("wx:{"), "{key}");
        }
        redis.close().await;
        embedded.close().await;
    });
}
