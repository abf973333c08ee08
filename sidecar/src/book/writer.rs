//! The book and the store: loading, fenced writing, and what to do when the store did not answer or has forgotten.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use waxseal_sealing::Vault;
use waxseal_store::{Batch, Fence, Key, Op, Outcome, Store};

use super::error::Error;
use crate::names::Names;

/// How long a document lives when nobody renews it.
pub(super) const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Documents read or renewed at a time.
pub(super) const TOGETHER: usize = 64;

/// Documents as they are durable, in JSON.
pub(super) type Pages = BTreeMap<Box<str>, Arc<[u8]>>;

/// One change.
#[derive(Clone)]
pub(super) enum Change {
    /// A document says this now.
    Put(Box<str>, Arc<[u8]>),
    /// A document is gone.
    Remove(Box<str>),
    /// Nothing but times to live.
    Nothing,
}

/// The owner's pen.
pub(super) struct Writer {
    store: Store,
    names: Names,
    vault: Vault,
    epoch: u64,
    /// Of the last batch that is known to be durable.
    seq: u64,
    /// The batch of which it is not known whether it is durable. Nothing else is written before that is known.
    in_doubt: Option<(Batch, Change)>,
}

impl Writer {
    pub(super) fn new(store: Store, names: Names, vault: Vault, epoch: u64, seq: u64) -> Self {
        Self {
            store,
            names,
            vault,
            epoch,
            seq,
            in_doubt: None,
        }
    }

