//! How often consumers are asked to send again what did not decrypt.

use std::collections::HashMap;

use crate::id::PeerIndex;

/// Retry receipts to one consumer within [`RETRY_WINDOW_MS`]; envelopes past that are only counted, so that garbage does not make us send.
///
/// A consumer whose session is lost needs one for each message of a whole backlog, so there is room for that.
const RETRIES_PER_WINDOW: u32 = 1_000;
const RETRY_WINDOW_MS: u64 = 60_000;
const RETRY_PEERS: usize = 4096;

/// How many retry receipts each consumer has been sent lately. Bounded: when it is full it forgets.
#[derive(Default)]
pub struct RetryBudget {
    spent: HashMap<PeerIndex, (u64, u32)>,
}

impl RetryBudget {
    pub(super) fn allows(&self, peer: &PeerIndex, now_ms: u64, planned: usize) -> bool {
        let spent = match self.spent.get(peer) {
            Some((since, count)) if now_ms.saturating_sub(*since) < RETRY_WINDOW_MS => *count,
            _ => 0,
        };
        usize::try_from(spent).unwrap_or(usize::MAX).saturating_add(planned) < RETRIES_PER_WINDOW as usize
    }

    pub(super) fn spend(&mut self, peer: &PeerIndex, now_ms: u64) {
        if self.spent.len() >= RETRY_PEERS {
            self.spent.retain(|_, (since, _)| now_ms.saturating_sub(*since) < RETRY_WINDOW_MS);
            if self.spent.len() >= RETRY_PEERS {
                self.spent.clear();
            }
        }
        let entry = self.spent.entry(*peer).or_insert((now_ms, 0));
        if now_ms.saturating_sub(entry.0) >= RETRY_WINDOW_MS {
            *entry = (now_ms, 0);
        }
        entry.1 += 1;
    }
}
