//! Management calls: 200 an hour for an app and an account, 5,000 once a number of the account is active.

use std::{collections::HashMap, sync::Mutex, sync::PoisonError};

use super::bucket::{Bucket, Rate};

const HOUR_US: u64 = 3_600_000_000;
const INACTIVE: Rate = Rate::per(200, HOUR_US);
const ACTIVE: Rate = Rate::per(5_000, HOUR_US);
/// Apps and accounts that are remembered. There are as many as numbers are served, so this is never reached.
const REMEMBERED: usize = 1024;

/// What was called lately, by app and account.
#[derive(Default)]
pub struct Calls(Mutex<HashMap<Caller, (Rate, Bucket)>>);

/// An app and an account.
type Caller = (Box<str>, Box<str>);

/// How much of the quota is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Calls an hour.
    pub limit: u32,
    /// Calls that may follow at once.
    pub left: u32,
    /// In how many microseconds all may again.
    pub full_in_us: u64,
    /// In how many microseconds one may, if none may now.
    pub retry_after_us: Option<u64>,
}

impl Usage {
    /// How much is used, in percent.
    #[must_use]
    pub fn percent(&self) -> u32 {
        let used = u64::from(self.limit.saturating_sub(self.left));
        u32::try_from(used * 100 / u64::from(self.limit.max(1))).unwrap_or(100)
    }
}

impl Calls {
    /// Counts a call. It may go on unless [`Usage::retry_after_us`] says otherwise.
    pub fn call(&self, app: &str, account: &str, is_active: bool, now_us: u64) -> Usage {
        let rate = if is_active { ACTIVE } else { INACTIVE };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, (_, bucket)| bucket.full_in_us(now_us) > 0);
        }
        let (known, bucket) = buckets
            .entry((app.into(), account.into()))
            .or_insert_with(|| (rate, Bucket::default()));
        if *known != rate {
            (*known, *bucket) = (rate, Bucket::default());
        }
        let taken = bucket.take(rate, now_us);
        Usage {
            limit: rate.capacity,
            left: bucket.left(rate, now_us),
            full_in_us: bucket.full_in_us(now_us),
            retry_after_us: taken.err(),
        }
    }
}
