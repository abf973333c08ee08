//! What has happened since the last turn.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber};
use waxseal_protocol::proto::Verdict;
use waxseal_signal::Bundle;
use waxseal_store::{EntryId, Key};

use super::record::{About, Job};
use crate::{id::PeerIndex, message::FailureReason};

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

/// What the number itself tells the business, as a webhook event of a field other than `messages`.
pub struct Announced {
    /// The field.
    pub field: String,
    /// The exact bytes to post.
    pub body: Bytes,
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

/// A webhook event whose window has ended.
pub struct GivenUp {
    /// Its place in the queue of events.
    pub entry: EntryId,
    /// The event.
    pub event: Event,
    /// How often it was tried, as far as is known.
    pub attempts: u32,
    /// Why the last attempt failed, if one is known.
    pub last_error: String,
}

/// A dead letter that is to be delivered after all.
pub struct Requeued {
    /// Its place in the queue of dead letters.
    pub entry: EntryId,
    /// The event.
    pub event: Event,
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
    /// Envelopes that were not sent while they were worth it: they leave the outbox. What becomes of their messages, [`Input::expired`] says.
    pub lapsed: Vec<EnvelopeId>,
    /// Webhook events that are done with.
    pub finished: Vec<EntryId>,
    /// Webhook events whose window has ended.
    pub given_up: Vec<GivenUp>,
    /// Dead letters that are to be delivered after all, in order.
    pub requeued: Vec<Requeued>,
    /// What the number itself has to tell the business.
    pub announced: Vec<Announced>,
    /// Accepted messages that cannot be opened any more.
    pub unreadable: Vec<EntryId>,
    /// Names that turned out to be used by somebody else, from an earlier try of this turn.
    pub used: HashSet<Key>,
    /// Deliveries that may be repeats of what was dealt with before the link came up: their marks are loaded first.
    pub may_repeat: bool,
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
            && self.lapsed.is_empty()
            && self.finished.is_empty()
            && self.given_up.is_empty()
            && self.requeued.is_empty()
            && self.announced.is_empty()
            && self.unreadable.is_empty()
    }

    /// Splits off what a turn has not dealt with: a batch is bounded, so one turn may not take everything.
    #[must_use]
    pub fn split_off(&mut self, taken: &Taken) -> Self {
        fn rest<T>(items: &mut Vec<T>, taken: usize) -> Vec<T> {
            items.split_off(taken.min(items.len()))
        }
        let (bundles, waiting) = std::mem::take(&mut self.bundles)
            .into_iter()
            .partition(|(peer, _)| taken.bundles.contains(peer));
        self.bundles = bundles;
        Self {
            deliveries: rest(&mut self.deliveries, taken.deliveries),
            verdicts: rest(&mut self.verdicts, taken.verdicts),
            bundles: waiting,
            jobs: rest(&mut self.jobs, taken.jobs),
            hopeless: rest(&mut self.hopeless, taken.hopeless),
            expired: rest(&mut self.expired, taken.expired),
            lapsed: rest(&mut self.lapsed, taken.lapsed),
            finished: rest(&mut self.finished, taken.finished),
            given_up: rest(&mut self.given_up, taken.given_up),
            requeued: rest(&mut self.requeued, taken.requeued),
            announced: rest(&mut self.announced, taken.announced),
            unreadable: rest(&mut self.unreadable, taken.unreadable),
            used: HashSet::new(),
            may_repeat: self.may_repeat,
        }
    }
}

/// How much of its input a turn has dealt with: always the first ones of each kind.
#[derive(Default)]
#[allow(missing_docs, reason = "the fields are those of Input")]
pub struct Taken {
    pub verdicts: usize,
    pub deliveries: usize,
    pub expired: usize,
    pub lapsed: usize,
    pub bundles: HashSet<PeerIndex>,
    pub jobs: usize,
    pub hopeless: usize,
    pub unreadable: usize,
    pub finished: usize,
    pub given_up: usize,
    pub requeued: usize,
    pub announced: usize,
}

/// Values of the store that a turn needs; `None` for what does not exist.
pub type Loaded = HashMap<Key, Option<Bytes>>;
