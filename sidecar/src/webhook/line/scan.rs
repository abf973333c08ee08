//! Reading from the durable queue what the line had no room for.
//!
//! Purpose: decides from where to read, which of the entries on a page to take, and when nothing is missing any more. Two kinds of gap exist.
//! *Behind*: any entry above `covered` may be missing, whomever it is about (the start; a full line). *Wanting*: for single consumers,
//! every entry above the last one taken may be missing. One pass over the queue at a time closes both kinds, from the lowest place on.
//!
//! What makes it safe: offers come late and out of order between consumers, so that an entry may be in the queue, not in memory, and not yet
//! offered either. Only a pass that began at `covered` sees everything above it in order, so only such a pass takes entries of consumers
//! that are not wanting. A page shows the queue as it was when it was asked for, so an offer that was turned away since keeps its gap open.

use std::collections::BTreeSet;

use super::{
    Line,
    exchange::{Entry, PeerTag, Place},
};

pub(super) struct Scan<I> {
    /// Whether entries above `covered` may be missing.
    pub(super) behind: bool,
    /// Consumers with `more`.
    pub(super) wanting: BTreeSet<PeerTag>,
    /// Whether a page was asked for and has not come.
    pub(super) under_way: bool,
    /// Every entry up to here has been on a page: it was taken, or is one that a wanting consumer misses.
    covered: I,
    /// The highest entry taken from a page.
    taken: I,
    /// Whether an offer was turned away since the page under way was asked for.
    refused: bool,
    pass: Option<Pass<I>>,
    passes: u64,
}

/// One pass over the queue.
#[derive(Clone, Copy)]
struct Pass<I> {
    start: I,
    /// The last entry looked at.
    at: I,
    /// Whether it began at `covered` or below, and so sees all that may be missing.
    fills: bool,
}

/// What to do with an offer, as far as the pages say.
pub(super) enum Shown {
    /// It was on a page.
    Known,
    /// Only a page can tell.
    Unclear,
    /// It was on none.
    New,
}

impl<I: Place> Scan<I> {
    pub(super) const fn from_start() -> Self {
        Self {
            behind: true,
            wanting: BTreeSet::new(),
            under_way: false,
            covered: I::START,
            taken: I::START,
            refused: false,
            pass: None,
            passes: 0,
        }
    }

    pub(super) fn shown(&self, id: I) -> Shown {
        if id <= self.covered {
            Shown::Known
        } else if self.behind || id <= self.taken {
            Shown::Unclear
        } else {
            Shown::New
        }
    }

    /// Remembers that an entry is in the queue and may not be in memory.
    pub(super) const fn overflow(&mut self) {
        self.behind = true;
        self.refused = true;
    }

    /// The pass that a consumer cannot take part in if it begins to want now: entries of it may have been passed over.
    pub(super) const fn too_late_for(&self) -> u64 {
        self.passes
    }
}

enum Seen {
    Done,
    NoRoom,
}

impl<I: Place, P: Clone> Line<I, P> {
    /// What to read next: the entries after this place, as many as suits; to be answered by [`Line::page`] or [`Line::unreadable`]. `None`
    /// while nothing is missing, there is no room for more, or a page is under way.
    pub fn read(&mut self) -> Option<I> {
        // A quarter of the line, so that a full one does not read entry by entry.
        let room = self.config.entries.saturating_sub(self.known.len());
        if self.scan.under_way || room == 0 || room < self.config.entries / 4 {
            return None;
        }
        let pass = match self.scan.pass {
            Some(pass) => pass,
            None => self.begin_pass()?,
        };
        self.scan.pass = Some(pass);
        self.scan.under_way = true;
        self.scan.refused = false;
        for tag in &self.scan.wanting {
            if let Some(peer) = self.peers.get_mut(tag) {
                peer.missed = false;
            }
        }
        Some(pass.at)
    }

    fn begin_pass(&mut self) -> Option<Pass<I>> {
        if self.peers.len() >= self.config.entries {
            self.fold_gaps();
        }
        let hungry = self.scan.wanting.iter().filter_map(|tag| self.peers.get(tag));
        let hungry = hungry.filter(|peer| peer.queue.len() <= self.config.entries_per_peer / 2);
        let all = Some(self.scan.covered).filter(|_| self.scan.behind);
        let start = hungry.map(|peer| peer.last).chain(all).min()?;
        self.scan.passes += 1;
        Some(Pass {
            start,
            at: start,
            fills: self.scan.behind,
        })
    }

