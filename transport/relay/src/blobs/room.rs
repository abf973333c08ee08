//! How much each account keeps and how much it does at a time, and all accounts together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::BlobLimits;
use crate::number::Number;

/// A blob counts as this much at least, which bounds their number.
const LEAST_BYTES: u64 = 64 * 1024;

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// The account keeps too much.
    Account,
    /// All accounts together keep too much.
    Relay,
}

pub(crate) struct Room {
    limits: BlobLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    blobs: u64,
    bytes_of: HashMap<Number, u64>,
    streams: usize,
    streams_of: HashMap<Number, usize>,
}

impl Room {
    pub(super) fn new(limits: BlobLimits) -> Self {
        Self {
            limits,
            taken: Mutex::default(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the disk has from before.
    pub(super) fn found(&self, owner: Number, size_bytes: u64) {
        self.taken().take(owner, size_bytes.max(LEAST_BYTES));
    }

    /// Takes room for an upload before its bytes come, so that uploads side by side count too.
    pub(crate) fn reserve(self: &Arc<Self>, owner: Number, is_business: bool, size_bytes: u64) -> Result<Reservation, TooMuch> {
        let bytes = size_bytes.max(LEAST_BYTES);
        let mut taken = self.taken();
        let of_owner = taken.bytes_of.get(&owner).copied().unwrap_or(0);
        if of_owner.saturating_add(bytes) > self.limits.quota(is_business).kept_bytes {
            return Err(TooMuch::Account);
        }
        if taken.bytes.saturating_add(bytes) > self.limits.total_bytes {
            return Err(TooMuch::Relay);
        }
        taken.take(owner, bytes);
        Ok(Reservation {
            room: Arc::clone(self),
            owner,
            size_bytes,
            is_kept: false,
        })
    }

    pub(super) fn release(&self, owner: Number, size_bytes: u64) {
        self.taken().release(owner, size_bytes.max(LEAST_BYTES));
    }

    /// Begins an upload or a download, if there are not too many.
    pub(crate) fn stream(self: &Arc<Self>, caller: Number) -> Option<Stream> {
        let mut taken = self.taken();
        let of_caller = taken.streams_of.get(&caller).copied().unwrap_or(0);
        if taken.streams >= self.limits.streams || of_caller >= self.limits.streams_per_account {
            return None;
        }
        taken.streams += 1;
        taken.streams_of.insert(caller, of_caller + 1);
        Some(Stream {
            room: Arc::clone(self),
            caller,
        })
    }

    /// How many blobs there are and how many bytes they count as, uploads under way included.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let taken = self.taken();
        (taken.blobs, taken.bytes)
    }
}

impl Taken {
    fn take(&mut self, owner: Number, bytes: u64) {
        self.blobs += 1;
        self.bytes += bytes;
        *self.bytes_of.entry(owner).or_default() += bytes;
    }

    fn release(&mut self, owner: Number, bytes: u64) {
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(of_owner) = self.bytes_of.get_mut(&owner) {
            *of_owner = of_owner.saturating_sub(bytes);
            if *of_owner == 0 {
                self.bytes_of.remove(&owner);
            }
        }
    }
}

/// Room for one blob; given back when dropped, unless the blob is there to stay.
pub(crate) struct Reservation {
    room: Arc<Room>,
    owner: Number,
    size_bytes: u64,
    is_kept: bool,
}

impl Reservation {
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_kept {
            self.room.release(self.owner, self.size_bytes);
        }
    }
}

/// An upload or a download under way.
pub(crate) struct Stream {
    room: Arc<Room>,
    caller: Number,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.streams = taken.streams.saturating_sub(1);
        if let Some(of_caller) = taken.streams_of.get_mut(&self.caller) {
            *of_caller = of_caller.saturating_sub(1);
            if *of_caller == 0 {
                taken.streams_of.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn number(digits: u64) -> Number {
        Number::from_key(digits)
    }

    fn room(change: impl FnOnce(&mut BlobLimits)) -> Arc<Room> {
        let mut limits = BlobLimits::default();
        change(&mut limits);
        Arc::new(Room::new(limits))
    }

    #[test]
    fn an_account_and_all_together_have_their_bounds() {
        let room = room(|limits| {
            limits.consumer.kept_bytes = 3 * MIB;
            limits.business.kept_bytes = 10 * MIB;
            limits.total_bytes = 5 * MIB;
        });
        let first = room.reserve(number(1), false, 2 * MIB).ok().unwrap();
        assert_eq!(room.reserve(number(1), false, 2 * MIB).err(), Some(TooMuch::Account));
        assert_eq!(room.reserve(number(2), true, 4 * MIB).err(), Some(TooMuch::Relay));
        assert_eq!(room.reserve(number(2), true, u64::MAX).err(), Some(TooMuch::Account));
        let mut second = room.reserve(number(2), true, 3 * MIB).ok().unwrap();
        assert_eq!(room.totals(), (2, 5 * MIB));
        drop(first);
        second.keep();
        drop(second);
        assert_eq!(room.totals(), (1, 3 * MIB));
        room.release(number(2), 3 * MIB);
        assert_eq!(room.totals(), (0, 0));
        assert!(room.taken().bytes_of.is_empty());
    }

    #[test]
    fn small_blobs_are_bounded_in_number() {
        let room = room(|limits| limits.consumer.kept_bytes = 3 * LEAST_BYTES);
        let kept: Vec<_> = (0..3).map(|_| room.reserve(number(1), false, 1).ok().unwrap()).collect();
        assert_eq!(room.reserve(number(1), false, 1).err(), Some(TooMuch::Account));
        drop(kept);
        assert_eq!(room.totals(), (0, 0));
    }

    #[test]
    fn streams_are_bounded_per_account_and_together() {
        let room = room(|limits| (limits.streams, limits.streams_per_account) = (3, 2));
        let of_one = (room.stream(number(1)), room.stream(number(1)));
        assert!(of_one.0.is_some() && of_one.1.is_some() && room.stream(number(1)).is_none());
        let other = room.stream(number(2));
        assert!(other.is_some() && room.stream(number(2)).is_none());
        drop(of_one);
        assert!(room.stream(number(1)).is_some());
        drop(other);
        assert!(room.taken().streams_of.is_empty() && room.taken().streams == 0);
    }
}
