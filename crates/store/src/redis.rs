//! The Redis backend: one Lua script per batch, groups of them in explicit pipelines over a few connections, and one barrier per group.
//!
//! It relies on the server for atomicity, expiry and time, and on nothing else: the connections are our own, nothing is sent twice unless the
//! script recognises it, and no connection is used before [`preflight`] has found the server fit.

mod encode;
mod endpoint;
mod preflight;
mod read;
mod reply;
mod script;
mod worker;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use crate::work::{Admitted, Work, closed};
use crate::{Error, Key, Options};
use endpoint::Endpoint;
use read::Reader;
use worker::Worker;

pub(crate) struct Backend {
    /// One per committing connection. Bounded by the admission of the store.
    inboxes: Vec<mpsc::UnboundedSender<Admitted>>,
    spread: AtomicUsize,
    reader: Reader,
    closing: watch::Sender<bool>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Backend {
    pub(crate) async fn open(url: &str, options: Options) -> Result<Self, Error> {
        let endpoint = Arc::new(Endpoint::new(url, options)?);
        let reader = Reader::open(Arc::clone(&endpoint)).await?;
        let (closing, _) = watch::channel(false);
        let mut inboxes = Vec::new();
        let mut workers = Vec::new();
        for _ in 0..endpoint.options.connections {
            let (inbox, outbox) = mpsc::unbounded_channel();
            workers.push(tokio::spawn(Worker::new(Arc::clone(&endpoint), outbox, closing.subscribe()).run()));
            inboxes.push(inbox);
        }
        Ok(Self {
            inboxes,
            spread: AtomicUsize::new(0),
            reader,
            closing,
            workers: Mutex::new(workers),
        })
    }

    pub(crate) fn submit(&self, admitted: Admitted) -> Result<(), Error> {
        let lane = match &admitted.work {
            Work::Commit(batch, _) => batch.fence.as_ref().map(|fence| &fence.lane),
            Work::Claim(claim, _) => Some(&claim.lane),
        };
        // A lane stays on one connection: that is what keeps its batches in order.
        let number = lane.map_or_else(|| self.spread.fetch_add(1, Ordering::Relaxed), hash);
        let inbox = self.inboxes.get(number % self.inboxes.len().max(1)).ok_or_else(closed)?;
        inbox.send(admitted).map_err(|_| closed())
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        for worker in self.workers.lock().await.drain(..) {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a committer ended badly");
            }
        }
    }
}

fn hash(lane: &Key) -> usize {
    let mut hasher = DefaultHasher::new();
    lane.hash(&mut hasher);
    // Any bits will do.
    usize::try_from(hasher.finish() >> 32).unwrap_or_default()
}
