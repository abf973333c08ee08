//! What is kept of a file: where its ciphertext is, and its key. Without this record the ciphertext is noise; the record lies in the store,
//! sealed under the retention chain, and goes when the file's life is over. It is written once: a copy sealed again later would outlive it.

use std::time::Duration;

use prost::Message;
use waxseal_content::{BlobId, Text};
use waxseal_sealing::stream::{FileKey, Layout};
use zeroize::Zeroize as _;

use crate::id::MediaId;

/// The stored form.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Record {
    /// The object that holds the ciphertext; empty when the relay has it.
    #[prost(string, tag = "1")]
    pub(crate) object: String,
    /// The ciphertext's name at the relay, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) blob: Vec<u8>,
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) key: Vec<u8>,
    /// Of the plaintext.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) sha256: Vec<u8>,
    /// Of the plaintext.
    #[prost(uint64, tag = "5")]
    pub(crate) size_bytes: u64,
    #[prost(string, tag = "6")]
    pub(crate) mime_type: String,
    #[prost(string, optional, tag = "7")]
    pub(crate) filename: Option<String>,
    /// Unix milliseconds.
    #[prost(uint64, tag = "8")]
    pub(crate) created_ms: u64,
    /// Unix milliseconds.
    #[prost(uint64, tag = "9")]
    pub(crate) expires_ms: u64,
    /// Whether it is a sticker that moves.
    #[prost(bool, tag = "10")]
    pub(crate) animated: bool,
}

/// A file of a number.
#[derive(Clone)]
pub struct File {
    /// Its id at the HTTP port.
    pub id: MediaId,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// How long it is.
    pub size_bytes: u64,
    /// Its media type.
    pub mime_type: String,
    /// The name it came with.
    pub filename: Option<Text>,
    /// Whether it is a sticker that moves.
    pub animated: bool,
    /// When it came, Unix milliseconds.
    pub created_ms: u64,
    /// When it goes, Unix milliseconds.
    pub expires_ms: u64,
    pub(crate) place: Place,
    pub(crate) blob: BlobId,
    pub(crate) key: FileKey,
}

/// Where the ciphertext is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the object store, under this name.
    Object(String),
    /// At the relay: a consumer put it there.
    Relay,
}

impl File {
    /// Reads a record; `None` when it is not one of this build's.
    pub(crate) fn of(id: MediaId, mut record: Record) -> Option<Self> {
        let key = <&[u8; 32]>::try_from(record.key.as_slice()).ok().map(FileKey::from_bytes);
        record.key.zeroize();
        Some(Self {
            id,
            sha256: record.sha256.as_slice().try_into().ok()?,
            size_bytes: record.size_bytes,
            mime_type: record.mime_type,
            filename: record.filename.map(Text::new),
            animated: record.animated,
            created_ms: record.created_ms,
            expires_ms: record.expires_ms,
            place: match record.object.is_empty() {
                true => Place::Relay,
                false => Place::Object(record.object),
            },
            blob: BlobId::from_slice(&record.blob)?,
            key: key?,
        })
    }

    /// The stored form.
    pub(crate) fn to_record(&self) -> Record {
        Record {
            object: match &self.place {
                Place::Object(name) => name.clone(),
                Place::Relay => String::new(),
            },
            blob: self.blob.as_bytes().to_vec(),
            key: self.key.as_bytes().to_vec(),
            sha256: self.sha256.to_vec(),
            size_bytes: self.size_bytes,
            mime_type: self.mime_type.clone(),
            filename: self.filename.as_ref().map(|name| name.reveal().to_owned()),
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
            animated: self.animated,
        }
    }

    /// How its ciphertext is laid out.
    pub(crate) const fn layout(&self) -> Layout {
        Layout::of_plaintext(self.size_bytes)
    }
}

/// How long files live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// Of the business's own.
    pub uploads: Duration,
    /// Of consumers' files.
    pub inbound: Duration,
}

impl Lifetimes {
    const UPLOADS: Duration = Duration::from_secs(30 * 24 * 3600);
    const INBOUND: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Under this retention, and no longer than `most`, where that is said.
    #[must_use]
    pub fn under(retention: Duration, most: Option<Duration>) -> Self {
        let most = most.map_or(retention, |most| most.min(retention));
        Self {
            uploads: Self::UPLOADS.min(most),
            inbound: Self::INBOUND.min(most),
        }
    }
}
