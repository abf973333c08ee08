//! Sealed values: AES-256-GCM with a random 96-bit nonce under the class key of the current hour.
//!
//! Layout: format (1), hour (4, big endian), epoch (8, big endian), nonce (12), ciphertext and tag (16). The associated data is format,
//! hour, epoch, number, class and key name, so a value cannot be moved to another name, class, number or epoch.

use std::{
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce, Tag, aead::AeadInOut as _};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::{
    Error,
    chain::{Chain, Hour, expand},
};

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 4 + 8;
const NONCE: usize = 12;
const TAG: usize = 16;

/// NIST allows 2^32 random nonces a key; half of that leaves room for several replicas that count on their own.
const MAX_SEALS: u64 = 1 << 31;

/// What kind of value: each kind has its own key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Messages on their way out, and what is kept to answer for them.
    Message,
    /// Session records.
    Session,
    /// Webhook events.
    Webhook,
    /// Private halves of pre-keys.
    PreKey,
    /// Where files are, and their keys.
    Media,
}

impl Class {
    const ALL: [Self; 5] = [Self::Message, Self::Session, Self::Webhook, Self::PreKey, Self::Media];

    const fn label(self) -> &'static [u8] {
        match self {
            Self::Message => b"message",
            Self::Session => b"session",
            Self::Webhook => b"webhook",
            Self::PreKey => b"pre-key",
            Self::Media => b"media",
        }
    }
}

/// Seals and opens the values of one number. Shared by everything that serves the number.
pub struct Sealer {
    number_id: Box<[u8]>,
    state: RwLock<State>,
    seals: AtomicU64,
}

struct State {
    /// `keys[i]` is the chain key of hour `oldest + i`; grows as hours are asked for, shrinks from the front as hours are destroyed.
    keys: Vec<Zeroizing<[u8; 32]>>,
    oldest: Chain,
    /// The hour last sealed in, with its class keys ready.
    current: Option<(Hour, [Aes256Gcm; Class::ALL.len()])>,
}

impl Sealer {
    /// For the number with this id, from the chain that custody keeps.
    #[must_use]
    pub fn new(number_id: &str, chain: Chain) -> Self {
        let keys = vec![Zeroizing::new(*chain.key())];
        Self {
            number_id: number_id.as_bytes().into(),
            state: RwLock::new(State {
                keys,
                oldest: chain,
                current: None,
            }),
            seals: AtomicU64::new(0),
        }
    }

