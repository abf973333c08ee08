//! Which event is tried when.
//!
//! Purpose: the pure heart of webhook delivery. Events of one consumer go one after the other, consumers go side by side, an endpoint that is
//! down gets a few probes instead of everything, and memory is bounded however much waits in the durable queue behind.
//!
//! May touch: its own memory. Must not: do IO, read a clock, draw randomness; the caller brings all three.
//!
//! # How the caller drives it
//! The durable queue holds every event that was not yet removed, in order. An event reaches the line in one of two ways: *offered* right
//! after its commit ([`Line::offer`]), or *read* from the queue ([`Line::read`], [`Line::page`]). The line says what it wants to read: at
//! the start everything, later what it had no room for. It takes no event twice, in whatever order offers and pages cross.
//!
//! * Offers of one consumer must come in the order of their ids, each after its commit, each once.
//! * [`Line::step`] says what to do now; after an attempt comes [`Line::finished`]; an event that is done with is removed from the
//!   queue, and when that is durable [`Line::removed`] says so. Until then the line remembers it.
//! * Times are milliseconds since 1970 and must not go backwards.
//!
//! # An event that is refused for ever
//! A receiver that breaks at one event and takes all others must not be cut off from that consumer for days. When the first event of a
//! consumer has been rejected as often as [`Config::patience`] says, those behind it are tried, too, at once and a few at most. If the
//! endpoint takes one of them, it is not the endpoint: what was rejected before that one *stands aside* and is tried on by itself, in a
//! place of its own, until its window ends. If it takes none, all wait in their order as before.

mod breaker;
mod exchange;
mod scan;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use self::{
    breaker::Breaker,
    scan::{Scan, Shown},
};

pub use self::exchange::{Config, Ended, Entry, FailureKind, Offer, PATIENCE, PeerTag, Place, Step, Verdict};

/// How long before its window ends an event is tried for the last time.
const LAST_CHANCE_MS: u64 = 1_000;
/// How many events behind a rejected one are tried at most, to find out whether it is the event or the endpoint.
const SCOUTS: usize = 4;
/// No `Retry-After` counts for more.
const RETRY_AFTER_CAP_MS: u64 = 15 * 60 * 1_000;

/// The line. `I` is a place in the queue, `P` what the caller needs to deliver an event; it is cloned for every attempt.
pub struct Line<I, P> {
    config: Config,
    peers: HashMap<PeerTag, Peer<I, P>>,
    /// Every event held, and every event done with whose removal is not known to be durable.
    known: BTreeSet<I>,
    /// Of those, the ones done with; `true` if removed while a page is under way that may still show them.
    settled: BTreeMap<I, bool>,
    /// Consumers with nothing under way, by when their first event is due.
    due: BTreeSet<(u64, PeerTag)>,
    /// The same, by when the window of their first event ends.
    ends: BTreeSet<(u64, PeerTag)>,
    in_flight: BTreeMap<I, Flight>,
    breaker: Breaker,
    scan: Scan<I>,
    /// How many events have stood aside so far; the number of each names its place.
    aside: u64,
}

/// The events of a consumer; or one of them, which stands aside.
struct Peer<I, P> {
    /// The consumer: its own name, unless the event stands aside.
    of: PeerTag,
    queue: VecDeque<Held<I, P>>,
    /// Which of them is tried, or tried next.
    turn: usize,
    /// The last event taken. All up to it were taken.
    last: I,
    /// Whether there may be events above `last` in the queue that were not taken.
    more: bool,
    /// Whether one was passed over since the page under way was asked for.
    missed: bool,
    /// The scan that passed one over: it cannot take later ones.
    full_in: u64,
    /// `None` while an attempt is under way or there is nothing to try.
    due_ms: Option<u64>,
}

struct Held<I, P> {
    id: I,
    until_ms: u64,
    /// Attempts that failed, since the endpoint is what it is.
    failures: u32,
    payload: P,
}

struct Flight {
    peer: PeerTag,
    probe: bool,
}

