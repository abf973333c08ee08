//! Messages a second of a number, both ways together.

use super::bucket::{Bucket, Rate};

const SECOND_US: u64 = 1_000_000;

/// The throughput of one number.
#[derive(Debug, Clone, Copy)]
pub struct Throughput {
    rate: Option<Rate>,
    bucket: Bucket,
}

impl Throughput {
    /// So many messages a second, 0 for any number.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            rate: (per_second > 0).then(|| Rate::per(per_second, SECOND_US)),
            bucket: Bucket::default(),
        }
    }

    /// Messages a second; `None` when there is no limit.
    #[must_use]
    pub fn per_second(&self) -> Option<u32> {
        self.rate.map(|rate| rate.capacity)
    }

    /// One message goes out.
    ///
    /// # Errors
    /// How long, in microseconds, until it may.
    pub fn send(&mut self, now_us: u64) -> Result<(), u64> {
        self.rate.map_or(Ok(()), |rate| self.bucket.take(rate, now_us))
    }

    /// Messages came in. They are taken whatever the limit says, and count.
    pub fn receive(&mut self, messages: u64, now_us: u64) {
        if let Some(rate) = self.rate {
            self.bucket.owe(rate, messages, now_us);
        }
    }

    /// How many may go out now, and in how many microseconds all may again.
    #[must_use]
    pub fn left(&self, now_us: u64) -> Option<(u32, u64)> {
        let rate = self.rate?;
        Some((self.bucket.left(rate, now_us), self.bucket.full_in_us(now_us)))
    }
}
