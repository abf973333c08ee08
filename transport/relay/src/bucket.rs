//! Token buckets, pure: the time is passed in.
//!
//! A bucket is one number, the time at which it would be full again (the "generic cell rate algorithm"), so that a full bucket is no bucket
//! and may be forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::config::Rate;

/// Buckets by key. Bounded: beyond `capacity` keys that are not full, a new key is refused.
pub(crate) struct Buckets<K> {
    full_at_us: HashMap<K, u64>,
    capacity: usize,
}

/// What [`Buckets::check`] allowed; takes effect with [`Buckets::take`].
pub(crate) struct Token<K> {
    key: K,
    full_at_us: u64,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            full_at_us: HashMap::new(),
            capacity,
        }
    }

    /// Whether `key` has a token left at `now_us`; else how long until it has.
    pub(crate) fn check(&mut self, key: K, rate: Rate, now_us: u64) -> Result<Token<K>, Duration> {
        self.check_many(key, rate, 1, now_us)
    }

    /// The same for `count` tokens. More than the capacity are never there.
    pub(crate) fn check_many(&mut self, key: K, rate: Rate, count: u32, now_us: u64) -> Result<Token<K>, Duration> {
        let before = self.full_at_us.get(&key).copied();
        if before.is_none() && self.full_at_us.len() >= self.capacity {
            self.full_at_us.retain(|_, full_at_us| *full_at_us > now_us);
            if self.full_at_us.len() >= self.capacity {
                return Err(rate.refill);
            }
        }
        match next(before.unwrap_or(0), rate, count, now_us) {
            Ok(full_at_us) => Ok(Token { key, full_at_us }),
            Err(wait_us) => Err(Duration::from_micros(wait_us)),
        }
    }

    pub(crate) fn take(&mut self, token: Token<K>) {
        self.full_at_us.insert(token.key, token.full_at_us);
    }

    /// Fills the bucket of `key`.
    pub(crate) fn refill(&mut self, key: &K) {
        self.full_at_us.remove(key);
    }
}

/// A sender's pace: never refuses, but says how long to wait.
pub(crate) struct Pace {
    full_at_us: u64,
    rate: Rate,
}

impl Pace {
    /// `per_second` on average, a second's worth at once.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        let rate = Rate {
            capacity: per_second,
            refill: Duration::from_secs(1) / per_second,
        };
        Self { full_at_us: 0, rate }
    }

    /// Takes `count` tokens and returns how long to wait before going on.
    pub(crate) fn take(&mut self, count: u32, now_us: u64) -> Duration {
        let refill_us = micros(self.rate.refill);
        self.full_at_us = self
            .full_at_us
            .max(now_us)
            .saturating_add(refill_us.saturating_mul(u64::from(count)));
        let room_us = refill_us.saturating_mul(u64::from(self.rate.capacity));
        Duration::from_micros(self.full_at_us.saturating_sub(now_us).saturating_sub(room_us))
    }
}

/// When the bucket is full again after `count` tokens were taken, or how long until they could be.
fn next(full_at_us: u64, rate: Rate, count: u32, now_us: u64) -> Result<u64, u64> {
    let refill_us = micros(rate.refill);
    let after = full_at_us.max(now_us).saturating_add(refill_us.saturating_mul(u64::from(count)));
    let room_us = refill_us.saturating_mul(u64::from(rate.capacity));
    match (after - now_us).checked_sub(room_us) {
        None | Some(0) => Ok(after),
        Some(wait_us) => Err(wait_us),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate {
        capacity: 3,
        refill: Duration::from_secs(10),
    };
    const SECOND: u64 = 1_000_000;

    fn take(buckets: &mut Buckets<u8>, key: u8, now_us: u64) -> Result<(), Duration> {
        buckets.check(key, RATE, now_us).map(|token| buckets.take(token))
    }

    #[test]
    fn allows_the_capacity_then_one_per_refill() {
        let mut buckets = Buckets::new(10);
        for _ in 0..3 {
            assert_eq!(take(&mut buckets, 1, 100 * SECOND), Ok(()));
        }
        assert_eq!(take(&mut buckets, 1, 100 * SECOND), Err(Duration::from_secs(10)));
        assert_eq!(take(&mut buckets, 1, 104 * SECOND), Err(Duration::from_secs(6)));
        assert_eq!(take(&mut buckets, 2, 104 * SECOND), Ok(()), "another key has its own");
        assert_eq!(take(&mut buckets, 1, 110 * SECOND), Ok(()));
        assert!(take(&mut buckets, 1, 110 * SECOND).is_err());
        buckets.refill(&1);
        assert_eq!(take(&mut buckets, 1, 110 * SECOND), Ok(()));
    }

    #[test]
    fn forgets_full_buckets_and_refuses_beyond_the_bound() {
        let mut buckets = Buckets::new(2);
        assert_eq!(take(&mut buckets, 1, SECOND), Ok(()));
        assert_eq!(take(&mut buckets, 2, SECOND), Ok(()));
        assert!(take(&mut buckets, 3, SECOND).is_err());
        assert_eq!(take(&mut buckets, 3, 12 * SECOND), Ok(()));
        assert_eq!(buckets.full_at_us.len(), 1);
    }

    #[test]
    fn pace_lets_a_second_through_and_then_waits() {
        let mut pace = Pace::new(100);
        assert_eq!(pace.take(100, 50 * SECOND), Duration::ZERO);
        assert_eq!(pace.take(50, 50 * SECOND), Duration::from_millis(500));
        assert_eq!(pace.take(1, 60 * SECOND), Duration::ZERO);
    }

    proptest! {
        /// However requests are spread, no stretch of time sees more than the capacity plus its refills.
        #[test]
        fn never_lets_more_through(gaps in proptest::collection::vec(0u64..20 * SECOND, 1..200)) {
            let mut buckets = Buckets::new(1);
            let mut now = SECOND;
            let mut allowed = Vec::new();
            for gap in gaps {
                now += gap;
                if take(&mut buckets, 1, now).is_ok() {
                    allowed.push(now);
                }
            }
            for (i, from) in allowed.iter().enumerate() {
                for (j, until) in allowed.iter().enumerate().skip(i) {
                    let most = 3 + (until - from) / (10 * SECOND) + 1;
                    let seen = (j - i + 1) as u64;
                    prop_assert!(seen <= most);
                }
            }
        }
    }
}
