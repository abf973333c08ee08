//! The one thread that changes the relay's state.
//!
//! It takes every job that waits, applies them in order within one transaction, commits, and only then lets anything out: no envelope is
//! answered `ACCEPTED`, no key handed out, no acknowledgement taken and no connection welcomed before that is durable. While one group is
//! being written the next one gathers, so the groups grow with the load.
//!
//! When the state file fails, memory and file may differ: the thread ends, every stream with it, and the relay must be started anew.

mod accounts;
mod blobs;
mod envelopes;
mod integrity;

pub(crate) use envelopes::Verdicts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use waxseal_protocol::proto::{Bundle, Envelope, KeyCounts, PublishKeysRequest, SpamReason};

use crate::account::{Pin, Registration};
use crate::blobs::Stored;
use crate::connection::{Connection, End};
use crate::integrity::Watch;
use crate::number::Number;
use crate::shared::{Shared, Stage};
use crate::store::queue::{Queued, Queues};
use crate::store::spent::Sweep;
use crate::store::{self, Tables, reports};

/// Why a job is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unauthenticated,
    PinMismatch,
    Taken,
    NotRegistered,
    NoKeys,
    StaleEpoch { highest: u64 },
    Full,
    BlobTaken,
    BlobSize,
    NoBlob,
}

/// Where a job's answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A change of the state, or a question that must see all changes before it.
pub(crate) enum Job {
    Submit {
        connection: Arc<Connection>,
        envelopes: Vec<Envelope>,
        memory: OwnedSemaphorePermit,
    },
    Acknowledge {
        connection: Arc<Connection>,
        sequences: Vec<u64>,
    },
    Open {
        connection: Arc<Connection>,
        reply: Reply<Opened>,
    },
    Register {
        number: Number,
        registration: Box<Registration>,
        reply: Reply<bool>,
    },
    Deregister {
        number: Number,
        credential_hash: [u8; 32],
        pin: Option<Pin>,
        reply: Reply<()>,
    },
    ChangePin {
        number: Number,
        credential_hash: [u8; 32],
        pin: Pin,
        reply: Reply<()>,
    },
    Publish {
        number: Number,
        credential_hash: [u8; 32],
        keys: Box<PublishKeysRequest>,
        reply: Reply<KeyCounts>,
    },
    Count {
        number: Number,
        reply: Reply<KeyCounts>,
    },
    Fetch {
        requester: Number,
        number: Number,
        reply: Reply<Bundle>,
    },
    Report {
        consumer: Number,
        business: Number,
        reason: SpamReason,
        reply: Reply<bool>,
    },
    /// Keep a blob whose file is durable; answers whether it was kept already and the file is not needed.
    StoreBlob {
        id: u128,
        credential_hash: [u8; 32],
        stored: Box<Stored>,
        reply: Reply<bool>,
    },
    /// Keep a blob that is kept already for longer, if need be.
    ProlongBlob {
        id: u128,
        owner: Number,
        size_bytes: u64,
        expires_s: u64,
        reply: Reply<()>,
    },
    /// Look for what has expired.
    Tick,
    /// End after the jobs before this one.
    Stop,
}

/// A connection that became its number's present one.
pub(crate) struct Opened {
    pub(crate) queued: u64,
    pub(crate) highest_epoch: u64,
    /// Everything in its queue has a sequence up to this.
    pub(crate) last_sequence: u64,
}

/// Jobs that wait; with the bound on uncommitted bytes this bounds memory.
pub(crate) const JOBS_WAITING: usize = 4_096;
/// Jobs in one transaction.
const GROUP_JOBS: usize = 1_024;
const CHORES_INTERVAL: Duration = Duration::from_secs(1);

/// Something to do once the group is durable.
type After = Box<dyn FnOnce() + Send>;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    queues: Queues,
    spent: Sweep,
    /// No blob expires before; Unix seconds.
    soonest_blob_expiry_s: u64,
    watch: Watch,
    /// The day of the oldest report.
    oldest_report: Option<u32>,
    /// Businesses that have been idle for long, as of the start.
    idle: Vec<Number>,
    /// The present connection of each connected number.
    present: HashMap<Number, Present>,
    /// Numbers with something fresh to deliver.
    touched: Vec<Number>,
    after: Vec<After>,
    now_ms: u64,
    chores_at: Instant,
}

struct Present {
    connection: Arc<Connection>,
    /// Queued by the group that is being applied.
    fresh: Vec<Queued>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, store::Error> {
        let queues = Queues::load(&shared.store.read()?, &shared.limits)?;
        let (watch, oldest_report, idle) = reports::load(&shared.store.read()?, &shared.limits.integrity, shared.now_ms())?;
        let writer = Self {
            soonest_blob_expiry_s: shared.blobs.soonest_expiry_s,
            shared,
            queues,
            spent: Sweep::default(),
            watch,
            oldest_report,
            idle,
            present: HashMap::new(),
            touched: Vec::new(),
            after: Vec::new(),
            now_ms: 0,
            chores_at: Instant::now(),
        };
        writer.report_depth();
        Ok(writer)
    }

