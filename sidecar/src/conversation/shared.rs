//! What the lanes of one number share, and how they open what is stored.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use lru::LruCache;
use waxseal_content::{MessageId, PhoneNumber, Text};
use waxseal_sealing::{BlindIndex, Class, Sealer, Tokens};
use waxseal_signal::{Identity, PrivateRecord};
use waxseal_store::Key;
use zeroize::Zeroizing;

use super::{Conduct, blocks::Blocks, peer::Peer};
use crate::{
    file,
    metrics::Metrics,
    moment::Moment,
    names::Names,
    webhook::{self, route::Subscriptions},
};

/// A message fails aloud this long before its record would expire.
const GRACE_MS: u64 = 10 * 60 * 1000;
/// About a megabyte.
const MAX_SENT_TIMES: usize = 8192;
/// An event is given up this long before its queue entry would expire, so that it is not lost in silence.
const GIVE_UP_MS: u64 = 60 * 1000;

/// What the lanes of one number share; fixed while the number runs, but for the signed pre-keys.
pub struct Shared {
    /// The business number.
    pub number: PhoneNumber,
    /// The name consumers see.
    pub display_name: Text,
    /// The Signal identity.
    pub identity: Arc<Identity>,
    /// Bounds and demands of sessions.
    pub policy: waxseal_signal::Policy,
    /// Seals what is stored.
    pub sealer: Sealer,
    /// Names what is stored.
    pub names: Names,
    /// Names consumers.
    pub blind: BlindIndex,
    /// Makes `wamid`s.
    pub tokens: Tokens,
    /// Makes business-scoped user ids.
    pub user_id_key: Zeroizing<[u8; 32]>,
    /// The private halves that every inbound first message needs.
    pub signed_keys: RwLock<SignedKeys>,
    /// Time to live of everything written.
    pub retention: Duration,
    /// How long files live.
    pub lifetimes: file::Lifetimes,
    /// Whether content stays until it expires even when delivered.
    pub keep_content: bool,
    /// The rules of conversations.
    pub conduct: Conduct,
    /// How long a webhook event is tried.
    pub webhook_window: Duration,
    /// Writes webhook bodies.
    pub bodies: webhook::body::Account,
    /// Makes the addresses of files.
    pub urls: file::Urls,
    /// Which events the business wants.
    pub subscriptions: RwLock<Subscriptions>,
    /// When the relay had the last messages.
    pub sent: SentTimes,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whose messages are dropped.
    pub blocks: Blocks,
}

/// When the relay had each of the last messages: the record of a message is written when the consumer has it, not before. Bounded; what was
/// sent by another process is not in it.
pub struct SentTimes(Mutex<LruCache<MessageId, u64>>);

impl Default for SentTimes {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl SentTimes {
    /// Remembers these messages as sent.
    pub(super) fn note(&self, messages: &[MessageId], at_ms: u64) {
        if messages.is_empty() {
            return;
        }
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            times.put(*message, at_ms);
        }
        while times.len() > MAX_SENT_TIMES {
            times.pop_lru();
        }
    }

    /// All that are remembered, with when the relay had them.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, MessageId)> {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.iter().map(|(message, at_ms)| (*at_ms, *message)).collect()
    }

    /// When the relay had this message, in Unix milliseconds.
    #[must_use]
    pub fn of(&self, message: MessageId) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).peek(&message).copied()
    }
}

/// Signed and last-resort pre-keys by id.
#[derive(Default)]
pub struct SignedKeys {
    /// Signed X25519 pre-keys.
    pub signed: HashMap<u32, PrivateRecord>,
    /// Last-resort Kyber pre-keys.
    pub last_resort: HashMap<u32, PrivateRecord>,
}

impl Shared {
    /// Time to live of what concerns one message: it never outlives what was promised when the message was accepted.
    #[must_use]
    pub fn lifetime(&self, expires_at_ms: u64, now: Moment) -> Duration {
        let left_ms = expires_at_ms.saturating_add(self.grace_ms()).saturating_sub(now.ms);
        Duration::from_millis(left_ms.max(1000)).min(self.retention)
    }

    /// How long before its record would expire a message fails aloud.
    #[must_use]
    pub fn grace_ms(&self) -> u64 {
        GRACE_MS.min(self.retention_ms() / 6)
    }

    /// [`Shared::retention`] in milliseconds.
    #[must_use]
    pub fn retention_ms(&self) -> u64 {
        u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX / 4)
    }

    /// How long before its entry would expire an event that never arrives is given up.
    fn give_up_ms(&self) -> u64 {
        GIVE_UP_MS.min(self.retention_ms() / 10)
    }

    /// When the window of an event that happened at `made_at_ms` ends, if its tries begin now.
    pub(super) fn window_end_ms(&self, made_at_ms: u64, now: Moment) -> u64 {
        let window_ms = u64::try_from(self.webhook_window.as_millis()).unwrap_or(u64::MAX / 4);
        let end_of_retention_ms = made_at_ms.saturating_add(self.retention_ms());
        (now.ms.saturating_add(window_ms)).min(end_of_retention_ms.saturating_sub(self.give_up_ms()))
    }

    /// What is left of the retention of an event, if it is worth keeping it for that.
    pub(super) fn afterlife(&self, made_at_ms: u64, now: Moment) -> Option<Duration> {
        let left_ms = made_at_ms.saturating_add(self.retention_ms()).saturating_sub(now.ms);
        (left_ms > 2 * self.give_up_ms()).then(|| Duration::from_millis(left_ms).min(self.retention))
    }

    /// Whether nothing may outlive an hour, "No Storage".
    pub(super) fn no_storage(&self) -> bool {
        self.retention <= Duration::from_secs(60 * 60)
    }

    /// Whether events of this field are sent to the business.
    pub(super) fn wants(&self, field: &str) -> bool {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner).wants(field)
    }

    /// How old the record of whom a user id names may get before it is written anew. It is not done with every message, and yet the record
    /// lives nearly as long as the conversation.
    pub(super) fn user_refresh_ms(&self) -> u64 {
        self.retention_ms() / 30
    }

    /// The private half of a signed pre-key.
    pub(super) fn signed_key(&self, id: u32) -> Option<PrivateRecord> {
        self.signed_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .signed
            .get(&id)
            .cloned()
    }

    /// The private half of a last-resort Kyber pre-key.
    pub(super) fn last_resort_key(&self, id: u32) -> Option<PrivateRecord> {
        self.signed_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .last_resort
            .get(&id)
            .cloned()
    }

    /// Opens a sealed record; `None`, with a line in the log, when it is not ours or its hour is gone.
    pub fn open<M: prost::Message + Default>(&self, class: Class, key: &Key, sealed: &[u8]) -> Option<M> {
        match self.sealer.open(class, key.as_str(), sealed) {
            Ok(plaintext) => M::decode(plaintext.as_slice()).ok(),
            Err(error) => {
                self.metrics.unopened.inc();
                tracing::warn!(%error, ?class, "a stored value does not open; treating it as absent");
                None
            }
        }
    }

    /// Opens a sealed peer.
    #[must_use]
    pub fn open_peer(&self, key: &Key, sealed: &[u8]) -> Option<Peer> {
        Peer::of(self.open(Class::Session, key, sealed)?)
    }
}
