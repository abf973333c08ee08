//! Latencies of one part, collected by several tasks.

use std::time::Duration;

/// Microseconds, each rounded down.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The latency that this share of all stays below, in milliseconds.
    pub fn quantile_ms(&mut self, share: f64) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_unstable();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the list"
        )]
        let index = ((self.0.len() - 1) as f64 * share) as usize;
        self.0.get(index).map(|micros| f64::from(*micros) / 1000.0)
    }
}
