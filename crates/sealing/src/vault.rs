//! Values that outlive retention: what the business says of itself, which holds no message content and nothing of a consumer but blind indexes.
//!
//! AES-256-GCM with a random 96-bit nonce under one long-lived key. Layout: format (1), nonce (12), ciphertext and tag (16). The associated data
//! is format, number and name, so a value cannot be moved to another name or number.

use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce, Tag, aead::AeadInOut as _};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::{Error, chain::expand};

const FORMAT: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Seals and opens the long-lived values of one number.
pub struct Vault {
    number_id: Box<[u8]>,
    cipher: Aes256Gcm,
}

impl Vault {
    /// For the number with this id, with the key that custody keeps.
    #[must_use]
    pub fn new(number_id: &str, key: &Zeroizing<[u8; 32]>) -> Self {
        let key = expand(key, &[b"waxseal vault v1"]);
        Self {
            number_id: number_id.as_bytes().into(),
            cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)),
        }
    }

    /// Seals `plaintext` for the place `name`.
    ///
    /// # Errors
    /// [`Error::KeyExhausted`] for a value of 64 GiB.
    pub fn seal<R: RngCore + CryptoRng>(&self, name: &str, plaintext: &[u8], rng: &mut R) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(1 + NONCE + plaintext.len() + TAG);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let aad = self.associated_data(name);
        let tag = self
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &aad, (&mut sealed[1 + NONCE..]).into())
            .map_err(|_| Error::KeyExhausted)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal`] made for this place.
    ///
    /// # Errors
    /// [`Error::Format`] when it is no such value, [`Error::NotAuthentic`] when it is not what was sealed here.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if sealed.len() < 1 + NONCE + TAG || sealed[0] != FORMAT {
            return Err(Error::Format);
        }
        let (nonce, rest) = sealed[1..].split_at(NONCE);
        let (ciphertext, tag) = rest.split_at(rest.len() - TAG);
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::try_from(nonce).map_err(|_| Error::Format)?;
        let tag = Tag::try_from(tag).map_err(|_| Error::Format)?;
        self.cipher
            .decrypt_inout_detached(&nonce, &self.associated_data(name), plaintext.as_mut_slice().into(), &tag)
            .map_err(|_| Error::NotAuthentic)?;
        Ok(plaintext)
    }

    fn associated_data(&self, name: &str) -> Vec<u8> {
        let mut aad = vec![FORMAT];
        for part in [&*self.number_id, name.as_bytes()] {
            // Length-prefixed, so that no two different tuples read the same.
            aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vault(number: &str, byte: u8) -> Vault {
        Vault::new(number, &Zeroizing::new([byte; 32]))
    }

    proptest! {
        #[test]
        fn opens_only_where_it_was_sealed(plain in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0u8..8) {
            let sealed = vault("1", 7).seal("profile", &plain, &mut rand::rng()).unwrap();
            prop_assert_eq!(vault("1", 7).open("profile", &sealed).unwrap().to_vec(), plain.clone());
            prop_assert_eq!(vault("1", 7).open("profil", &sealed).unwrap_err(), Error::NotAuthentic);
            prop_assert_eq!(vault("2", 7).open("profile", &sealed).unwrap_err(), Error::NotAuthentic);
            prop_assert_eq!(vault("1", 8).open("profile", &sealed).unwrap_err(), Error::NotAuthentic);
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(vault("1", 7).open("profile", &changed).is_err());
            prop_assert!(vault("1", 7).open("profile", &sealed[..sealed.len() - 1]).is_err());
            prop_assert_ne!(vault("1", 7).seal("profile", &plain, &mut rand::rng()).unwrap(), sealed);
        }

        #[test]
        fn garbage_does_not_open(garbage in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(vault("1", 7).open("profile", &garbage).is_err());
        }
    }
}
