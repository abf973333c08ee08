//! Whether the endpoint as a whole is down.
//!
//! Purpose: tells failures of the endpoint from failures of single events. While it counts as down, one probe at a time goes out, and each
//! failed one makes the next wait longer; a success of any kind ends it. Pure.

use std::collections::BTreeSet;

use super::exchange::{FailureKind, PeerTag};
use crate::webhook::schedule::Backoff;

/// So many unreachable answers in a row, whomever they are about, and the endpoint is down.
const UNREACHABLE: u32 = 3;
/// So many consumers in a row without one success, and it is, too.
const PEERS: usize = 5;
/// After so many failed probes the outage was real, and delays of single events belong to it.
const REAL_OUTAGE_PROBES: u32 = 2;

pub(super) struct Breaker {
    backoff: Backoff,
    unreachable: u32,
    failing: BTreeSet<PeerTag>,
    open: Option<Open>,
}

struct Open {
    failed_probes: u32,
    probe_at_ms: u64,
    probing: bool,
}

impl Breaker {
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            unreachable: 0,
            failing: BTreeSet::new(),
            open: None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// `Some` if a probe may go out now.
    pub(super) fn start_probe(&mut self, now_ms: u64) -> Option<()> {
        let open = self.open.as_mut().filter(|open| !open.probing && open.probe_at_ms <= now_ms)?;
        open.probing = true;
        Some(())
    }

    /// Says whether an outage has ended that waiting events should be woken from.
    pub(super) fn succeeded(&mut self) -> bool {
        self.unreachable = 0;
        self.failing.clear();
        self.open.take().is_some_and(|open| open.failed_probes >= REAL_OUTAGE_PROBES)
    }

    pub(super) fn failed(&mut self, kind: FailureKind, peer: PeerTag, probe: bool, now_ms: u64, retry_after_ms: u64, jitter: u32) {
        if let Some(open) = &mut self.open {
            if probe {
                open.probing = false;
                open.failed_probes = open.failed_probes.saturating_add(1);
                let delay_ms = self.backoff.delay_ms(open.failed_probes.saturating_add(1), jitter);
                open.probe_at_ms = now_ms.saturating_add(delay_ms.max(retry_after_ms));
            } else {
                // Began before the endpoint counted as down: it says nothing new, except for how long to stay away.
                open.probe_at_ms = open.probe_at_ms.max(now_ms.saturating_add(retry_after_ms));
            }
            return;
        }
        match kind {
            FailureKind::Unreachable => self.unreachable += 1,
            FailureKind::Rejected => {}
        }
        self.failing.insert(peer);
        if self.unreachable >= UNREACHABLE || self.failing.len() >= PEERS {
            self.open = Some(Open {
                failed_probes: 0,
                probe_at_ms: now_ms.saturating_add(self.backoff.delay_ms(1, jitter).max(retry_after_ms)),
                probing: false,
            });
        }
    }

    pub(super) fn wake_at_ms(&self, due_ms: u64) -> Option<u64> {
        match &self.open {
            None => Some(due_ms),
            Some(open) if open.probing => None,
            Some(open) => Some(open.probe_at_ms),
        }
    }
}
