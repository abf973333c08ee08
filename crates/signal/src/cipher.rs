//! The ratchet: encrypting, decrypting, and skipping keys that may have been used.

use std::time::SystemTime;

use futures_util::FutureExt as _;
use libsignal_protocol::{
    CiphertextMessage, PreKeySignalMessage, SessionUsabilityRequirements as Requirements, SignalMessage, message_decrypt_prekey,
    message_decrypt_signal, message_encrypt,
};
use rand::{CryptoRng, Rng};
use zeroize::Zeroizing;

use crate::guard::{self, Claim};
use crate::peer::wiped_on_drop;
use crate::record::{Home, Record, State};
use crate::session::{current_of, identity_changed, library_record, run};
use crate::stores::{Identities, KyberKeys, OneTime, Session, SignedKeys, post_quantum};
use crate::wire::PostQuantumHeader;
use crate::{Ciphertext, Error, Identity, IdentityKey, Kind, Peer, PeerId, Policy, PrivateRecord, Trust, padding};

/// A message ready to be committed, then sent.
pub struct Encrypted {
    /// The new state. Must be durable before the ciphertext leaves: a key used twice is a broken one.
    pub peer: Peer,
    /// What to send.
    pub ciphertext: Ciphertext,
}

/// The private keys a message names, as far as they still exist; see [`needed`](crate::needed).
#[derive(Default)]
pub struct Keys {
    /// The one-time EC pre-key.
    pub one_time_ec: Option<PrivateRecord>,
    /// The signed pre-key.
    pub signed: Option<PrivateRecord>,
    /// The Kyber pre-key, one-time or last resort.
    pub kyber: Option<PrivateRecord>,
    /// The base key is among those seen for this last-resort Kyber key (and signed pre-key).
    pub base_key_seen: bool,
}

/// What a decrypted message used up. All empty unless it created a session.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Consumed {
    /// Delete this one-time EC pre-key.
    pub one_time_ec: Option<u32>,
    /// The signed pre-key it was addressed to: stays.
    pub signed: Option<u32>,
    /// Delete this Kyber pre-key if it is a one-time key.
    pub kyber: Option<u32>,
    /// If it is the last-resort key: remember this base key as seen, for as long as both keys live.
    pub base_key: Option<Vec<u8>>,
}

/// A message read. To be committed as a whole, then acknowledged.
pub struct Decrypted {
    /// The new state.
    pub peer: Peer,
    /// What the peer wrote.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// Keys to delete with the same commit.
    pub consumed: Consumed,
    /// The peer is now pinned to another identity key than before.
    pub identity_changed: bool,
    /// Whose key authenticated the message: the pinned one, or under [`Trust::AcceptChange`] that of a replaced identity, whose message came
    /// late.
    pub author: IdentityKey,
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

/// Decrypts one message. Nothing changes unless it is authentic: on an error the old state stays valid. [`Error::answer`] says what to do.
///
/// # Errors
/// Every [`Error`] but [`Error::BadSignature`] and [`Error::UnportableBuild`].
#[expect(clippy::too_many_arguments, reason = "a pure step names all its inputs")]
pub fn decrypt<R: CryptoRng + Rng>(
    me: &Identity,
    peer_id: &PeerId,
    peer: &Peer,
    ciphertext: &Ciphertext,
    keys: &Keys,
    trust: Trust,
    policy: &Policy,
    _now: SystemTime,
    rng: &mut R,
) -> Result<Decrypted, Error> {
    let message = ciphertext.parse()?;
    let record = Record::decode(peer.record_bytes())?;
    let step = Step {
        me,
        address: peer_id.address()?,
        pinned: peer.identity(),
        accept_change: trust == Trust::AcceptChange,
        keys,
    };
    let read = match &message {
        CiphertextMessage::SignalMessage(message) => read(message, &record, &step, policy, rng)?,
        CiphertextMessage::PreKeySignalMessage(message) => read_first(message, &record, &step, policy, rng)?,
        _ => return Err(Error::Malformed),
    };
    if policy.require_post_quantum && !read.post_quantum {
        return Err(Error::Downgrade);
    }
    let plaintext = padding::unpad(read.plaintext)?;

    // Only a message that creates a session can change the identity; an archived state of a replaced one must not lead again.
    let lead = read.home == Home::New || peer.identity().is_none_or(|pinned| *pinned == read.author);
    let identity_changed = lead && identity_changed(peer, &read.author, trust)?;
    let identity = if lead {
        read.author
    } else {
        *peer.identity().unwrap_or(&read.author)
    };
    let record = record.advance(read.home, read.state, lead)?.bounded(policy)?;
    let peer = Peer::assemble(record, Some(identity));
    Ok(Decrypted {
        peer,
        plaintext,
        consumed: read.consumed,
        identity_changed,
        author: read.author,
    })
}

/// What the two ways of decrypting share.
struct Step<'a> {
    me: &'a Identity,
    address: libsignal_protocol::ProtocolAddress,
    pinned: Option<&'a IdentityKey>,
    accept_change: bool,
    keys: &'a Keys,
}

