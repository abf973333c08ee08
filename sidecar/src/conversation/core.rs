//! The pure turn of a lane: what has happened goes in, one guarded batch and what to emit once it is durable come out.
//!
//! [`Core::plan`] changes nothing in [`Core`]; [`Core::settle`] does, once the batch is durable. So a batch that was refused or could not be
//! written leaves the lane as it was, and ratchet steps are simply done again from the old state: nothing they produced has left.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use lru::LruCache;
use rand::{RngCore as _, rngs::ThreadRng};
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, Text};
use waxseal_protocol::proto::{Envelope, Verdict};
use waxseal_sealing::{BlindIndex, Class, Sealer, Tokens};
use waxseal_signal::{Bundle, Identity, PrivateRecord};
use waxseal_store::{Batch, EntryId, Fence, Key, Op};
use zeroize::Zeroizing;

use super::{
    id::{self, PeerIndex},
    names::Names,
    record::{self, Job, Kept, PeerRecord},
};
use crate::{
    message::{FailureReason, Wamid},
    metrics::Metrics,
    webhook,
};

/// Peers kept decoded in memory per lane; about 6 KiB each.
const CACHED_PEERS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// Message keys thrown away before the first send of a session that may have been rolled back.
const BURN: u32 = 64;

/// What the lanes of one number share; fixed while the number runs, but for the signed pre-keys.
pub struct Shared {
    /// The business number.
    pub number: PhoneNumber,
    /// The name consumers see.
    pub display_name: Text,
    /// The Signal identity.
    pub identity: Arc<Identity>,
    /// Bounds and demands of sessions.
    pub policy: waxseal_signal::Policy,
    /// Seals what is stored.
    pub sealer: Sealer,
    /// Names what is stored.
    pub names: Names,
    /// Names consumers.
    pub blind: BlindIndex,
    /// Makes `wamid`s.
    pub tokens: Tokens,
    /// Makes business-scoped user ids.
    pub user_id_key: Zeroizing<[u8; 32]>,
    /// The private halves that every inbound first message needs.
    pub signed_keys: RwLock<SignedKeys>,
    /// Time to live of everything written.
    pub retention: Duration,
    /// Whether content stays until it expires even when delivered.
    pub keep_content: bool,
    /// How long a webhook event is tried.
    pub webhook_window: Duration,
    /// Writes webhook bodies.
    pub bodies: webhook::body::Account,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// Signed and last-resort pre-keys by id.
#[derive(Default)]
pub struct SignedKeys {
    /// Signed X25519 pre-keys.
    pub signed: HashMap<u32, PrivateRecord>,
    /// Last-resort Kyber pre-keys.
    pub last_resort: HashMap<u32, PrivateRecord>,
}

/// A consumer as a lane knows it.
#[derive(Clone)]
pub struct Peer {
    /// The number.
    pub number: PhoneNumber,
    /// The profile name last shown.
    pub name: Option<Text>,
    /// Session and pinned identity.
    pub signal: waxseal_signal::Peer,
}

impl Peer {
    /// A consumer there is no session with.
    fn new(number: &PhoneNumber) -> Self {
        Self { number: number.clone(), name: None, signal: waxseal_signal::Peer::new() }
    }
}

/// An envelope of a consumer.
pub struct Delivery {
    /// To acknowledge it by.
    pub sequence: u64,
    /// Its id.
    pub envelope_id: EnvelopeId,
    /// Who sent it, as the relay says.
    pub sender: PhoneNumber,
    /// The sender's blind index.
    pub peer: PeerIndex,
    /// Opaque until decrypted.
    pub body: Bytes,
    /// By the relay's clock.
    pub accepted_at_ms: u64,
}

/// An accepted message, with its place in the queue.
pub struct Accepted {
    /// Its place.
    pub entry: EntryId,
    /// The consumer.
    pub peer: PeerIndex,
    /// The message.
    pub job: Job,
}

/// What has happened since the last turn.
#[derive(Default)]
pub struct Input {
    /// Envelopes of consumers, in order.
    pub deliveries: Vec<Delivery>,
    /// What the relay said of our envelopes.
    pub verdicts: Vec<(EnvelopeId, Verdict)>,
    /// Pre-key bundles that were asked for.
    pub bundles: HashMap<PeerIndex, Bundle>,
    /// Messages to encrypt, in order. None when there is no link.
    pub jobs: Vec<Accepted>,
    /// Messages to give up on, and why.
    pub hopeless: Vec<(Accepted, FailureReason)>,
    /// Tracked messages whose time is over.
    pub expired: Vec<MessageId>,
    /// Webhook events that are done with.
    pub finished: Vec<EntryId>,
    /// Accepted messages that cannot be opened any more.
    pub unreadable: Vec<EntryId>,
    /// Names that turned out to be used by somebody else, from an earlier try of this turn.
    pub used: HashSet<Key>,
    /// Deliveries that may be repeats of what was dealt with before the link came up: their marks are loaded first.
    pub may_repeat: bool,
}

/// Values of the store that a turn needs; `None` for what does not exist.
pub type Loaded = HashMap<Key, Option<Bytes>>;

/// The time of a turn.
#[derive(Clone, Copy)]
pub struct Moment {
    /// As such.
    pub time: SystemTime,
    /// In Unix milliseconds.
    pub ms: u64,
}

impl Input {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
            && self.verdicts.is_empty()
            && self.jobs.is_empty()
            && self.hopeless.is_empty()
            && self.expired.is_empty()
            && self.finished.is_empty()
            && self.unreadable.is_empty()
    }
}

