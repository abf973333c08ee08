//! A turn being planned: an overlay over [`Core`], turned into one guarded batch at the end.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use rand::rngs::ThreadRng;
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber};
use waxseal_sealing::Class;
use waxseal_store::{Batch, Fence, Key, Op};

use super::{
    core::Core,
    input::{Accepted, Input, Loaded, Taken},
    peer::Peer,
    record::{self, About, Kept, Kind, UserRecord},
    shared::Shared,
    turn::{Appended, Turn, Unplanned},
};
use crate::{
    id::{self, PeerIndex, Wamid},
    metrics::Counts,
    moment::Moment,
    names::Names,
    webhook,
};

/// Message keys thrown away before the first send of a session that may have been rolled back.
const BURN: u32 = 64;

/// A batch of more operations takes no further input ...
const SOFT_LIMIT: usize = 960;
/// ... and the store refuses one of 4096: one more input, the longest receipt there is (5 operations for each of its 256 messages), still
/// fits.
const HARD_LIMIT: usize = 4000;
/// Bodies of webhook events that one turn moves between queues.
const EVENT_BYTES: usize = 512 * 1024;

/// A turn being planned: an overlay over [`Core`].
pub(super) struct Plan<'a> {
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
    pub(super) sent: Vec<MessageId>,
    pub(super) counts: Counts,
    taken: Taken,
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

