//! Spam reports, one by one, and what was noticed about businesses, for the time after a restart.

use redb::{ReadTransaction, ReadableTable as _};

use super::{ACTIVITIES, Error, META, META_HASH_KEYS, REPORTS, Tables};
use crate::config::IntegrityLimits;
use crate::integrity::{Activity, DAYS, Hasher, Watch, day};
use crate::number::Number;

/// Day, business, hash of who reported.
pub(crate) type Key = (u32, u64, u64);

/// Enters a report; `false` when it was there before.
pub(crate) fn insert(tables: &mut Tables<'_>, on_day: u32, business: Number, reporter: u64, reason: u8) -> Result<bool, Error> {
    let key = (on_day, business.key(), reporter);
    if tables.reports.get(key)?.is_some() {
        return Ok(false);
    }
    tables.reports.insert(key, reason)?;
    Ok(true)
}

/// Drops the oldest reports that do not count any more, at most so many; returns whether there were any and the day of the oldest left.
pub(crate) fn drop_old(tables: &mut Tables<'_>, today: u32, most: usize) -> Result<(bool, Option<u32>), Error> {
    let first = today.saturating_sub(DAYS - 1);
    let old: Vec<Key> = tables
        .reports
        .range(..(first, 0, 0))?
        .take(most)
        .map(|entry| entry.map(|(key, _)| key.value()))
        .collect::<Result<_, _>>()?;
    for key in &old {
        tables.reports.remove(*key)?;
    }
    let left = tables.reports.first()?.map(|(key, _)| key.value().0);
    Ok((!old.is_empty(), left))
}

/// Writes down what was noticed about a business.
pub(crate) fn put_activity(tables: &mut Tables<'_>, business: Number, activity: &[u8]) -> Result<(), Error> {
    tables.activities.insert(business.key(), activity)?;
    Ok(())
}

/// Makes the key that numbers are hashed with, once and for all; drops what is too old.
pub(super) fn prepare(tables: &mut Tables<'_>, key: [u64; 2]) -> Result<(), Error> {
    for (name, part) in META_HASH_KEYS.into_iter().zip(key) {
        if tables.meta.get(name)?.is_none() {
            tables.meta.insert(name, part)?;
        }
    }
    Ok(())
}

/// Everything that was noticed, and the day of the oldest report.
pub(crate) fn load(
    transaction: &ReadTransaction,
    limits: &IntegrityLimits,
    now_ms: u64,
) -> Result<(Watch, Option<u32>, Vec<Number>), Error> {
    let meta = transaction.open_table(META)?;
    let mut key = [0; 16];
    for (name, part) in META_HASH_KEYS.into_iter().zip(key.chunks_exact_mut(8)) {
        let value = meta.get(name)?.ok_or(Error::Damaged("meta"))?.value();
        part.copy_from_slice(&value.to_be_bytes());
    }
    let mut watch = Watch::new(limits.clone(), Hasher(key));
    let mut over = Vec::new();
    for entry in transaction.open_table(ACTIVITIES)?.range::<u64>(..)? {
        let (business, activity) = entry?;
        let business = Number::from_key(business.value());
        match Activity::decode(activity.value(), now_ms) {
            Some(activity) => watch.found(business, activity),
            None => over.push(business),
        }
    }
    let mut oldest = None;
    for entry in transaction.open_table(REPORTS)?.range::<Key>(..)? {
        let (on_day, business, _) = entry?.0.value();
        oldest = oldest.or(Some(on_day));
        if on_day >= day(now_ms).saturating_sub(DAYS - 1) {
            watch.reported(Number::from_key(business), on_day);
        }
    }
    Ok((watch, oldest, over))
}

/// Forgets what was written down about businesses that have been idle for long.
pub(crate) fn forget_activities(tables: &mut Tables<'_>, over: &[Number]) -> Result<(), Error> {
    for business in over {
        tables.activities.remove(business.key())?;
    }
    Ok(())
}
