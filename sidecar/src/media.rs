//! Files: what the business uploads, what consumers send, what links lead to.
//!
//! A file travels and rests as one ciphertext ([`waxseal_sealing::stream`]) under a key of its own. Of the business's files the ciphertext
//! rests in the object store, and goes to the relay unchanged when a message with it is sent; of consumers' files it stays at the relay. The
//! key is in the record in the number's store, sealed under the retention chain: when that is gone, what is left anywhere is noise.
//!
//! What is where: `objects` is the object store, `upload`, `download`, `relay` and `fetch` move bytes. What a file is, and which are
//! taken, is in [`crate::file`].
//!
//! May touch: the number's store, the object store, blobs at the transport, links that [`crate::egress`] lets through. Must not: know HTTP of
//! the port or the ratchet; hold a file in memory; let a name, a link or a byte of a file reach a log.

mod download;
mod fetch;
mod objects;
mod relay;
mod upload;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use lru::LruCache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use waxseal_sealing::{Class, Hour};
use waxseal_store::{Batch, Key, Op, Store};

pub use crate::{
    file::{File, LinkFailure, MOST_BYTES, Refusal, Unfit, most_bytes, suits},
    id::MediaId,
};

use self::fetch::Fetcher;
pub use self::{
    download::Reader,
    objects::{Error, Objects},
    relay::Pointer,
    upload::{
        Draft,
        resumable::{Resumed, Stopped, Upload},
    },
};
use crate::{
    config,
    conversation::shared::Shared,
    file::{self, Place, Record},
    moment::Moment,
    transport::blobs::Blobs,
};

/// How often expired objects are looked for.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// Files on their way to a client at the same time.
const DOWNLOADS: usize = 64;
/// Files on their way to the relay at the same time.
const RELAYING: usize = 8;
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Files and links that are remembered, to move each but once.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// The first byte of a record that outlives the retention, because the business said so. Sealed values begin with 1.
const LONG: u8 = 2;
const LONG_LABEL: &[u8] = b"media record";

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            error => {
                tracing::warn!(%error, "the media store was of no use");
                Self::Unavailable
            }
        }
    }
}

impl From<waxseal_store::Error> for Refusal {
    fn from(error: waxseal_store::Error) -> Self {
        match error {
            waxseal_store::Error::Overloaded => Self::Overloaded,
            waxseal_store::Error::Unavailable { .. } => Self::Unavailable,
            error => {
                tracing::error!(%error, "the store refused a file's record");
                Self::Internal
            }
        }
    }
}

/// The files of one number.
pub struct Shelf {
    number_id: String,
    shared: Arc<Shared>,
    store: Store,
    blobs: Arc<dyn Blobs>,
    objects: Option<Objects>,
    fetcher: Fetcher,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    relaying: Semaphore,
    relayed: Memory<MediaId, relay::Until>,
    links: Memory<[u8; 32], upload::Link>,
    active: upload::resumable::Active,
}

/// Something that is done once for each key, and remembered for a while; whoever comes meanwhile waits.
type Memory<K, V> = Mutex<LruCache<K, Arc<tokio::sync::Mutex<Option<V>>>>>;

impl Shelf {
    /// The files of the number that `shared` is of.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn new(number_id: &str, media: &config::Media, shared: Arc<Shared>, store: Store, blobs: Arc<dyn Blobs>) -> Result<Self, Error> {
        let objects = media.location.as_ref().map(Objects::open).transpose()?;
        let fetcher = Fetcher::new(&media.egress).map_err(|error| Error::Configuration(error.to_string()))?;
        Ok(Self {
            number_id: number_id.to_owned(),
            uploads: Arc::new(Semaphore::new(objects.as_ref().map_or(1, Objects::writers))),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            relaying: Semaphore::new(RELAYING),
            relayed: Mutex::new(LruCache::new(REMEMBERED)),
            links: Mutex::new(LruCache::new(REMEMBERED)),
            active: Mutex::default(),
            shared,
            store,
            blobs,
            objects,
            fetcher,
        })
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn find(&self, id: MediaId, now: SystemTime) -> Result<File, Refusal> {
        let key = self.shared.names.media(id);
        let found = self.store.get(std::slice::from_ref(&key)).await?;
        let sealed = found.into_iter().next().flatten().ok_or(Refusal::NotFound)?;
        let record = self.open_record(&key, &sealed).ok_or(Refusal::NotFound)?;
        let file = File::of(id, record).ok_or(Refusal::NotFound)?;
        match Moment::of(now).ms < file.expires_ms {
            true => Ok(file),
            false => Err(Refusal::NotFound),
        }
    }

    /// Forgets a file. What a consumer was sent of it stays with the consumer.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn delete(&self, id: MediaId, now: SystemTime) -> Result<(), Refusal> {
        let file = self.find(id, now).await?;
        let gone = Op::Delete {
            key: self.shared.names.media(id),
        };
        self.store
            .commit(Batch {
                ops: vec![gone],
                ..Batch::default()
            })
            .await?;
        self.shared.metrics.media("deleted", 0);
        // Without its key it is noise; the sweeper takes it if this does not.
        if let (Place::Object(name), Some(objects)) = (&file.place, &self.objects)
            && let Err(error) = objects.delete(name).await
        {
            tracing::warn!(%error, "an object could not be deleted at once; it goes when it expires");
        }
        Ok(())
    }

    /// The address of a file, for who has a token of the number; under `reached` (`http://host`) where no other base is configured.
    #[must_use]
    pub fn url(&self, id: MediaId, reached: &str, now: SystemTime) -> String {
        let shared = &self.shared;
        shared.urls.or_under(reached, &shared.tokens, id, Moment::of(now).ms)
    }

    /// Whether an address with these parts was given out, and has not expired.
    #[must_use]
    pub fn is_good(&self, id: MediaId, expires: &str, signature: &str, now: SystemTime) -> bool {
        file::url::is_good(&self.shared.tokens, id, expires, signature, Moment::of(now).ms)
    }

    /// Deletes the objects whose files have expired.
    ///
    /// # Errors
    /// [`Error`]; sweeping again is safe.
    pub async fn sweep(&self, now: SystemTime) -> Result<(), Error> {
        let Some(objects) = &self.objects else { return Ok(()) };
        match objects.sweep(&self.number_id, Hour::of(now)).await? {
            0 => {}
            hours => tracing::debug!(hours, "expired files were deleted"),
        }
        Ok(())
    }

    /// Sweeps until it is told to stop.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.sweep(SystemTime::now()).await {
                tracing::warn!(%error, "expired files could not be deleted; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }

    fn open_record(&self, key: &Key, sealed: &[u8]) -> Option<Record> {
        match sealed.split_first() {
            Some((&LONG, token)) => {
                let plaintext = zeroize::Zeroizing::new(self.shared.tokens.unwrap(&long_label(key), token).ok()?);
                prost::Message::decode(plaintext.as_slice()).ok()
            }
            _ => self.shared.open(Class::Media, key, sealed),
        }
    }
}

/// Binds a record to its name.
fn long_label(key: &Key) -> Vec<u8> {
    [LONG_LABEL, b" ", key.as_str().as_bytes()].concat()
}

/// The lock of one key, and what is remembered under it.
fn slot<K: std::hash::Hash + Eq, V>(memory: &Memory<K, V>, key: K) -> Arc<tokio::sync::Mutex<Option<V>>> {
    let mut slots = memory.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(slots.get_or_insert(key, Arc::default))
}

#[cfg(test)]
mod tests;
