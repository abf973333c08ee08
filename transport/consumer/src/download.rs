//! Files from the relay: opened chunk by chunk, never whole in memory, and only whole when size and digest are those of the message.
//!
//! May touch: the relay, and the file it is told to write.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use waxseal_content::Media;
use waxseal_protocol::{Account, Client, Parts};
use waxseal_sealing::stream::{Decryptor, FileKey, ciphertext_bytes};
use zeroize::Zeroizing;

use crate::MAX_FILE_BYTES;

/// How often a download that broke is gone on with, without any progress in between.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Why a file could not be fetched. What was written of it is gone.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The relay does not have it, or has it no more.
    #[error("the relay does not have the file (any more)")]
    Gone,
    /// The relay could not be reached, or refused.
    #[error(transparent)]
    Relay(waxseal_protocol::Error),
    /// It is not the file that the message names: changed, cut, extended, or another one.
    #[error("the file is not the one that was sent")]
    NotAuthentic,
    /// It is larger than is fetched.
    #[error("the file is larger than {} MB", max / 1_048_576)]
    TooLarge {
        /// The largest file.
        max: u64,
    },
    /// It could not be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A file on its way here.
pub struct Download {
    client: Client,
    account: Arc<Account>,
    media: Media,
    parts: Option<Parts>,
    /// Bytes of the ciphertext taken so far: where to go on.
    taken: u64,
    /// `None` once everything was opened.
    decryptor: Option<Decryptor>,
    hash: Sha256,
    given: u64,
    failures: u32,
}

impl Download {
    pub(crate) fn new(client: Client, account: Arc<Account>, media: Media) -> Self {
        let key = FileKey::from_bytes(media.blob.key.reveal());
        Self {
            client,
            account,
            media,
            parts: None,
            taken: 0,
            decryptor: Some(Decryptor::new(&key)),
            hash: Sha256::new(),
            given: 0,
            failures: 0,
        }
    }

    /// The next bytes. They are authentic, but only the `None` after the last of them says that they are the whole file.
    ///
    /// # Errors
    /// [`DownloadError`]; nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, DownloadError> {
        let next = self.advance().await;
        if next.is_err() {
            self.decryptor = None;
        }
        next
    }

    async fn advance(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, DownloadError> {
        let mut plaintext = Zeroizing::new(Vec::new());
        while plaintext.is_empty() {
            if self.decryptor.is_none() {
                return Ok(None);
            }
            let ciphertext = self.ciphertext().await?;
            let opened = match (&ciphertext, self.decryptor.as_mut()) {
                (Some(bytes), Some(decryptor)) => decryptor.push(bytes, &mut plaintext),
                (None, _) => match self.decryptor.take() {
                    Some(decryptor) => decryptor.finish(&mut plaintext),
                    None => Ok(()),
                },
                (Some(_), None) => Ok(()),
            };
            opened.map_err(|_| DownloadError::NotAuthentic)?;
            self.hash.update(plaintext.as_slice());
            self.given += plaintext.len() as u64;
            if self.given > self.media.size_bytes {
                return Err(DownloadError::NotAuthentic);
            }
            if ciphertext.is_none() && (self.given != self.media.size_bytes || self.hash.clone().finalize()[..] != self.media.sha256) {
                return Err(DownloadError::NotAuthentic);
            }
        }
        Ok(Some(plaintext))
    }

    /// The next bytes of the ciphertext; a broken connection is taken up again where it broke.
    async fn ciphertext(&mut self) -> Result<Option<bytes::Bytes>, DownloadError> {
        loop {
            let error = match &mut self.parts {
                Some(parts) => match parts.next().await {
                    None => return Ok(None),
                    Some(Ok(bytes)) => {
                        self.taken += bytes.len() as u64;
                        self.failures = 0;
                        return Ok(Some(bytes));
                    }
                    Some(Err(error)) => error,
                },
                None => {
                    let whole = ciphertext_bytes(self.media.size_bytes);
                    if self.taken > 0 && self.taken == whole {
                        return Ok(None);
                    }
                    let id = self.media.blob.id;
                    match self.client.get_blob(&self.account, id.as_bytes(), self.taken, 0).await {
                        // The declared size is the sender's word; what does not fit it is not read at all.
                        Ok(parts) if parts.size_bytes() != whole => return Err(DownloadError::NotAuthentic),
                        Ok(parts) => {
                            self.parts = Some(parts);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
            };
            self.parts = None;
            self.failures += 1;
            let pause = match &error {
                waxseal_protocol::Error::NoBlob => return Err(DownloadError::Gone),
                waxseal_protocol::Error::RateLimited { retry_after } => *retry_after,
                // Who just opened its state may not be registered yet.
                waxseal_protocol::Error::Unauthenticated => FIRST_PAUSE * 2_u32.pow(self.failures.min(6)),
                other if other.is_transient() => FIRST_PAUSE * 2_u32.pow(self.failures.min(6)),
                _ => return Err(DownloadError::Relay(error)),
            };
            if self.failures >= ATTEMPTS {
                return Err(DownloadError::Relay(error));
            }
            tokio::time::sleep(pause.min(Duration::from_secs(10))).await;
        }
    }

    /// Everything, for files that fit into memory.
    ///
    /// # Errors
    /// [`DownloadError`]; [`DownloadError::TooLarge`] without fetching anything when it is above `max` bytes.
    pub async fn into_bytes(mut self, max: u64) -> Result<Zeroizing<Vec<u8>>, DownloadError> {
        if self.media.size_bytes > max {
            return Err(DownloadError::TooLarge { max });
        }
        let mut whole = Zeroizing::new(Vec::with_capacity(usize::try_from(self.media.size_bytes).unwrap_or(0)));
        while let Some(bytes) = self.next().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    /// Writes the file, for its owner alone. Nothing has this name before everything is there and known to be right; a file of this name
    /// is replaced.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub async fn into_file(mut self, path: &Path) -> Result<(), DownloadError> {
        if self.media.size_bytes > MAX_FILE_BYTES {
            return Err(DownloadError::TooLarge { max: MAX_FILE_BYTES });
        }
        let failed = |source| DownloadError::Write {
            path: path.to_owned(),
            source,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // Created with mode 0600; removed when dropped.
        let temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(failed)?);
        while let Some(bytes) = self.next().await? {
            file.write_all(&bytes).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        temporary.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}
