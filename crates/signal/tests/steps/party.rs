//! A party of the tests: an identity, its pre-keys, and the state of one peer, which goes through its stored bytes at every step.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use libsignal_protocol::{PreKeySignalMessage, SignalMessage};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use waxseal_signal::{
    Bundle, Ciphertext, Consumed, Decrypted, Error, Identity, Keys, Kind, OneTimePublicKey, Peer, PeerId, Policy, PrivateRecord,
    SignedPublicKey, Trust, decrypt, encrypt, establish, needed, pre_keys,
};

pub(crate) struct Party {
    pub(crate) identity: Identity,
    /// What this party calls its peer.
    pub(crate) peer_id: PeerId,
    pub(crate) stored_peer: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) trust: Trust,
    pub(crate) now: SystemTime,
    pub(crate) rng: StdRng,
    /// Every private key that still exists.
    pub(crate) one_time_ec: HashMap<u32, PrivateRecord>,
    pub(crate) kyber: HashMap<u32, PrivateRecord>,
    pub(crate) signed: HashMap<u32, PrivateRecord>,
    last_resort: u32,
    seen: HashSet<(u32, u32, Vec<u8>)>,
    /// Public halves nobody has taken yet.
    published_ec: Vec<OneTimePublicKey>,
    published_kyber: Vec<SignedPublicKey>,
    published_signed: SignedPublicKey,
    published_last_resort: SignedPublicKey,
    next_id: u32,
}

/// Which keys a bundle is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stock {
    Plenty,
    Exhausted,
}

impl Party {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        let identity = Identity::generate(&mut rng).unwrap();
        let (signed, published_signed) = pre_keys::signed(&identity, 1, now, &mut rng).unwrap();
        let (kyber, published_last_resort) = pre_keys::kyber(&identity, 1, now, &mut rng).unwrap();
        Self {
            identity,
            peer_id: PeerId::random(&mut rng),
            stored_peer: Peer::new().to_bytes().to_vec(),
            policy: Policy::default(),
            trust: Trust::Pinned,
            now,
            rng,
            one_time_ec: HashMap::new(),
            kyber: HashMap::from([(1, kyber)]),
            signed: HashMap::from([(1, signed)]),
            last_resort: 1,
            seen: HashSet::new(),
            published_ec: Vec::new(),
            published_kyber: Vec::new(),
            published_signed,
            published_last_resort,
            next_id: 1,
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::from_bytes(&self.stored_peer).unwrap()
    }

    pub(crate) fn store(&mut self, peer: &Peer) {
        self.stored_peer = peer.to_bytes().to_vec();
    }

    fn replenish(&mut self) {
        self.next_id = pre_keys::next_id(self.next_id);
        let (record, public) = pre_keys::one_time_ec(self.next_id, &mut self.rng).unwrap();
        self.one_time_ec.insert(public.id, record);
        self.published_ec.push(public);
        let (record, public) = pre_keys::kyber(&self.identity, self.next_id, self.now, &mut self.rng).unwrap();
        self.kyber.insert(public.id, record);
        self.published_kyber.push(public);
    }

    /// What the relay would hand out.
    pub(crate) fn bundle(&mut self, stock: Stock) -> Bundle {
        if stock == Stock::Plenty {
            self.replenish();
        }
        Bundle {
            registration_id: self.identity.registration_id(),
            identity_key: self.identity.public_key().to_bytes(),
            signed_pre_key: self.published_signed.clone(),
            kyber_pre_key: self.published_kyber.pop().unwrap_or_else(|| self.published_last_resort.clone()),
            one_time_ec: self.published_ec.pop(),
        }
    }

    /// Returns whether the identity had changed.
    pub(crate) fn establish(&mut self, bundle: &Bundle) -> Result<bool, Error> {
        let peer = self.peer();
        let established = establish(
            &self.identity,
            &self.peer_id,
            &peer,
            bundle,
            self.trust,
            &self.policy,
            self.now,
            &mut self.rng,
        )?;
        self.store(&established.peer);
        Ok(established.identity_changed)
    }

    pub(crate) fn send(&mut self, text: &[u8]) -> Result<Ciphertext, Error> {
        let peer = self.peer();
        let encrypted = encrypt(&self.identity, &self.peer_id, &peer, text, &self.policy, self.now, &mut self.rng)?;
        self.store(&encrypted.peer);
        Ok(Ciphertext::from_body(&encrypted.ciphertext.to_body()).unwrap())
    }

