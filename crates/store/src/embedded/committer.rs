//! The one thread that writes: it takes what waits, applies it in one transaction, commits once, and answers all of it.
//!
//! While a commit waits for the disk, the next group gathers by itself; no timer is needed. When the file could not be written (a full disk),
//! the database is closed and opened again, because redb takes no more writes after an error.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, WriteTransaction};
use tokio::sync::oneshot;

use super::apply::Moment;
use super::tables::Tables;
use crate::admission::Permit;
use crate::options::millis;
use crate::work::{Admitted, Work};
use crate::{Claim, Durability, Error, Key, Options, Outcome};

/// Expired rows that one transaction removes at most, so that batches do not wait long behind the sweeper.
const SWEEP_LIMIT: usize = 1_000;
/// How long reads may take until a database that must be opened again is free of them.
const REOPEN_PATIENCE: Duration = Duration::from_secs(5);

pub(super) enum Job {
    Admitted(Admitted),
    Erase(Key, Reply<u64>),
}

/// The open database; empty while it is opened again.
pub(super) type Slot = Arc<RwLock<Option<Arc<Database>>>>;

pub(super) type Opener = Box<dyn Fn() -> Result<Database, redb::DatabaseError> + Send>;

pub(super) struct Committer {
    pub(super) slot: Slot,
    pub(super) opener: Opener,
    pub(super) path: PathBuf,
    pub(super) jobs: Receiver<Job>,
    pub(super) options: Options,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// An answer that is given once the group is durable.
enum Answer {
    Outcome(Reply<Outcome>, Outcome, Permit),
    Claim(Reply<Claim>, Claim, Permit),
    Erased(Reply<u64>, u64),
}

impl Answer {
    fn give(self, result: &Result<(), Error>) {
        // A caller that is gone is none of our business.
        match self {
            Self::Outcome(reply, outcome, permit) => {
                drop(permit);
                drop(reply.send(result.clone().map(|()| outcome)));
            }
            Self::Claim(reply, claim, permit) => {
                drop(permit);
                drop(reply.send(result.clone().map(|()| claim)));
            }
            Self::Erased(reply, count) => drop(reply.send(result.clone().map(|()| count))),
        }
    }
}

impl Job {
    fn refuse(self, error: Error) {
        match self {
            Self::Admitted(Admitted {
                work: Work::Commit(_, reply),
                ..
            }) => drop(reply.send(Err(error))),
            Self::Admitted(Admitted {
                work: Work::Claim(_, reply),
                ..
            }) => drop(reply.send(Err(error))),
            Self::Erase(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Committer {
    pub(super) fn run(mut self) {
        let mut sweep_at = Instant::now() + self.options.sweep_interval;
        // Commits without durability since the last one with it: redb reuses no pages until then.
        let mut unflushed = false;
        loop {
            let mut group = Vec::new();
            let mut open = true;
            match self.jobs.recv_timeout(sweep_at.saturating_duration_since(Instant::now())) {
                Ok(job) => group.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                // All that was sent before has been received.
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            while group.len() < self.options.group_max_batches
                && let Ok(job) = self.jobs.try_recv()
            {
                group.push(job);
            }
            if !group.is_empty() {
                unflushed = true;
                self.commit(group);
            }
            if sweep_at <= Instant::now() || !open {
                if let Err(error) = self.sweep(unflushed) {
                    tracing::warn!(%error, "the database could not be swept");
                }
                unflushed = false;
                sweep_at = Instant::now() + self.options.sweep_interval;
            }
            if !open {
                *self.slot.write().unwrap_or_else(PoisonError::into_inner) = None;
                return;
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now_ms: self.options.clock.now_ms(),
            ttl_cap_ms: millis(self.options.ttl_cap),
        }
    }

    fn begin(&mut self) -> Result<WriteTransaction, Error> {
        let database = match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => Some(Arc::clone(database)),
            None => None,
        };
        let database = match database {
            Some(database) => database,
            None => self.reopen()?,
        };
        database.begin_write().map_err(|error| unavailable(&error.into()))
    }

    fn commit(&mut self, group: Vec<Job>) {
        let transaction = match self.begin() {
            Ok(transaction) => transaction,
            Err(error) => return group.into_iter().for_each(|job| job.refuse(error.clone())),
        };
        let durable = self.options.durability != Durability::Memory;
        let (answers, applied) = apply(&transaction, group, self.moment());
        let result = applied.and_then(|()| finish(transaction, durable));
        answers.into_iter().for_each(|answer| answer.give(&result));
        if let Err(error) = result {
            tracing::error!(%error, "the database could not be written and is opened again");
            if let Err(error) = self.reopen() {
                tracing::error!(%error, "the database could not be opened again; the next batch tries it once more");
            }
        }
    }

    fn sweep(&mut self, flush: bool) -> Result<(), Error> {
        let moment = self.moment();
        for first in std::iter::once(true).chain(std::iter::repeat(false)) {
            let transaction = self.begin()?;
            let swept = Tables::open(&transaction).and_then(|mut tables| tables.sweep(moment.now_ms, SWEEP_LIMIT));
            let swept = swept.map_err(|error| unavailable(&error))?;
            let needed = swept > 0 || (first && flush && self.options.durability == Durability::Memory);
            if needed {
                finish(transaction, true)?;
            } else {
                transaction.abort().map_err(|error| unavailable(&error.into()))?;
            }
            if swept < SWEEP_LIMIT {
                break;
            }
        }
        Ok(())
    }

    /// Closes what is open, once no read uses it any more, and opens the file again.
    fn reopen(&mut self) -> Result<Arc<Database>, Error> {
        let old = self.slot.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut old) = old {
            let deadline = Instant::now() + REOPEN_PATIENCE;
            loop {
                match Arc::try_unwrap(old) {
                    Ok(database) => break drop(database),
                    Err(shared) if Instant::now() < deadline => old = shared,
                    Err(_) => return Err(Error::unavailable("the database is in use and cannot be opened again yet")),
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let database = (self.opener)().map_err(|error| Error::unavailable(format!("{}: {error}", self.path.display())))?;
        let database = Arc::new(database);
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&database));
        Ok(database)
    }
}

/// Applies a group. On an error the transaction must not be committed.
fn apply(transaction: &WriteTransaction, group: Vec<Job>, moment: Moment) -> (Vec<Answer>, Result<(), Error>) {
    let mut answers = Vec::with_capacity(group.len());
    let mut tables = match Tables::open(transaction) {
        Ok(tables) => tables,
        Err(error) => {
            let error = unavailable(&error);
            group.into_iter().for_each(|job| job.refuse(error.clone()));
            return (answers, Err(error));
        }
    };
    let mut trouble = None;
    for job in group {
        if let Some(error) = &trouble {
            job.refuse(Error::clone(error));
            continue;
        }
        let answer = match job {
            Job::Admitted(Admitted {
                work: Work::Commit(batch, reply),
                permit,
            }) => keep(tables.commit(&batch, moment), reply, |reply, outcome| {
                Answer::Outcome(reply, outcome, permit)
            }),
            Job::Admitted(Admitted {
                work: Work::Claim(claim, reply),
                permit,
            }) => keep(tables.claim(&claim, moment), reply, |reply, claim| {
                Answer::Claim(reply, claim, permit)
            }),
            Job::Erase(prefix, reply) => keep(tables.erase(&prefix), reply, Answer::Erased),
        };
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => trouble = Some(error),
        }
    }
    (answers, trouble.map_or(Ok(()), Err))
}

fn keep<T>(result: Result<T, redb::Error>, reply: Reply<T>, wrap: impl FnOnce(Reply<T>, T) -> Answer) -> Result<Answer, Error> {
    match result {
        Ok(value) => Ok(wrap(reply, value)),
        Err(error) => {
            let error = unavailable(&error);
            drop(reply.send(Err(error.clone())));
            Err(error)
        }
    }
}

fn finish(mut transaction: WriteTransaction, durable: bool) -> Result<(), Error> {
    let durability = if durable {
        redb::Durability::Immediate
    } else {
        redb::Durability::None
    };
    transaction
        .set_durability(durability)
        .map_err(|error| Error::unavailable(error.to_string()))?;
    // The file may hold the commit although the call failed.
    transaction
        .commit()
        .map_err(|error| Error::in_doubt(format!("the database file could not be written: {error}")))
}

pub(super) fn unavailable(error: &redb::Error) -> Error {
    Error::unavailable(format!("the database file: {error}"))
}
