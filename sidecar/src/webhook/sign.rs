//! Who sent a webhook.
//!
//! Purpose: `X-Hub-Signature-256` over the body's bytes, as the Cloud API has it, and beside it the three headers of Standard Webhooks, whose
//! `webhook-id` is the same for every attempt at one event. Pure.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Names one event to the receiver, the same in every attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// From bytes that are unique to the event.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("evt_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// HMAC with a key of any length: one longer than a block is hashed, a shorter one filled up with zeros (RFC 2104).
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0_u8; 64];
    if let Some(start) = block.get_mut(..key.len()) {
        start.copy_from_slice(key);
    } else if let Some(start) = block.get_mut(..32) {
        start.copy_from_slice(&Sha256::digest(key));
    }
    let mac = Hmac::new(&block.into());
    block.zeroize();
    mac
}

/// Signs with an app secret. Has no `Debug`.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// The app secret's bytes are the key of both signatures. A library for Standard Webhooks wants it as `whsec_` and the Base64 of them.
    #[must_use]
    pub fn new(app_secret: &str) -> Self {
        Self(keyed(app_secret.as_bytes()))
    }

    /// The value of `X-Hub-Signature-256`.
    #[must_use]
    pub fn hub(&self, body: &[u8]) -> String {
        format!("sha256={}", hex::encode(self.mac(&[body])))
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn standard(&self, event: EventId, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{event}.{timestamp_s}.");
        format!("v1,{}", BASE64_STANDARD.encode(self.mac(&[head.as_bytes(), body])))
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn signatures_agree_with_other_implementations() {
        let signer = Signer::new("app-secret");
        let body = br#"{"body":"Gr\u00fc\u00dfe \ud83d\udc4b"}"#;
        assert_eq!(
            signer.hub(body),
            "sha256=85fad822e1fff681a2ab413d0326a4d850ade32b6cdade165fdca193cde518e9"
        );
        let event = EventId::new([0xab; 16]);
        assert_eq!(event.to_string(), "evt_abababababababababababababababab");
        assert_eq!(
            signer.standard(event, 1_700_000_000, body),
            "v1,yhFyx7JOMWGfwrdYa2nVZCqDwFOMUH1JQ4e0sabpV5E="
        );
    }

    #[test]
    fn keys_of_every_length_are_those_of_hmac() {
        for length in [0, 1, 32, 63, 64, 65, 200] {
            let key = vec![0xa5; length];
            let expected = Hmac::<Sha256>::new_from_slice(&key)
                .unwrap()
                .chain_update(b"x")
                .finalize()
                .into_bytes();
            assert!(keyed(&key).chain_update(b"x").finalize().into_bytes() == expected, "{length}");
        }
    }

    #[test]
    fn any_secret_will_do() {
        for secret in ["", "s", &"long".repeat(100)] {
            assert_eq!(Signer::new(secret).hub(b"{}").len(), 71);
        }
        assert_ne!(Signer::new("a").hub(b"{}"), Signer::new("b").hub(b"{}"));
    }
}
