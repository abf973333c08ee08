//! A file in a message: where its ciphertext is, and the key that nobody else has.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    BlobId, Error, Text,
    body::{plain, some},
    proto::{self, media::Kind},
};

/// A file in a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// How it is to be shown.
    pub kind: MediaKind,
    /// Where its ciphertext is.
    pub blob: Blob,
    /// SHA-256 of the plaintext.
    pub sha256: [u8; 32],
    /// Of the plaintext.
    pub size_bytes: u64,
    /// Its media type.
    pub mime_type: Text,
    /// What is said about it.
    pub caption: Option<Text>,
    /// The name under which it may be saved.
    pub filename: Option<Text>,
    /// Audio that was recorded to be listened to; its sender hears when it was played.
    pub voice: bool,
    /// A sticker that moves.
    pub animated: bool,
}

/// How a file is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// Anything to be saved or opened.
    Document,
    /// A sticker.
    Sticker,
}

/// A file's ciphertext at the relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its name there.
    pub id: BlobId,
    /// The key of this file and no other.
    pub key: FileSecret,
}

/// The key of one file. Wiped when dropped; has no `Debug`, `Display` or `Serialize`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FileSecret([u8; 32]);

impl FileSecret {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes. Whoever calls this answers for where they go.
    #[must_use]
    pub const fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl MediaKind {
    /// The Cloud API's word, also the name of the message's member.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

impl Media {
    pub(crate) fn to_proto(&self) -> proto::Media {
        proto::Media {
            kind: match self.kind {
                MediaKind::Image => Kind::Image,
                MediaKind::Audio => Kind::Audio,
                MediaKind::Video => Kind::Video,
                MediaKind::Document => Kind::Document,
                MediaKind::Sticker => Kind::Sticker,
            }
            .into(),
            blob_id: self.blob.id.as_bytes().to_vec(),
            key: self.blob.key.reveal().to_vec(),
            sha256: self.sha256.to_vec(),
            size_bytes: self.size_bytes,
            mime_type: self.mime_type.to_plain(),
            caption: plain(self.caption.as_ref()),
            filename: plain(self.filename.as_ref()),
            voice: self.voice,
            animated: self.animated,
        }
    }

    pub(crate) fn from_proto(mut media: proto::Media) -> Result<Self, Error> {
        let kind = match media.kind() {
            Kind::Unspecified => return Err(Error::Member("media.kind")),
            Kind::Image => MediaKind::Image,
            Kind::Audio => MediaKind::Audio,
            Kind::Video => MediaKind::Video,
            Kind::Document => MediaKind::Document,
            Kind::Sticker => MediaKind::Sticker,
        };
        let key = media.key.as_slice().try_into().map_err(|_| Error::Member("media.key"));
        media.key.zeroize();
        Ok(Self {
            kind,
            blob: Blob {
                id: BlobId::from_slice(&media.blob_id).ok_or(Error::Member("media.blob_id"))?,
                key: FileSecret::new(key?),
            },
            sha256: media.sha256.as_slice().try_into().map_err(|_| Error::Member("media.sha256"))?,
            size_bytes: media.size_bytes,
            mime_type: Text::new(media.mime_type),
            caption: some(media.caption),
            filename: some(media.filename),
            voice: media.voice,
            animated: media.animated,
        })
    }
}
