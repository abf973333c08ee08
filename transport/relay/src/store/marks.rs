//! Which envelope ids were accepted, so that an id submitted again is not queued again.
//!
//! A mark lives as long as its envelope may wait, and two days at least (`Limits::mark_lifetime`). Growth is therefore bounded by the rate
//! of acceptance times that, and in any case by `Limits::marks`: beyond it the oldest marks are forgotten early, by the minute of their
//! acceptance. What a sender submits again after its mark is gone reaches the recipient twice; recipients drop it by (sender, id).
//!
//! Expired marks are found by walking the table round and round, a bounded part at a time, and only when some mark can have expired.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable as _};

use super::{Error, MARK_MINUTES, Tables};
use crate::config::Limits;
use crate::number::Number;

pub(crate) struct Marks {
    lifetime_minutes: u32,
    most: u64,
    /// How many marks there are by the minute they were made in.
    minutes: BTreeMap<u32, u64>,
    dirty: Vec<u32>,
    total: u64,
    /// Where the walk goes on.
    cursor: (u64, u128),
    inserted_since_sweep: usize,
}

/// At least this many marks are looked at in one part of the walk.
const SWEEP_AT_LEAST: usize = 1_000;
/// The walk must be faster than the growth.
const SWEEP_PER_INSERT: usize = 4;

impl Marks {
    pub(crate) fn load(transaction: &ReadTransaction, limits: &Limits) -> Result<Self, Error> {
        let mut minutes = BTreeMap::new();
        for entry in transaction.open_table(MARK_MINUTES)?.range::<u32>(..)? {
            let (minute, count) = entry?;
            minutes.insert(minute.value(), count.value());
        }
        Ok(Self {
            lifetime_minutes: u32::try_from(limits.mark_lifetime.as_secs().div_ceil(60)).unwrap_or(u32::MAX),
            most: limits.marks,
            total: minutes.values().sum(),
            minutes,
            dirty: Vec::new(),
            cursor: (0, 0),
            inserted_since_sweep: 0,
        })
    }

    /// Marks an id of `sender`; `false` when it was marked before, and then the mark lives on, never for less than it did.
    pub(crate) fn insert(&mut self, tables: &mut Tables<'_>, sender: Number, id: u128, ttl_s: u32, now_ms: u64) -> Result<bool, Error> {
        let minute = minute_of(now_ms);
        let lifetime = ttl_s.div_ceil(60).max(self.lifetime_minutes);
        // One minute more, because this one has already begun.
        let expiry = minute.saturating_add(lifetime).saturating_add(1);
        let key = (sender.key(), id);
        let before = tables.marks.get(key)?.map(|before| unpack(before.value()));
        // The envelope that was accepted may wait for longer than this one was to.
        let expiry = before.map_or(expiry, |(_, before)| expiry.max(before));
        tables.marks.insert(key, pack(minute, expiry))?;
        self.count(minute, 1);
        self.inserted_since_sweep += 1;
        let Some((before_minute, before_expiry)) = before else {
            return Ok(true);
        };
        self.count(before_minute, -1);
        Ok(before_expiry <= minute)
    }

    /// Takes back a mark made just now.
    pub(crate) fn undo(&mut self, tables: &mut Tables<'_>, sender: Number, id: u128, now_ms: u64) -> Result<(), Error> {
        tables.marks.remove((sender.key(), id))?;
        self.count(minute_of(now_ms), -1);
        Ok(())
    }

    /// Forgets every mark of `sender`.
    pub(crate) fn forget(&mut self, tables: &mut Tables<'_>, sender: Number) -> Result<(), Error> {
        let mut removed = Vec::new();
        tables.marks.retain_in((sender.key(), 0)..=(sender.key(), u128::MAX), |_, mark| {
            removed.push(unpack(mark).0);
            false
        })?;
        for minute in removed {
            self.count(minute, -1);
        }
        Ok(())
    }

    /// Whether a walk can find anything.
    pub(crate) fn needs_sweep(&self, now_ms: u64) -> bool {
        let now = minute_of(now_ms);
        let oldest = self.minutes.first_key_value();
        self.total > self.most || oldest.is_some_and(|(minute, _)| minute.saturating_add(self.lifetime_minutes) < now)
    }

    /// Walks a part of the table and forgets what has expired or is too much; returns whether anything was.
    pub(crate) fn sweep(&mut self, tables: &mut Tables<'_>, now_ms: u64) -> Result<bool, Error> {
        let now = minute_of(now_ms);
        let horizon = self.horizon();
        let part = SWEEP_AT_LEAST + SWEEP_PER_INSERT * std::mem::take(&mut self.inserted_since_sweep);
        let mut gone = Vec::new();
        let mut seen = 0;
        let mut last = None;
        for entry in tables.marks.range(self.cursor..)?.take(part) {
            let (key, mark) = entry?;
            let (made, expiry) = unpack(mark.value());
            if expiry <= now || made < horizon {
                gone.push((key.value(), made));
            }
            seen += 1;
            last = Some(key.value());
        }
        self.cursor = match last {
            Some((sender, id)) if seen == part => (sender, id.wrapping_add(1)),
            _ => (0, 0),
        };
        for (key, made) in &gone {
            tables.marks.remove(*key)?;
            self.count(*made, -1);
        }
        Ok(!gone.is_empty())
    }

    /// Marks made before this minute are too much.
    fn horizon(&self) -> u32 {
        if self.total <= self.most {
            return 0;
        }
        let mut kept = 0;
        for (minute, count) in self.minutes.iter().rev() {
            kept += count;
            if kept > self.most {
                return minute.saturating_add(1);
            }
        }
        0
    }

    fn count(&mut self, minute: u32, change: i64) {
        let count = self.minutes.entry(minute).or_default();
        *count = count.saturating_add_signed(change);
        self.total = self.total.saturating_add_signed(change);
        if self.dirty.last() != Some(&minute) {
            self.dirty.push(minute);
        }
    }

    pub(crate) fn finish(&mut self, tables: &mut Tables<'_>) -> Result<(), Error> {
        for minute in self.dirty.drain(..) {
            match self.minutes.get(&minute).copied() {
                Some(count) if count > 0 => {
                    tables.mark_minutes.insert(minute, count)?;
                }
                _ => {
                    self.minutes.remove(&minute);
                    tables.mark_minutes.remove(minute)?;
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

fn minute_of(now_ms: u64) -> u32 {
    u32::try_from(now_ms / 60_000).unwrap_or(u32::MAX)
}

fn pack(made: u32, expiry: u32) -> u64 {
    u64::from(made) << 32 | u64::from(expiry)
}

#[allow(clippy::cast_possible_truncation, reason = "the two halves")]
fn unpack(mark: u64) -> (u32, u32) {
    ((mark >> 32) as u32, mark as u32)
}