    /// Decrypts without committing anything.
    pub(crate) fn try_receive(&mut self, ciphertext: &Ciphertext) -> Result<Decrypted, Error> {
        let mut keys = Keys::default();
        if let Some(needed) = needed(ciphertext)? {
            keys.one_time_ec = needed.one_time_ec.and_then(|id| self.one_time_ec.get(&id).cloned());
            keys.signed = self.signed.get(&needed.signed).cloned();
            keys.kyber = needed.kyber.and_then(|id| self.kyber.get(&id).cloned());
            keys.base_key_seen = needed
                .kyber
                .is_some_and(|kyber| self.seen.contains(&(kyber, needed.signed, needed.base_key)));
        }
        let peer = self.peer();
        decrypt(
            &self.identity,
            &self.peer_id,
            &peer,
            ciphertext,
            &keys,
            self.trust,
            &self.policy,
            self.now,
            &mut self.rng,
        )
    }

    /// Decrypts and commits everything the step says.
    pub(crate) fn receive(&mut self, ciphertext: &Ciphertext) -> Result<Vec<u8>, Error> {
        let decrypted = self.try_receive(ciphertext)?;
        self.store(&decrypted.peer);
        self.consume(&decrypted.consumed);
        Ok(decrypted.plaintext.to_vec())
    }

    fn consume(&mut self, consumed: &Consumed) {
        if let Some(id) = consumed.one_time_ec {
            self.one_time_ec.remove(&id).unwrap();
        }
        if let Some(kyber) = consumed.kyber {
            if kyber == self.last_resort {
                self.seen
                    .insert((kyber, consumed.signed.unwrap(), consumed.base_key.clone().unwrap()));
            } else {
                self.kyber.remove(&kyber).unwrap();
            }
        }
    }

    /// The same number on a new telephone: new identity, new keys, nothing remembered.
    pub(crate) fn reinstall(&mut self) {
        let seed = self.rng.random();
        *self = Self {
            now: self.now,
            policy: self.policy,
            trust: self.trust,
            ..Self::new(seed)
        };
    }

    pub(crate) fn lose_sessions(&mut self) {
        let peer = self.peer().without_sessions();
        self.store(&peer);
    }
}

/// The chains that one side has read from, in their order.
#[derive(Default)]
pub(crate) struct Turns(Vec<Vec<u8>>);

impl Turns {
    /// The library keeps the last five chains of the peer: what is delayed longer cannot be read any more.
    const KEPT: usize = 5;

    pub(crate) fn note(&mut self, ciphertext: &Ciphertext) {
        let chain = chain(ciphertext);
        if !self.0.contains(&chain) {
            self.0.push(chain);
        }
    }

    pub(crate) fn overtaken(&self, ciphertext: &Ciphertext) -> bool {
        let chain = chain(ciphertext);
        self.0.iter().rev().take(Self::KEPT).all(|kept| *kept != chain) && self.0.contains(&chain)
    }
}

fn chain(ciphertext: &Ciphertext) -> Vec<u8> {
    let key = match ciphertext.kind {
        Kind::Whisper => *SignalMessage::try_from(&ciphertext.bytes[..]).unwrap().sender_ratchet_key(),
        Kind::PreKey => *PreKeySignalMessage::try_from(&ciphertext.bytes[..])
            .unwrap()
            .message()
            .sender_ratchet_key(),
    };
    key.serialize().into_vec()
}

/// Two parties with a session that both have used.
pub(crate) fn acquainted(seed: u64) -> (Party, Party) {
    let (mut alice, mut bob) = (Party::new(seed), Party::new(seed.wrapping_add(1)));
    alice.establish(&bob.bundle(Stock::Plenty)).unwrap();
    exchange(&mut alice, &mut bob);
    exchange(&mut bob, &mut alice);
    (alice, bob)
}

/// One message from `from` to `to`.
pub(crate) fn exchange(from: &mut Party, to: &mut Party) {
    let text: [u8; 8] = from.rng.random();
    let ciphertext = from.send(&text).unwrap();
    assert_eq!(to.receive(&ciphertext).unwrap(), text);
}
