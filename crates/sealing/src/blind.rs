//! The blind index: how a consumer is named in the store. Keyed per business number, so that the same consumer cannot be linked between
//! two numbers, and so that the small space of phone numbers cannot be searched without the key.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::chain::mac;

/// Computes blind indexes with one number's key.
pub struct BlindIndex {
    mac: Hmac<Sha256>,
}

impl BlindIndex {
    /// With this key.
    #[must_use]
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        Self { mac: mac(key) }
    }

    /// HMAC-SHA256 over a version label and the E.164 number, the first 128 bits.
    #[must_use]
    pub fn of(&self, e164: &str) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(b"ci1");
        mac.update(e164.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut index = [0; 16];
        index.copy_from_slice(&digest[..16]);
        index
    }
}
