//! A token bucket, pure.
//!
//! A bucket is one number, the time at which it is full again (the "generic cell rate algorithm").

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens it holds.
    pub capacity: u32,
    /// Microseconds for one more.
    pub refill_us: u64,
}

impl Rate {
    /// So many in a period, all of them at once if need be.
    #[must_use]
    pub const fn per(count: u32, period_us: u64) -> Self {
        let (capacity, each) = match count {
            0 => (1, period_us),
            count => (count, period_us / count as u64),
        };
        Self {
            capacity,
            refill_us: if each == 0 { 1 } else { each },
        }
    }

    const fn room_us(self) -> u64 {
        self.refill_us.saturating_mul(self.capacity as u64)
    }
}

/// A bucket. A new one is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Takes a token.
    ///
    /// # Errors
    /// How long, in microseconds, until there is one.
    pub fn take(&mut self, rate: Rate, now_us: u64) -> Result<(), u64> {
        let after = self.full_at_us.max(now_us).saturating_add(rate.refill_us);
        match (after - now_us).checked_sub(rate.room_us()) {
            None | Some(0) => {
                self.full_at_us = after;
                Ok(())
            }
            Some(wait_us) => Err(wait_us),
        }
    }

    /// Takes tokens whether there are any or not; what is owed is bounded by one bucket.
    pub fn owe(&mut self, rate: Rate, tokens: u64, now_us: u64) {
        let after = self.full_at_us.max(now_us).saturating_add(rate.refill_us.saturating_mul(tokens));
        self.full_at_us = after.min(now_us.saturating_add(rate.room_us().saturating_mul(2)));
    }

    /// Tokens in it.
    #[must_use]
    pub fn left(&self, rate: Rate, now_us: u64) -> u32 {
        let owed_us = self.full_at_us.saturating_sub(now_us);
        let left = rate.room_us().saturating_sub(owed_us) / rate.refill_us;
        u32::try_from(left).unwrap_or(rate.capacity).min(rate.capacity)
    }

    /// Microseconds until it is full.
    #[must_use]
    pub fn full_in_us(&self, now_us: u64) -> u64 {
        self.full_at_us.saturating_sub(now_us)
    }
}
