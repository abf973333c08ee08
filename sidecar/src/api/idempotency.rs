//! `Idempotency-Key`.
//!
//! Purpose: reads the header and takes a fingerprint of what the request means, so that a repeated request can be told from another one under
//! the same key. Two requests mean the same whatever the order of their members, their spaces or their escapes. Pure; keeps digests only.

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::GraphError;
use crate::message::{Addressee, IdempotencyKey, Outbound, OutboundBody};

/// The header's name.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) const MAX_BYTES: usize = 255;

/// The key of the request, if it has one. `said` is the member that is named like the message's type, where it has a tree of its own.
///
/// # Errors
/// 100 if the header is not 1 to 255 visible ASCII characters, or is there twice.
pub(super) fn key(headers: &HeaderMap, message: &Outbound, said: &Value) -> Result<Option<IdempotencyKey>, GraphError> {
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
        fingerprint: fingerprint(message, said),
    }))
}

/// Takes parts in, each with its length, so that no two sequences of parts give the same bytes.
struct Parts(Sha256);

impl Parts {
    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Members in the order of their names; those that are `null` are absent.
    fn tree(&mut self, value: &Value) {
        match value {
            Value::Null => self.part(b"null"),
            Value::Bool(flag) => self.part(if *flag { b"true" } else { b"false" }),
            Value::Number(number) => {
                self.part(b"number");
                self.part(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.part(b"text");
                self.part(text.as_bytes());
            }
            Value::Array(items) => {
                self.part(b"[");
                items.iter().for_each(|item| self.tree(item));
                self.part(b"]");
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                self.part(b"{");
                for (name, value) in members {
                    self.part(name.as_bytes());
                    self.tree(value);
                }
                self.part(b"}");
            }
        }
    }
}

/// Part of what is stored: a change of this function makes repeated requests look like other ones for as long as keys live.
fn fingerprint(message: &Outbound, said: &Value) -> [u8; 32] {
    let mut parts = Parts(Sha256::new());
    parts.part(match &message.to {
        Addressee::Number(number) => number.wa_id().as_bytes(),
        Addressee::UserId(user_id) => user_id.as_bytes(),
    });
    match &message.body {
        OutboundBody::Text { body, preview_url } => {
            parts.part(b"text");
            parts.part(body.reveal().as_bytes());
            parts.part(&[u8::from(*preview_url)]);
        }
        OutboundBody::Reaction { message, emoji } => {
            parts.part(b"reaction");
            parts.part(message.as_str().as_bytes());
            parts.part(emoji.reveal().as_bytes());
        }
        other => {
            parts.part(word(other).as_bytes());
            parts.tree(said);
        }
    }
    parts.part(message.quoted.as_ref().map_or("", |quoted| quoted.as_str()).as_bytes());
    parts.part(message.opaque_callback_data.as_ref().map_or("", |data| data.reveal()).as_bytes());
    if let Some(hash) = &message.identity_key_hash {
        parts.part(hash.reveal().as_bytes());
    }
    parts.0.finalize().into()
}

const fn word(body: &OutboundBody) -> &'static str {
    match body {
        OutboundBody::Text { .. } => "text",
        OutboundBody::Reaction { .. } => "reaction",
        OutboundBody::Media(attachment) => attachment.kind.as_str(),
        OutboundBody::Location(_) => "location",
        OutboundBody::Contacts(_) => "contacts",
        OutboundBody::Interactive(_) => "interactive",
        OutboundBody::Template(_) => "template",
    }
}
