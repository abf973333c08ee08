//! What a lane remembers between turns.
//!
//! Planning a turn changes nothing in [`Core`]; [`Core::settle`] does, once the batch is durable. So a batch that was refused or could not be
//! written leaves the lane as it was, and ratchet steps are simply done again from the old state: nothing they produced has left.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use lru::LruCache;
use waxseal_content::EnvelopeId;
use waxseal_store::EntryId;

use super::{
    peer::Peer,
    retries::RetryBudget,
    shared::Shared,
    turn::{Appended, Settled, Turn, Waiting},
};
use crate::id::PeerIndex;

/// Peers kept decoded in memory per lane; about 6 KiB each.
const CACHED_PEERS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// A peer in memory, for as long as the store has it.
pub(super) struct Cached {
    pub(super) peer: Peer,
    expires_at_ms: u64,
}

/// A lane's memory: a cache of what the store holds, and what is under way.
pub struct Core {
    pub(super) shared: Arc<Shared>,
    /// Which lane.
    pub lane: u8,
    /// The owner's epoch.
    pub epoch: u64,
    /// Of the last batch that is durable.
    pub seq: u64,
    pub(super) peers: LruCache<PeerIndex, Cached>,
    pub(super) outbox: BTreeMap<EnvelopeId, Waiting>,
    /// Whether sessions read from the store may be older than what was sent with them.
    pub rolled_back: bool,
    pub(super) burned: HashSet<PeerIndex>,
    pub(super) retry_budget: RetryBudget,
}

impl Core {
    /// A lane that has just been claimed.
    #[must_use]
    pub fn new(shared: Arc<Shared>, lane: u8, epoch: u64, seq: u64) -> Self {
        Self {
            shared,
            lane,
            epoch,
            seq,
            peers: LruCache::new(CACHED_PEERS),
            outbox: BTreeMap::new(),
            rolled_back: false,
            burned: HashSet::new(),
            retry_budget: RetryBudget::default(),
        }
    }

    /// Envelopes the relay has not answered for.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Remembers an envelope found in the outbox at start; `false` if it was known.
    pub fn recall(&mut self, envelope_id: EnvelopeId, waiting: Waiting) -> bool {
        self.outbox.insert(envelope_id, waiting).is_none()
    }

    /// Forgets what is under way: the outbox in the store counts.
    pub fn forget_outbox(&mut self) {
        self.outbox.clear();
    }

    /// Forgets consumers whose record in the store has expired: memory must not remember longer.
    pub fn forget_expired(&mut self, now_ms: u64) {
        let expired: Vec<PeerIndex> = self
            .peers
            .iter()
            .filter(|(_, cached)| cached.expires_at_ms <= now_ms)
            .map(|(index, _)| *index)
            .collect();
        for index in expired {
            self.peers.pop(&index);
        }
    }

    /// Takes note that the store has lost commits, and of the epoch under which the lane goes on: cached sessions are forgotten, and those
    /// read from the store are skipped ahead before they send.
    pub fn roll_back(&mut self, epoch: u64, seq: u64) {
        self.epoch = epoch;
        self.seq = seq;
        self.rolled_back = true;
        self.peers.clear();
        self.burned.clear();
    }

    /// Takes over what a durable turn changed. `ids` are those the store gave, or empty when it cannot say (the batch had been applied
    /// by an earlier try): then the caller reads the queues again.
    pub fn settle(&mut self, turn: Turn, ids: &[EntryId]) -> Settled {
        self.seq += 1;
        for envelope in &turn.answered {
            self.outbox.remove(envelope);
        }
        let expires_at_ms = turn.now.ms + self.shared.retention_ms();
        for (index, peer) in turn.peers {
            self.peers.put(index, Cached { peer, expires_at_ms });
        }
        self.burned.extend(turn.burned);
        self.shared.sent.note(&turn.sent, turn.now.ms);
        for peer in &turn.asked {
            self.retry_budget.spend(peer, turn.now.ms);
        }
        let mut settled = Settled {
            acks: turn.acks,
            parked: turn.parked,
            counts: turn.counts,
            ..Settled::default()
        };
        for (appended, id) in turn.appended.into_iter().zip(ids) {
            match appended {
                Appended::Outgoing(outgoing) => {
                    let (mut waiting, envelope) = *outgoing;
                    waiting.entry = *id;
                    if let Some(envelope_id) = EnvelopeId::from_slice(&envelope.id) {
                        self.outbox.insert(envelope_id, waiting);
                    }
                    settled.envelopes.push(envelope);
                }
                Appended::Event(event) => settled.events.push((*id, event)),
                Appended::Job => settled.requeued = true,
                Appended::DeadLetter => {}
            }
        }
        settled
    }
}
