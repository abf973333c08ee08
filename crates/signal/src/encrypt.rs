//! Writing on a session: encrypting, and skipping keys that may have been used.

use std::time::SystemTime;

use futures_util::FutureExt as _;
use libsignal_protocol::{CiphertextMessage, SessionUsabilityRequirements as Requirements, message_encrypt};
use rand::{CryptoRng, Rng};

use crate::record::Record;
use crate::session::{library_record, run};
use crate::stores::{Identities, Session, post_quantum};
use crate::wiped::wiped_on_drop;
use crate::{Ciphertext, Error, Identity, Kind, Peer, PeerId, Policy, padding};

/// A message ready to be committed, then sent.
pub struct Encrypted {
    /// The new state. Must be durable before the ciphertext leaves: a key used twice is a broken one.
    pub peer: Peer,
    /// What to send.
    pub ciphertext: Ciphertext,
}

/// Encrypts one message on the current session.
///
/// # Errors
/// [`Error::NoSession`]: establish one from a bundle and repeat. [`Error::Downgrade`], [`Error::RecordTooLarge`]: archive first.
/// [`Error::DamagedRecord`].
pub fn encrypt<R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    plaintext: &[u8],
    policy: &Policy,
    now: SystemTime,
    rng: &mut R,
) -> Result<Encrypted, Error> {
    let (peer, mut ciphertexts) = encrypt_many(me, peer_id, peer, &[plaintext], policy, now, rng)?;
    let ciphertext = ciphertexts.pop().ok_or(Error::Internal("no ciphertext"))?;
    Ok(Encrypted { peer, ciphertext })
}

/// Encrypts several messages in their order, reading and writing the record once.
///
/// # Errors
/// As [`encrypt`]; then nothing is encrypted.
pub fn encrypt_many<R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    plaintexts: &[&[u8]],
    policy: &Policy,
    now: SystemTime,
    rng: &mut R,
) -> Result<(Peer, Vec<Ciphertext>), Error> {
    let mut ciphertexts = Vec::with_capacity(plaintexts.len());
    let peer = write(me, peer_id, peer, plaintexts.iter().copied(), policy, now, rng, |ciphertext| {
        ciphertexts.push(ciphertext);
    })?;
    Ok((peer, ciphertexts))
}

/// Encrypts nothing `count` times and throws it away: after state may have been rolled back, so that no message key is used twice.
///
/// The peer sees that many messages missing, so `count` is small against [`Policy::max_skip_budget`]: 64.
///
/// # Errors
/// As [`encrypt`]. [`Error::Malformed`] if `count` is above the budget.
pub fn burn<R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    count: u32,
    policy: &Policy,
    now: SystemTime,
    rng: &mut R,
) -> Result<Peer, Error> {
    if count > policy.max_skip_budget {
        return Err(Error::Malformed);
    }
    let count = usize::try_from(count).map_err(|_| Error::Malformed)?;
    write(me, peer_id, peer, std::iter::repeat_n(&[][..], count), policy, now, rng, drop)
}

#[expect(clippy::too_many_arguments, reason = "a pure step names all its inputs")]
fn write<'a, R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    plaintexts: impl ExactSizeIterator<Item = &'a [u8]>,
    policy: &Policy,
    now: SystemTime,
    rng: &mut R,
    mut each: impl FnMut(Ciphertext),
) -> Result<Peer, Error> {
    let record = library_record(peer.record())?;
    if !record.has_usable_sender_chain(now, Requirements::NotStale)? {
        return Err(Error::NoSession);
    }
    if policy.require_post_quantum && !record.has_usable_sender_chain(now, post_quantum())? {
        return Err(Error::Downgrade);
    }
    let Some(reuses) = plaintexts.len().checked_sub(1) else {
        return Ok(peer.clone());
    };
    let address = peer_id.address()?;
    let mut session = Session::new(Some(record), reuses);
    let mut identities = Identities {
        me,
        pinned: peer.identity(),
        accept_change: false,
    };
    for plaintext in plaintexts {
        let padded = padding::pad(plaintext);
        let message = run(|| message_encrypt(&padded, &address, &mut session, &mut identities, now, rng).now_or_never())?;
        let kind = match message {
            CiphertextMessage::SignalMessage(_) => Kind::Whisper,
            CiphertextMessage::PreKeySignalMessage(_) => Kind::PreKey,
            _ => return Err(Error::Internal("kind of ciphertext")),
        };
        each(Ciphertext {
            kind,
            bytes: message.serialize().to_vec(),
        });
    }
    let stored = session.into_stored().ok_or(Error::Internal("no session stored"))?;
    let mut record = wiped_on_drop(stored.record);
    if record.len() > policy.max_record_bytes {
        record = Record::decode(&record)?.bounded(policy)?;
    }
    Ok(Peer::assemble(record, peer.identity().copied()))
}
