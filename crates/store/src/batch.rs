//! The guarded batch: what it says, when it is acceptable, and when it may be run again.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::options::millis;
use crate::{Error, Key};

/// Redis scripts count in doubles: whole numbers are exact up to here.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;
/// A batch is one step of one conversation; this is far above any.
const MAX_OPS: usize = 4_096;

/// One change.
#[derive(Clone)]
pub enum Op {
    /// Writes a value, replacing an older one and its time to live.
    Put {
        /// The name of the value.
        key: Key,
        /// The bytes: sealed by the caller if they are content.
        value: Bytes,
        /// From now on; see [`Options::ttl_cap`](crate::Options::ttl_cap).
        ttl: Duration,
    },
    /// Deletes a value. No error when there is none.
    Delete {
        /// The name of the value.
        key: Key,
    },
    /// Appends an entry to a queue. Entries keep the order in which batches are applied, and each expires on its own.
    Append {
        /// The name of the queue.
        queue: Key,
        /// The bytes of the entry.
        value: Bytes,
        /// Of this entry, from now on.
        ttl: Duration,
    },
    /// Removes an entry from a queue. No error when it is not there.
    Remove {
        /// The name of the queue.
        queue: Key,
        /// As given by [`Outcome::Applied`] or [`Store::range`](crate::Store::range).
        id: EntryId,
    },
    /// Puts a member on an agenda, or moves it to another time.
    Schedule {
        /// The name of the agenda.
        agenda: Key,
        /// The bytes that name the member.
        member: Bytes,
        /// When it is due, in milliseconds of the caller's clock.
        due_ms: u64,
        /// The whole agenda lives at least this long from now on.
        ttl: Duration,
    },
    /// Takes a member off an agenda. No error when it is not there.
    Unschedule {
        /// The name of the agenda.
        agenda: Key,
        /// The bytes that name the member.
        member: Bytes,
    },
}

impl Op {
    fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Put { ttl, .. } | Self::Append { ttl, .. } | Self::Schedule { ttl, .. } => Some(*ttl),
            Self::Delete { .. } | Self::Remove { .. } | Self::Unschedule { .. } => None,
        }
    }

    pub(crate) fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
            Self::Append { queue, .. } | Self::Remove { queue, .. } => queue,
            Self::Schedule { agenda, .. } | Self::Unschedule { agenda, .. } => agenda,
        }
    }

    fn payload(&self) -> usize {
        match self {
            Self::Put { value, .. } | Self::Append { value, .. } => value.len(),
            Self::Schedule { member, .. } | Self::Unschedule { member, .. } => member.len(),
            Self::Delete { .. } | Self::Remove { .. } => 0,
        }
    }
}

/// The guard of a lane: only the owner with the stored epoch, and only in sequence. An accepted batch makes `seq` the stored sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The name of the lane.
    pub lane: Key,
    /// As given by [`Store::claim`](crate::Store::claim).
    pub epoch: u64,
    /// One more than the last applied batch of this lane.
    pub seq: u64,
}

/// Operations that are applied together or not at all.
#[derive(Clone, Default)]
pub struct Batch {
    /// The lane whose owner this is.
    pub fence: Option<Fence>,
    /// If a value with one of these names exists, nothing is applied: [`Outcome::Exists`].
    pub absent: Vec<Key>,
    /// The changes, applied in this order.
    pub ops: Vec<Op>,
}

impl Batch {
    /// Whether running this batch a second time, after it was applied, changes nothing and is recognised: it has a fence, or its first
    /// absent key is also what it puts (a mark). Only such batches are run again by the store when a reply was lost.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.fence.is_some() || self.mark().is_some()
    }

    /// The operation that writes the mark: the last one on the first absent key, if that is a put.
    pub(crate) fn mark(&self) -> Option<usize> {
        let key = self.absent.first()?;
        let index = self
            .ops
            .iter()
            .rposition(|op| matches!(op, Op::Put { key: own, .. } | Op::Delete { key: own } if own == key))?;
        matches!(self.ops.get(index), Some(Op::Put { .. })).then_some(index)
    }

    /// Whether it only frees memory, and so must go through when a server is full.
    pub(crate) fn only_frees(&self) -> bool {
        self.ops.iter().all(|op| op.ttl().is_none())
    }

    pub(crate) fn check(&self, ttl_cap: Duration) -> Result<(), Error> {
        if self.ops.len() + self.absent.len() > MAX_OPS {
            return Err(Error::refused("a batch has at most 4096 operations and guards"));
        }
        if let Some(fence) = &self.fence
            && (fence.epoch > MAX_NUMBER || fence.seq > MAX_NUMBER || fence.seq == 0)
        {
            return Err(Error::refused(
                "a fence's epoch and sequence are at most 2^53 - 1, and the first sequence is 1",
            ));
        }
        for op in &self.ops {
            if let Some(ttl) = op.ttl() {
                if millis(ttl) == 0 {
                    return Err(Error::refused("an operation has no time to live"));
                }
                if ttl > ttl_cap {
                    return Err(Error::refused("an operation's time to live is above the cap"));
                }
            }
            if let Op::Schedule { due_ms, .. } = op
                && *due_ms > MAX_NUMBER
            {
                return Err(Error::refused("a due time is at most 2^53 - 1"));
            }
        }
        Ok(())
    }

    /// About what it takes on the wire and in the queue.
    pub(crate) fn size(&self) -> usize {
        let keys: usize = self.absent.iter().map(|key| key.as_str().len()).sum();
        let ops: usize = self.ops.iter().map(|op| 64 + op.key().as_str().len() + op.payload()).sum();
        128 + keys + ops
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied and durable.
    Applied {
        /// One per [`Op::Append`], in their order.
        appended: Vec<EntryId>,
    },
    /// This very batch had been applied before and is durable: the fence's sequence is not above the stored one, or the mark is our own.
    /// The ids of its entries are not known any more; [`Store::range`](crate::Store::range) has them.
    AlreadyApplied,
    /// Nothing was applied, because the absent key with this index exists. The fence's sequence stays free.
    Exists(usize),
    /// Nothing was applied: the lane has a newer owner.
    Stale {
        /// The stored epoch.
        epoch: u64,
    },
    /// Nothing was applied: the lane does not stand where the fence expects it, or its owner was never seen here. The store was rolled back,
    /// or batches of one lane were committed out of order.
    Gap {
        /// The stored epoch; 0 when the lane is unknown.
        epoch: u64,
        /// The stored sequence; 0 when the lane is unknown.
        seq: u64,
    },
}

