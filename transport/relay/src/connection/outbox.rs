//! What is put down for a client, and what to send it next. Pure but for the count of bytes that all connections share.
//!
//! Deliveries come from two places. What is committed while the client keeps up stays in memory (`live`); when there is too much of it, or
//! at the beginning, the connection is *behind* and reads its queue from the disk. Before it begins to read, it lets new envelopes be put
//! down again, and drops those that the snapshot already had: so it misses none and sends none twice.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use waxseal_protocol::proto::{Integrity, KeyCounts, Outcome};
use waxseal_protocol::wire;

use super::End;
use crate::config::Limits;
use crate::store::queue::{Page, Queued};

/// Frames of deliveries are closed at this size.
const FRAME_BYTES: usize = 256 * 1024;
const FRAME_DELIVERIES: usize = 1024;
/// One read from the disk.
const PAGE_BYTES: usize = 512 * 1024;
const PAGE_ENVELOPES: usize = 1024;

/// One connection may have so much of the memory for all.
const SHARES: usize = 16;
const LEAST_SHARE_BYTES: usize = 1024;

pub(super) struct Outbox {
    outcomes: Vec<Outcome>,
    /// Submissions that have no outcome yet.
    unanswered: usize,
    pub(super) keys_low: Option<KeyCounts>,
    pub(super) integrity: Option<Integrity>,
    pub(super) end: Option<End>,
    live: VecDeque<Queued>,
    live_bytes: usize,
    is_behind: bool,
    /// Everything up to here was sent.
    cursor: u64,
    /// `Drained` is due once everything up to here was sent.
    drain_at: Option<u64>,
    /// Sent and not acknowledged, with the size.
    window: HashMap<u64, usize>,
    window_bytes: usize,
}

