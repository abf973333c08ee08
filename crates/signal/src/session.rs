//! Sessions come and go: established from a bundle, archived, bounded.

use std::time::SystemTime;

use futures_util::FutureExt as _;
use libsignal_protocol::{SessionRecord, SignalProtocolError, process_prekey_bundle};
use rand::{CryptoRng, Rng};

use crate::record::{Home, Record};
use crate::stores::{Identities, Session, Stored};
use crate::wiped::wiped_on_drop;
use crate::{Bundle, Error, Identity, IdentityKey, Peer, PeerId};

/// The bounds that every step keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Refuse sessions and messages without the post-quantum ratchet. The library alone would follow a peer that leaves it out.
    pub require_post_quantum: bool,
    /// How many messages of one chain a message may leave out. Following a jump of 1 000 costs 40 ms before anything is authentic, and the
    /// cost is quadratic; a message that would cost more in all states together is [`Error::ForgedCounter`].
    pub max_skip_budget: u32,
    /// The largest record to keep. A normal one is below 8 KiB, and each message left out adds 75 bytes.
    pub max_record_bytes: usize,
    /// How many archived states to keep for messages still under way.
    pub max_archived: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            require_post_quantum: true,
            max_skip_budget: 1_000,
            max_record_bytes: 256 * 1024,
            max_archived: 5,
        }
    }
}

/// What to do if the peer has another identity key than the pinned one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Refuse with [`Error::IdentityChanged`].
    Pinned,
    /// Pin the new key and say so.
    AcceptChange,
}

/// A session opened towards a peer.
pub struct Established {
    /// The new state.
    pub peer: Peer,
    /// The identity key is another than the pinned one.
    pub identity_changed: bool,
}

/// Opens a session from a bundle. The current one, if any, is archived.
///
/// # Errors
/// [`Error::IdentityChanged`], [`Error::Malformed`], [`Error::WeakKey`], [`Error::BadSignature`], [`Error::DamagedRecord`],
/// [`Error::RecordTooLarge`].
#[expect(clippy::too_many_arguments, reason = "a pure step names all its inputs")]
pub fn establish<R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    bundle: &Bundle,
    trust: Trust,
    policy: &Policy,
    now: SystemTime,
    rng: &mut R,
) -> Result<Established, Error> {
    let identity = IdentityKey::from_bytes(&bundle.identity_key)?;
    let identity_changed = identity_changed(peer, &identity, trust)?;
    let bundle = bundle.open(&identity)?;
    let address = peer_id.address()?;

    let mut session = Session::new(None, 0);
    let mut identities = Identities {
        me,
        pinned: None,
        accept_change: true,
    };
    run(|| process_prekey_bundle(&address, &mut session, &mut identities, &bundle, now, rng).now_or_never())?;
    let state = current_of(session.into_stored())?.0;

    let record = Record::decode(peer.record_bytes())?
        .advance(Home::New, state, true)?
        .bounded(policy)?;
    Ok(Established {
        peer: Peer::assemble(record, Some(identity)),
        identity_changed,
    })
}

/// Stops writing on the current session, so that the next message needs a bundle. Messages still under way can be read.
///
/// # Errors
/// [`Error::DamagedRecord`].
pub fn archive(peer: &Peer) -> Result<Peer, Error> {
    let record = Record::decode(peer.record_bytes())?.archived()?;
    Ok(Peer::assemble(record.encode(), peer.identity().copied()))
}

/// Whether this is another key than the pinned one; an error if that is not accepted.
pub(crate) fn identity_changed(peer: &Peer, identity: &IdentityKey, trust: Trust) -> Result<bool, Error> {
    match (peer.identity(), trust) {
        (Some(pinned), Trust::Pinned) if pinned != identity => Err(Error::IdentityChanged),
        (Some(pinned), _) => Ok(pinned != identity),
        (None, _) => Ok(false),
    }
}

/// Runs the library. Its futures never pend over our stores, and a panic of it stays an error of this one message.
pub(crate) fn run<T>(step: impl FnOnce() -> Option<Result<T, SignalProtocolError>>) -> Result<T, Error> {
    // Everything the step changes is thrown away with the error.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)) {
        Ok(Some(result)) => Ok(result?),
        Ok(None) => Err(Error::Internal("a step of the Signal library did not finish")),
        Err(_) => Err(Error::Internal("a step of the Signal library panicked")),
    }
}

/// The current state that the library handed back, and what is known of it.
pub(crate) fn current_of(stored: Option<Stored>) -> Result<(prost::bytes::Bytes, Vec<u8>, bool), Error> {
    let stored = stored.ok_or(Error::Internal("no session stored"))?;
    let record = Record::decode(&wiped_on_drop(stored.record))?;
    let state = record.current.ok_or(Error::Internal("no current session"))?;
    Ok((state, stored.author, stored.post_quantum))
}

pub(crate) fn library_record(bytes: &[u8]) -> Result<SessionRecord, Error> {
    SessionRecord::deserialize(bytes).map_err(|_| Error::DamagedRecord)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_library_is_an_error_of_one_step() {
        assert_eq!(
            run::<()>(|| panic!("as the library might")),
            Err(Error::Internal("a step of the Signal library panicked"))
        );
        assert_eq!(
            run::<()>(|| None),
            Err(Error::Internal("a step of the Signal library did not finish"))
        );
        assert_eq!(run(|| Some(Ok(7))), Ok(7));
    }
}
