//! How long to wait after the n-th failure in a row of one object. Pure: randomness is passed in.

use std::{collections::HashMap, hash::Hash, sync::Mutex, sync::PoisonError, time::Duration};

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// At most.
const LONGEST: Duration = Duration::from_secs(300);

/// The delay after `failures` failures in a row, 1 or more: twice as long each time, from one second to five minutes, and of that between
/// three quarters and the whole, as `random` (0 to 1) says, so that objects that failed together are not tried together.
#[must_use]
pub fn delay(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    whole.mul_f64(0.75 + 0.25 * random.clamp(0.0, 1.0))
}

/// `period` and up to a tenth more, as `random` (0 to 1) says.
#[must_use]
pub fn spread(period: Duration, random: f64) -> Duration {
    period.mul_f64(1.0 + 0.1 * random.clamp(0.0, 1.0))
}

/// The failures in a row of each object. Holds only objects whose last attempt failed.
pub struct Failures<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash> Failures<K> {
    /// One more. How many in a row that makes.
    pub fn add(&self, key: K) -> u32 {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// It went well, or the object is gone.
    pub fn clear(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_from_a_second_to_five_minutes() {
        let seconds: Vec<u64> = (1..=11).map(|failures| delay(failures, 1.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(delay(0, 1.0), FIRST);
    }

    proptest! {
        #[test]
        fn stays_within_bounds(failures in any::<u32>(), random in any::<f64>()) {
            let delay = delay(failures, if random.is_nan() { 0.5 } else { random });
            prop_assert!(delay >= FIRST.mul_f64(0.75) && delay <= LONGEST);
        }
    }

    #[test]
    fn starts_anew_after_a_success() {
        let failures = Failures::default();
        assert_eq!((failures.add("a"), failures.add("a"), failures.add("b")), (1, 2, 1));
        failures.clear(&"a");
        assert_eq!((failures.add("a"), failures.add("b")), (1, 2));
    }
}
