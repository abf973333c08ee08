//! Made-up consumers.

use rand::Rng as _;

/// A consumer's number that stands for nobody: `+1555` and seven random digits, long enough that its digits turn up nowhere by chance.
#[must_use]
pub fn consumer() -> String {
    // Not below 2,000,000: the business of the samples is +15550100.
    format!("+1555{}", rand::rng().random_range(2_000_000..10_000_000))
}

/// A number as the Cloud API writes it: without the `+`.
#[must_use]
pub fn wa_id(number: &str) -> &str {
    number.trim_start_matches('+')
}

/// A word that turns up nowhere by chance.
#[must_use]
pub fn canary(prefix: &str) -> String {
    format!("{prefix}-{:016x}", rand::rng().random::<u64>())
}