    /// Gives the gaps of consumers that have nothing in memory any more over to the common one, so that the table has room for others.
    fn fold_gaps(&mut self) {
        let (peers, covered) = (&mut self.peers, &mut self.scan.covered);
        let before = peers.len();
        self.scan.wanting.retain(|tag| match peers.get(tag) {
            Some(peer) if peer.queue.is_empty() => {
                *covered = peer.last.min(*covered);
                peers.remove(tag);
                false
            }
            _ => true,
        });
        self.scan.behind |= peers.len() < before;
    }

    /// The entries asked for, in the queue's order; `more` says whether the queue had further ones behind them.
    pub fn page(&mut self, entries: Vec<Entry<I, P>>, more: bool, now_ms: u64) {
        if !self.scan.under_way {
            return;
        }
        let Some(mut pass) = self.scan.pass.take() else { return };
        let mut room = true;
        for entry in entries {
            let id = entry.id;
            if matches!(self.look_at(entry, pass, now_ms), Seen::NoRoom) {
                // The next pass begins where this one closed the gap to, or where a wanting consumer misses something.
                room = false;
                break;
            }
            pass.at = id;
            if pass.fills {
                self.scan.covered = self.scan.covered.max(id);
            }
        }
        if room {
            if !more {
                self.reached_end(pass);
            } else if pass.fills || self.anyone_served_by(pass) {
                self.scan.pass = Some(pass);
            }
        }
        self.read_over();
    }

    /// The page asked for could not be read.
    pub fn unreadable(&mut self) {
        self.read_over();
    }

    fn look_at(&mut self, entry: Entry<I, P>, pass: Pass<I>, now_ms: u64) -> Seen {
        if self.known.contains(&entry.id) {
            return Seen::Done;
        }
        let (room, room_for_peer) = self.room();
        let missing = pass.fills && entry.id > self.scan.covered;
        match self.peers.get_mut(&entry.peer) {
            None if !missing => return Seen::Done,
            None if !room_for_peer => return Seen::NoRoom,
            None => {}
            // Everything up to `last` was taken once.
            Some(peer) if entry.id <= peer.last => return Seen::Done,
            // The pass began above entries of this consumer that are missing, or has passed one over.
            Some(peer) if peer.more && (peer.last < pass.start || peer.full_in == self.scan.passes) => return Seen::Done,
            Some(peer) if !peer.more && !missing => return Seen::Done,
            Some(peer) if peer.queue.len() >= self.config.entries_per_peer => {
                peer.more = true;
                peer.full_in = self.scan.passes;
                self.scan.wanting.insert(entry.peer);
                return Seen::Done;
            }
            Some(_) if !room => return Seen::NoRoom,
            Some(_) => {}
        }
        self.scan.taken = self.scan.taken.max(entry.id);
        self.take(entry, now_ms);
        Seen::Done
    }

    /// The pass saw the end of the queue as it was when the last page was asked for.
    fn reached_end(&mut self, pass: Pass<I>) {
        if pass.fills && !self.scan.refused {
            self.scan.behind = false;
        }
        let (peers, passes) = (&mut self.peers, self.scan.passes);
        self.scan.wanting.retain(|tag| {
            let Some(peer) = peers.get_mut(tag) else { return false };
            if peer.last < pass.start || peer.full_in == passes || peer.missed {
                return true;
            }
            peer.more = false;
            if peer.queue.is_empty() {
                peers.remove(tag);
            }
            false
        });
    }

    fn anyone_served_by(&self, pass: Pass<I>) -> bool {
        let mut wanting = self.scan.wanting.iter().filter_map(|tag| self.peers.get(tag));
        wanting.any(|peer| peer.last >= pass.start && peer.full_in != self.scan.passes)
    }

    fn read_over(&mut self) {
        self.scan.under_way = false;
        let known = &mut self.known;
        self.settled.retain(|id, removed| {
            if *removed {
                known.remove(id);
            }
            !*removed
        });
    }
}
