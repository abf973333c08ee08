//! The rules of conversations that depend on who wrote when, and on who is at the other end: what is held to at the moment of encryption.

use std::sync::{
    Mutex, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use waxseal_content::{Body, Payload};
use waxseal_signal::IdentityKey;

use super::{input::Accepted, peer::Peer};
use crate::{
    config::Rules,
    faults::Faults,
    id::PeerIndex,
    limits::standing::{Begun, Standing},
    message::FailureReason,
    moment::Moment,
};

/// How long after a consumer wrote the business may answer as it likes.
const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// Bytes of an identity key's SHA-256 that businesses know it by.
const HASH_BYTES: usize = 8;

/// The rules that hold for a number's conversations.
#[derive(Default)]
pub struct Conduct {
    window: bool,
    quality: bool,
    /// Whether the business wants to know identities.
    identity_check: AtomicBool,
    /// How the number stands with the transport.
    pub standing: RwLock<Standing>,
    begun: Mutex<Begun<PeerIndex>>,
    /// Where time can be made to pass on purpose.
    faults: Option<Faults>,
}

impl Conduct {
    /// As the rules and what is remembered say.
    #[must_use]
    pub fn new(rules: &Rules, identity_check: bool, standing: Standing) -> Self {
        Self {
            window: rules.conversation_window,
            quality: rules.quality,
            identity_check: AtomicBool::new(identity_check),
            standing: RwLock::new(standing),
            begun: Mutex::default(),
            faults: None,
        }
    }

    /// The same, where time may be made to pass on purpose.
    #[must_use]
    pub fn with_faults(self, faults: Option<Faults>) -> Self {
        Self { faults, ..self }
    }

    /// Whether a consumer who wrote then may be written to at this time, both in Unix milliseconds.
    fn is_within(&self, heard_ms: u64, at_ms: u64) -> bool {
        let skipped_ms = self.faults.as_ref().map_or(0, |faults| faults.skipped_ms(heard_ms, at_ms));
        heard_ms != 0 && at_ms.saturating_sub(heard_ms).saturating_add(skipped_ms) <= WINDOW_MS
    }

    /// Whether the business wants to know identities.
    #[must_use]
    pub fn checks_identities(&self) -> bool {
        self.identity_check.load(Ordering::Relaxed)
    }

    /// Chooses that.
    pub fn check_identities(&self, on: bool) {
        self.identity_check.store(on, Ordering::Relaxed);
    }

    /// Why a message may not go to this consumer; it has a session and an identity.
    pub(super) fn objection(&self, accepted: &Accepted, peer: &Peer, now: Moment) -> Option<FailureReason> {
        let job = &accepted.job;
        if let Some(wanted) = &job.identity_hash
            && peer.signal.identity().is_some_and(|identity| !is_hash(wanted, identity))
        {
            return Some(FailureReason::IdentityMismatch);
        }
        // What the consumer asked for again was allowed before; read marks are no messages.
        if !job.tracked || job.attempt > 0 || !(self.window || self.quality) {
            return None;
        }
        if self.is_within(peer.heard_ms, now.ms) {
            return None;
        }
        let payload = Payload::decode(&job.payload).ok()?;
        if self.is_within(peer.heard_ms, payload.sent_at_ms) {
            // Accepted in time; it is not the business's fault that it waited.
            return None;
        }
        if self.window && !matches!(payload.body, Body::Template(_)) {
            return Some(FailureReason::OutsideWindow);
        }
        if self.quality {
            let limit = self.standing.read().unwrap_or_else(PoisonError::into_inner).tier.limit();
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if !begun.begin(accepted.peer, limit, now.ms) {
                return Some(FailureReason::MessagingLimit);
            }
        }
        None
    }
}

/// What businesses know an identity by.
pub(super) fn hash(identity: &IdentityKey) -> String {
    BASE64_STANDARD.encode(&identity.fingerprint()[..HASH_BYTES])
}

/// Whether a business means this identity, whatever it did to the padding.
fn is_hash(wanted: &str, identity: &IdentityKey) -> bool {
    hash(identity).trim_end_matches('=') == wanted.trim_end_matches('=')
}
