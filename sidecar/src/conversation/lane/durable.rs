//! The lane and the store: reading, committing, and what to do when the store has forgotten.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
use waxseal_store::{Batch, EntryId, Key, Op, Outcome};

use super::{End, LINE, Lane, PAGE, RETRY_FIRST, RETRY_MOST};
use crate::{conversation::input::Loaded, webhook::line::Line};

/// What is kept of the last batches, to put back what a failing Redis lost.
const TAIL_BATCHES: usize = 64;
const TAIL_BYTES: usize = 4 << 20;

/// The last durable batches.
#[derive(Default)]
pub(super) struct Tail {
    batches: VecDeque<Past>,
    bytes: usize,
}

struct Past {
    batch: Batch,
    /// The places its appended entries got, as far as known.
    appended: Vec<EntryId>,
    bytes: usize,
}

/// Where entries are that were appended again, by where they were.
type Moved = HashMap<(Key, EntryId), EntryId>;

impl Tail {
    pub(super) fn push(&mut self, batch: Batch, appended: Vec<EntryId>) {
        let bytes = batch
            .ops
            .iter()
            .map(|op| {
                if let Op::Put { value, .. } | Op::Append { value, .. } = op {
                    value.len()
                } else {
                    0
                }
            })
            .sum();
        self.bytes += bytes;
        self.batches.push_back(Past { batch, appended, bytes });
        while self.batches.len() > TAIL_BATCHES || self.bytes > TAIL_BYTES {
            let Some(oldest) = self.batches.pop_front() else { return };
            self.bytes -= oldest.bytes;
        }
    }

    /// The index of the batch that follows the one with this sequence.
    fn after(&self, seq: u64) -> Option<usize> {
        self.batches
            .iter()
            .position(|past| past.batch.fence.as_ref().is_some_and(|fence| fence.seq == seq + 1))
    }

    /// The batch, naming entries by the places they have now.
    fn renumber(&self, index: usize, moved: &Moved) -> Batch {
        let mut batch = self.batches.get(index).map(|past| past.batch.clone()).unwrap_or_default();
        for op in &mut batch.ops {
            if let Op::Remove { queue, id } = op
                && let Some(now) = moved.get(&(queue.clone(), *id))
            {
                *id = *now;
            }
        }
        batch
    }

    /// The batch was applied again.
    fn replayed(&mut self, index: usize, appended: Vec<EntryId>, moved: &mut Moved) {
        let batch = self.renumber(index, moved);
        let Some(past) = self.batches.get_mut(index) else { return };
        let queues = batch.ops.iter().filter_map(|op| {
            if let Op::Append { queue, .. } = op {
                Some(queue.clone())
            } else {
                None
            }
        });
        for ((queue, before), now) in queues.zip(&past.appended).zip(&appended) {
            moved.insert((queue, *before), *now);
        }
        past.batch = batch;
        past.appended = appended;
    }
}

impl Lane {
    pub(super) async fn load(&self, keys: &[Key], loaded: &mut Loaded) -> Result<(), End> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut delay = RETRY_FIRST;
        loop {
            match self.outfit.store.get(keys).await {
                Ok(values) => {
                    loaded.extend(keys.iter().cloned().zip(values));
                    return Ok(());
                }
                Err(_) => self.rest(&mut delay).await?,
            }
        }
    }

    pub(super) async fn range(&self, queue: &Key, after: EntryId) -> Result<Vec<(EntryId, Bytes)>, End> {
        let mut delay = RETRY_FIRST;
        loop {
            match self.outfit.store.range(queue, after, PAGE).await {
                Ok(entries) => return Ok(entries),
                Err(_) => self.rest(&mut delay).await?,
            }
        }
    }

    pub(super) async fn commit(&self, batch: &Batch) -> Result<Outcome, End> {
        let mut delay = RETRY_FIRST;
        let begun = Instant::now();
        loop {
            match self.outfit.store.commit(batch.clone()).await {
                Ok(outcome) => {
                    self.outfit.shared.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
                    return Ok(outcome);
                }
                Err(error) => {
                    // The batch is fenced: running it again is safe whatever became of it.
                    if delay > RETRY_FIRST * 8 {
                        tracing::warn!(%error, lane = self.core.lane, "state cannot be made durable; trying again");
                    }
                    self.rest(&mut delay).await?;
                }
            }
        }
    }

    pub(super) async fn rest(&self, delay: &mut Duration) -> Result<(), End> {
        tokio::select! {
            () = self.outfit.stop.cancelled() => Err(End::Stopped),
            () = tokio::time::sleep(*delay) => {
                *delay = (*delay * 2).min(RETRY_MOST);
                Ok(())
            }
        }
    }

    /// The store has lost commits of this lane. If the lost ones are still in memory they are put back; if not, the lane is claimed anew and
    /// its sessions are skipped ahead before they send again, so that no message key is used twice.
    pub(super) async fn recover(&mut self, stored_epoch: u64, stored_seq: u64) -> Result<(), End> {
        self.outfit.shared.metrics.rollbacks.inc();
        let lost = if stored_epoch == self.core.epoch {
            self.tail.after(stored_seq)
        } else {
            None
        };
        tracing::warn!(
            lane = self.core.lane,
            can_replay = lost.is_some(),
            "the store has lost commits; recovering"
        );
        if let Some(first) = lost
            && self.replay(first).await?
        {
            return self.resync().await;
        }
        let fence = self.outfit.shared.names.fence(self.core.lane);
        let mut delay = RETRY_FIRST;
        let claim = loop {
            match self.outfit.store.claim(&fence, self.core.epoch).await {
                Ok(claim) => break claim,
                Err(_) => self.rest(&mut delay).await?,
            }
        };
        if claim.previous_epoch > self.core.epoch {
            // Somebody else had claimed it meanwhile; neither goes on, so that whoever starts next is alone.
            return Err(End::Displaced);
        }
        self.tail = Tail::default();
        self.core.roll_back(claim.epoch, claim.seq);
        self.resync().await
    }

    /// Commits the batches of the tail from `first` on again; `false` when one does not go through any more.
    async fn replay(&mut self, first: usize) -> Result<bool, End> {
        let mut moved = HashMap::new();
        for index in first..self.tail.batches.len() {
            let batch = self.tail.renumber(index, &moved);
            match self.commit(&batch).await? {
                Outcome::Applied { appended } => self.tail.replayed(index, appended, &mut moved),
                Outcome::AlreadyApplied => {}
                Outcome::Stale { .. } => return Err(End::Displaced),
                Outcome::Exists(_) | Outcome::Gap { .. } => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads the queues again: their entries may have other places than memory says.
    pub(super) async fn resync(&mut self) -> Result<(), End> {
        self.core.forget_outbox();
        self.parked.clear();
        self.read_jobs_again();
        self.input.jobs.clear();
        self.input.hopeless.clear();
        self.input.unreadable.clear();
        self.input.finished.clear();
        self.input.given_up.clear();
        self.input.requeued.clear();
        self.replays.iter_mut().for_each(super::Replay::begin_again);
        self.input.lapsed.clear();
        self.line = Line::new(LINE);
        self.resend_outbox().await
    }
}
