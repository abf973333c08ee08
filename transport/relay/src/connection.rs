//! One open message stream of one number.
//!
//! Three parties meet here: [`reader`] passes frames from the client to the writer, the writer reports what became durable, [`pump`] turns
//! that into frames for the client. The writer must never wait for a client, so it only puts things down in the [`outbox`], which is bounded
//! because the reader takes no more submissions than there is room for outcomes.

pub(crate) mod outbox;
pub(crate) mod pump;
pub(crate) mod reader;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use waxseal_protocol::proto::{Integrity, KeyCounts, Outcome};

use crate::number::Number;
use crate::store::queue::Queued;
use outbox::Outbox;

/// Why the relay ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Another connection of the number took over, or the number was registered with another credential.
    Displaced { by_epoch: u64 },
    /// The number was deregistered.
    Deregistered,
    /// The client closed its side; what it submitted has been answered.
    Closed,
    /// The relay stops.
    Stopping,
    /// The client broke the protocol.
    Malformed,
}

/// One open message stream. The connection, not the number, is what a fence lets through: the writer takes submissions and
/// acknowledgements only from the connection it holds as the number's present one.
pub(crate) struct Connection {
    /// Never used twice while the relay runs.
    pub(crate) id: u64,
    pub(crate) number: Number,
    pub(crate) credential_hash: [u8; 32],
    pub(crate) epoch: u64,
    /// Whose the epoch is; empty: not said.
    pub(crate) terminator: Vec<u8>,
    pub(crate) wants_integrity: bool,
    outbox: Mutex<Outbox>,
    /// The outbox has something new for the pump.
    wake: Notify,
    /// The reader stops.
    stop_reading: Notify,
    /// Room for outcomes.
    unanswered: Semaphore,
    is_gone: AtomicBool,
    live_bytes: Arc<AtomicUsize>,
    live_bytes_most: usize,
}

/// What a [`Connection`] is made with.
pub(crate) struct Hello {
    pub(crate) id: u64,
    pub(crate) number: Number,
    pub(crate) credential_hash: [u8; 32],
    pub(crate) epoch: u64,
    pub(crate) terminator: Vec<u8>,
    pub(crate) wants_integrity: bool,
}

impl Connection {
    pub(crate) fn new(hello: Hello, unanswered: usize, live_bytes: Arc<AtomicUsize>, live_bytes_most: usize) -> Self {
        let Hello {
            id,
            number,
            credential_hash,
            epoch,
            terminator,
            wants_integrity,
        } = hello;
        Self {
            id,
            number,
            credential_hash,
            epoch,
            terminator,
            wants_integrity,
            outbox: Mutex::new(Outbox::new()),
            wake: Notify::new(),
            stop_reading: Notify::new(),
            unanswered: Semaphore::new(unanswered),
            is_gone: AtomicBool::new(false),
            live_bytes,
            live_bytes_most,
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts down outcomes of submissions that are durable now.
    pub(crate) fn answer(&self, outcomes: Vec<Outcome>) {
        self.outbox().answer(outcomes);
        self.wake.notify_one();
    }

    /// Puts down envelopes that are durable now and follow everything put down before.
    pub(crate) fn deliver(&self, queued: impl ExactSizeIterator<Item = Queued>) {
        self.outbox().deliver(queued, &self.live_bytes, self.live_bytes_most);
        self.wake.notify_one();
    }

    pub(crate) fn keys_low(&self, counts: KeyCounts) {
        self.outbox().keys_low = Some(counts);
        self.wake.notify_one();
    }

    /// Puts down what has been noticed about a business; what was not sent yet is replaced.
    pub(crate) fn integrity(&self, integrity: Integrity) {
        if self.wants_integrity {
            self.outbox().integrity = Some(integrity);
            self.wake.notify_one();
        }
    }

    /// Ends the stream. The first reason counts, but for those that wait for answers: after a displacement there will be none.
    pub(crate) fn end(&self, end: End) {
        let mut outbox = self.outbox();
        if matches!(outbox.end, None | Some(End::Closed | End::Stopping)) {
            outbox.end = Some(end);
        }
        drop(outbox);
        self.wake.notify_one();
        self.stop_reading.notify_one();
    }

    /// The client is gone; nothing is put down any more.
    pub(crate) fn leave(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
        self.outbox().clear(&self.live_bytes);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }
}