impl Moment {
    /// Of a time.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let ms = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self { time, ms: u64::try_from(ms).unwrap_or(u64::MAX) }
    }
}

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
}

/// A webhook event as the line wants it.
pub struct Event {
    /// Its consumer.
    pub peer: PeerIndex,
    /// Names it over all attempts.
    pub event_id: [u8; 16],
    /// Until when it is tried.
    pub window_end_ms: u64,
    /// What to post.
    pub body: Bytes,
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
    peers: HashMap<PeerIndex, Peer>,
    answered: Vec<EnvelopeId>,
    burned: Vec<PeerIndex>,
    asked: Vec<PeerIndex>,
    now: Moment,
    /// What there is to count once durable.
    pub counts: Counts,
}

impl Turn {
    /// What may leave of a turn that changes nothing durable.
    #[must_use]
    pub fn without_commit(self) -> Settled {
        Settled { acks: self.acks, parked: self.parked, counts: self.counts, ..Settled::default() }
    }
}

/// What a turn did, for the metrics.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Messages encrypted.
    pub encrypted: u64,
    /// Messages decrypted.
    pub decrypted: u64,
    /// Envelopes that could not be used, by cause: duplicate, malformed, undecryptable, misaddressed.
    pub refused: [u64; 4],
    /// Retry receipts written.
    pub retries_asked: u64,
    /// Messages encrypted anew because the consumer asked.
    pub retries_answered: u64,
    /// Identity changes seen.
    pub identity_changes: u64,
    /// Statuses by kind: sent, delivered, read, failed.
    pub statuses: [u64; 4],
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

/// A lane's memory: a cache of what the store holds, and what is under way.
pub struct Core {
    pub(super) shared: Arc<Shared>,
    /// Which lane.
    pub lane: u8,
    /// The owner's epoch.
    pub epoch: u64,
    /// Of the last batch that is durable.
    pub seq: u64,
    pub(super) peers: LruCache<PeerIndex, Peer>,
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
        keys.extend(peers.iter().filter(|peer| !self.peers.contains(*peer)).map(|peer| self.shared.names.peer(peer)));
        keys.extend(input.expired.iter().map(|message| self.shared.names.message(*message)));
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
        for (envelope, verdict) in &input.verdicts {
            plan.verdict(*envelope, *verdict);
        }
        for message in &input.expired {
            plan.expire(*message);
        }
        for delivery in &input.deliveries {
            plan.deliver(delivery, input);
        }
        for (peer, bundle) in &input.bundles {
            plan.establish(peer, bundle, &input.jobs);
        }
        for accepted in &input.jobs {
            plan.send(accepted);
        }
        for (accepted, reason) in &input.hopeless {
            plan.give_up(accepted, *reason);
        }
        for entry in &input.unreadable {
            plan.unqueue(*entry);
        }
        for entry in &input.finished {
            let queue = plan.names().events(self.lane);
            plan.ops.push(Op::Remove { queue, id: *entry });
        }
        plan.finish()
    }

    /// Takes over what a durable turn changed. `ids` are those the store gave, or empty when it cannot say (the batch had been applied
    /// by an earlier try): then the caller reads the queues again.
    pub fn settle(&mut self, turn: Turn, ids: &[EntryId]) -> Settled {
        self.seq += 1;
        for envelope in &turn.answered {
            self.outbox.remove(envelope);
        }
        for (peer, state) in turn.peers {
            self.peers.put(peer, state);
        }
        self.burned.extend(turn.burned);
        for peer in &turn.asked {
            self.retry_budget.spend(peer, turn.now.ms);
        }
        let mut settled = Settled { acks: turn.acks, parked: turn.parked, counts: turn.counts, ..Settled::default() };
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

/// A turn being planned: an overlay over [`Core`].
pub struct Plan<'a> {
    pub(super) core: &'a Core,
    pub(super) loaded: &'a Loaded,
    pub(super) now: Moment,
    pub(super) rng: ThreadRng,
    pub(super) ops: Vec<Op>,
    pub(super) absent: Vec<Key>,
    pub(super) appended: Vec<Appended>,
    pub(super) acks: Vec<u64>,
    pub(super) parked: Vec<Accepted>,
    pub(super) peers: HashMap<PeerIndex, Draft>,
    pub(super) kept: HashMap<MessageId, Keep>,
    pub(super) answered: HashSet<EnvelopeId>,
    pub(super) burned: Vec<PeerIndex>,
    pub(super) missing: HashSet<Key>,
    pub(super) asked: Vec<PeerIndex>,
    pub(super) counts: Counts,
    seal_error: Option<waxseal_sealing::Error>,
}