impl<I: Place, P: Clone> Line<I, P> {
    /// An empty line that wants to read the queue from its start.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            breaker: Breaker::new(config.probe_backoff),
            config,
            peers: HashMap::new(),
            known: BTreeSet::new(),
            settled: BTreeMap::new(),
            due: BTreeSet::new(),
            ends: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            scan: Scan::from_start(),
            aside: 0,
        }
    }

    /// Offers an event right after its commit.
    pub fn offer(&mut self, entry: Entry<I, P>, now_ms: u64) -> Offer {
        if self.known.contains(&entry.id) {
            return Offer::Known;
        }
        match self.scan.shown(entry.id) {
            // Taken, and perhaps delivered and removed by now; or its consumer is known to miss it.
            Shown::Known => return Offer::Known,
            Shown::Unclear => {
                self.scan.overflow();
                return Offer::Later;
            }
            Shown::New => {}
        }
        let (room, room_for_peer) = self.room();
        match self.peers.get_mut(&entry.peer) {
            Some(peer) if peer.more => {
                peer.missed = true;
                Offer::Later
            }
            Some(peer) if peer.queue.len() >= self.config.entries_per_peer => {
                peer.more = true;
                peer.full_in = self.scan.too_late_for();
                self.scan.wanting.insert(entry.peer);
                Offer::Later
            }
            Some(_) if room => {
                self.take(entry, now_ms);
                Offer::Taken
            }
            None if room_for_peer => {
                self.take(entry, now_ms);
                Offer::Taken
            }
            _ => {
                self.scan.overflow();
                Offer::Later
            }
        }
    }

    /// What to do now; to be asked until it is `None`.
    pub fn step(&mut self, now_ms: u64) -> Option<Step<I, P>> {
        if let Some(given_up) = self.overdue(now_ms) {
            return Some(given_up);
        }
        if self.in_flight.len() >= self.config.concurrency {
            return None;
        }
        let &(due_ms, tag) = self.due.first()?;
        let probe = self.breaker.is_open();
        if probe {
            self.breaker.start_probe(now_ms)?;
        } else if due_ms > now_ms {
            return None;
        }
        self.rest(tag);
        let peer = self.peers.get_mut(&tag)?;
        if probe {
            peer.turn = 0;
        }
        let held = peer.queue.get(peer.turn)?;
        self.in_flight.insert(held.id, Flight { peer: tag, probe });
        Some(Step::Attempt {
            id: held.id,
            number: held.failures.saturating_add(1),
            payload: held.payload.clone(),
        })
    }

    /// What of [`Line::step`] there is to do while nothing can be tried: the windows that end.
    pub fn overdue(&mut self, now_ms: u64) -> Option<Step<I, P>> {
        let &(_, tag) = self.ends.first().filter(|(until_ms, _)| *until_ms <= now_ms)?;
        let held = self.settle(tag, 0, now_ms)?;
        Some(Step::GiveUp {
            id: held.id,
            payload: held.payload,
        })
    }

    /// Events go to another endpoint from now on: what was learnt about the last one says nothing about it.
    pub fn endpoint_changed(&mut self, now_ms: u64) {
        self.breaker = Breaker::new(self.config.probe_backoff);
        for held in self.peers.values_mut().flat_map(|peer| &mut peer.queue) {
            held.failures = 0;
        }
        self.wake_all(now_ms);
    }

    /// When the next window ends.
    #[must_use]
    pub fn next_end_ms(&self) -> Option<u64> {
        self.ends.first().map(|(until_ms, _)| *until_ms)
    }

    /// Tells how an attempt ended. `jitter` is any random number. `None` if there was no such attempt.
    pub fn finished(&mut self, id: I, ended: Ended, now_ms: u64, jitter: u32) -> Option<Verdict<P>> {
        let flight = self.in_flight.remove(&id)?;
        match ended {
            Ended::Delivered => {
                let recovered = self.breaker.succeeded();
                let turn = self.stand_aside(flight.peer, now_ms)?;
                self.settle(flight.peer, turn, now_ms)?;
                if recovered {
                    self.wake_all(now_ms);
                }
                Some(Verdict::Remove)
            }
            Ended::Failed { kind, retry_after_ms } => {
                let retry_after_ms = retry_after_ms.unwrap_or(0).min(RETRY_AFTER_CAP_MS);
                let peer = self.peers.get_mut(&flight.peer)?;
                self.breaker.failed(kind, peer.of, flight.probe, now_ms, retry_after_ms, jitter);
                let held = peer.queue.get_mut(peer.turn)?;
                held.failures = held.failures.saturating_add(1);
                let head = peer.queue.front()?;
                let is_suspect = kind == FailureKind::Rejected && retry_after_ms == 0 && head.failures >= self.config.patience;
                if is_suspect && !self.breaker.is_open() && peer.turn < SCOUTS && peer.turn + 1 < peer.queue.len() {
                    peer.turn += 1;
                    self.wait(flight.peer, now_ms);
                    return Some(Verdict::Retry);
                }
                let delay_ms = self.config.backoff.delay_ms(head.failures, jitter).max(retry_after_ms);
                let due_ms = now_ms.saturating_add(delay_ms).min(head.until_ms.saturating_sub(LAST_CHANCE_MS));
                let was_first = std::mem::take(&mut peer.turn) == 0;
                if was_first && due_ms <= now_ms {
                    return self.settle(flight.peer, 0, now_ms).map(|held| Verdict::GiveUp(held.payload));
                }
                self.wait(flight.peer, due_ms.max(now_ms));
                Some(Verdict::Retry)
            }
        }
    }

    /// Tells that the removal of an event from the queue is durable.
    pub fn removed(&mut self, id: I) {
        if self.scan.under_way {
            // The page that is coming may still show it.
            if let Some(removed) = self.settled.get_mut(&id) {
                *removed = true;
            }
        } else if self.settled.remove(&id).is_some() {
            self.known.remove(&id);
        }
    }

    /// When [`Line::step`] is to be asked again if nothing else happens before. `None`: not before something happens.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        let ends = self.ends.first().map(|(until_ms, _)| *until_ms);
        let due = match self.due.first() {
            Some((due_ms, _)) if self.in_flight.len() < self.config.concurrency => self.breaker.wake_at_ms(*due_ms),
            _ => None,
        };
        ends.into_iter().chain(due).min()
    }

    /// Events in memory: held, under way, or done with and not yet removed.
    #[must_use]
    pub fn held(&self) -> usize {
        self.known.len()
    }

    /// Attempts under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether the endpoint counts as down and is only probed.
    #[must_use]
    pub fn endpoint_down(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether there may be events in the queue that are not in memory.
    #[must_use]
    pub fn behind(&self) -> bool {
        self.scan.behind || !self.scan.wanting.is_empty()
    }

    /// Whether there is room for an entry of a consumer that the line knows, and of one that it does not.
    fn room(&self) -> (bool, bool) {
        let room = self.known.len() < self.config.entries;
        (room, room && self.peers.len() < self.config.entries)
    }

    fn take(&mut self, entry: Entry<I, P>, now_ms: u64) {
        self.known.insert(entry.id);
        let peer = self.peers.entry(entry.peer).or_insert_with(|| Peer::new(entry.peer, entry.id));
        let idle = peer.queue.is_empty();
        peer.last = entry.id;
        peer.queue.push_back(Held {
            id: entry.id,
            until_ms: entry.until_ms,
            failures: 0,
            payload: entry.payload,
        });
        if idle {
            self.wait(entry.peer, now_ms);
        }
    }

    /// Takes an event of the consumer off, the first or another: it is done with.
    fn settle(&mut self, tag: PeerTag, index: usize, now_ms: u64) -> Option<Held<I, P>> {
        self.rest(tag);
        let peer = self.peers.get_mut(&tag)?;
        let held = peer.queue.remove(index)?;
        peer.turn = 0;
        self.settled.insert(held.id, false);
        if !peer.queue.is_empty() {
            self.wait(tag, now_ms);
        } else if !peer.more {
            self.peers.remove(&tag);
        }
        Some(held)
    }

    /// Gives each event before the one whose turn it is a place of its own, if there is room, and says which is that one now. They are tried
    /// again at once: should the endpoint have come back in between, they are late by a moment only.
    fn stand_aside(&mut self, tag: PeerTag, now_ms: u64) -> Option<usize> {
        let places = self.peers.len();
        let peer = self.peers.get_mut(&tag)?;
        if places + peer.turn > self.config.entries {
            return Some(peer.turn);
        }
        let of = peer.of;
        for held in peer.queue.drain(..peer.turn).collect::<Vec<_>>() {
            self.aside += 1;
            // No consumer is called so: theirs are keyed hashes.
            let place = PeerTag(u128::from(self.aside).to_be_bytes());
            let mut alone = Peer::new(of, held.id);
            alone.queue.push_back(held);
            self.peers.insert(place, alone);
            self.wait(place, now_ms);
        }
        Some(0)
    }

    /// Lists the consumer as waiting.
    fn wait(&mut self, tag: PeerTag, due_ms: u64) {
        let Some(peer) = self.peers.get_mut(&tag) else { return };
        let Some(head) = peer.queue.front() else { return };
        peer.due_ms = Some(due_ms);
        self.due.insert((due_ms, tag));
        self.ends.insert((head.until_ms, tag));
    }

    /// Takes the consumer off the list of those waiting.
    fn rest(&mut self, tag: PeerTag) {
        let Some(peer) = self.peers.get_mut(&tag) else { return };
        let (Some(due_ms), Some(head)) = (peer.due_ms.take(), peer.queue.front()) else {
            return;
        };
        self.due.remove(&(due_ms, tag));
        self.ends.remove(&(head.until_ms, tag));
    }

    /// The endpoint is back: nobody waits out a delay that belonged to the outage.
    fn wake_all(&mut self, now_ms: u64) {
        let late: Vec<(u64, PeerTag)> = self.due.range((now_ms.saturating_add(1), PeerTag([0; 16]))..).copied().collect();
        for (due_ms, tag) in late {
            self.due.remove(&(due_ms, tag));
            self.due.insert((now_ms, tag));
            if let Some(peer) = self.peers.get_mut(&tag) {
                peer.due_ms = Some(now_ms);
            }
        }
    }
}

impl<I, P> Peer<I, P> {
    const fn new(of: PeerTag, last: I) -> Self {
        Self {
            of,
            queue: VecDeque::new(),
            turn: 0,
            last,
            more: false,
            missed: false,
            full_in: 0,
            due_ms: None,
        }
    }
}

#[cfg(test)]
mod tests;
