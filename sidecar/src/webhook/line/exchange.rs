//! What the line and its caller say to each other.

#[cfg(doc)]
use super::Line;
use crate::webhook::schedule::Backoff;

/// A place in the durable queue.
pub trait Place: Copy + Ord {
    /// Before every entry.
    const START: Self;
}

/// Names a consumer within one number: a blind index, no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerTag(pub [u8; 16]);

/// With the backoff of events, half a minute at most: as long as a receiver may take to start again.
pub const PATIENCE: u32 = 6;

/// Bounds and delays.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Entries held at most, all consumers together; also those whose removal is not durable yet.
    pub entries: usize,
    /// Entries held at most for one consumer, so that one that fails does not fill the line.
    pub entries_per_peer: usize,
    /// Attempts under way at most, all consumers together.
    pub concurrency: usize,
    /// Delays between the attempts at one event.
    pub backoff: Backoff,
    /// Delays between probes of an endpoint that is down.
    pub probe_backoff: Backoff,
    /// So many attempts at an event may fail before the endpoint is asked whether it takes those behind it.
    pub patience: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entries: 8192,
            entries_per_peer: 64,
            concurrency: 64,
            backoff: Backoff::EVENT,
            probe_backoff: Backoff::ENDPOINT,
            patience: PATIENCE,
        }
    }
}

/// One event in the queue.
pub struct Entry<I, P> {
    /// Its place.
    pub id: I,
    /// The consumer it is about.
    pub peer: PeerTag,
    /// When its delivery window ends.
    pub until_ms: u64,
    /// What the caller needs to deliver it.
    pub payload: P,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The line holds it.
    Taken,
    /// The line has it already.
    Known,
    /// Not now: it will be read from the queue later, by the line's own asking.
    Later,
}

/// What to do.
pub enum Step<I, P> {
    /// Try to deliver, then call [`Line::finished`].
    Attempt {
        /// The event.
        id: I,
        /// How many attempts there were, with this one.
        number: u32,
        /// As offered.
        payload: P,
    },
    /// The window has ended: remove it from the queue, then call [`Line::removed`].
    GiveUp {
        /// The event.
        id: I,
        /// As offered.
        payload: P,
    },
}

/// What a failure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Nobody was there to look at the event: no connection, or a gateway that says so.
    Unreachable,
    /// Somebody may have looked at the event and not taken it.
    Rejected,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The endpoint has it.
    Delivered,
    /// It has not.
    Failed {
        /// Whether that says something about the endpoint or about the event.
        kind: FailureKind,
        /// How long the endpoint wants to be left alone.
        retry_after_ms: Option<u64>,
    },
}

/// What follows from an attempt's end.
pub enum Verdict<P> {
    /// Delivered: remove it from the queue, then call [`Line::removed`].
    Remove,
    /// It will be tried again; nothing to do.
    Retry,
    /// The window is over: remove it from the queue, then call [`Line::removed`].
    GiveUp(P),
}
