//! The keys of a number that are kept outside the store.
//!
//! Purpose: hold and persist what must outlive the store or must be destroyed apart from it: the Signal identity, the retention chain, the
//! signed and last-resort pre-keys, the keys of blind indexes and message ids, the credential at the transport. [`Keys`] is what is kept,
//! a [`Keeper`] where: a file with mode 0600 (`file`), or the number's Secret (`secret`).
//!
//! May touch: its file, its Secret. Must not: know the store, the transport or what the keys are used for.
//!
//! **Keep before use.** Keys change only through [`Custody::replace`], which has them kept first and in memory afterwards. When keeping fails,
//! memory stays as it was, and nothing of the new keys has been used. The keeper may have kept them all the same (an answer that was lost,
//! a future that was dropped): then they are overwritten by the next change, or found by the next start, and either is safe because they
//! were never used.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;
use rand::{CryptoRng, Rng, RngCore};
use waxseal_sealing::{Chain, Hour};
use waxseal_signal::Identity;
use zeroize::{Zeroize as _, Zeroizing};

mod file;
mod record;
#[cfg(feature = "kubernetes")]
pub mod secret;

pub use file::FileKeeper;
pub use record::PreKeyEntry;
#[cfg(feature = "kubernetes")]
pub use secret::SecretKeeper;

/// What custody holds for one number. No `Debug`.
#[derive(Clone)]
pub struct Keys {
    /// The Signal identity.
    pub identity: Arc<Identity>,
    /// The oldest chain key that is still needed.
    pub chain: Chain,
    /// Key of blind indexes.
    pub index_key: Zeroizing<[u8; 32]>,
    /// Key of message ids.
    pub token_key: Zeroizing<[u8; 32]>,
    /// Key of business-scoped user ids.
    pub user_id_key: Zeroizing<[u8; 32]>,
    /// Credential at the transport.
    pub credential: Zeroizing<[u8; 32]>,
    /// Key of what the business says of itself. Keys that were kept before there was such a key have none.
    pub book_key: Option<Zeroizing<[u8; 32]>>,
    /// The highest epoch this number has claimed.
    pub epoch: u64,
    /// Signed pre-keys, youngest last.
    pub signed_pre_keys: Vec<PreKeyEntry>,
    /// Last-resort Kyber pre-keys, youngest last.
    pub last_resort_keys: Vec<PreKeyEntry>,
    /// The next pre-key id; rises and wraps at 24 bits.
    pub next_pre_key_id: u32,
}

/// Why something went wrong underneath.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why keys could not be kept or read. Says the place, never a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They could not be read.
    #[error("cannot read {place}: {source}")]
    Read {
        /// Where they are.
        place: String,
        /// The cause.
        source: Cause,
    },
    /// They could not be written, or it is not known whether they were.
    #[error("cannot write {place}: {source}; keys that cannot be kept are not used")]
    Write {
        /// Where they were to be.
        place: String,
        /// The cause.
        source: Cause,
    },
    /// There is no place to keep them.
    #[error("{place} does not exist; {remedy}")]
    Missing {
        /// Where they were to be.
        place: String,
        /// What to do.
        remedy: &'static str,
    },
    /// What is there are no keys of this version.
    #[error("{0} holds no keys of this version; restore it from a backup, or empty it to start with a new identity")]
    Malformed(String),
    /// Somebody else has written there since: another process answers for the number now, or its keys have been destroyed.
    #[error("{0} was written by another process; this one must not use its keys any more")]
    Displaced(String),
    /// New keys could not be made.
    #[error("cannot make a Signal identity: {0}")]
    Generate(#[source] waxseal_signal::Error),
}

impl Error {
    /// Whether trying again may help without anything else being done.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write { .. } | Self::Missing { .. })
    }
}

/// Where the record of one number's keys is kept. Bytes to it.
pub trait Keeper: Send {
    /// The record as it is kept now; `None` when nothing is kept.
    fn load(&mut self) -> BoxFuture<'_, Result<Option<Zeroizing<Vec<u8>>>, Error>>;

    /// Keeps `record` in the place of what was loaded or saved last; durable when this returns. After an error, or when the future was
    /// dropped, the record may have been kept or not. Saving again, this record or another, is safe: a keeper in doubt looks first.
    fn save<'a>(&'a mut self, record: &'a [u8]) -> BoxFuture<'a, Result<(), Error>>;

    /// Destroys whatever is kept, whoever wrote it. Safe to repeat; nothing to destroy is a success.
    fn destroy(&mut self) -> BoxFuture<'_, Result<(), Error>>;

    /// What to call the place in messages to people, such as "the key file /keys/1.custody".
    fn place(&self) -> String;
}

/// The keys of one number and their keeper.
pub struct Custody {
    keeper: Box<dyn Keeper>,
    keys: Keys,
}

impl Custody {
    /// Loads the keys, or has new ones made and keeps them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(mut keeper: Box<dyn Keeper>, generate: impl FnOnce() -> Result<Keys, Error> + Send) -> Result<Self, Error> {
        if let Some(keys) = read(keeper.as_mut()).await? {
            return Ok(Self { keeper, keys });
        }
        let keys = generate()?;
        keeper.save(&record::bytes(&keys)).await?;
        Ok(Self { keeper, keys })
    }

    /// The keys as they are kept.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Keeps these keys in the place of the present ones. They may be used once this has returned `Ok`, and not otherwise.
    ///
    /// # Errors
    /// [`Error`]; then [`Self::keys`] are what they were.
    pub async fn replace(&mut self, keys: Keys) -> Result<(), Error> {
        self.keeper.save(&record::bytes(&keys)).await?;
        self.keys = keys;
        Ok(())
    }
}

/// The keys that are kept, without making any.
///
/// # Errors
/// [`Error`].
pub async fn read(keeper: &mut dyn Keeper) -> Result<Option<Keys>, Error> {
    match keeper.load().await? {
        None => Ok(None),
        Some(record) => record::decode(&record).map(Some).ok_or_else(|| Error::Malformed(keeper.place())),
    }
}

impl Keys {
    /// New keys, with a new identity.
    ///
    /// # Errors
    /// [`Error::Generate`].
    pub fn generate<R: CryptoRng + Rng>(now: SystemTime, rng: &mut R) -> Result<Self, Error> {
        let identity = Arc::new(Identity::generate(rng).map_err(Error::Generate)?);
        Ok(Self {
            identity,
            chain: Chain::generate(Hour::of(now), rng),
            index_key: secret(rng),
            token_key: secret(rng),
            user_id_key: secret(rng),
            credential: secret(rng),
            book_key: Some(secret(rng)),
            epoch: 0,
            signed_pre_keys: Vec::new(),
            last_resort_keys: Vec::new(),
            next_pre_key_id: rng.random_range(1..0x00ff_ffff),
        })
    }

    /// The key of what the business says of itself; made when there is none, to be kept before it is used.
    pub fn book_key<R: CryptoRng + Rng>(&mut self, rng: &mut R) -> Zeroizing<[u8; 32]> {
        self.book_key.get_or_insert_with(|| secret(rng)).clone()
    }
}

fn secret<R: RngCore>(rng: &mut R) -> Zeroizing<[u8; 32]> {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    let secret = Zeroizing::new(bytes);
    bytes.zeroize();
    secret
}

#[cfg(test)]
mod tests;
