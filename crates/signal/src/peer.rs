//! The stored state of one peer: its session record and its pinned identity key.

use prost::bytes::Bytes;
use zeroize::Zeroizing;

use crate::record::Record;
use crate::wiped::wiped_on_drop;
use crate::{Error, IdentityKey};

/// What is remembered about one peer between two steps. Cheap to clone: the record is shared, and wiped when the last clone is dropped.
///
/// Has no `Debug`.
#[derive(Clone, Default)]
pub struct Peer {
    record: Bytes,
    identity: Option<IdentityKey>,
}

/// The first byte of the stored form, with and without an identity key.
const FORMAT_WITHOUT_IDENTITY: u8 = 1;
const FORMAT_WITH_IDENTITY: u8 = 2;

impl Peer {
    /// A peer that nothing is known about.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every session and keeps the pinned identity: for a damaged record.
    #[must_use]
    pub fn without_sessions(&self) -> Self {
        Self {
            record: Bytes::new(),
            identity: self.identity,
        }
    }

    pub(crate) const fn assemble(record: Bytes, identity: Option<IdentityKey>) -> Self {
        Self { record, identity }
    }

    /// The form to store, sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + IdentityKey::BYTES + self.record.len()));
        match &self.identity {
            Some(identity) => {
                bytes.push(FORMAT_WITH_IDENTITY);
                bytes.extend_from_slice(&identity.to_bytes());
            }
            None => bytes.push(FORMAT_WITHOUT_IDENTITY),
        }
        bytes.extend_from_slice(&self.record);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`Error::DamagedRecord`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (identity, record) = match bytes.split_first() {
            Some((&FORMAT_WITHOUT_IDENTITY, record)) => (None, record),
            Some((&FORMAT_WITH_IDENTITY, rest)) => {
                let (identity, record) = rest.split_at_checked(IdentityKey::BYTES).ok_or(Error::DamagedRecord)?;
                (Some(IdentityKey::from_stored(identity)?), record)
            }
            _ => return Err(Error::DamagedRecord),
        };
        Ok(Self {
            record: wiped_on_drop(record.to_vec()),
            identity,
        })
    }

    /// The pinned identity key: that of the first session, or the last change that was accepted.
    #[must_use]
    pub const fn identity(&self) -> Option<&IdentityKey> {
        self.identity.as_ref()
    }

    /// Whether there is a current session. [`encrypt`](crate::encrypt) may still find it stale.
    ///
    /// # Errors
    /// [`Error::DamagedRecord`].
    pub fn has_session(&self) -> Result<bool, Error> {
        Ok(Record::decode(&self.record)?.current.is_some())
    }

    /// The record as the Signal library itself stores it.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    pub(crate) const fn record_bytes(&self) -> &Bytes {
        &self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn peers_survive_their_bytes() {
        let identity = Identity::generate(&mut rand::rng()).unwrap().public_key();
        for identity in [None, Some(identity)] {
            for record in [vec![], vec![10, 0]] {
                let peer = Peer::assemble(wiped_on_drop(record), identity);
                let again = Peer::from_bytes(&peer.to_bytes()).unwrap();
                assert_eq!(again.identity(), peer.identity());
                assert_eq!(again.record(), peer.record());
                assert_eq!(again.has_session().unwrap(), !peer.record().is_empty());
            }
        }
    }

    #[test]
    fn damaged_peers_are_refused() {
        for damaged in [&[][..], &[0], &[3, 1, 2], &[2, 5, 5], &[2; 34]] {
            assert_eq!(Peer::from_bytes(damaged).err(), Some(Error::DamagedRecord));
        }
        let nonsense = Peer::from_bytes(&[1, 0xff, 0xff]).unwrap();
        assert_eq!(nonsense.has_session(), Err(Error::DamagedRecord));
        assert_eq!(nonsense.without_sessions().has_session(), Ok(false));
    }
}