    /// Every document there is.
    pub(super) async fn load(&self) -> Result<Pages, Error> {
        let index = self.names.book_index();
        let Some(sealed) = self.get(std::slice::from_ref(&index)).await?.pop().flatten() else {
            return Ok(Pages::new());
        };
        let listed: Vec<Box<str>> = self
            .open(&index, &sealed)
            .and_then(|page| serde_json::from_slice(&page).ok())
            .unwrap_or_default();
        let mut pages = Pages::new();
        for names in listed.chunks(TOGETHER) {
            let keys: Vec<Key> = names.iter().map(|name| self.names.book(name)).collect();
            for ((name, key), sealed) in names.iter().zip(&keys).zip(self.get(&keys).await?) {
                let Some(page) = sealed.and_then(|sealed| self.open(key, &sealed)) else {
                    tracing::error!(%name, "a document of the book is missing");
                    continue;
                };
                pages.insert(name.clone(), page);
            }
        }
        Ok(pages)
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<bytes::Bytes>>, Error> {
        self.store.get(keys).await.map_err(failure)
    }

    fn open(&self, key: &Key, sealed: &[u8]) -> Option<Arc<[u8]>> {
        match self.vault.open(key.as_str(), sealed) {
            Ok(page) => Some(page.as_slice().into()),
            Err(error) => {
                tracing::error!(%error, "a document of the book does not open; treating it as absent");
                None
            }
        }
    }

    /// Finds out what became of the last batch, if that is not known.
    pub(super) async fn settle(&mut self, pages: &RwLock<Pages>) -> Result<(), Error> {
        match self.in_doubt.clone() {
            Some((batch, change)) => self.commit(pages, batch, change).await,
            None => Ok(()),
        }
    }

    /// Makes one change durable, and then visible.
    pub(super) async fn write(&mut self, pages: &RwLock<Pages>, change: Change) -> Result<(), Error> {
        let batch = self.prepare(pages, &change)?;
        self.commit(pages, batch, change).await
    }

    /// The batch that makes this change.
    pub(super) fn prepare(&self, pages: &RwLock<Pages>, change: &Change) -> Result<Batch, Error> {
        Ok(self.batch(self.ops(pages, change)?))
    }

    /// Remembers that it is not known what became of this batch.
    pub(super) fn leave_in_doubt(&mut self, batch: Batch, change: Change) {
        self.in_doubt = Some((batch, change));
    }

    /// Writes everything again.
    pub(super) async fn renew(&mut self, pages: &RwLock<Pages>) -> Result<(), Error> {
        let all: Vec<(Box<str>, Arc<[u8]>)> = read(pages).iter().map(|(name, page)| (name.clone(), Arc::clone(page))).collect();
        for some in all.chunks(TOGETHER) {
            let mut ops = some
                .iter()
                .map(|(name, page)| self.sealed(self.names.book(name), page))
                .collect::<Result<Vec<Op>, Error>>()?;
            ops.push(self.index(&read(pages).keys().map(AsRef::as_ref).collect::<Vec<_>>())?);
            let batch = self.batch(ops);
            self.commit(pages, batch, Change::Nothing).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, pages: &RwLock<Pages>, batch: Batch, change: Change) -> Result<(), Error> {
        // Known before the first await: a caller may go away at any time.
        self.leave_in_doubt(batch.clone(), change.clone());
        match self.store.commit(batch).await {
            Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => {
                self.done(pages, change);
                Ok(())
            }
            Ok(Outcome::Stale { .. }) => Err(Error::Displaced),
            Ok(Outcome::Gap { .. } | Outcome::Exists(_)) => self.restore(pages, change).await,
            Err(error) => {
                if !error.is_in_doubt() {
                    self.in_doubt = None;
                }
                Err(failure(error))
            }
        }
    }

    fn done(&mut self, pages: &RwLock<Pages>, change: Change) {
        self.seq += 1;
        self.in_doubt = None;
        let mut pages = pages.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Put(name, page) => drop(pages.insert(name, page)),
            Change::Remove(name) => drop(pages.remove(&name)),
            Change::Nothing => {}
        }
    }

    /// The store has lost commits: memory knows what it held, and writes it again.
    async fn restore(&mut self, pages: &RwLock<Pages>, change: Change) -> Result<(), Error> {
        tracing::warn!("the store has lost commits of the book; writing it again");
        let claim = self.store.claim(&self.names.book_lane(), self.epoch).await.map_err(failure)?;
        if claim.previous_epoch > self.epoch {
            return Err(Error::Displaced);
        }
        (self.epoch, self.seq, self.in_doubt) = (claim.epoch, claim.seq, None);
        match change {
            Change::Put(name, page) => drop(pages.write().unwrap_or_else(PoisonError::into_inner).insert(name, page)),
            Change::Remove(name) => drop(pages.write().unwrap_or_else(PoisonError::into_inner).remove(&name)),
            Change::Nothing => {}
        }
        Box::pin(self.renew(pages)).await
    }

    fn batch(&self, ops: Vec<Op>) -> Batch {
        Batch {
            fence: Some(Fence {
                lane: self.names.book_lane(),
                epoch: self.epoch,
                seq: self.seq + 1,
            }),
            absent: Vec::new(),
            ops,
        }
    }

    fn ops(&self, pages: &RwLock<Pages>, change: &Change) -> Result<Vec<Op>, Error> {
        let pages = read(pages);
        match change {
            Change::Put(name, page) => {
                let mut ops = vec![self.sealed(self.names.book(name), page)?];
                if !pages.contains_key(name) {
                    let names = pages.keys().map(AsRef::as_ref).chain([&**name]);
                    ops.push(self.index(&names.collect::<Vec<_>>())?);
                }
                Ok(ops)
            }
            Change::Remove(name) => {
                let names: Vec<&str> = pages.keys().map(AsRef::as_ref).filter(|other| *other != &**name).collect();
                Ok(vec![
                    Op::Delete {
                        key: self.names.book(name),
                    },
                    self.index(&names)?,
                ])
            }
            Change::Nothing => Ok(Vec::new()),
        }
    }

    fn index(&self, names: &[&str]) -> Result<Op, Error> {
        let key = self.names.book_index();
        if names.is_empty() {
            return Ok(Op::Delete { key });
        }
        let page = serde_json::to_vec(names).map_err(|_| Error::Unfit("its names are no JSON"))?;
        self.sealed(key, &page)
    }

    fn sealed(&self, key: Key, page: &[u8]) -> Result<Op, Error> {
        let sealed = self
            .vault
            .seal(key.as_str(), page, &mut rand::rng())
            .map_err(|_| Error::Unfit("it cannot be sealed"))?;
        Ok(put(key, sealed))
    }
}

fn read(pages: &RwLock<Pages>) -> std::sync::RwLockReadGuard<'_, Pages> {
    pages.read().unwrap_or_else(PoisonError::into_inner)
}

fn failure(error: waxseal_store::Error) -> Error {
    match error {
        waxseal_store::Error::Unavailable { .. } => Error::Unavailable("the store does not answer"),
        waxseal_store::Error::Overloaded => Error::Unavailable("the store is overloaded"),
        waxseal_store::Error::Refused(_) | waxseal_store::Error::Corrupt(_) => Error::Store(error),
    }
}

/// The operation that writes a sealed value of the book.
fn put(key: Key, value: Vec<u8>) -> Op {
    Op::Put {
        key,
        value: value.into(),
        ttl: TTL,
    }
}
