//! When to try again.
//!
//! Purpose: exponential backoff with jitter. Pure: the caller brings the randomness.

/// Doubling delays up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first_ms: u64,
    /// No delay is longer.
    pub cap_ms: u64,
}

impl Backoff {
    /// For one event: 1 s, doubling to 15 min.
    pub const EVENT: Self = Self {
        first_ms: 1_000,
        cap_ms: 15 * 60 * 1_000,
    };

    /// For an endpoint that is down as a whole: 1 s, doubling to 30 s. One probe at a time, so this hammers nobody, and what has piled up
    /// flows soon after the endpoint is back.
    pub const ENDPOINT: Self = Self {
        first_ms: 1_000,
        cap_ms: 30 * 1_000,
    };

    /// The delay after so many failures in a row (the first is 1). `jitter` is any random number; the delay lies between half of the
    /// doubled one and all of it.
    #[must_use]
    pub fn delay_ms(self, failures: u32, jitter: u32) -> u64 {
        let doubled = self
            .first_ms
            .saturating_mul(1_u64 << failures.saturating_sub(1).min(32))
            .min(self.cap_ms);
        let half = doubled / 2;
        half + half.saturating_mul(u64::from(jitter)) / u64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_to_the_cap() {
        let longest: Vec<u64> = (1..=12).map(|failures| Backoff::EVENT.delay_ms(failures, u32::MAX)).collect();
        assert_eq!(
            longest,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 900_000, 900_000
            ]
        );
        assert_eq!(Backoff::EVENT.delay_ms(1, 0), 500);
        assert_eq!(Backoff::ENDPOINT.delay_ms(u32::MAX, u32::MAX), 30_000);
    }

    proptest! {
        #[test]
        fn stays_within_half_and_all(failures in any::<u32>(), jitter in any::<u32>()) {
            let longest = Backoff::EVENT.delay_ms(failures, u32::MAX);
            let delay = Backoff::EVENT.delay_ms(failures, jitter);
            prop_assert!(longest / 2 <= delay && delay <= longest && longest <= 900_000);
        }
    }
}
