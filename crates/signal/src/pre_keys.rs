//! Pre-keys: the keys published ahead of time so that a session can be opened while we are away. Each is made as a private record, which
//! the caller stores sealed, and a public half, which it publishes.

mod policy;

use std::time::SystemTime;

use libsignal_protocol::{GenericSignedPreKey as _, KeyPair, KyberPreKeyRecord, PreKeyRecord, SignedPreKeyRecord, Timestamp, kem};
use rand::{CryptoRng, Rng};
use zeroize::Zeroizing;

use crate::{Error, Identity};

pub use policy::{Policy, Signed, outdated, replenish, rotation_due, unfit_to_send};

/// The private half of a pre-key as stored. Wiped when dropped; has no `Debug`.
#[derive(Clone)]
pub struct PrivateRecord(Zeroizing<Vec<u8>>);

impl PrivateRecord {
    /// Takes over a stored record. Whether it parses shows when it is used.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes to store, sealed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// The public half of a pre-key that the identity has signed.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPublicKey {
    /// 24 bits.
    pub id: u32,
    /// X25519 or Kyber-1024, with its type byte.
    pub key: Vec<u8>,
    /// Over the key, by the identity.
    pub signature: Vec<u8>,
}

/// The public half of an X25519 pre-key that is used once.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimePublicKey {
    /// 24 bits.
    pub id: u32,
    /// X25519, with its type byte.
    pub key: Vec<u8>,
}

/// Ids have 24 bits on the wire of every Signal and WhatsApp client; 0 is left out.
const IDS: std::ops::RangeInclusive<u32> = 1..=0x00ff_ffff;

pub(crate) fn is_id(id: u32) -> bool {
    IDS.contains(&id)
}

/// The id after this one: wraps after 24 bits, and is never 0. Keep the counter, so that an id is not used again while its key may live.
#[must_use]
pub const fn next_id(id: u32) -> u32 {
    if id < *IDS.end() { id + 1 } else { *IDS.start() }
}

/// A signed X25519 pre-key, to be replaced every [`Policy::rotate_after`].
///
/// # Errors
/// [`Error::Malformed`] if the id is out of range.
pub fn signed<R: CryptoRng + Rng>(
    identity: &Identity,
    id: u32,
    now: SystemTime,
    rng: &mut R,
) -> Result<(PrivateRecord, SignedPublicKey), Error> {
    check_id(id)?;
    let pair = KeyPair::generate(rng);
    let key = pair.public_key.serialize().into_vec();
    let signature = sign(identity, &key, rng)?;
    let record = SignedPreKeyRecord::new(id.into(), timestamp(now)?, &pair, &signature);
    Ok((PrivateRecord::from_vec(record.serialize()?), SignedPublicKey { id, key, signature }))
}

/// A signed Kyber-1024 pre-key. One-time and last-resort keys are alike: only the receiver knows which it deletes after use.
///
/// # Errors
/// [`Error::Malformed`] if the id is out of range.
pub fn kyber<R: CryptoRng + Rng>(
    identity: &Identity,
    id: u32,
    now: SystemTime,
    rng: &mut R,
) -> Result<(PrivateRecord, SignedPublicKey), Error> {
    check_id(id)?;
    let pair = kem::KeyPair::generate(kem::KeyType::Kyber1024, rng);
    let key = pair.public_key.serialize().into_vec();
    let signature = sign(identity, &key, rng)?;
    let record = KyberPreKeyRecord::new(id.into(), timestamp(now)?, &pair, &signature);
    Ok((PrivateRecord::from_vec(record.serialize()?), SignedPublicKey { id, key, signature }))
}

/// An X25519 pre-key for one session.
///
/// # Errors
/// [`Error::Malformed`] if the id is out of range.
pub fn one_time_ec<R: CryptoRng + Rng>(id: u32, rng: &mut R) -> Result<(PrivateRecord, OneTimePublicKey), Error> {
    check_id(id)?;
    let pair = KeyPair::generate(rng);
    let record = PreKeyRecord::new(id.into(), &pair);
    let key = pair.public_key.serialize().into_vec();
    Ok((PrivateRecord::from_vec(record.serialize()?), OneTimePublicKey { id, key }))
}

fn check_id(id: u32) -> Result<(), Error> {
    if is_id(id) { Ok(()) } else { Err(Error::Malformed) }
}

fn sign<R: CryptoRng + Rng>(identity: &Identity, key: &[u8], rng: &mut R) -> Result<Vec<u8>, Error> {
    let signature = identity.pair().private_key().calculate_signature(key, rng);
    Ok(signature.map_err(|_| Error::Internal("signing a pre-key"))?.into_vec())
}

fn timestamp(now: SystemTime) -> Result<Timestamp, Error> {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Error::Malformed)?;
    Ok(Timestamp::from_epoch_millis(
        u64::try_from(since_epoch.as_millis()).map_err(|_| Error::Malformed)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use libsignal_protocol::PublicKey;

    #[test]
    fn ids_rise_and_wrap_within_24_bits() {
        assert_eq!(next_id(0), 1);
        assert_eq!(next_id(1), 2);
        assert_eq!(next_id(0x00ff_fffe), 0x00ff_ffff);
        assert_eq!(next_id(0x00ff_ffff), 1);
        assert_eq!(next_id(u32::MAX), 1);
    }

    #[test]
    fn ids_out_of_range_are_refused() {
        let mut rng = rand::rng();
        let identity = Identity::generate(&mut rng).unwrap();
        for id in [0, 0x0100_0000, u32::MAX] {
            assert_eq!(
                signed(&identity, id, SystemTime::UNIX_EPOCH, &mut rng).err(),
                Some(Error::Malformed)
            );
            assert_eq!(kyber(&identity, id, SystemTime::UNIX_EPOCH, &mut rng).err(), Some(Error::Malformed));
            assert_eq!(one_time_ec(id, &mut rng).err(), Some(Error::Malformed));
        }
    }

    #[test]
    fn keys_are_signed_by_the_identity_and_stored_with_their_id() {
        let mut rng = rand::rng();
        let identity = Identity::generate(&mut rng).unwrap();
        let signer: PublicKey = *identity.pair().public_key();
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123);

        let (record, public) = signed(&identity, 7, now, &mut rng).unwrap();
        assert!(signer.verify_signature(&public.key, &public.signature));
        let record = SignedPreKeyRecord::deserialize(PrivateRecord::from_bytes(record.as_bytes()).as_bytes()).unwrap();
        assert_eq!(u32::from(record.id().unwrap()), 7);
        assert_eq!(record.timestamp().unwrap().epoch_millis(), 1_700_000_000_123);
        assert_eq!(record.public_key().unwrap().serialize().to_vec(), public.key);

        let (record, public) = kyber(&identity, 8, now, &mut rng).unwrap();
        assert!(signer.verify_signature(&public.key, &public.signature));
        let record = KyberPreKeyRecord::deserialize(record.as_bytes()).unwrap();
        assert_eq!(u32::from(record.id().unwrap()), 8);
        assert_eq!(record.public_key().unwrap().serialize().to_vec(), public.key);

        let (record, public) = one_time_ec(0x00ff_ffff, &mut rng).unwrap();
        let record = PreKeyRecord::deserialize(record.as_bytes()).unwrap();
        assert_eq!(u32::from(record.id().unwrap()), 0x00ff_ffff);
        assert_eq!(record.public_key().unwrap().serialize().to_vec(), public.key);
    }
}
