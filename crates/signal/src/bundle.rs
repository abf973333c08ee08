//! The public keys with which a session is opened towards somebody who is offline.

use libsignal_protocol as lib;

use crate::identity::is_registration_id;
use crate::pre_keys::{OneTimePublicKey, SignedPublicKey, is_id};
use crate::{DEVICE_ID, Error, IdentityKey, weak};

/// What the relay hands out for a number, once per new session.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// 14 bits; another one than before means that the peer was set up anew.
    pub registration_id: u32,
    /// 33 bytes.
    pub identity_key: Vec<u8>,
    /// The X25519 key of medium age, signed by the identity.
    pub signed_pre_key: SignedPublicKey,
    /// The Kyber-1024 key, signed by the identity: one-time, or the last resort.
    pub kyber_pre_key: SignedPublicKey,
    /// A further X25519 key used once, while there are any.
    pub one_time_ec: Option<OneTimePublicKey>,
}

impl Bundle {
    /// Checks ranges and keys. Signatures are checked by the library when it uses the bundle.
    pub(crate) fn open(&self, identity: &IdentityKey) -> Result<lib::PreKeyBundle, Error> {
        let ids = [
            Some(self.signed_pre_key.id),
            Some(self.kyber_pre_key.id),
            self.one_time_ec.as_ref().map(|key| key.id),
        ];
        if !is_registration_id(self.registration_id) || !ids.iter().flatten().all(|id| is_id(*id)) {
            return Err(Error::Malformed);
        }
        let one_time = self
            .one_time_ec
            .as_ref()
            .map(|key| Ok::<_, Error>((key.id.into(), curve_key(&key.key)?)))
            .transpose()?;
        Ok(lib::PreKeyBundle::new(
            self.registration_id,
            lib::DeviceId::new(DEVICE_ID).map_err(|_| Error::Internal("device id"))?,
            one_time,
            self.signed_pre_key.id.into(),
            curve_key(&self.signed_pre_key.key)?,
            self.signed_pre_key.signature.clone(),
            self.kyber_pre_key.id.into(),
            lib::kem::PublicKey::deserialize(&self.kyber_pre_key.key)?,
            self.kyber_pre_key.signature.clone(),
            *identity.as_inner(),
        )?)
    }
}

fn curve_key(bytes: &[u8]) -> Result<lib::PublicKey, Error> {
    if bytes.len() != IdentityKey::BYTES {
        return Err(Error::Malformed);
    }
    let key = lib::PublicKey::deserialize(bytes).map_err(|_| Error::Malformed)?;
    weak::check(&key)?;
    Ok(key)
}
