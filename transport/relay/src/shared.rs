//! What the relay's parts share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::UNIX_EPOCH;

use tokio::sync::{Semaphore, mpsc, watch};
use waxseal_protocol::wire;

use crate::account::Account;
use crate::blobs::Blobs;
use crate::config::{Clock, Config, Limits, Reregistration};
use crate::metrics::Metrics;
use crate::number::Number;
use crate::store::{self, Store};
use crate::writer::Job;

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) reregistration: Reregistration,
    pub(crate) metrics: Metrics,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// In KiB.
    pub(crate) uncommitted: Arc<Semaphore>,
    pub(crate) live_bytes: Arc<AtomicUsize>,
    pub(crate) stage: watch::Sender<Stage>,
    clock: Clock,
    accounts: RwLock<HashMap<Number, Account>>,
    consumers: AtomicU64,
    connections: AtomicU64,
    /// Connections whose client is gone, for the writer to drop.
    gone: Mutex<Vec<(Number, u64)>>,
}

/// Where the relay is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// Takes nothing new, answers what is under way.
    Stopping,
    /// The writer has ended; nothing can be answered any more.
    Ended,
}

impl Shared {
    pub(crate) fn new(config: &Config, store: Store, jobs: mpsc::Sender<Job>) -> Result<Self, store::Error> {
        let accounts = store::load_accounts(&store.read()?)?;
        let blobs = Blobs::open(&config.state_dir, &store, &config.limits.blobs)?;
        let consumers = accounts.values().filter(|account| !account.is_business()).count();
        let mut limits = config.limits.clone();
        // Or a frame that is allowed could never be taken.
        limits.unanswered_envelopes = limits.unanswered_envelopes.max(wire::MAX_FRAME_ITEMS);
        limits.uncommitted_bytes = limits.uncommitted_bytes.max(2 * wire::MAX_FRAME_BYTES);
        let shared = Self {
            uncommitted: Arc::new(Semaphore::new(limits.uncommitted_bytes / 1024)),
            limits,
            reregistration: config.reregistration,
            metrics: Metrics::new(),
            store,
            blobs,
            jobs,
            live_bytes: Arc::new(AtomicUsize::new(0)),
            stage: watch::Sender::new(Stage::Running),
            clock: Arc::clone(&config.clock),
            accounts: RwLock::new(accounts),
            consumers: AtomicU64::new(consumers as u64),
            connections: AtomicU64::new(0),
            gone: Mutex::new(Vec::new()),
        };
        shared.report_accounts(shared.accounts().len());
        shared.report_blobs();
        Ok(shared)
    }

    /// Unix time.
    pub(crate) fn now_us(&self) -> u64 {
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    }

    /// Unix time.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    /// The registered numbers. Changed only by the writer, within the transaction that changes them on the disk.
    pub(crate) fn accounts(&self) -> RwLockReadGuard<'_, HashMap<Number, Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accounts_mut(&self) -> AccountsMut<'_> {
        AccountsMut(self)
    }

    /// Whether one more number of this kind may be registered.
    pub(crate) fn has_room_for(&self, business: bool) -> bool {
        let consumers = self.consumers.load(Ordering::Relaxed);
        match business {
            true => (self.accounts().len() as u64).saturating_sub(consumers) < self.limits.businesses,
            false => consumers < self.limits.consumers,
        }
    }

    fn report_accounts(&self, count: usize) {
        self.metrics.accounts.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn report_blobs(&self) {
        let (blobs, bytes) = self.blobs.room.totals();
        self.metrics.kept_blobs.set(i64::try_from(blobs).unwrap_or(i64::MAX));
        self.metrics.kept_blob_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// An id that no other connection has.
    pub(crate) fn next_connection_id(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn gone(&self, number: Number, id: u64) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push((number, id));
    }

    pub(crate) fn take_gone(&self) -> Vec<(Number, u64)> {
        std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves on in life, never back.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_if_modified(|present| {
            let moves = *present != stage && *present != Stage::Ended;
            if moves {
                *present = stage;
            }
            moves
        });
    }

    pub(crate) fn writer_ended(&self) {
        self.enter(Stage::Ended);
    }
}

/// The writer's way to change accounts.
pub(crate) struct AccountsMut<'shared>(&'shared Shared);

impl AccountsMut<'_> {
    pub(crate) fn insert(&self, number: Number, account: Account) {
        let is_consumer = !account.is_business();
        let mut accounts = self.0.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let before = accounts.insert(number, account);
        self.0.report_accounts(accounts.len());
        drop(accounts);
        self.recount(before.as_ref(), is_consumer);
    }

    pub(crate) fn remove(&self, number: Number) {
        let mut accounts = self.0.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let before = accounts.remove(&number);
        self.0.report_accounts(accounts.len());
        drop(accounts);
        self.recount(before.as_ref(), false);
    }

    fn recount(&self, before: Option<&Account>, is_consumer: bool) {
        let was_consumer = before.is_some_and(|account| !account.is_business());
        match (was_consumer, is_consumer) {
            (false, true) => drop(self.0.consumers.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.0.consumers.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
    }
}
