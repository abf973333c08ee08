//! Reading: which session a message belongs to, and what it costs, changes and uses up.

use std::time::SystemTime;

use futures_util::FutureExt as _;
use libsignal_protocol::{CiphertextMessage, PreKeySignalMessage, SignalMessage, message_decrypt_prekey, message_decrypt_signal};
use rand::{CryptoRng, Rng};
use zeroize::Zeroizing;

use crate::guard::{self, Claim};
use crate::record::{Home, Record, State};
use crate::session::{current_of, identity_changed, library_record, run};
use crate::stores::{Identities, KyberKeys, OneTime, Session, SignedKeys};
use crate::wire::PostQuantumHeader;
use crate::{Ciphertext, Error, Identity, IdentityKey, Peer, PeerId, Policy, PrivateRecord, Trust, padding};

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
    let states = candidates(record, &ratchet_key)?;
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
    let home = match states[..] {
        [(home, _)] => home,
        _ => {
            let base_key = State::parse(&state)?.base_key;
            let home = states.iter().find(|(_, known)| known.base_key == base_key);
            home.ok_or(Error::Internal("the session was not among the given ones"))?.0
        }
    };
    Ok(Read {
        plaintext,
        home,
        state,
        author: IdentityKey::from_stored(&author)?,
        post_quantum,
        consumed: Consumed::default(),
    })
}

/// The states that may decrypt a message of this chain: the one that knows it, or all. Trying the others as well could not help, and a
/// forger could make each of them cost as much.
fn candidates(record: &Record, ratchet_key: &[u8]) -> Result<Vec<(Home, State)>, Error> {
    if let Some(current) = &record.current {
        let current = State::parse(current)?;
        if current.chain(ratchet_key).is_some() {
            return Ok(vec![(Home::Current, current)]);
        }
    }
    let mut states = record.states()?;
    if let Some(known) = states.iter().position(|(_, state)| state.chain(ratchet_key).is_some()) {
        return Ok(vec![states.swap_remove(known)]);
    }
    if states.is_empty() { Err(Error::NoSession) } else { Ok(states) }
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