    /// Works until a `Stop`, until the relay is dropped or until the state file fails; then closes the file.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let shared = Arc::clone(&self.shared);
        let _ending = Ending(&shared);
        let mut group = Vec::with_capacity(GROUP_JOBS);
        while jobs.blocking_recv_many(&mut group, GROUP_JOBS) > 0 {
            match self.group(&mut group) {
                Ok(Go::On) if *shared.stage.borrow() != Stage::Ended => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(%error, "the state cannot be written, the relay stops");
                    return;
                }
            }
        }
    }

    fn group(&mut self, jobs: &mut Vec<Job>) -> Result<Go, store::Error> {
        self.now_ms = self.shared.now_ms();
        self.drop_gone();
        let wants_chores = self.wants_chores();
        let is_idle = jobs.iter().all(|job| matches!(job, Job::Tick));
        if !wants_chores && is_idle {
            jobs.clear();
            return Ok(Go::On);
        }
        let started = Instant::now();
        let transaction = self.shared.store.write()?;
        let mut go = Go::On;
        let mut memory = Vec::new();
        let mut envelopes = 0;
        {
            let mut tables = Tables::open(&transaction)?;
            for job in jobs.drain(..) {
                match job {
                    Job::Submit {
                        connection,
                        envelopes: submitted,
                        memory: permit,
                    } => {
                        envelopes += submitted.len();
                        memory.push(permit);
                        self.submit(&mut tables, connection, submitted)?;
                    }
                    Job::Acknowledge { connection, sequences } => self.acknowledge(&mut tables, &connection, &sequences)?,
                    Job::StoreBlob {
                        id,
                        credential_hash,
                        stored,
                        reply,
                    } => self.store_blob(&mut tables, id, &credential_hash, stored, reply)?,
                    Job::ProlongBlob {
                        id,
                        owner,
                        size_bytes,
                        expires_s,
                        reply,
                    } => {
                        let answer = self.prolong_blob(&mut tables, id, owner, size_bytes, expires_s)?;
                        self.reply(reply, answer);
                    }
                    Job::Report {
                        consumer,
                        business,
                        reason,
                        reply,
                    } => {
                        let answer = self.report(&mut tables, consumer, business, reason)?;
                        self.reply(reply, answer);
                    }
                    Job::Tick => {}
                    Job::Stop => go = Go::Stop,
                    job => self.account_job(&mut tables, job)?,
                }
            }
            let mut is_changed = wants_chores && self.chores(&mut tables)?;
            if matches!(go, Go::Stop) {
                is_changed |= self.integrity_chores(&mut tables, true)?;
            }
            if is_changed || !is_idle {
                self.queues.finish(&mut tables)?;
            } else {
                drop(tables);
                transaction.abort()?;
                return Ok(go);
            }
        }
        transaction.commit()?;
        self.shared.metrics.committed(envelopes, started.elapsed());
        self.emit();
        // Only now may readers bring more.
        drop(memory);
        Ok(go)
    }

    /// Lets out what the group made durable.
    fn emit(&mut self) {
        // First, so that whoever has an answer finds it counted.
        self.report_depth();
        for act in self.after.drain(..) {
            act();
        }
        for number in self.touched.drain(..) {
            if let Some(present) = self.present.get_mut(&number) {
                present.connection.deliver(present.fresh.drain(..));
            }
        }
    }

    fn report_depth(&self) {
        let (envelopes, bytes) = self.queues.totals();
        self.shared
            .metrics
            .queued_envelopes
            .set(i64::try_from(envelopes).unwrap_or(i64::MAX));
        self.shared.metrics.queued_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Does `act` once the group is durable.
    fn after(&mut self, act: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(act));
    }

    /// Answers once the group is durable.
    fn reply<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Refusal>) {
        // Who asked may be gone.
        self.after(move || drop(reply.send(answer)));
    }

    fn is_present(&self, connection: &Connection) -> bool {
        self.present
            .get(&connection.number)
            .is_some_and(|present| present.connection.id == connection.id)
    }

    /// Ends the present connection of `number`, for which nothing counts from here on.
    fn end_present(&mut self, number: Number, end: End) {
        if let Some(present) = self.present.remove(&number) {
            self.after(move || present.connection.end(end));
        }
    }

    fn drop_gone(&mut self) {
        for (number, id) in self.shared.take_gone() {
            if self.present.get(&number).is_some_and(|present| present.connection.id == id) {
                self.present.remove(&number);
            }
        }
    }

    fn wants_chores(&mut self) -> bool {
        if self.chores_at.elapsed() < CHORES_INTERVAL {
            return false;
        }
        self.tell_integrity();
        let wants = self.queues.has_expired(self.now_ms)
            || self.queues.marks().needs_sweep(self.now_ms)
            || self.spent.needs_sweep()
            || self.soonest_blob_expiry_s <= self.now_ms / 1_000
            || self.wants_integrity_chores()
            || !self.idle.is_empty();
        if !wants {
            self.chores_at = Instant::now();
        }
        wants
    }

    /// Forgets what has expired, a bounded part of it at a time; returns whether anything had.
    fn chores(&mut self, tables: &mut Tables<'_>) -> Result<bool, store::Error> {
        let (expired, has_more) = self.queues.drop_expired(tables, self.now_ms)?;
        self.shared.metrics.expired.inc_by(expired);
        let marks = self.queues.marks().sweep(tables, self.now_ms)?;
        let spent = self.spent.sweep(tables, self.now_ms / 1_000)?;
        let (blobs, has_more_blobs) = self.drop_expired_blobs(tables)?;
        let idle = std::mem::take(&mut self.idle);
        reports::forget_activities(tables, &idle)?;
        let integrity = self.integrity_chores(tables, false)? || !idle.is_empty();
        if !has_more && !has_more_blobs {
            self.chores_at = Instant::now();
        }
        Ok(expired > 0 || marks || spent || blobs || integrity)
    }
}

enum Go {
    On,
    Stop,
}

/// However the writer ends, nobody waits for it any more.
struct Ending<'shared>(&'shared Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store.close();
        self.0.writer_ended();
    }
}

#[cfg(test)]
mod tests;
