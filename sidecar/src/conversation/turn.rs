//! The outcome of planning a turn: one guarded batch, and what to emit once it is durable.

use std::collections::HashMap;

use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, Text};
use waxseal_protocol::proto::Envelope;
use waxseal_store::{Batch, EntryId, Key};

use super::{
    input::{Accepted, Event, Taken},
    peer::Peer,
};
use crate::{id::PeerIndex, metrics::Counts, moment::Moment};

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

/// The outcome of planning: commit [`Turn::batch`], then [`Core::settle`](super::core::Core::settle).
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
