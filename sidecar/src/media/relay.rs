//! Files on their way to consumers: the ciphertext as it is, to the relay, before a message names it.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use waxseal_content::{Blob, BlobId, FileSecret, Media, MediaKind, Text};

use super::{
    Shelf, TURN,
    download::{Source, refusal},
    slot,
};
use crate::{
    file::{File, Place, Refusal},
    id::MediaId,
    moment::Moment,
};

/// The longest that a relay keeps anything.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a file's way to the relay may take.
const WHOLE: Duration = Duration::from_secs(5 * 60);

/// Until when the relay has a file, Unix milliseconds.
pub(super) type Until = u64;

/// What a message says of a file that is at the relay.
#[derive(Clone)]
pub struct Pointer {
    /// Where the ciphertext is, and its key.
    pub blob: Blob,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// How long the content is.
    pub size_bytes: u64,
    /// Its media type.
    pub mime_type: String,
    /// The name it was uploaded under.
    pub filename: Option<Text>,
    /// Whether it is a sticker that moves.
    pub animated: bool,
}

impl Pointer {
    /// As a member of a message.
    #[must_use]
    pub fn into_media(self, kind: MediaKind, caption: Option<Text>, filename: Option<Text>, voice: bool) -> Media {
        Media {
            kind,
            blob: self.blob,
            sha256: self.sha256,
            size_bytes: self.size_bytes,
            mime_type: Text::new(self.mime_type),
            caption,
            filename: filename.or(self.filename).filter(|_| kind == MediaKind::Document),
            voice,
            animated: self.animated,
        }
    }
}

impl Shelf {
    /// What a message that is sent now says of a file; `Ok` only once the relay has it, for as long as the message may be on its way.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn outbound(&self, id: MediaId, now: SystemTime) -> Result<Pointer, Refusal> {
        let file = self.find(id, now).await?;
        self.outbound_file(&file, now).await
    }

    /// The same for a file that was just found or fetched.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn outbound_file(&self, file: &File, now: SystemTime) -> Result<Pointer, Refusal> {
        let blob = match file.place {
            Place::Object(_) => file.blob,
            // A consumer's file goes when that consumer's upload does; what is passed on is a copy of our own.
            Place::Relay => copy(file),
        };
        let now_ms = Moment::of(now).ms;
        let (ttl, needed) = self.times();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let slot = slot(&self.relayed, file.id);
        // Whoever comes meanwhile waits here, and finds it done.
        let mut until = slot.lock().await;
        if until.is_none_or(|until| until < now_ms.saturating_add(ms(needed))) {
            self.put(file, blob, ttl).await?;
            *until = Some(now_ms.saturating_add(ms(ttl)));
        }
        Ok(Pointer {
            blob: Blob {
                id: blob,
                key: FileSecret::new(*file.key.as_bytes()),
            },
            sha256: file.sha256,
            size_bytes: file.size_bytes,
            mime_type: file.mime_type.clone(),
            filename: file.filename.clone(),
            animated: file.animated,
        })
    }

    /// For how long a file goes to the relay, and how much of that must be left for a message that is sent: its whole life, but for a day
    /// where a relay keeps nothing longer.
    fn times(&self) -> (Duration, Duration) {
        let retention = self.shared.retention;
        let spare = (retention / 8).min(Duration::from_secs(24 * 3600));
        let ttl = (retention + spare).min(LONGEST);
        (ttl, retention.min(ttl.saturating_sub(spare)))
    }

    async fn put(&self, file: &File, blob: BlobId, ttl: Duration) -> Result<(), Refusal> {
        let Ok(Ok(_turn)) = timeout(TURN, self.relaying.acquire()).await else {
            return Err(Refusal::Overloaded);
        };
        let size_bytes = file.layout().ciphertext_bytes();
        let span = file.layout().span(&(0..file.size_bytes));
        let head = futures_util::stream::iter([Ok(bytes::Bytes::from_static(&waxseal_sealing::stream::HEAD))]).boxed();
        let source: Source = head.chain(self.ciphertext(file, &span).await?).boxed();
        // A part that cannot be read ends the upload short, and the relay keeps none of it.
        let data = source.scan((), |(), part| {
            let part = part.inspect_err(|refusal| tracing::warn!(%refusal, "a file could not be read on its way to the relay"));
            std::future::ready(part.ok())
        });
        let put = timeout(WHOLE, self.blobs.put(blob, size_bytes, ttl, data.boxed())).await;
        match put.map_err(|_| Refusal::Unavailable)? {
            Ok(existed) => {
                self.shared.metrics.media("relayed", if existed { 0 } else { size_bytes });
                Ok(())
            }
            Err(waxseal_protocol::Error::BlobSize) => Err(Refusal::Unavailable),
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// The name of our copy of a consumer's file: always the same, so that a copy is made once, and known only to who has the key.
fn copy(file: &File) -> BlobId {
    let mut digest = Sha256::new();
    digest.update(b"waxseal copy v1");
    digest.update(file.key.as_bytes());
    digest.update(file.blob.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.finalize()[..16]);
    BlobId::new(id)
}
