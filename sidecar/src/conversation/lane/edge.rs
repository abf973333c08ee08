//! What a lane is given, what it is told, and what it lets out.

use std::sync::{Arc, atomic::AtomicU64};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use waxseal_content::EnvelopeId;
use waxseal_protocol::{
    Error as TransportError,
    proto::{self, Envelope, Verdict},
};
use waxseal_store::{EntryId, Store};

use super::replay::Selection;
use crate::{
    conversation::{
        input::{Announced, Delivery},
        record::About,
        shared::Shared,
    },
    id::PeerIndex,
    limits::Limiter,
    transport::Transport,
    webhook::line,
};

/// What a lane is told.
pub enum Event {
    /// An envelope of a consumer.
    Delivery(Delivery),
    /// The relay's answer for an envelope of ours.
    Verdict(EnvelopeId, Verdict),
    /// The link is up; what leaves goes here.
    Linked(mpsc::UnboundedSender<Emit>),
    /// Everything queued before the link came up has been delivered: no more repeats.
    Drained,
    /// The link is down.
    Unlinked,
    /// The answer to a request for a bundle.
    Bundle(PeerIndex, Result<Box<proto::Bundle>, TransportError>),
    /// An attempt to post a webhook has ended.
    Posted(EntryId, line::Ended),
    /// The webhook endpoint has been verified.
    WebhookReady,
    /// The number itself has something to tell the business; answered once that is durable.
    Announce(Announced, oneshot::Sender<()>),
    /// Dead letters are to be delivered after all; answered with how many of this lane, once that is durable.
    Replay(Selection, oneshot::Sender<u64>),
}

/// What leaves through the link.
pub enum Emit {
    /// Envelopes, in this order.
    Submit(Vec<Envelope>),
    /// Deliveries that are durable.
    Acknowledge(Vec<u64>),
}

/// Posts webhooks for the lanes.
pub trait Poster: Send + Sync + 'static {
    /// Whether there is a verified endpoint.
    fn is_ready(&self) -> bool;
    /// Posts one event; the end is reported by sending [`Event::Posted`].
    fn post(&self, entry: EntryId, post: Post, lane: mpsc::Sender<Event>);
    /// Forgets an event whose window has ended; how often it was tried, and why the last attempt failed, if that is known.
    fn given_up(&self, _event_id: &[u8; 16]) -> Option<(u32, String)> {
        None
    }
}

/// A webhook event in memory.
#[derive(Clone)]
pub struct Post {
    /// Names the event over all attempts.
    pub event_id: [u8; 16],
    /// The exact bytes.
    pub body: Bytes,
    /// The consumer.
    pub peer: PeerIndex,
    /// What it tells of.
    pub about: About,
}

/// What a lane works with.
pub struct Outfit {
    /// Fixed facts of the number.
    pub shared: Arc<Shared>,
    /// Where state is kept.
    pub store: Store,
    /// For bundles.
    pub transport: Arc<dyn Transport>,
    /// For webhooks.
    pub poster: Arc<dyn Poster>,
    /// Bounds the cores that ratchet steps may use at a time.
    pub cores: Arc<Semaphore>,
    /// Told when a message was accepted.
    pub wake: Arc<Notify>,
    /// About how many accepted messages wait; accepting counts up, reading the queue to its end sets it right.
    pub waiting: Arc<AtomicU64>,
    /// When what was accepted may leave.
    pub limiter: Arc<Limiter>,
    /// Told to stop.
    pub stop: CancellationToken,
}

/// Why a lane ended.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    #[error("stopped")]
    Stopped,
    /// Another owner has claimed the lane.
    #[error("another owner has claimed the lane")]
    Displaced,
}
