//! Files on their way to the relay: encrypted once, kept until the relay has them, so that sending goes on after a restart.
//!
//! May touch: the directory `outgoing/` of the consumer's state. Only ciphertext is in it; the keys are in the messages that wait.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use sha2::{Digest as _, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waxseal_content::{Blob, BlobId, FileSecret, Media, Text};
use waxseal_sealing::stream::{CHUNK_BYTES, Encryptor};
use zeroize::Zeroizing;

use crate::attachment::Attachment;
use crate::{Error, MAX_FILE_BYTES};

/// Where encrypted files wait. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Place>);

struct Place {
    directory: PathBuf,
    /// Of a consumer in memory: goes with it.
    _temporary: Option<tempfile::TempDir>,
}

/// A file in the spool, and what the message says of it. Removed when dropped, unless it was kept.
pub(crate) struct Spooled {
    pub(crate) media: Media,
    pub(crate) ciphertext_bytes: u64,
    path: PathBuf,
    kept: bool,
}

impl Spooled {
    /// A message that names the file is in the state now.
    pub(crate) const fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.kept {
            let _swept_later = std::fs::remove_file(&self.path);
        }
    }
}

impl Spool {
    /// In the directory of a consumer's state.
    pub(crate) fn within(state: &Path) -> Result<Self, Error> {
        let directory = state.join("outgoing");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|source| Error::io(&directory, source))?;
        Ok(Self(Arc::new(Place {
            directory,
            _temporary: None,
        })))
    }

    /// Of a consumer in memory.
    pub(crate) fn temporary() -> Result<Self, Error> {
        let temporary = tempfile::Builder::new()
            .prefix("waxseal-outgoing-")
            .tempdir()
            .map_err(|source| Error::io(&std::env::temp_dir(), source))?;
        Ok(Self(Arc::new(Place {
            directory: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })))
    }

    pub(crate) fn path(&self, id: BlobId) -> PathBuf {
        self.0.directory.join(hex::encode(id.as_bytes()))
    }

    /// Forgets a file. One that is left behind is swept when the consumer is opened again.
    pub(crate) fn remove(&self, id: BlobId) {
        let _swept_later = std::fs::remove_file(self.path(id));
    }

    /// Removes what no message waits for: left behind by a process that ended in between.
    pub(crate) fn sweep(&self, wanted: &HashSet<BlobId>) {
        let wanted: HashSet<PathBuf> = wanted.iter().map(|id| self.path(*id)).collect();
        let Ok(entries) = std::fs::read_dir(&self.0.directory) else {
            return;
        };
        for entry in entries.flatten() {
            if !wanted.contains(&entry.path()) {
                let _next_time = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Encrypts a file into the spool, chunk by chunk. Durable when it returns.
    pub(crate) async fn take(&self, mut attachment: Attachment) -> Result<Spooled, Error> {
        let mut rng = StdRng::from_os_rng();
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let id = BlobId::new(id);
        let path = self.path(id);
        let broken = |source| Error::io(&path, source);
        let mut source = attachment.open().await?;
        let mut target = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .await
            .map_err(broken)?;
        let (key, mut encryptor) = Encryptor::new(&mut rng);
        let mut spooled = Spooled {
            media: Media {
                kind: attachment.kind,
                blob: Blob {
                    id,
                    key: FileSecret::new(*key.as_bytes()),
                },
                sha256: [0; 32],
                size_bytes: 0,
                mime_type: Text::new(attachment.mime_type),
                caption: attachment.caption,
                filename: attachment.filename,
                voice: attachment.voice,
                animated: attachment.animated,
            },
            ciphertext_bytes: 0,
            path: path.clone(),
            kept: false,
        };
        let mut hash = Sha256::new();
        let mut plaintext = Zeroizing::new(vec![0; CHUNK_BYTES]);
        let mut ciphertext = Vec::with_capacity(2 * CHUNK_BYTES);
        loop {
            let read = source.read(&mut plaintext).await.map_err(Error::Attachment)?;
            if read == 0 {
                break;
            }
            spooled.media.size_bytes += read as u64;
            if spooled.media.size_bytes > MAX_FILE_BYTES {
                return Err(Error::FileTooLarge { max: MAX_FILE_BYTES });
            }
            hash.update(&plaintext[..read]);
            encryptor.push(&plaintext[..read], &mut ciphertext).map_err(|_| Error::Corrupt)?;
            write(&mut target, &mut ciphertext, &mut spooled).await.map_err(broken)?;
        }
        if spooled.media.size_bytes == 0 {
            return Err(Error::EmptyFile);
        }
        encryptor.finish(&mut ciphertext).map_err(|_| Error::Corrupt)?;
        write(&mut target, &mut ciphertext, &mut spooled).await.map_err(broken)?;
        target.sync_all().await.map_err(broken)?;
        spooled.media.sha256 = hash.finalize().into();
        Ok(spooled)
    }
}

async fn write(target: &mut File, ciphertext: &mut Vec<u8>, spooled: &mut Spooled) -> std::io::Result<()> {
    target.write_all(ciphertext).await?;
    spooled.ciphertext_bytes += ciphertext.len() as u64;
    ciphertext.clear();
    target.flush().await
}

#[cfg(test)]
mod tests {
    use waxseal_content::MediaKind;
    use waxseal_sealing::stream::{Decryptor, FileKey, ciphertext_bytes};

    use super::*;

    #[tokio::test]
    async fn what_is_spooled_is_ciphertext_that_the_message_opens() {
        let state = tempfile::tempdir().unwrap();
        let spool = Spool::within(state.path()).unwrap();
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let attachment = Attachment::from_bytes(MediaKind::Document, content.clone()).named("numbers.bin");
        let mut spooled = spool.take(attachment).await.unwrap();
        assert_eq!(spooled.ciphertext_bytes, ciphertext_bytes(800_000));
        assert_eq!(
            (spooled.media.size_bytes, spooled.media.filename.as_ref().unwrap().reveal()),
            (800_000, "numbers.bin")
        );
        let ciphertext = std::fs::read(spool.path(spooled.media.blob.id)).unwrap();
        assert!(!ciphertext.windows(16).any(|window| window == &content[400..416]));
        let mut opened = Vec::new();
        let mut decryptor = Decryptor::new(&FileKey::from_bytes(spooled.media.blob.key.reveal()));
        decryptor.push(&ciphertext, &mut opened).unwrap();
        decryptor.finish(&mut opened).unwrap();
        assert!(opened == content);
        assert_eq!(spooled.media.sha256, <[u8; 32]>::from(Sha256::digest(&content)));

        // What no message came to name goes; what one names stays until it was sent.
        let path = spool.path(spooled.media.blob.id);
        spooled.keep();
        drop(spooled);
        assert!(path.exists());
        let forgotten = spool.take(Attachment::from_bytes(MediaKind::Image, vec![1])).await.unwrap();
        let forgotten_path = spool.path(forgotten.media.blob.id);
        drop(forgotten);
        assert!(!forgotten_path.exists());
        spool.sweep(&HashSet::new());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn empty_and_endless_files_are_refused_and_leave_nothing() {
        let spool = Spool::temporary().unwrap();
        let empty = spool.take(Attachment::from_bytes(MediaKind::Image, vec![])).await;
        assert!(matches!(empty, Err(Error::EmptyFile)));
        let endless = Attachment::from_reader(MediaKind::Video, tokio::io::repeat(7));
        assert!(matches!(spool.take(endless).await, Err(Error::FileTooLarge { .. })));
        let nothing = Attachment::from_path(MediaKind::Video, "/nowhere/at/all.mp4");
        assert!(matches!(spool.take(nothing).await, Err(Error::Io { .. })));
        assert_eq!(std::fs::read_dir(&spool.0.directory).unwrap().count(), 0);
    }
}
