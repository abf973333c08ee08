//! The Book: what the business tells a number through the API, and what must outlive messages.
//!
//! Purpose: documents by name (profile, QR codes, blocked consumers, settings, templates, …), each one JSON value. They are sealed with a key of
//! their own, not with the retention chain: they hold no message content and nothing of a consumer but blind indexes and business-scoped ids.
//! Every document lives 30 days and is renewed daily while the number is served; erasing the number deletes them and destroys their key.
//!
//! Reads come from memory, which holds exactly what is durable. Changes are one at a time; one is durable when [`Book::change`] returns, and only
//! then to be seen by readers. They are fenced like the lanes: who has lost the number to another process changes nothing any more, and that
//! process read the Book after it had claimed it.
//!
//! May touch: the store. Must not: know what a document says, or take a consumer's number into a name.

mod error;
mod writer;

use std::{
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::timeout};
use waxseal_sealing::Vault;
use waxseal_store::Store;
use zeroize::Zeroizing;

pub use self::error::Error;
use self::writer::{Change, Pages, Writer};
use crate::names::Names;

/// How often documents are renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a change waits for those before it.
const TURN: Duration = Duration::from_secs(10);
/// Documents of one number.
pub const MAX_DOCUMENTS: usize = 4096;
/// One document, as JSON.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// What [`Error::Full`] says of a document that is too long.
pub(crate) const DOCUMENT_FULL: &str = "a document has at most 1 MiB";
/// All documents of one number.
pub const MAX_BYTES: usize = 16 << 20;
/// The longest name of a document.
pub const MAX_NAME_BYTES: usize = 64;

/// The documents of one number.
pub struct Book {
    pages: RwLock<Pages>,
    writer: Mutex<Writer>,
}

impl Book {
    /// Opens the book in the name of the owner with `epoch`, which has just been claimed for [`Names::book_lane`] at `seq`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Store`].
    pub async fn open(store: Store, names: Names, number_id: &str, key: &Zeroizing<[u8; 32]>, epoch: u64, seq: u64) -> Result<Self, Error> {
        let writer = Writer::new(store, names, Vault::new(number_id, key), epoch, seq);
        let pages = writer.load().await?;
        Ok(Self {
            pages: RwLock::new(pages),
            writer: Mutex::new(writer),
        })
    }

    /// A document as it is durable; `None` when there is none, or (with a line in the log) when it cannot be read as this type.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        parse(name, &self.page(name)?)
    }

    /// The names of the documents that start like this, in order.
    #[must_use]
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        pages
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .map(|(name, _)| name.to_string())
            .take_while(|name| name.starts_with(prefix))
            .collect()
    }

    /// Changes a document: `change` gets what is durable, or the default; when it succeeds, what it made of it is durable when this returns. When
    /// it fails, nothing has changed.
    ///
    /// # Errors
    /// What `change` fails with, or [`Error`].
    pub async fn change<T, R, E>(&self, name: &str, change: impl FnOnce(&mut T) -> Result<R, E> + Send) -> Result<R, E>
    where
        T: Serialize + DeserializeOwned + Default + Send,
        E: From<Error>,
        R: Send,
    {
        check_name(name)?;
        let mut writer = self.turn().await?;
        writer.settle(&self.pages).await?;
        let before = self.page(name);
        let mut document: T = before.as_ref().and_then(|page| parse(name, page)).unwrap_or_default();
        let result = change(&mut document)?;
        let page: Arc<[u8]> = serde_json::to_vec(&document).map_err(|_| Error::Unfit("it is no JSON"))?.into();
        if before.as_ref() != Some(&page) {
            self.check_room(name, page.len())?;
            writer.write(&self.pages, Change::Put(name.into(), page)).await?;
        }
        Ok(result)
    }

    /// Removes a document; whether there was one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        check_name(name)?;
        let mut writer = self.turn().await?;
        writer.settle(&self.pages).await?;
        if self.page(name).is_none() {
            return Ok(false);
        }
        writer.write(&self.pages, Change::Remove(name.into())).await?;
        Ok(true)
    }

    /// Gives every document its whole time to live again.
    ///
    /// # Errors
    /// [`Error`]; then some may have been renewed.
    pub async fn renew(&self) -> Result<(), Error> {
        let mut writer = self.turn().await?;
        writer.settle(&self.pages).await?;
        writer.renew(&self.pages).await
    }

    fn page(&self, name: &str) -> Option<Arc<[u8]>> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, Writer>, Error> {
        timeout(TURN, self.writer.lock())
            .await
            .map_err(|_| Error::Unavailable("too many changes wait"))
    }

    fn check_room(&self, name: &str, bytes: usize) -> Result<(), Error> {
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(Error::Full(DOCUMENT_FULL));
        }
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let others: usize = pages
            .iter()
            .filter(|(other, _)| &***other != name)
            .map(|(_, page)| page.len())
            .sum();
        if others + bytes > MAX_BYTES {
            return Err(Error::Full("all documents of a number have at most 16 MiB"));
        }
        if !pages.contains_key(name) && pages.len() >= MAX_DOCUMENTS {
            return Err(Error::Full("a number has at most 4096 documents"));
        }
        Ok(())
    }
}

/// Names are parts of names in the store: words of the source and ids made here, never what a request said of a consumer.
fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b':');
    match (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(Error::Unfit("its name is not 1 to 64 of a-z, 0-9, -, _, . and :")),
    }
}

fn parse<T: DeserializeOwned>(name: &str, page: &[u8]) -> Option<T> {
    // The reader's own words may repeat the document.
    serde_json::from_slice(page)
        .inspect_err(|error| {
            tracing::error!(
                name,
                line = error.line(),
                column = error.column(),
                "a document of the book cannot be read"
            );
        })
        .ok()
}

#[cfg(test)]
mod tests;