/// The new owner of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The epoch to fence with from now on.
    pub epoch: u64,
    /// The last applied sequence: the next batch carries `seq + 1`.
    pub seq: u64,
    /// The epoch before; 0 when the lane is new.
    pub previous_epoch: u64,
}

/// The place of an entry in its queue. Within a queue, ids rise in the order of appending and are never used twice; two queues may give the
/// same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub(crate) u64, pub(crate) u64);

impl EntryId {
    /// Below every entry: where a reader starts.
    pub const ZERO: Self = Self(0, 0);

    /// Sixteen bytes that sort like the id.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.0) << 64) | u128::from(self.1)).to_be_bytes()
    }

    /// The other direction of [`EntryId::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self(
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (milliseconds, counter) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(milliseconds.parse().ok()?, counter.parse().ok()?))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HARD_TTL_CAP, Namespace};

    fn put(name: &str, ttl: Duration) -> Op {
        Op::Put {
            key: Namespace::new("1").key(name),
            value: Bytes::from_static(b"v"),
            ttl,
        }
    }

    #[test]
    fn only_fenced_and_marked_batches_are_repeatable() {
        let namespace = Namespace::new("1");
        let mark = namespace.key("mark");
        let second = Duration::from_secs(1);
        let plain = Batch {
            ops: vec![put("a", second)],
            ..Batch::default()
        };
        assert!(!plain.is_repeatable());
        let fenced = Batch {
            fence: Some(Fence {
                lane: namespace.key("lane"),
                epoch: 1,
                seq: 1,
            }),
            ..plain.clone()
        };
        assert!(fenced.is_repeatable());
        let guarded = Batch {
            absent: vec![mark.clone()],
            ..plain
        };
        assert!(!guarded.is_repeatable(), "the guard is not what it writes");
        let marked = Batch {
            absent: vec![mark.clone()],
            ops: vec![put("a", second), put("mark", second)],
            fence: None,
        };
        assert_eq!(marked.mark(), Some(1));
        let unmarked = Batch {
            ops: [marked.ops.clone(), vec![Op::Delete { key: mark }]].concat(),
            ..marked
        };
        assert!(!unmarked.is_repeatable(), "the mark does not stay");
    }

    #[test]
    fn times_to_live_are_checked() {
        let check = |ttl| {
            Batch {
                ops: vec![put("ok", Duration::from_secs(1)), put("a", ttl)],
                ..Batch::default()
            }
            .check(HARD_TTL_CAP)
        };
        assert!(check(HARD_TTL_CAP).is_ok());
        for ttl in [
            Duration::ZERO,
            Duration::from_micros(999),
            HARD_TTL_CAP + Duration::from_nanos(1),
            Duration::MAX,
        ] {
            assert!(matches!(check(ttl), Err(Error::Refused(_))), "{ttl:?}");
        }
    }

    #[test]
    fn entry_ids_keep_their_order_as_bytes() {
        let ids = [
            EntryId::ZERO,
            EntryId(0, 7),
            EntryId(1, 0),
            EntryId(1, u64::MAX),
            EntryId(u64::MAX, 3),
        ];
        for pair in ids.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_bytes() < pair[1].to_bytes());
        }
        for id in ids {
            assert_eq!(EntryId::from_bytes(id.to_bytes()), id);
            assert_eq!(EntryId::parse(id.to_string().as_bytes()), Some(id));
        }
        assert_eq!(EntryId::parse(b"12"), None);
    }
}
