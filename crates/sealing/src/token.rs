//! Tokens: short byte strings given to outsiders who must neither read nor make them, such as the inside of a `wamid`.
//!
//! AES-256-GCM whose nonce is the first 96 bits of HMAC-SHA256 over the plaintext under a second key: equal content gives the equal token
//! (a `wamid` in a status is the one the send returned), different content never meets the same nonce but by a 96-bit collision.

use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce, Tag, aead::AeadInOut as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    Error,
    chain::{expand, mac},
};

const NONCE: usize = 12;
const TAG: usize = 16;

/// Makes and opens tokens with one key.
pub struct Tokens {
    cipher: Aes256Gcm,
    mac: Hmac<Sha256>,
}

impl Tokens {
    /// Bytes a token is longer than its content.
    pub const OVERHEAD_BYTES: usize = NONCE + TAG;

    /// With this key.
    #[must_use]
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        let cipher_key = expand(key, &[b"waxseal token cipher v1"]);
        let mac_key = expand(key, &[b"waxseal token nonce v1"]);
        Self {
            cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(*cipher_key)),
            mac: mac(&mac_key),
        }
    }

    /// The token for `content` in its role (`label` keeps tokens of different roles apart).
    #[must_use]
    pub fn wrap(&self, label: &[u8], content: &[u8]) -> Vec<u8> {
        let nonce = self.nonce(label, content);
        let mut token = Vec::with_capacity(NONCE + content.len() + TAG);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(content);
        // Fails only for contents of 64 GiB.
        if let Ok(tag) = self
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), label, (&mut token[NONCE..]).into())
        {
            token.extend_from_slice(&tag);
        }
        token
    }

    /// What a token of this role holds.
    ///
    /// # Errors
    /// [`Error::Format`] when it is too short, [`Error::NotAuthentic`] when it was not made with this key for this role.
    pub fn unwrap(&self, label: &[u8], token: &[u8]) -> Result<Vec<u8>, Error> {
        if token.len() < Self::OVERHEAD_BYTES {
            return Err(Error::Format);
        }
        let (nonce, rest) = token.split_at(NONCE);
        let (ciphertext, tag) = rest.split_at(rest.len() - TAG);
        let mut content = ciphertext.to_vec();
        let nonce = Nonce::try_from(nonce).map_err(|_| Error::Format)?;
        let tag = Tag::try_from(tag).map_err(|_| Error::Format)?;
        self.cipher
            .decrypt_inout_detached(&nonce, label, content.as_mut_slice().into(), &tag)
            .map_err(|_| Error::NotAuthentic)?;
        Ok(content)
    }

    fn nonce(&self, label: &[u8], content: &[u8]) -> [u8; NONCE] {
        let mut mac = self.mac.clone();
        mac.update(&(label.len() as u64).to_be_bytes());
        mac.update(label);
        mac.update(content);
        let digest = mac.finalize().into_bytes();
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&digest[..NONCE]);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(byte: u8) -> Tokens {
        Tokens::new(&Zeroizing::new([byte; 32]))
    }

    proptest! {
        #[test]
        fn stable_opaque_and_only_for_us(content in prop::collection::vec(any::<u8>(), 0..64), flip in 0usize..28, bit in 0u8..8) {
            let token = tokens(1).wrap(b"a", &content);
            prop_assert_eq!(&token, &tokens(1).wrap(b"a", &content));
            prop_assert_eq!(tokens(1).unwrap(b"a", &token).unwrap(), content);
            prop_assert_eq!(tokens(1).unwrap(b"b", &token), Err(Error::NotAuthentic));
            prop_assert_eq!(tokens(2).unwrap(b"a", &token), Err(Error::NotAuthentic));
            let mut changed = token.clone();
            changed[flip] ^= 1 << bit;
            prop_assert!(tokens(1).unwrap(b"a", &changed).is_err());
        }
    }
}