/// What the pump does next.
pub(super) enum Next {
    Outcomes(Vec<Outcome>),
    KeysLow(KeyCounts),
    Integrity(Integrity),
    Deliver(Vec<Queued>),
    Drained,
    /// Read the queue after this sequence, at most so much, and come back with [`Outbox::read`].
    Read {
        after: u64,
        envelopes: usize,
        bytes: usize,
    },
    End(End),
    Wait,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            outcomes: Vec::new(),
            unanswered: 0,
            keys_low: None,
            integrity: None,
            end: None,
            live: VecDeque::new(),
            live_bytes: 0,
            is_behind: true,
            cursor: 0,
            drain_at: None,
            window: HashMap::new(),
            window_bytes: 0,
        }
    }

    /// Everything queued up to `sequence` was there before the connection.
    pub(super) fn drain_at(&mut self, sequence: u64) {
        self.drain_at = Some(sequence);
    }

    pub(super) fn submitted(&mut self, count: usize) {
        self.unanswered += count;
    }

    pub(super) fn answer(&mut self, outcomes: Vec<Outcome>) {
        self.unanswered = self.unanswered.saturating_sub(outcomes.len());
        if self.outcomes.is_empty() {
            self.outcomes = outcomes;
        } else {
            self.outcomes.extend(outcomes);
        }
    }

    pub(super) fn deliver(&mut self, queued: impl ExactSizeIterator<Item = Queued>, shared: &AtomicUsize, most: usize) {
        if self.is_behind {
            return;
        }
        if self.live.len() + queued.len() > wire::MAX_FRAME_ITEMS * 2 {
            self.is_behind = true;
            return;
        }
        let mut added = 0;
        for queued in queued {
            let (own, all) = (self.live_bytes + added, shared.load(Ordering::Relaxed) + added);
            // A part for each, so that a few that do not read take nothing from those that do.
            if own + queued.size() > (most / SHARES).max(LEAST_SHARE_BYTES) || all + queued.size() > most {
                // What follows is read back from the disk.
                self.is_behind = true;
                break;
            }
            added += queued.size();
            self.live.push_back(queued);
        }
        self.live_bytes += added;
        shared.fetch_add(added, Ordering::Relaxed);
    }

    fn pop_live(&mut self, shared: &AtomicUsize) -> Option<Queued> {
        let queued = self.live.pop_front()?;
        self.live_bytes -= queued.size();
        shared.fetch_sub(queued.size(), Ordering::Relaxed);
        Some(queued)
    }

    fn clear_live(&mut self, shared: &AtomicUsize) {
        self.live.clear();
        shared.fetch_sub(std::mem::take(&mut self.live_bytes), Ordering::Relaxed);
    }

    pub(super) fn clear(&mut self, shared: &AtomicUsize) {
        self.clear_live(shared);
        self.is_behind = true;
        self.outcomes = Vec::new();
        self.window = HashMap::new();
    }

    /// Opens the window for acknowledged deliveries.
    pub(super) fn acknowledge(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            if let Some(size) = self.window.remove(sequence) {
                self.window_bytes -= size;
            }
        }
    }

    pub(super) fn next(&mut self, limits: &Limits, shared: &AtomicUsize, now_ms: u64) -> Next {
        if !self.outcomes.is_empty() {
            return Next::Outcomes(match self.outcomes.len() > wire::MAX_FRAME_ITEMS {
                true => self.outcomes.drain(..wire::MAX_FRAME_ITEMS).collect(),
                false => std::mem::take(&mut self.outcomes),
            });
        }
        match self.end {
            // The client gets an answer to what it has submitted, when there will be one.
            Some(End::Closed | End::Stopping) if self.unanswered > 0 => return Next::Wait,
            Some(end) => return Next::End(end),
            None => {}
        }
        if let Some(counts) = self.keys_low.take() {
            return Next::KeysLow(counts);
        }
        if let Some(integrity) = self.integrity.take() {
            return Next::Integrity(integrity);
        }
        if self.drain_at.is_some_and(|drain_at| self.cursor >= drain_at) {
            self.drain_at = None;
            return Next::Drained;
        }
        let mut envelopes = limits.window_envelopes.saturating_sub(self.window.len());
        let mut bytes = limits.window_bytes.saturating_sub(self.window_bytes);
        if envelopes == 0 || bytes == 0 {
            return Next::Wait;
        }
        if self.live.is_empty() {
            // Not for every single acknowledgement.
            let is_wide = envelopes >= limits.window_envelopes / 4 && bytes >= limits.window_bytes / 4;
            if !self.is_behind || !is_wide {
                return Next::Wait;
            }
            self.is_behind = false;
            return Next::Read {
                after: self.cursor,
                envelopes: envelopes.min(PAGE_ENVELOPES),
                bytes: bytes.min(PAGE_BYTES),
            };
        }
        envelopes = envelopes.min(FRAME_DELIVERIES);
        bytes = bytes.min(FRAME_BYTES);
        let mut batch = Vec::with_capacity(self.live.len().min(envelopes));
        let mut batch_bytes = 0;
        while let Some(queued) = self.live.front() {
            let is_known = queued.sequence <= self.cursor || queued.is_expired(now_ms);
            let fits = batch.len() < envelopes && batch_bytes + queued.size() <= bytes;
            if !is_known && !fits && !batch.is_empty() {
                break;
            }
            let Some(queued) = self.pop_live(shared) else { break };
            if is_known {
                self.cursor = self.cursor.max(queued.sequence);
                continue;
            }
            batch_bytes += queued.size();
            self.sent(&queued);
            batch.push(queued);
        }
        match batch.is_empty() {
            true => self.next(limits, shared, now_ms),
            false => Next::Deliver(batch),
        }
    }

    /// What [`Next::Read`] found.
    pub(super) fn read(&mut self, page: Page, shared: &AtomicUsize) -> Vec<Queued> {
        if let Some(last) = page.last {
            self.cursor = self.cursor.max(last);
        }
        if page.is_last {
            // Nothing is left of what was there before; even if the last of it is gone or expired.
            self.cursor = self.cursor.max(self.drain_at.unwrap_or(0));
        } else {
            self.is_behind = true;
            self.clear_live(shared);
        }
        for queued in &page.queued {
            self.sent(queued);
        }
        page.queued
    }

    fn sent(&mut self, queued: &Queued) {
        self.cursor = self.cursor.max(queued.sequence);
        self.window_bytes += queued.size();
        self.window.insert(queued.sequence, queued.size());
    }
}