struct Read {
    plaintext: Zeroizing<Vec<u8>>,
    home: Home,
    state: prost::bytes::Bytes,
    author: IdentityKey,
    post_quantum: bool,
    consumed: Consumed,
}

impl Step<'_> {
    fn identities(&self) -> Identities<'_> {
        Identities {
            me: self.me,
            pinned: self.pinned,
            accept_change: self.accept_change,
        }
    }
}

/// A message of a session that exists.
fn read<R: CryptoRng + Rng>(
    message: &SignalMessage,
    record: &Record,
    step: &Step<'_>,
    policy: &Policy,
    rng: &mut R,
) -> Result<Read, Error> {
    let ratchet_key = message.sender_ratchet_key().serialize();
    let claim = claim(message, &ratchet_key, policy)?;
    let mut states = record.states()?;
    if states.is_empty() {
        return Err(Error::NoSession);
    }
    // A chain belongs to one state. Then the others need not be tried: a forger could make each of them cost as much.
    let known = states.iter().position(|(_, state)| state.chain(&ratchet_key).is_some());
    if let Some(known) = known {
        states = vec![states.swap_remove(known)];
    }
    guard::check(&claim, states.iter().map(|(_, state)| state), policy)?;
    let given = match states[..] {
        [(home, _)] => library_record(&record.only(home))?,
        _ => library_record(&Zeroizing::new(prost::Message::encode_to_vec(record)))?,
    };

    let mut session = Session::new(Some(given), 0);
    let mut identities = step.identities();
    let plaintext =
        run(|| message_decrypt_signal(message, &step.address, &mut session, &mut identities, rng).now_or_never()).map(Zeroizing::new)?;
    let (state, author, post_quantum) = current_of(session.into_stored())?;
    let base_key = State::parse(&state)?.base_key;
    let home = states.iter().find(|(_, known)| known.base_key == base_key).map(|(home, _)| *home);
    let home = home.ok_or(Error::Internal("the session was not among the given ones"))?;
    Ok(Read {
        plaintext,
        home,
        state,
        author: IdentityKey::from_stored(&author)?,
        post_quantum,
        consumed: Consumed::default(),
    })
}

/// A message that creates its session, unless an earlier one did.
fn read_first<R: CryptoRng + Rng>(
    message: &PreKeySignalMessage,
    record: &Record,
    step: &Step<'_>,
    policy: &Policy,
    rng: &mut R,
) -> Result<Read, Error> {
    let base_key = message.base_key().serialize();
    let known = record.states()?.into_iter().find(|(_, state)| state.base_key[..] == base_key[..]);
    let (home, state) = known.unwrap_or_else(|| (Home::New, State::default()));
    let identity = message.identity_key().serialize();
    if home == Home::New {
        if step.pinned.is_none_or(|pinned| pinned.as_inner() != message.identity_key()) {
            IdentityKey::from_bytes(&identity)?;
        }
        if step.keys.base_key_seen {
            return Err(Error::ReusedBaseKey);
        }
    } else if state.remote_identity[..] != identity[..] {
        // The shell is not authenticated: whoever forwards the message can write another identity on it.
        return Err(Error::Malformed);
    }
    let inner = message.message();
    let ratchet_key = inner.sender_ratchet_key().serialize();
    guard::check(&claim(inner, &ratchet_key, policy)?, std::iter::once(&state), policy)?;

    let mut session = Session::new(Some(library_record(&record.only(home))?), 0);
    let mut identities = step.identities();
    let mut one_time = OneTime {
        keys: step.keys,
        removed: None,
    };
    let signed = SignedKeys(step.keys);
    let mut kyber = KyberKeys {
        keys: step.keys,
        used: None,
    };
    let plaintext = run(|| {
        message_decrypt_prekey(
            message,
            &step.address,
            &mut session,
            &mut identities,
            &mut one_time,
            &signed,
            &mut kyber,
            rng,
        )
        .now_or_never()
    })
    .map(Zeroizing::new)?;
    let (state, author, post_quantum) = current_of(session.into_stored())?;
    let mut consumed = Consumed {
        one_time_ec: one_time.removed,
        ..Consumed::default()
    };
    if let Some(used) = kyber.used {
        consumed.signed = Some(used.signed);
        consumed.kyber = Some(used.kyber);
        consumed.base_key = Some(used.base_key);
    }
    Ok(Read {
        plaintext,
        home,
        state,
        author: IdentityKey::from_stored(&author)?,
        post_quantum,
        consumed,
    })
}

fn claim<'a>(message: &SignalMessage, ratchet_key: &'a [u8], policy: &Policy) -> Result<Claim<'a>, Error> {
    let post_quantum = PostQuantumHeader::parse(message.pq_ratchet())?;
    if policy.require_post_quantum && post_quantum.is_none() {
        return Err(Error::Downgrade);
    }
    Ok(Claim {
        ratchet_key,
        counter: message.counter(),
        post_quantum,
    })
}