    /// Seals `plaintext` for the place `name` at the time `now`.
    ///
    /// # Errors
    /// [`Error::KeyExhausted`]; [`Error::TooFarAhead`] when the clock is more than a year past the chain.
    pub fn seal<R: RngCore + CryptoRng>(
        &self,
        class: Class,
        name: &str,
        epoch: u64,
        plaintext: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, Error> {
        // A clock behind the chain seals with the oldest key there is: never with one that is destroyed.
        let hour = Hour::of(now).max(self.read().oldest.hour());
        let state = self.at(hour)?;
        if self.seals.fetch_add(1, Ordering::Relaxed) >= MAX_SEALS {
            return Err(Error::KeyExhausted);
        }
        let mut sealed = Vec::with_capacity(HEADER + NONCE + plaintext.len() + TAG);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&hour.0.to_be_bytes());
        sealed.extend_from_slice(&epoch.to_be_bytes());
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let aad = self.associated_data(&sealed[..HEADER], class, name);
        let (head, body) = sealed.split_at_mut(HEADER + NONCE);
        let nonce = Nonce::try_from(&head[HEADER..]).map_err(|_| Error::Format)?;
        let cipher = state.cipher(hour, class)?;
        let tag = cipher
            .as_ref()
            .encrypt_inout_detached(&nonce, &aad, body.into())
            .map_err(|_| Error::KeyExhausted)?;
        drop(state);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made for this place.
    ///
    /// # Errors
    /// [`Error::Shredded`] when its hour is past retention, [`Error::NotAuthentic`] when it is not what was sealed here,
    /// [`Error::Format`] when it is no sealed value.
    pub fn open(&self, class: Class, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if sealed.len() < HEADER + NONCE + TAG || sealed[0] != FORMAT {
            return Err(Error::Format);
        }
        let (head, rest) = sealed.split_at(HEADER);
        let (nonce, rest) = rest.split_at(NONCE);
        let (ciphertext, tag) = rest.split_at(rest.len() - TAG);
        let hour = Hour(u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
        let state = self.at(hour)?;
        let aad = self.associated_data(head, class, name);
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::try_from(nonce).map_err(|_| Error::Format)?;
        let tag = Tag::try_from(tag).map_err(|_| Error::Format)?;
        let cipher = state.cipher(hour, class)?;
        cipher
            .as_ref()
            .decrypt_inout_detached(&nonce, &aad, plaintext.as_mut_slice().into(), &tag)
            .map_err(|_| Error::NotAuthentic)?;
        Ok(plaintext)
    }

    /// The chain as it would be kept once every hour before `oldest` is destroyed. Custody writes it down first, then calls
    /// [`Sealer::forget_before`].
    ///
    /// # Errors
    /// [`Error::TooFarAhead`].
    pub fn chain_from(&self, oldest: Hour) -> Result<Chain, Error> {
        self.read().oldest.advanced_to(oldest)
    }

    /// Destroys every key before the hour of `chain` in memory.
    pub fn forget_before(&self, chain: Chain) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let gone = (chain.hour().0.saturating_sub(state.oldest.hour().0) as usize).min(state.keys.len());
        state.keys.drain(..gone);
        if state.keys.is_empty() {
            state.keys.push(Zeroizing::new(*chain.key()));
        }
        if state.current.as_ref().is_some_and(|(hour, _)| *hour < chain.hour()) {
            state.current = None;
        }
        if chain.hour() > state.oldest.hour() {
            state.oldest = chain;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with the chain key of `hour` derived.
    fn at(&self, hour: Hour) -> Result<RwLockReadGuard<'_, State>, Error> {
        loop {
            let state = self.read();
            if state.index(hour)? < state.keys.len() && state.current.as_ref().is_some_and(|(current, _)| *current >= hour) {
                return Ok(state);
            }
            drop(state);
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let index = state.index(hour)?;
            while state.keys.len() <= index {
                let next = state
                    .keys
                    .last()
                    .map(|key| expand(key, &[b"waxseal chain v1"]))
                    .ok_or(Error::Format)?;
                state.keys.push(next);
            }
            if state.current.as_ref().is_none_or(|(current, _)| *current < hour) {
                let key = &state.keys[index];
                state.current = Some((hour, Class::ALL.map(|class| class_cipher(key, class))));
                self.seals.store(0, Ordering::Relaxed);
            }
        }
    }

    fn associated_data(&self, header: &[u8], class: Class, name: &str) -> Vec<u8> {
        let parts = [header, &self.number_id, class.label(), name.as_bytes()];
        let mut aad = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
        for part in parts {
            // Length-prefixed, so that no two different tuples read the same.
            aad.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

/// A class key that is either ready or derived for this one use.
enum Cipher<'a> {
    Ready(&'a Aes256Gcm),
    Derived(Box<Aes256Gcm>),
}

impl AsRef<Aes256Gcm> for Cipher<'_> {
    fn as_ref(&self) -> &Aes256Gcm {
        match self {
            Self::Ready(cipher) => cipher,
            Self::Derived(cipher) => cipher,
        }
    }
}

impl State {
    fn index(&self, hour: Hour) -> Result<usize, Error> {
        self.oldest.check_distance(hour)?;
        hour.0
            .checked_sub(self.oldest.hour().0)
            .map(|index| index as usize)
            .ok_or(Error::Shredded)
    }

    fn cipher(&self, hour: Hour, class: Class) -> Result<Cipher<'_>, Error> {
        match &self.current {
            Some((current, ciphers)) if *current == hour => Ok(Cipher::Ready(&ciphers[class as usize])),
            _ => {
                let key = self.keys.get(self.index(hour)?).ok_or(Error::Shredded)?;
                Ok(Cipher::Derived(Box::new(class_cipher(key, class))))
            }
        }
    }
}

fn class_cipher(key: &[u8; 32], class: Class) -> Aes256Gcm {
    let key = expand(key, &[b"waxseal class v1", class.label()]);
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
}
