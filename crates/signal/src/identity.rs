//! Who a party is: its identity key, its registration id, and the opaque name it has in the Signal library.

use libsignal_protocol as lib;
use rand::{CryptoRng, Rng};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{DEVICE_ID, Error, weak};

/// The long-term identity of one number of ours: a key pair and a registration id.
///
/// Has no `Debug`. The serialised form is wiped when dropped; the key pair in memory is a plain copy inside the library's types.
pub struct Identity {
    pair: lib::IdentityKeyPair,
    registration_id: u32,
}

const FORMAT: u8 = 1;
const PRIVATE_KEY_BYTES: usize = 32;
/// Registration ids have 14 bits; 0 is not used.
const REGISTRATION_IDS: std::ops::RangeInclusive<u16> = 1..=0x3fff;

pub(crate) fn is_registration_id(id: u32) -> bool {
    u16::try_from(id).is_ok_and(|id| REGISTRATION_IDS.contains(&id))
}

impl Identity {
    /// A new identity with a random registration id.
    ///
    /// # Errors
    /// [`Error::WeakKey`] never in practice.
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Result<Self, Error> {
        let pair = lib::IdentityKeyPair::generate(rng);
        weak::check(pair.public_key())?;
        Ok(Self {
            pair,
            registration_id: u32::from(rng.random_range(REGISTRATION_IDS)),
        })
    }

    /// Format, registration id, private key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let private_key = Zeroizing::new(self.pair.private_key().serialize());
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + 4 + PRIVATE_KEY_BYTES));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.registration_id.to_be_bytes());
        bytes.extend_from_slice(&private_key);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let Some(([FORMAT, id @ ..], private_key)) = bytes.split_first_chunk::<5>() else {
            return Err(Error::Malformed);
        };
        let registration_id = u32::from_be_bytes(*id);
        if !is_registration_id(registration_id) {
            return Err(Error::Malformed);
        }
        let private_key = lib::PrivateKey::deserialize(private_key).map_err(|_| Error::Malformed)?;
        let public_key = private_key.public_key().map_err(|_| Error::Malformed)?;
        Ok(Self {
            pair: lib::IdentityKeyPair::new(lib::IdentityKey::new(public_key), private_key),
            registration_id,
        })
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> IdentityKey {
        IdentityKey(*self.pair.identity_key())
    }

    /// Changes when the number is set up anew. 14 bits.
    #[must_use]
    pub const fn registration_id(&self) -> u32 {
        self.registration_id
    }

    pub(crate) const fn pair(&self) -> &lib::IdentityKeyPair {
        &self.pair
    }
}

/// The public identity key of a party. Only acceptable keys exist as values of this type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey(lib::IdentityKey);

impl IdentityKey {
    /// The serialised size.
    pub const BYTES: usize = 33;

    /// Reads a key from the wire.
    ///
    /// # Errors
    /// [`Error::Malformed`], or [`Error::WeakKey`] if the key is not canonical or of small order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != Self::BYTES {
            return Err(Error::Malformed);
        }
        let key = lib::IdentityKey::decode(bytes)?;
        weak::check(key.public_key())?;
        Ok(Self(key))
    }

    /// Type byte and 32 bytes of key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.serialize().into_vec()
    }

    /// SHA-256 of the serialised key: names it without being it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0.serialize()).into()
    }

    pub(crate) const fn as_inner(&self) -> &lib::IdentityKey {
        &self.0
    }

    /// For keys that passed the checks when they were stored.
    pub(crate) fn from_stored(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != Self::BYTES {
            return Err(Error::DamagedRecord);
        }
        lib::IdentityKey::decode(bytes).map(Self).map_err(|_| Error::DamagedRecord)
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "IdentityKey(fingerprint {}...)", hex::encode(&self.fingerprint()[..4]))
    }
}

/// The opaque name of a peer in the Signal library: random, so that nothing the library prints tells who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 16]);

impl PeerId {
    /// Names a peer by bytes that say nothing about it.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A fresh name.
    pub fn random<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        Self(rng.random())
    }

    /// The bytes of the name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn address(&self) -> Result<lib::ProtocolAddress, Error> {
        let device = lib::DeviceId::new(DEVICE_ID).map_err(|_| Error::Internal("device id"))?;
        Ok(lib::ProtocolAddress::new(hex::encode(self.0), device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_survive_their_bytes() {
        let mut rng = rand::rng();
        for _ in 0..64 {
            let identity = Identity::generate(&mut rng).unwrap();
            assert!((1..=0x3fff).contains(&identity.registration_id()));
            let again = Identity::from_bytes(&identity.to_bytes()).unwrap();
            assert_eq!(again.public_key(), identity.public_key());
            assert_eq!(again.registration_id(), identity.registration_id());
            assert_eq!(*again.to_bytes(), *identity.to_bytes());
        }
    }

    #[test]
    fn damaged_identities_are_refused() {
        let bytes = Identity::generate(&mut rand::rng()).unwrap().to_bytes();
        let with = |index: usize, value: u8| {
            let mut bytes = bytes.to_vec();
            bytes[index] = value;
            bytes
        };
        let longer = [&bytes[..], &[0]].concat();
        for damaged in [
            &bytes[..0],
            &bytes[..5],
            &bytes[..36],
            &longer,
            &with(0, 2),
            &with(1, 1),
            &with(3, 0x40),
        ] {
            assert_eq!(Identity::from_bytes(damaged).err(), Some(Error::Malformed));
        }
    }

    #[test]
    fn identity_keys_are_checked_and_do_not_print_themselves() {
        let key = Identity::generate(&mut rand::rng()).unwrap().public_key();
        let bytes = key.to_bytes();
        assert_eq!(IdentityKey::from_bytes(&bytes).unwrap(), key);
        assert_eq!(IdentityKey::from_bytes(&bytes[..32]).err(), Some(Error::Malformed));
        assert_eq!(IdentityKey::from_bytes(&[&bytes[..], &[0]].concat()).err(), Some(Error::Malformed));
        let mut zero = [0; 33];
        assert_eq!(IdentityKey::from_bytes(&zero).err(), Some(Error::Malformed), "type byte");
        zero[0] = 5;
        assert_eq!(IdentityKey::from_bytes(&zero).err(), Some(Error::WeakKey));
        assert!(!format!("{key:?}").contains(&hex::encode(&bytes[1..9])));
    }

    #[test]
    fn peers_have_opaque_names_and_one_device() {
        let address = PeerId::new([0xab; 16]).address().unwrap();
        assert_eq!(address.name(), "ab".repeat(16));
        assert_eq!(u32::from(address.device_id()), 1);
    }
}
