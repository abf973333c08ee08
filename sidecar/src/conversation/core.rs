//! The pure turn of a lane: what has happened goes in, one guarded batch and what to emit once it is durable come out.
//!
//! [`Core::plan`] changes nothing in [`Core`]; [`Core::settle`] does, once the batch is durable. So a batch that was refused or could not be
//! written leaves the lane as it was, and ratchet steps are simply done again from the old state: nothing they produced has left.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use bytes::Bytes;
use lru::LruCache;
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, Text};
use waxseal_protocol::proto::Envelope;
use waxseal_store::{Batch, EntryId, Key};

use super::{plan::Plan, record::About};
use crate::{id::PeerIndex, moment::Moment};

pub use super::{
    input::{Accepted, Announced, Delivery, GivenUp, Input, Loaded, Requeued, Taken},
    shared::{Peer, SentTimes, Shared, SignedKeys, open, open_peer},
};

/// Peers kept decoded in memory per lane; about 6 KiB each.
const CACHED_PEERS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// One of our envelopes that the relay has not answered for.
#[derive(Clone)]
pub struct Waiting {
    /// Its place in the outbox.
    pub entry: EntryId,
    /// To whom.
    pub to: PhoneNumber,
    /// Whether the business is told.
    pub tracked: bool,
    /// Echoed in statuses.
    pub opaque: Option<Text>,
}

/// What each append of the batch was, in order.
pub enum Appended {
    /// To the outbox: what to remember, and what to send.
    Outgoing(Box<(Waiting, Envelope)>),
    /// To the webhook events.
    Event(Event),
    /// To the queue of accepted messages.
    Job,
    /// To the queue of dead letters.
    DeadLetter,
}

/// A webhook event as the line wants it.
#[derive(Clone)]
pub struct Event {
    /// Its consumer.
    pub peer: PeerIndex,
    /// Names it over all attempts.
    pub event_id: [u8; 16],
    /// Until when it is tried.
    pub window_end_ms: u64,
    /// What to post.
    pub body: Bytes,
    /// What it tells of.
    pub about: About,
}

/// The outcome of planning: commit [`Turn::batch`], then [`Core::settle`].
pub struct Turn {
    /// To commit.
    pub batch: Batch,
    /// One for each append of the batch.
    pub appended: Vec<Appended>,
    /// Deliveries to acknowledge once durable.
    pub acks: Vec<u64>,
    /// Messages whose consumer needs a bundle first; they stay in the queue.
    pub parked: Vec<Accepted>,
    /// How much of the input this turn deals with; see [`Input::split_off`].
    pub taken: Taken,
    /// Peers this turn writes.
    pub(super) peers: HashMap<PeerIndex, Peer>,
    pub(super) answered: Vec<EnvelopeId>,
    pub(super) burned: Vec<PeerIndex>,
    pub(super) asked: Vec<PeerIndex>,
    pub(super) sent: Vec<MessageId>,
    pub(super) now: Moment,
    /// What there is to count once durable.
    pub counts: Counts,
}

impl Turn {
    /// What may leave of a turn that changes nothing durable.
    #[must_use]
    pub fn without_commit(self) -> Settled {
        Settled {
            acks: self.acks,
            parked: self.parked,
            counts: self.counts,
            ..Settled::default()
        }
    }
}

/// What a turn did, for the metrics.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Messages encrypted.
    pub encrypted: u64,
    /// Messages decrypted.
    pub decrypted: u64,
    /// Messages of consumers that the business is told of.
    pub received: u64,
    /// Envelopes that could not be used, by cause: duplicate, malformed, undecryptable, misaddressed.
    pub refused: [u64; 4],
    /// Retry receipts written.
    pub retries_asked: u64,
    /// Messages encrypted anew because the consumer asked.
    pub retries_answered: u64,
    /// Identity changes seen.
    pub identity_changes: u64,
    /// Statuses by kind: sent, delivered, read, failed, played.
    pub statuses: [u64; 5],
    /// Webhook events that became dead letters.
    pub dead_letters: u64,
    /// Webhook events that were dropped when their window ended, because retention ended with it.
    pub dropped_events: u64,
    /// Webhook events that were not made, because nothing is subscribed to their field.
    pub unsubscribed: u64,
}

/// Indexes of [`Counts::refused`].
pub mod refused {
    /// Dealt with before.
    pub const DUPLICATE: usize = 0;
    /// No envelope of ours or Signal's.
    pub const MALFORMED: usize = 1;
    /// Did not decrypt.
    pub const UNDECRYPTABLE: usize = 2;
    /// The payload names another sender or recipient than the relay did.
    pub const MISADDRESSED: usize = 3;
}

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
    pub(super) retry_budget: super::inbound::RetryBudget,
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
            retry_budget: super::inbound::RetryBudget::default(),
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

    /// The keys of the store a turn over `input` needs to read.
    #[must_use]
    pub fn needs(&self, input: &Input) -> Vec<Key> {
        let mut keys = HashSet::new();
        let mut peers: HashSet<PeerIndex> = input.bundles.keys().copied().collect();
        peers.extend(input.jobs.iter().map(|accepted| accepted.peer));
        peers.extend(input.deliveries.iter().map(|delivery| delivery.peer));
        keys.extend(
            peers
                .iter()
                .filter(|peer| !self.peers.contains(*peer))
                .map(|peer| self.shared.names.peer(peer)),
        );
        keys.extend(input.expired.iter().map(|message| self.shared.names.message(*message)));
        let jobs = input.jobs.iter().chain(input.hopeless.iter().map(|(accepted, _)| accepted));
        keys.extend(jobs.filter_map(|accepted| super::outbound::needs(&self.shared, &accepted.job)));
        for delivery in &input.deliveries {
            super::inbound::needs(&self.shared, delivery, input.may_repeat, &mut keys);
        }
        keys.into_iter().collect()
    }

    /// Plans a turn.
    ///
    /// # Errors
    /// [`Unplanned::Missing`] when more has to be loaded first (what a receipt refers to is known only once it is decrypted), or
    /// [`Unplanned::Seal`].
    pub fn plan(&self, input: &Input, loaded: &Loaded, now: Moment) -> Result<Turn, Unplanned> {
        let mut plan = Plan::new(self, loaded, now);
        plan.take(input);
        plan.finish()
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

/// What may leave now that the turn is durable.
#[derive(Default)]
pub struct Settled {
    /// For the relay.
    pub envelopes: Vec<Envelope>,
    /// For the business.
    pub events: Vec<(EntryId, Event)>,
    /// Deliveries the relay may forget.
    pub acks: Vec<u64>,
    /// Messages that wait for a bundle.
    pub parked: Vec<Accepted>,
    /// Whether a message went back into the queue of accepted messages.
    pub requeued: bool,
    /// What there is to count.
    pub counts: Counts,
}

/// Why there is no turn.
#[derive(Debug)]
pub enum Unplanned {
    /// These keys have to be loaded as well.
    Missing(Vec<Key>),
    /// What must be kept could not be sealed.
    Seal(waxseal_sealing::Error),
}
