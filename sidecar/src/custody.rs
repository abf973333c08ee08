//! The keys of a number that are kept outside the store.
//!
//! Purpose: hold and persist what must outlive the store or must be destroyed apart from it: the Signal identity, the retention chain, the
//! signed and last-resort pre-keys, the keys of blind indexes and message ids, the credential at the transport. Here the keeper is a file
//! with mode 0600; in a cluster it will be the number's Secret.
//!
//! May touch: its file. Must not: know the store, the transport or what the keys are used for.
//!
//! Writing is atomic (a new file, flushed, renamed over the old one), and the old file's bytes are overwritten afterwards, so that a chain
//! key that was moved past does not simply lie on the disk. On copy-on-write file systems and flash that overwriting is best effort.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use prost::Message as _;
use rand::{CryptoRng, Rng, RngCore};
use waxseal_sealing::{Chain, Hour};
use waxseal_signal::Identity;
use zeroize::{Zeroize as _, Zeroizing};

mod record;

pub use record::PreKeyEntry;

/// What custody holds for one number. No `Debug`.
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
    /// The highest epoch this number has claimed.
    pub epoch: u64,
    /// Signed pre-keys, youngest last.
    pub signed_pre_keys: Vec<PreKeyEntry>,
    /// Last-resort Kyber pre-keys, youngest last.
    pub last_resort_keys: Vec<PreKeyEntry>,
    /// The next pre-key id; rises and wraps at 24 bits.
    pub next_pre_key_id: u32,
}

/// Why keys could not be kept or read. Says the path, never a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the key file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write the key file {path}: {source}; keys that cannot be kept are not used")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is no key file of this version.
    #[error("{0} is not a key file of this version; restore it from a backup, or remove it to start with a new identity")]
    Malformed(PathBuf),
    /// New keys could not be made.
    #[error("cannot make a Signal identity: {0}")]
    Generate(#[source] waxseal_signal::Error),
}

/// A key file of one number.
pub struct Custody {
    path: PathBuf,
    /// The keys as they are on disk.
    pub keys: Keys,
}

/// No key file is near this size.
const MAX_BYTES: u64 = 4 << 20;

impl Custody {
    /// Opens the key file, or makes new keys and writes it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open<R: CryptoRng + Rng>(path: &Path, now: SystemTime, rng: &mut R) -> Result<Self, Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        match File::open(path) {
            Ok(file) => {
                let mut bytes = Zeroizing::new(Vec::new());
                file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(read)?;
                let keys = record::decode(&bytes).ok_or_else(|| Error::Malformed(path.to_owned()))?;
                Ok(Self {
                    path: path.to_owned(),
                    keys,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let custody = Self {
                    path: path.to_owned(),
                    keys: Keys::generate(now, rng)?,
                };
                custody.save()?;
                Ok(custody)
            }
            Err(source) => Err(read(source)),
        }
    }

    /// Writes the keys; they are durable when this returns.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self) -> Result<(), Error> {
        self.write().map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn write(&self) -> io::Result<()> {
        let bytes = Zeroizing::new(record::encode(&self.keys).encode_to_vec());
        let fresh = self.path.with_extension("new");
        let old = OpenOptions::new().write(true).open(&self.path).ok();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        if let Some(mut old) = old {
            let length = old.metadata()?.len().min(MAX_BYTES);
            old.rewind()?;
            io::copy(&mut io::repeat(0).take(length), &mut old)?;
            old.sync_all()?;
        }
        Ok(())
    }
}

impl Keys {
    fn generate<R: CryptoRng + Rng>(now: SystemTime, rng: &mut R) -> Result<Self, Error> {
        let identity = Arc::new(Identity::generate(rng).map_err(Error::Generate)?);
        Ok(Self {
            identity,
            chain: Chain::generate(Hour::of(now), rng),
            index_key: secret(rng),
            token_key: secret(rng),
            user_id_key: secret(rng),
            credential: secret(rng),
            epoch: 0,
            signed_pre_keys: Vec::new(),
            last_resort_keys: Vec::new(),
            next_pre_key_id: rng.random_range(1..0x00ff_ffff),
        })
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
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn keys_survive_and_only_the_owner_may_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.custody");
        let now = SystemTime::now();
        let mut custody = Custody::open(&path, now, &mut rand::rng()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        custody.keys.epoch = 7;
        custody.keys.signed_pre_keys.push(PreKeyEntry {
            id: 5,
            created_ms: 6,
            record: Zeroizing::new(vec![1, 2]),
            public: vec![3],
            signature: vec![4],
        });
        custody.save().unwrap();
        let again = Custody::open(&path, now, &mut rand::rng()).unwrap();
        assert_eq!(again.keys.epoch, 7);
        assert_eq!(
            again.keys.identity.public_key().to_bytes(),
            custody.keys.identity.public_key().to_bytes()
        );
        assert_eq!(again.keys.chain.key(), custody.keys.chain.key());
        assert_eq!(again.keys.signed_pre_keys[0].record.as_slice(), [1, 2]);
        assert_eq!(again.keys.next_pre_key_id, custody.keys.next_pre_key_id);
    }

    #[test]
    fn the_old_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.custody");
        let mut custody = Custody::open(&path, SystemTime::now(), &mut rand::rng()).unwrap();
        let mut old = File::open(&path).unwrap();
        let inode = old.metadata().unwrap().ino();
        custody.keys.epoch = 1;
        custody.save().unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), inode, "replaced, not rewritten");
        let mut bytes = Vec::new();
        old.read_to_end(&mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.custody");
        fs::write(&path, b"garbage").unwrap();
        assert!(matches!(
            Custody::open(&path, SystemTime::now(), &mut rand::rng()),
            Err(Error::Malformed(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"garbage");
    }
}