impl Core {
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
            sent: Vec::new(),
            counts: Counts::default(),
            taken: Taken::default(),
            seal_error: None,
        }
    }

    /// Plans what there is to do, in the order in which it counts: what the relay and the consumers say comes before what the clock says.
    fn take(&mut self, input: &Input) {
        for (envelope, verdict) in &input.verdicts {
            if self.is_full() {
                return;
            }
            self.verdict(*envelope, *verdict);
            self.taken.verdicts += 1;
        }
        for delivery in &input.deliveries {
            if self.is_full() {
                return;
            }
            self.deliver(delivery, input);
            self.taken.deliveries += 1;
        }
        for message in &input.expired {
            if self.is_full() {
                return;
            }
            self.expire(*message);
            self.taken.expired += 1;
        }
        for envelope in &input.lapsed {
            if self.is_full() {
                return;
            }
            self.lapse(*envelope);
            self.taken.lapsed += 1;
        }
        self.take_jobs(input);
        for announced in &input.announced {
            if self.is_full() {
                return;
            }
            let about = About {
                field: announced.field.clone(),
                ..self.about(Kind::Notice)
            };
            self.tell(&id::NOBODY, about, announced.body.clone());
            self.taken.announced += 1;
        }
        self.take_events(input);
    }

    fn take_events(&mut self, input: &Input) {
        let mut bytes = 0;
        for given_up in &input.given_up {
            if self.is_full() || bytes > EVENT_BYTES {
                return;
            }
            bytes += given_up.event.body.len();
            self.bury(given_up);
            self.taken.given_up += 1;
        }
        for requeued in &input.requeued {
            if self.is_full() || bytes > EVENT_BYTES {
                return;
            }
            bytes += requeued.event.body.len();
            self.requeue(requeued);
            self.taken.requeued += 1;
        }
        for entry in &input.finished {
            if self.is_full() {
                return;
            }
            let queue = self.names().events(self.core.lane);
            self.ops.push(Op::Remove { queue, id: *entry });
            self.taken.finished += 1;
        }
    }

    fn take_jobs(&mut self, input: &Input) {
        for accepted in &input.jobs {
            if self.is_full() {
                return;
            }
            if let Some(bundle) = input
                .bundles
                .get(&accepted.peer)
                .filter(|_| !self.taken.bundles.contains(&accepted.peer))
            {
                self.establish(accepted, bundle);
                self.taken.bundles.insert(accepted.peer);
            }
            self.send(accepted);
            self.taken.jobs += 1;
        }
        for (accepted, reason) in &input.hopeless {
            if self.is_full() {
                return;
            }
            self.give_up(accepted, *reason);
            self.taken.hopeless += 1;
        }
        for entry in &input.unreadable {
            if self.is_full() {
                return;
            }
            self.unqueue(*entry);
            self.taken.unreadable += 1;
        }
    }

    /// Whether nothing more should be taken into this batch.
    fn is_full(&self) -> bool {
        self.weight() >= SOFT_LIMIT
    }

    /// Whether the batch is so large that the store might refuse it.
    pub(super) fn is_overfull(&self) -> bool {
        self.weight() >= HARD_LIMIT
    }

    /// Operations and guards so far, and those still to come: a message's record, a peer's record, its user id's and a receipt for it.
    fn weight(&self) -> usize {
        self.ops.len() + self.absent.len() + self.kept.len() + 3 * self.peers.len()
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
        self.shared().open(class, key, sealed)
    }

    pub(super) fn seal<M: prost::Message>(&mut self, class: Class, key: &Key, record: &M) -> Option<Bytes> {
        let plaintext = record::encode(record);
        let core = self.core;
        match core
            .shared
            .sealer
            .seal(class, key.as_str(), core.epoch, &plaintext, self.now.time, &mut self.rng)
        {
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
                Some(cached) => Some(cached.peer.clone()),
                None => {
                    let key = self.names().peer(index);
                    self.value(&key).and_then(|sealed| self.shared().open_peer(&key, sealed))
                }
            };
            let peer = known.unwrap_or_else(|| Peer::new(number));
            self.peers.insert(
                *index,
                Draft {
                    peer,
                    dirty: false,
                    arrived: Vec::new(),
                },
            );
        }
        self.peers.entry(*index).or_insert_with(|| Draft {
            peer: Peer::new(number),
            dirty: false,
            arrived: Vec::new(),
        })
    }

    pub(super) fn wamid(&self, peer: &PeerIndex, message: MessageId) -> Wamid {
        id::wamid(&self.shared().tokens, peer, message)
    }

    pub(super) fn user_id(&self, number: &PhoneNumber) -> String {
        webhook::bsuid::of(&self.shared().user_id_key, number)
    }

    /// Encrypts what is owed to peers, seals the changed peers and messages, and closes the plan.
    fn finish(mut self) -> Result<Turn, Unplanned> {
        if !self.missing.is_empty() {
            return Err(Unplanned::Missing(self.missing.into_iter().collect()));
        }
        self.send_receipts();
        let dirty: Vec<PeerIndex> = self
            .peers
            .iter()
            .filter(|(_, draft)| draft.dirty)
            .map(|(index, _)| *index)
            .collect();
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
                        let ttl = self.shared().lifetime(kept.expires_at_ms, self.now);
                        self.ops.push(Op::Put { key, value, ttl });
                    }
                }
                None => self.ops.push(Op::Delete { key }),
            }
        }
        if let Some(error) = self.seal_error {
            return Err(Unplanned::Seal(error));
        }
        let fence = Fence {
            lane: self.names().fence(self.core.lane),
            epoch: self.core.epoch,
            seq: self.core.seq + 1,
        };
        Ok(Turn {
            batch: Batch {
                fence: Some(fence),
                absent: self.absent,
                ops: self.ops,
            },
            appended: self.appended,
            acks: self.acks,
            parked: self.parked,
            taken: self.taken,
            peers: self
                .peers
                .into_iter()
                .filter(|(_, draft)| draft.dirty)
                .map(|(index, draft)| (index, draft.peer))
                .collect(),
            answered: self.answered.into_iter().collect(),
            burned: self.burned,
            asked: self.asked,
            sent: self.sent,
            now: self.now,
            counts: self.counts,
        })
    }

    fn put_peer(&mut self, index: &PeerIndex) {
        self.put_user(index);
        let Some(draft) = self.peers.get(index) else { return };
        let stored = draft.peer.to_record();
        let key = self.names().peer(index);
        if let Some(value) = self.seal(Class::Session, &key, &stored) {
            self.ops.push(Op::Put {
                key,
                value,
                ttl: self.shared().retention,
            });
        }
    }

    /// Writes down whom the peer's user id names, so that the business can write to it.
    fn put_user(&mut self, index: &PeerIndex) {
        let (shared, now_ms) = (self.shared(), self.now.ms);
        let Some(draft) = self.peers.get_mut(index) else { return };
        if draft.peer.user_at_ms != 0 && now_ms.saturating_sub(draft.peer.user_at_ms) < shared.user_refresh_ms() {
            return;
        }
        draft.peer.user_at_ms = now_ms;
        let number = draft.peer.number.clone();
        let key = shared.names.user(&shared.blind.of(&self.user_id(&number)));
        let stored = UserRecord {
            number: number.reveal().to_owned(),
        };
        if let Some(value) = self.seal(Class::Session, &key, &stored) {
            self.ops.push(Op::Put {
                key,
                value,
                ttl: shared.retention,
            });
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
