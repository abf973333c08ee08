//! `Idempotency-Key`.
//!
//! Purpose: reads the header and takes a fingerprint of what the request means, so that a repeated request can be told from another one under
//! the same key. Two requests mean the same whatever the order of their members, their spaces or their escapes. Pure; keeps digests only.

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use super::GraphError;
use crate::message::{IdempotencyKey, Outbound, OutboundBody};

/// The header's name.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_BYTES: usize = 255;

/// The key of the request, if it has one.
///
/// # Errors
/// 100 if the header is not 1 to 255 visible ASCII characters, or is there twice.
pub(super) fn key(headers: &HeaderMap, message: &Outbound) -> Result<Option<IdempotencyKey>, GraphError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.as_bytes();
    if values.next().is_some() || !(1..=MAX_BYTES).contains(&value.len()) || !value.iter().all(u8::is_ascii_graphic) {
        return Err(GraphError::invalid(
            "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters.",
        ));
    }
    Ok(Some(IdempotencyKey {
        key: Sha256::digest(value).into(),
        fingerprint: fingerprint(message),
    }))
}

/// Part of what is stored: a change of this function makes repeated requests look like other ones for as long as keys live.
fn fingerprint(message: &Outbound) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(message.to.wa_id().as_bytes());
    match &message.body {
        OutboundBody::Text { body, preview_url } => {
            part(b"text");
            part(body.reveal().as_bytes());
            part(&[u8::from(*preview_url)]);
        }
        OutboundBody::Reaction { message, emoji } => {
            part(b"reaction");
            part(message.as_str().as_bytes());
            part(emoji.reveal().as_bytes());
        }
    }
    part(message.quoted.as_ref().map_or("", |quoted| quoted.as_str()).as_bytes());
    part(message.opaque_callback_data.as_ref().map_or("", |data| data.reveal()).as_bytes());
    hash.finalize().into()
}
