//! When pre-keys are made, replaced and deleted. Pure functions: the caller has the clock and the counts.

use std::time::{Duration, SystemTime};

/// How many one-time keys are kept at the relay, and how long signed ones live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Fill up to this many one-time keys, for each of EC and Kyber.
    pub target: u32,
    /// Fill up when fewer are left.
    pub low_water: u32,
    /// Never hold more than this, however fast they go: bounds what is stored for one number.
    pub most: u32,
    /// Keep this long's demand in stock: time to notice, make and publish.
    pub horizon: Duration,
    /// Publish a new signed pre-key and last-resort Kyber key when the current one is this old.
    pub rotate_after: Duration,
    /// Do not open conversations while the current signed pre-key is older: rotation has failed for days.
    pub unfit_after: Duration,
    /// Delete a replaced key this long after it was made: first messages of people who were offline may still need it.
    pub keep_replaced: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Policy {
    fn default() -> Self {
        Self {
            target: 400,
            low_water: 200,
            most: 2_000,
            horizon: Duration::from_secs(60 * 60),
            rotate_after: DAY.saturating_mul(2),
            unfit_after: DAY.saturating_mul(14),
            keep_replaced: DAY.saturating_mul(30),
        }
    }
}

/// How many one-time keys of one sort to make and publish now.
///
/// `left` of them are at the relay and `used` were taken `within` that time. A business that is written to by hundreds in an hour needs a
/// stock for that, not for ten.
#[must_use]
pub fn replenish(policy: &Policy, left: u32, used: u32, within: Duration) -> u32 {
    let demand = demand(policy.horizon, used, within);
    let low_water = policy.low_water.max(demand).min(policy.most);
    let target = policy.target.max(demand.saturating_mul(2)).min(policy.most).max(low_water);
    if left < low_water { target.saturating_sub(left) } else { 0 }
}

/// What the same rate would use within the horizon.
fn demand(horizon: Duration, used: u32, within: Duration) -> u32 {
    // A single burst at start-up is no rate: nothing is extrapolated from less than a minute.
    let within_ms = within.max(Duration::from_secs(60)).as_millis();
    u32::try_from(u128::from(used) * horizon.as_millis() / within_ms).unwrap_or(u32::MAX)
}

/// Whether a signed pre-key made at `made` is due for replacement. A key from the future is: the clock was wrong when it was made.
#[must_use]
pub fn rotation_due(policy: &Policy, made: SystemTime, now: SystemTime) -> bool {
    now.duration_since(made).map_or(true, |age| age >= policy.rotate_after)
}

/// Whether the current signed pre-key is so old that something is wrong.
#[must_use]
pub fn unfit_to_send(policy: &Policy, made: SystemTime, now: SystemTime) -> bool {
    now.duration_since(made).is_ok_and(|age| age > policy.unfit_after)
}

/// A signed key as far as its age matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Its id.
    pub id: u32,
    /// When it was made.
    pub made: SystemTime,
}

/// Which signed keys may be deleted: those past [`Policy::keep_replaced`], but neither the youngest, which is the published one, nor the one
/// before it, whatever their age.
#[must_use]
pub fn outdated(policy: &Policy, keys: &[Signed], now: SystemTime) -> Vec<u32> {
    let mut keys = keys.to_vec();
    keys.sort_by_key(|key| std::cmp::Reverse(key.made));
    keys.iter()
        .skip(2)
        .filter(|key| now.duration_since(key.made).is_ok_and(|age| age > policy.keep_replaced))
        .map(|key| key.id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(day: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + DAY * u32::try_from(day).unwrap()
    }

    #[test]
    fn a_quiet_number_keeps_the_usual_stock() {
        let policy = Policy::default();
        assert_eq!(replenish(&policy, 0, 0, DAY), 400);
        assert_eq!(replenish(&policy, 199, 1, DAY), 201);
        assert_eq!(replenish(&policy, 200, 1, DAY), 0);
        assert_eq!(replenish(&policy, 5000, 1, DAY), 0);
    }

    #[test]
    fn a_busy_number_keeps_an_hour_of_demand() {
        let policy = Policy::default();
        assert_eq!(replenish(&policy, 350, 60, Duration::from_secs(360)), 850, "600 an hour");
        assert_eq!(replenish(&policy, 600, 60, Duration::from_secs(360)), 0);
        assert_eq!(replenish(&policy, 100, u32::MAX, Duration::from_secs(1)), 1900, "bounded");
        assert_eq!(
            replenish(&policy, 250, 5, Duration::ZERO),
            350,
            "300 an hour at most, from five in no time"
        );
    }

    #[test]
    fn signed_keys_rotate_after_two_days() {
        let policy = Policy::default();
        assert!(!rotation_due(&policy, day(10), day(11)));
        assert!(rotation_due(&policy, day(10), day(12)));
        assert!(rotation_due(&policy, day(10), day(9)), "a key from the future");
        assert!(!unfit_to_send(&policy, day(10), day(24)));
        assert!(unfit_to_send(&policy, day(10), day(25)));
    }

    #[test]
    fn replaced_keys_are_kept_thirty_days_and_two_for_ever() {
        let policy = Policy::default();
        let keys: Vec<_> = (0..5)
            .map(|id| Signed {
                id,
                made: day(u64::from(id) * 2),
            })
            .collect();
        assert_eq!(outdated(&policy, &keys, day(30)), Vec::<u32>::new());
        assert_eq!(outdated(&policy, &keys, day(33)), vec![1, 0]);
        assert_eq!(outdated(&policy, &keys, day(1000)), vec![2, 1, 0]);
        assert_eq!(outdated(&policy, &[], day(1)), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn replenishing_never_exceeds_the_bound_and_ends_above_low_water(left: u32, used: u32, seconds in 0..10_000_000u64) {
            let policy = Policy::default();
            let made = replenish(&policy, left, used, Duration::from_secs(seconds));
            if made > 0 {
                prop_assert!(left + made <= policy.most);
                prop_assert!(left + made >= policy.target);
                prop_assert_eq!(replenish(&policy, left + made, used, Duration::from_secs(seconds)), 0);
            }
        }
    }
}
