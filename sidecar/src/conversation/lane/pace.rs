//! Messages that wait for their turn because of a limit, where the business wants them to wait: those of one consumer, or all of them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use waxseal_store::EntryId;

use super::{JOBS_PER_TURN, Lane, MAX_PARKED, MAX_PARKED_EACH};
use crate::{conversation::input::Accepted, id::PeerIndex, limits::Grant};

/// Places of messages that are remembered as counted; who is forgotten is counted twice, which only takes longer.
const MAX_PAID: usize = 4096;

/// What waits for its turn.
#[derive(Default)]
pub(super) struct Pace {
    held: HashMap<PeerIndex, Held>,
    /// Nothing goes before then, by the limiter's clock.
    closed_until_us: u64,
    /// Messages that were counted and came back, because their consumer needs a bundle or the batch was full.
    paid: HashSet<EntryId>,
}

/// Messages to one consumer.
struct Held {
    jobs: VecDeque<Accepted>,
    /// Whether there are further ones in the queue that were passed over.
    more: bool,
    /// None goes before then.
    until_us: u64,
}

impl Pace {
    /// Whether messages to this consumer wait.
    pub(super) fn holds(&self, peer: &PeerIndex) -> bool {
        self.held.contains_key(peer)
    }

    /// A further message to a consumer whose messages wait.
    pub(super) fn hold(&mut self, accepted: Accepted) {
        let total = self.len();
        if let Some(held) = self.held.get_mut(&accepted.peer) {
            if held.more || held.jobs.len() >= MAX_PARKED_EACH || total >= MAX_PARKED {
                held.more = true;
            } else {
                held.jobs.push_back(accepted);
            }
        }
    }

    /// How many wait in memory.
    pub(super) fn len(&self) -> usize {
        self.held.values().map(|held| held.jobs.len()).sum()
    }

    /// Whether there are further ones in the queue.
    pub(super) fn has_passed_over(&self) -> bool {
        self.held.values().any(|held| held.more)
    }

    /// The queue is read from its start.
    pub(super) fn read_again(&mut self) {
        for held in self.held.values_mut() {
            held.jobs.clear();
            held.more = false;
        }
    }

    /// These were counted and come back.
    pub(super) fn has_paid<'a>(&mut self, accepted: impl Iterator<Item = &'a Accepted>) {
        for accepted in accepted {
            if self.paid.len() >= MAX_PAID {
                self.paid.clear();
            }
            self.paid.insert(accepted.entry);
        }
    }
}

impl Lane {
    /// Whether there are messages that may go now.
    pub(super) fn has_jobs(&self) -> bool {
        if self.jobs.front().is_some_and(|accepted| self.pace.paid.contains(&accepted.entry)) {
            return true;
        }
        let now_us = self.outfit.limiter.now_us();
        let due = |held: &Held| held.until_us <= now_us;
        self.pace.closed_until_us <= now_us && (!self.jobs.is_empty() || self.pace.held.values().any(due))
    }

    /// When the next message may go that has to wait.
    pub(super) fn paced_until(&self) -> Option<Instant> {
        let pace = &self.pace;
        if pace.held.is_empty() && pace.closed_until_us == 0 {
            return None;
        }
        let now_us = self.outfit.limiter.now_us();
        let closed = (pace.closed_until_us > now_us).then_some(pace.closed_until_us);
        let held = pace.held.values().map(|held| held.until_us).min();
        let at_us = closed.or(held)?;
        Some(Instant::now() + Duration::from_micros(at_us.saturating_sub(now_us)))
    }

    /// Takes the messages that may go now.
    pub(super) fn take_jobs(&mut self) {
        if !self.outfit.limiter.is_queueing() {
            let count = self.jobs.len().min(JOBS_PER_TURN);
            self.input.jobs.extend(self.jobs.drain(..count));
            return;
        }
        let now_us = self.outfit.limiter.now_us();
        let is_closed = now_us < self.pace.closed_until_us;
        if !is_closed {
            self.release(now_us);
        }
        while self.input.jobs.len() < JOBS_PER_TURN {
            let Some(accepted) = self.jobs.pop_front() else { return };
            if self.pace.paid.remove(&accepted.entry) {
                // Older than any that is held.
                self.input.jobs.push(accepted);
                continue;
            }
            if is_closed {
                self.jobs.push_front(accepted);
                return;
            }
            if self.pace.holds(&accepted.peer) {
                self.pace.hold(accepted);
                continue;
            }
            // Read marks are no messages, and what the consumer asked for again was counted before.
            let counts = accepted.job.tracked && accepted.job.attempt == 0;
            let grant = match counts {
                true => self.outfit.limiter.grant(&accepted.peer),
                false => Grant::Go,
            };
            match grant {
                Grant::Go => self.input.jobs.push(accepted),
                Grant::Wait(wait_us) => {
                    self.pace.closed_until_us = now_us + wait_us;
                    self.jobs.push_front(accepted);
                    return;
                }
                Grant::Hold(wait_us) => {
                    let held = Held {
                        jobs: VecDeque::from([accepted]),
                        more: false,
                        until_us: now_us + wait_us,
                    };
                    if let Some(first) = held.jobs.front() {
                        self.pace.held.insert(first.peer, held);
                    }
                }
            }
        }
    }

    /// Lets those go on whose time has come.
    fn release(&mut self, now_us: u64) {
        let due = |(peer, held): (&PeerIndex, &Held)| (held.until_us <= now_us).then_some(*peer);
        let peers: Vec<PeerIndex> = self.pace.held.iter().filter_map(due).collect();
        for peer in peers {
            let Some(held) = self.pace.held.remove(&peer) else { continue };
            if held.more {
                self.read_jobs_again();
                return;
            }
            for accepted in held.jobs.into_iter().rev() {
                self.jobs.push_front(accepted);
            }
            if self.parked.contains_key(&peer) {
                // Behind those that wait for a bundle.
                self.park(Vec::new());
            }
        }
    }
}
