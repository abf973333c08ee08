//! Whose messages are dropped.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use crate::id::PeerIndex;

/// The blocked consumers by their blind indexes, as every inbound message asks for them.
#[derive(Default)]
pub struct Blocks(RwLock<HashSet<PeerIndex>>);

impl Blocks {
    /// These and nobody else.
    pub fn new(blocked: impl IntoIterator<Item = PeerIndex>) -> Self {
        Self(RwLock::new(blocked.into_iter().collect()))
    }

    /// Whether this consumer is blocked.
    #[must_use]
    pub fn contains(&self, peer: &PeerIndex) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// Looks up whether one is blocked: under the lock, so that the last one to look sees the last state.
    pub fn refresh(&self, peer: PeerIndex, is_blocked: impl FnOnce() -> bool) {
        let mut blocked = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match is_blocked() {
            true => blocked.insert(peer),
            false => blocked.remove(&peer),
        };
    }

    /// How many are blocked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
