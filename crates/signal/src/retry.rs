//! Signal's message about a message that could not be decrypted: names the ratchet key, so that the sender knows which session failed.

use libsignal_protocol::{CiphertextMessageType, DecryptionErrorMessage, SessionRecord, Timestamp};

use crate::{Ciphertext, DEVICE_ID, Error, Kind, Peer};

/// What the receiver of an undecryptable message puts into its retry receipt. Contains nothing secret.
///
/// # Errors
/// [`Error::Malformed`] if the message does not even parse: then a retry receipt cannot name a session.
pub fn decryption_error(ciphertext: &Ciphertext, sent_at_ms: u64) -> Result<Vec<u8>, Error> {
    let kind = match ciphertext.kind {
        Kind::Whisper => CiphertextMessageType::Whisper,
        Kind::PreKey => CiphertextMessageType::PreKey,
    };
    let sent_at = Timestamp::from_epoch_millis(sent_at_ms);
    let message = DecryptionErrorMessage::for_original(&ciphertext.bytes, kind, sent_at, DEVICE_ID.into())?;
    Ok(message.serialized().to_vec())
}

/// Whether the message that the peer could not decrypt was written on the session that we still write on: then
/// [`archive`](crate::archive) it and fetch a bundle. Otherwise the session was replaced meanwhile, and encrypting again is enough.
///
/// # Errors
/// [`Error::Malformed`], [`Error::DamagedRecord`].
pub fn must_archive(peer: &Peer, decryption_error: &[u8]) -> Result<bool, Error> {
    let message = DecryptionErrorMessage::try_from(decryption_error)?;
    let record = SessionRecord::deserialize(peer.record())?;
    match message.ratchet_key() {
        Some(key) => Ok(record.current_ratchet_key_matches(key)?),
        None => Ok(false),
    }
}
