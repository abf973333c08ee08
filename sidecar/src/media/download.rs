//! Files on their way out: decrypted chunk by chunk; nothing leaves that is not authentic. What is not whole ends in an error, so that
//! nobody takes a part for the whole.

use std::{io, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sha2::{Digest as _, Sha256};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use waxseal_protocol::Error as TransportError;
use waxseal_sealing::stream::{Decryptor, Span};

use super::{Shelf, TURN};
use crate::{
    conversation::shared::Shared,
    file::{File, Place, Refusal},
    transport::blobs::Blob,
};

/// How long the object store or the relay may send nothing.
const IDLE: Duration = Duration::from_secs(40);

/// Plaintext of a file, as it is asked for.
pub type Reader = BoxStream<'static, io::Result<Bytes>>;
/// Ciphertext of a file, or part of it.
pub(super) type Source = BoxStream<'static, Result<Bytes, Refusal>>;

impl Shelf {
    /// Bytes of a file; the range must lie within it.
    ///
    /// # Errors
    /// [`Refusal`], before the first byte. Later ones end the stream.
    pub async fn open(&self, file: &File, range: Range<u64>) -> Result<Reader, Refusal> {
        let turn = timeout(TURN, Arc::clone(&self.downloads).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Refusal::Overloaded)?;
        let is_whole = range == (0..file.size_bytes);
        let span = file.layout().span(&range);
        let source = self.ciphertext(file, &span).await?;
        self.shared.metrics.media("opened", span.plaintext.end - span.plaintext.start);
        let opening = Opening {
            source,
            decryptor: Some(Decryptor::within(&file.key, span)),
            hash: is_whole.then(Sha256::new),
            sha256: file.sha256,
            held: Bytes::new(),
            shared: Arc::clone(&self.shared),
            _turn: turn,
        };
        Ok(futures_util::stream::try_unfold(opening, Opening::next).boxed())
    }

    /// The ciphertext that holds a part of a file, from wherever it is.
    pub(super) async fn ciphertext(&self, file: &File, span: &Span) -> Result<Source, Refusal> {
        let range = span.ciphertext.clone();
        match (&file.place, &self.objects) {
            (Place::Object(name), Some(objects)) => Ok(objects.read(name, range).await?.map_err(Refusal::from).boxed()),
            (Place::Object(_), None) => Err(Refusal::NotFound),
            (Place::Relay, _) => {
                let Blob { size_bytes, parts } = self
                    .blobs
                    .get(file.blob, range.start, range.end - range.start)
                    .await
                    .map_err(|error| refusal(&error))?;
                if size_bytes != file.layout().ciphertext_bytes() {
                    tracing::warn!("a consumer's file at the relay is not as long as its message says");
                    return Err(Refusal::NotFound);
                }
                Ok(parts.map_err(|error| refusal(&error)).boxed())
            }
        }
    }
}

/// What a failure at the transport means for a file.
pub(super) fn refusal(error: &TransportError) -> Refusal {
    match error {
        TransportError::NoBlob => Refusal::NotFound,
        error => {
            tracing::warn!(%error, "the relay was of no use with a file");
            match error {
                TransportError::RateLimited { .. } | TransportError::Full => Refusal::Overloaded,
                error if error.is_transient() => Refusal::Unavailable,
                TransportError::BlobSlow => Refusal::Unavailable,
                _ => Refusal::Internal,
            }
        }
    }
}

struct Opening {
    source: Source,
    /// `None` once it has said that nothing is missing.
    decryptor: Option<Decryptor>,
    /// Of whole files: who sent it may have been wrong about what it is.
    hash: Option<Sha256>,
    sha256: [u8; 32],
    /// The last bytes so far, kept back until the hash is known.
    held: Bytes,
    shared: Arc<Shared>,
    _turn: OwnedSemaphorePermit,
}

impl Opening {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let Some(mut decryptor) = self.decryptor.take() else {
                return Ok(None);
            };
            let mut plaintext = Vec::new();
            match timeout(IDLE, self.source.next()).await {
                Err(_) => return Err(self.broken("its source does not answer")),
                Ok(Some(Err(refusal))) => {
                    tracing::warn!(%refusal, "a download ended early");
                    return Err(self.broken("its source failed"));
                }
                Ok(Some(Ok(part))) => {
                    if decryptor.push(&part, &mut plaintext).is_err() {
                        return Err(self.broken("it is not authentic"));
                    }
                    self.decryptor = Some(decryptor);
                }
                Ok(None) => {
                    if decryptor.finish(&mut plaintext).is_err() {
                        return Err(self.broken("it is not whole"));
                    }
                    if let Some(mut hash) = self.hash.take() {
                        hash.update(&plaintext);
                        if <[u8; 32]>::from(hash.finalize()) != self.sha256 {
                            return Err(self.broken("it is not what its sender said"));
                        }
                    }
                    let held = std::mem::take(&mut self.held);
                    return Ok(match (held.is_empty(), plaintext.is_empty()) {
                        (true, true) => None,
                        (_, true) => Some((held, self)),
                        (_, false) => Some((Bytes::from([held.as_ref(), plaintext.as_slice()].concat()), self)),
                    });
                }
            }
            if plaintext.is_empty() {
                continue;
            }
            let Some(hash) = &mut self.hash else {
                return Ok(Some((plaintext.into(), self)));
            };
            hash.update(&plaintext);
            let before = std::mem::replace(&mut self.held, plaintext.into());
            if !before.is_empty() {
                return Ok(Some((before, self)));
            }
        }
    }

    fn broken(&self, why: &'static str) -> io::Error {
        self.shared.metrics.media("broken", 0);
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}
