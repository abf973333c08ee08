//! A store as the contract of guarded batches describes it, in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use waxseal_store::{Batch, EntryId, HARD_TTL_CAP, Key, Op, Outcome};

/// The most operations and guards the real store takes.
const MAX_OPS: usize = 4096;

#[derive(Clone, Default)]
pub struct Store {
    values: BTreeMap<Key, (u64, Bytes)>,
    queues: BTreeMap<Key, BTreeMap<EntryId, (u64, Bytes)>>,
    agendas: BTreeMap<Key, BTreeMap<Bytes, u64>>,
    lanes: BTreeMap<Key, (u64, u64)>,
    last_entry: u128,
    now_ms: u64,
}

impl Store {
    /// Time passes: what has expired is gone.
    pub fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.values.retain(|_, (expiry, _)| *expiry > now_ms);
        self.queues
            .values_mut()
            .for_each(|queue| queue.retain(|_, (expiry, _)| *expiry > now_ms));
    }

    pub fn claim(&mut self, lane: &Key) -> (u64, u64) {
        let (epoch, seq) = self.lanes.get(lane).copied().unwrap_or_default();
        self.lanes.insert(lane.clone(), (epoch + 1, seq));
        (epoch + 1, seq)
    }

    pub fn commit(&mut self, batch: &Batch) -> Outcome {
        assert!(
            batch.ops.len() + batch.absent.len() <= MAX_OPS,
            "the store would refuse {} operations",
            batch.ops.len()
        );
        if let Some(fence) = &batch.fence {
            let (epoch, seq) = self.lanes.get(&fence.lane).copied().unwrap_or_default();
            if epoch > fence.epoch {
                return Outcome::Stale { epoch };
            }
            if epoch < fence.epoch || seq + 1 < fence.seq {
                return Outcome::Gap { epoch, seq };
            }
            if fence.seq <= seq {
                return Outcome::AlreadyApplied;
            }
        }
        if let Some(index) = batch.absent.iter().position(|key| self.values.contains_key(key)) {
            return Outcome::Exists(index);
        }
        let appended = batch.ops.iter().filter_map(|op| self.apply(op)).collect();
        if let Some(fence) = &batch.fence {
            self.lanes.insert(fence.lane.clone(), (fence.epoch, fence.seq));
        }
        Outcome::Applied { appended }
    }

    fn apply(&mut self, op: &Op) -> Option<EntryId> {
        if let Op::Put { ttl, .. } | Op::Append { ttl, .. } | Op::Schedule { ttl, .. } = op {
            assert!(!ttl.is_zero() && *ttl <= HARD_TTL_CAP, "a time to live of {ttl:?}");
        }
        let expiry = |ttl: &std::time::Duration| self.now_ms + u64::try_from(ttl.as_millis()).unwrap();
        match op {
            Op::Put { key, value, ttl } => drop(self.values.insert(key.clone(), (expiry(ttl), value.clone()))),
            Op::Delete { key } => drop(self.values.remove(key)),
            Op::Append { queue, value, ttl } => {
                let entry = (expiry(ttl), value.clone());
                self.last_entry += 1;
                let id = EntryId::from_bytes(self.last_entry.to_be_bytes());
                self.queues.entry(queue.clone()).or_default().insert(id, entry);
                return Some(id);
            }
            Op::Remove { queue, id } => drop(self.queues.entry(queue.clone()).or_default().remove(id)),
            Op::Schedule {
                agenda, member, due_ms, ..
            } => {
                self.agendas.entry(agenda.clone()).or_default().insert(member.clone(), *due_ms);
            }
            Op::Unschedule { agenda, member } => drop(self.agendas.entry(agenda.clone()).or_default().remove(member)),
        }
        None
    }

    pub fn get(&self, key: &Key) -> Option<Bytes> {
        self.values.get(key).map(|(_, value)| value.clone())
    }

    pub fn range(&self, queue: &Key) -> Vec<(EntryId, Bytes)> {
        self.queues
            .get(queue)
            .into_iter()
            .flatten()
            .map(|(id, (_, value))| (*id, value.clone()))
            .collect()
    }

    pub fn due(&self, agenda: &Key, until_ms: u64) -> Vec<Bytes> {
        let members = self.agendas.get(agenda).into_iter().flatten();
        members
            .filter(|(_, due_ms)| **due_ms <= until_ms)
            .map(|(member, _)| member.clone())
            .collect()
    }

    pub fn scheduled(&self) -> usize {
        self.agendas.values().map(BTreeMap::len).sum()
    }

    /// Everything that is stored, by name.
    pub fn everything(&self) -> Vec<(Key, Bytes)> {
        let values = self.values.iter().map(|(key, (_, value))| (key.clone(), value.clone()));
        let entries = self
            .queues
            .iter()
            .flat_map(|(key, queue)| queue.values().map(|(_, value)| (key.clone(), value.clone())));
        values.chain(entries).collect()
    }
}