/// A peer in a plan.
pub(super) struct Draft {
    pub(super) peer: Peer,
    pub(super) dirty: bool,
    /// Messages to acknowledge to the consumer at the end of the turn.
    pub(super) arrived: Vec<MessageId>,
}

/// What is kept of a message, in a plan.
pub(super) struct Keep {
    /// `None`: there is none, or it goes.
    pub(super) record: Option<Kept>,
    pub(super) dirty: bool,
}

impl<'a> Plan<'a> {
    fn new(core: &'a Core, loaded: &'a Loaded, now: Moment) -> Self {
        Self {
            core,
            loaded,
            now,
            rng: rand::rng(),
            ops: Vec::new(),
            absent: Vec::new(),
            appended: Vec::new(),
            acks: Vec::new(),
            parked: Vec::new(),
            peers: HashMap::new(),
            kept: HashMap::new(),
            answered: HashSet::new(),
            burned: Vec::new(),
            missing: HashSet::new(),
            asked: Vec::new(),
            counts: Counts::default(),
            seal_error: None,
        }
    }

    pub(super) fn shared(&self) -> &'a Shared {
        &self.core.shared
    }

    pub(super) fn names(&self) -> &'a Names {
        &self.core.shared.names
    }

    /// A value of the store: `None` when it does not exist. Asks for it to be loaded when that is not known yet.
    pub(super) fn value(&mut self, key: &Key) -> Option<&'a Bytes> {
        let loaded = self.loaded.get(key);
        if loaded.is_none() {
            self.missing.insert(key.clone());
        }
        loaded.and_then(Option::as_ref)
    }

    /// Opens a loaded value; one that does not open is counted and treated as absent, so that it blocks nobody.
    pub(super) fn open<M: prost::Message + Default>(&self, class: Class, key: &Key, sealed: &[u8]) -> Option<M> {
        open(self.shared(), class, key, sealed)
    }

    pub(super) fn seal<M: prost::Message>(&mut self, class: Class, key: &Key, record: &M) -> Option<Bytes> {
        let plaintext = record::encode(record);
        let core = self.core;
        match core.shared.sealer.seal(class, key.as_str(), core.epoch, &plaintext, self.now.time, &mut self.rng) {
            Ok(sealed) => Some(sealed.into()),
            Err(error) => {
                self.seal_error = Some(error);
                None
            }
        }
    }

    /// The peer as this turn has it so far; read from memory or the store, or new with `number`.
    pub(super) fn draft(&mut self, index: &PeerIndex, number: &PhoneNumber) -> &mut Draft {
        if !self.peers.contains_key(index) {
            let known = match self.core.peers.peek(index) {
                Some(peer) => Some(peer.clone()),
                None => {
                    let key = self.names().peer(index);
                    self.value(&key).and_then(|sealed| open_peer(self.shared(), &key, sealed))
                }
            };
            let peer = known.unwrap_or_else(|| Peer::new(number));
            self.peers.insert(*index, Draft { peer, dirty: false, arrived: Vec::new() });
        }
        self.peers.entry(*index).or_insert_with(|| Draft { peer: Peer::new(number), dirty: false, arrived: Vec::new() })
    }

    pub(super) fn wamid(&self, peer: &PeerIndex, message: MessageId) -> Wamid {
        id::wamid(&self.shared().tokens, peer, message)
    }

    pub(super) fn user_id(&self, number: &PhoneNumber) -> String {
        webhook::bsuid::of(&self.shared().user_id_key, number)
    }

    /// Appends a webhook event.
    pub(super) fn event(&mut self, peer: &PeerIndex, body: serde_json::Result<Zeroizing<Vec<u8>>>) {
        let Ok(mut body) = body else {
            // Strings and numbers always serialise.
            tracing::error!("a webhook body could not be written");
            return;
        };
        let body = std::mem::take(&mut *body);
        let mut event_id = [0; 16];
        self.rng.fill_bytes(&mut event_id);
        let window = self.shared().webhook_window.min(self.shared().retention);
        let window_end_ms = self.now.ms + u64::try_from(window.as_millis()).unwrap_or(u64::MAX / 2);
        let queue = self.names().events(self.core.lane);
        let stored = record::Event { event_id: event_id.to_vec(), peer: peer.to_vec(), window_end_ms, body };
        if let Some(value) = self.seal(Class::Webhook, &queue, &stored) {
            self.ops.push(Op::Append { queue, value, ttl: self.shared().retention });
            self.appended.push(Appended::Event(Event { peer: *peer, event_id, window_end_ms, body: stored.body.into() }));
        }
    }

    /// Encrypts what is owed to peers, seals the changed peers and messages, and closes the plan.
    fn finish(mut self) -> Result<Turn, Unplanned> {
        if !self.missing.is_empty() {
            return Err(Unplanned::Missing(self.missing.into_iter().collect()));
        }
        self.send_receipts();
        let dirty: Vec<PeerIndex> = self.peers.iter().filter(|(_, draft)| draft.dirty).map(|(index, _)| *index).collect();
        for index in dirty {
            self.put_peer(&index);
        }
        for (message, keep) in std::mem::take(&mut self.kept) {
            if !keep.dirty {
                continue;
            }
            let key = self.names().message(message);
            match keep.record {
                Some(kept) => {
                    if let Some(value) = self.seal(Class::Message, &key, &kept) {
                        self.ops.push(Op::Put { key, value, ttl: self.shared().retention });
                    }
                }
                None => self.ops.push(Op::Delete { key }),
            }
        }
        if let Some(error) = self.seal_error {
            return Err(Unplanned::Seal(error));
        }
        let fence = Fence { lane: self.names().fence(self.core.lane), epoch: self.core.epoch, seq: self.core.seq + 1 };
        Ok(Turn {
            batch: Batch { fence: Some(fence), absent: self.absent, ops: self.ops },
            appended: self.appended,
            acks: self.acks,
            parked: self.parked,
            peers: self.peers.into_iter().map(|(index, draft)| (index, draft.peer)).collect(),
            answered: self.answered.into_iter().collect(),
            burned: self.burned,
            asked: self.asked,
            now: self.now,
            counts: self.counts,
        })
    }

    fn put_peer(&mut self, index: &PeerIndex) {
        let Some(draft) = self.peers.get(index) else { return };
        let stored = PeerRecord {
            number: draft.peer.number.reveal().to_owned(),
            name: draft.peer.name.as_ref().map(|name| name.reveal().to_owned()),
            signal: draft.peer.signal.to_bytes().to_vec(),
        };
        let key = self.names().peer(index);
        if let Some(value) = self.seal(Class::Session, &key, &stored) {
            self.ops.push(Op::Put { key, value, ttl: self.shared().retention });
        }
    }

    /// If this session came from a store that may have been rolled back: throws away the message keys that may have been used since.
    pub(super) fn burn_if_rolled_back(&mut self, index: &PeerIndex) {
        if !self.core.rolled_back || self.core.burned.contains(index) || self.burned.contains(index) {
            return;
        }
        let shared = self.shared();
        let now = self.now.time;
        if let Some(draft) = self.peers.get_mut(index)
            && let Ok(peer) = waxseal_signal::burn(
                &shared.identity,
                &waxseal_signal::PeerId::new(*index),
                &draft.peer.signal,
                BURN,
                &shared.policy,
                now,
                &mut self.rng,
            )
        {
            draft.peer.signal = peer;
            draft.dirty = true;
        }
        self.burned.push(*index);
    }
}

