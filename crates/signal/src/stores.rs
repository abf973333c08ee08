//! The library's store traits over what one step was given: nothing pends, nothing is shared, and what the library would store or delete is
//! collected for the caller.

use std::cell::RefCell;

use async_trait::async_trait;
use libsignal_protocol as lib;
use libsignal_protocol::{GenericSignedPreKey as _, SessionUsabilityRequirements as Requirements, SignalProtocolError};

use crate::{Identity, IdentityKey, Keys, PrivateRecord};

type Result<T> = std::result::Result<T, SignalProtocolError>;

/// The one session of the step. The library takes the record out and hands it back changed.
pub(crate) struct Session {
    record: RefCell<Option<lib::SessionRecord>>,
    /// How many more steps the record is needed for after the next.
    reuses: usize,
    stored: Option<Stored>,
}

/// What the library handed back.
pub(crate) struct Stored {
    pub(crate) record: Vec<u8>,
    /// Whose session it is.
    pub(crate) author: Vec<u8>,
    /// Whether it still has both post-quantum halves.
    pub(crate) post_quantum: bool,
}

impl Session {
    pub(crate) const fn new(record: Option<lib::SessionRecord>, reuses: usize) -> Self {
        Self {
            record: RefCell::new(record),
            reuses,
            stored: None,
        }
    }

    pub(crate) fn into_stored(self) -> Option<Stored> {
        self.stored
    }
}

/// What "protected against quantum computers" means of a session.
pub(crate) fn post_quantum() -> Requirements {
    Requirements::EstablishedWithPqxdh | Requirements::Spqr
}

#[async_trait(?Send)]
impl lib::SessionStore for Session {
    async fn load_session(&self, _: &lib::ProtocolAddress) -> Result<Option<lib::SessionRecord>> {
        Ok(self.record.take())
    }

    async fn store_session(&mut self, _: &lib::ProtocolAddress, record: &lib::SessionRecord) -> Result<()> {
        if let Some(reuses) = self.reuses.checked_sub(1) {
            self.reuses = reuses;
            self.record.replace(Some(record.clone()));
            return Ok(());
        }
        self.stored = Some(Stored {
            record: record.serialize()?,
            author: record.remote_identity_key_bytes()?.unwrap_or_default(),
            // No requirement that depends on the time.
            post_quantum: record.has_usable_sender_chain(std::time::SystemTime::UNIX_EPOCH, post_quantum())?,
        });
        Ok(())
    }
}

/// Our identity, and what we think of the peer's.
pub(crate) struct Identities<'a> {
    pub(crate) me: &'a Identity,
    pub(crate) pinned: Option<&'a IdentityKey>,
    pub(crate) accept_change: bool,
}

#[async_trait(?Send)]
impl lib::IdentityKeyStore for Identities<'_> {
    async fn get_identity_key_pair(&self) -> Result<lib::IdentityKeyPair> {
        Ok(*self.me.pair())
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.me.registration_id())
    }

    async fn save_identity(&mut self, _: &lib::ProtocolAddress, _: &lib::IdentityKey) -> Result<lib::IdentityChange> {
        // The step reads the identity from the session: what a first message says in its shell is not authentic.
        Ok(lib::IdentityChange::NewOrUnchanged)
    }

    async fn is_trusted_identity(&self, _: &lib::ProtocolAddress, identity: &lib::IdentityKey, _: lib::Direction) -> Result<bool> {
        Ok(self.accept_change || self.pinned.is_none_or(|pinned| pinned.as_inner() == identity))
    }

    async fn get_identity(&self, _: &lib::ProtocolAddress) -> Result<Option<lib::IdentityKey>> {
        Ok(self.pinned.map(|pinned| *pinned.as_inner()))
    }
}

/// The one-time EC key of the step.
pub(crate) struct OneTime<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) removed: Option<u32>,
}

#[async_trait(?Send)]
impl lib::PreKeyStore for OneTime<'_> {
    async fn get_pre_key(&self, id: lib::PreKeyId) -> Result<lib::PreKeyRecord> {
        let record = given(self.keys.one_time_ec.as_ref(), SignalProtocolError::InvalidPreKeyId)?;
        match lib::PreKeyRecord::deserialize(record) {
            Ok(record) if record.id()? == id => Ok(record),
            _ => Err(SignalProtocolError::InvalidPreKeyId),
        }
    }

    async fn save_pre_key(&mut self, _: lib::PreKeyId, _: &lib::PreKeyRecord) -> Result<()> {
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: lib::PreKeyId) -> Result<()> {
        self.removed = Some(id.into());
        Ok(())
    }
}

/// The signed EC key of the step.
pub(crate) struct SignedKeys<'a>(pub(crate) &'a Keys);

#[async_trait(?Send)]
impl lib::SignedPreKeyStore for SignedKeys<'_> {
    async fn get_signed_pre_key(&self, id: lib::SignedPreKeyId) -> Result<lib::SignedPreKeyRecord> {
        let record = given(self.0.signed.as_ref(), SignalProtocolError::InvalidSignedPreKeyId)?;
        match lib::SignedPreKeyRecord::deserialize(record) {
            Ok(record) if record.id()? == id => Ok(record),
            _ => Err(SignalProtocolError::InvalidSignedPreKeyId),
        }
    }

    async fn save_signed_pre_key(&mut self, _: lib::SignedPreKeyId, _: &lib::SignedPreKeyRecord) -> Result<()> {
        Ok(())
    }
}

/// The Kyber key of the step. Whether it is deleted after use or its base key remembered is the caller's to know.
pub(crate) struct KyberKeys<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) used: Option<KyberUse>,
}

pub(crate) struct KyberUse {
    pub(crate) kyber: u32,
    pub(crate) signed: u32,
    pub(crate) base_key: Vec<u8>,
}

#[async_trait(?Send)]
impl lib::KyberPreKeyStore for KyberKeys<'_> {
    async fn get_kyber_pre_key(&self, id: lib::KyberPreKeyId) -> Result<lib::KyberPreKeyRecord> {
        let record = given(self.keys.kyber.as_ref(), SignalProtocolError::InvalidKyberPreKeyId)?;
        match lib::KyberPreKeyRecord::deserialize(record) {
            Ok(record) if record.id()? == id => Ok(record),
            _ => Err(SignalProtocolError::InvalidKyberPreKeyId),
        }
    }

    async fn save_kyber_pre_key(&mut self, _: lib::KyberPreKeyId, _: &lib::KyberPreKeyRecord) -> Result<()> {
        Ok(())
    }

    async fn mark_kyber_pre_key_used(
        &mut self,
        kyber: lib::KyberPreKeyId,
        signed: lib::SignedPreKeyId,
        base_key: &lib::PublicKey,
    ) -> Result<()> {
        self.used = Some(KyberUse {
            kyber: kyber.into(),
            signed: signed.into(),
            base_key: base_key.serialize().into_vec(),
        });
        Ok(())
    }
}

fn given(record: Option<&PrivateRecord>, missing: SignalProtocolError) -> Result<&[u8]> {
    record.map(PrivateRecord::as_bytes).ok_or(missing)
}
