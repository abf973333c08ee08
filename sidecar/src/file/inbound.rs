//! A file that came with a message: its bytes stay at the relay until somebody asks for them; only where they are and their key is kept.
//! Pure: to be written in the batch that writes the message's webhook event.

use std::time::Duration;

use rand::Rng;
use waxseal_content::Media;
use waxseal_sealing::stream::FileKey;
use waxseal_store::Key;

use super::{File, Lifetimes, Place, Record};
use crate::{id::MediaId, names::Names};

/// What to write, sealed as [`waxseal_sealing::Class::Media`] under [`Shelved::key`].
pub struct Shelved {
    /// The file's id, for the webhook.
    pub id: MediaId,
    /// Where the record goes.
    pub key: Key,
    /// The record.
    pub record: Record,
    /// How long it lives.
    pub ttl: Duration,
}

/// What to keep of a file that a consumer sent.
pub fn inbound<R: Rng + ?Sized>(names: &Names, media: &Media, lifetimes: Lifetimes, now_ms: u64, rng: &mut R) -> Shelved {
    let id = MediaId::random(rng);
    let ttl = lifetimes.inbound;
    let file = File {
        id,
        sha256: media.sha256,
        size_bytes: media.size_bytes,
        mime_type: media.mime_type.reveal().to_owned(),
        filename: media.filename.clone(),
        animated: media.animated,
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        place: Place::Relay,
        blob: media.blob.id,
        key: FileKey::from_bytes(media.blob.key.reveal()),
    };
    Shelved {
        id,
        key: names.media(id),
        record: file.to_record(),
        ttl,
    }
}