/// Opens a sealed record; `None`, with a line in the log, when it is not ours or its hour is gone.
pub fn open<M: prost::Message + Default>(shared: &Shared, class: Class, key: &Key, sealed: &[u8]) -> Option<M> {
    match shared.sealer.open(class, key.as_str(), sealed) {
        Ok(plaintext) => M::decode(plaintext.as_slice()).ok(),
        Err(error) => {
            shared.metrics.unopened.inc();
            tracing::warn!(%error, ?class, "a stored value does not open; treating it as absent");
            None
        }
    }
}

/// Opens a sealed peer.
#[must_use]
pub fn open_peer(shared: &Shared, key: &Key, sealed: &[u8]) -> Option<Peer> {
    let stored: PeerRecord = open(shared, Class::Session, key, sealed)?;
    Some(Peer {
        number: PhoneNumber::parse(&stored.number).ok()?,
        name: stored.name.map(Text::new),
        signal: waxseal_signal::Peer::from_bytes(&stored.signal).ok()?,
    })
}

impl Shared {
    /// The private half of a signed pre-key.
    pub(super) fn signed_key(&self, id: u32) -> Option<PrivateRecord> {
        self.signed_keys.read().unwrap_or_else(PoisonError::into_inner).signed.get(&id).cloned()
    }

    /// The private half of a last-resort Kyber pre-key.
    pub(super) fn last_resort_key(&self, id: u32) -> Option<PrivateRecord> {
        self.signed_keys.read().unwrap_or_else(PoisonError::into_inner).last_resort.get(&id).cloned()
    }
}
