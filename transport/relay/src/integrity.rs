//! What the relay notices about businesses: how many they write to, how many they try that do not exist, and who complains. Pure: the time is
//! passed in, and nothing of a message is known here but that there was one.
//!
//! Recipients are counted by keyed hashes in two-hour slots ([`sketch`]): exact while few, an estimate when many, and bounded either way, as
//! is the number of businesses that are watched (`IntegrityLimits::businesses`). Reports are kept one by one in the state file.

mod activity;
mod sketch;

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use waxseal_protocol::proto::{Integrity, Quality};

pub(crate) use activity::Activity;

use crate::config::IntegrityLimits;
use crate::number::Number;

const DAY_S: u64 = 24 * 60 * 60;
/// Reports and recipients of so many days count, today included.
pub(crate) const DAYS: u32 = 7;
/// Without anything new, counts are looked at this often, because they fall with time.
const LOOK_AGAIN_MS: u64 = 10 * 60 * 1_000;
/// What is noticed is written down this often at most.
const SAVE_MS: u64 = 5 * 60 * 1_000;
/// So many businesses are looked at, and so many written down, at a time.
const AT_ONCE: usize = 100;

/// The day that counts reports and recipients, in UTC.
pub(crate) fn day(now_ms: u64) -> u32 {
    u32::try_from(now_ms / 1_000 / DAY_S).unwrap_or(u32::MAX)
}

/// Hashes numbers, with a key that the state file keeps.
#[derive(Clone)]
pub(crate) struct Hasher(pub(crate) [u8; 16]);

impl Hasher {
    pub(crate) fn hash(&self, number: Number) -> u64 {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(number.key().to_be_bytes())
            .finalize();
        digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// All businesses that are watched.
pub(crate) struct Watch {
    limits: IntegrityLimits,
    hasher: Hasher,
    businesses: HashMap<Number, Business>,
}

#[derive(Default)]
struct Business {
    activity: Activity,
    /// When to look at it next.
    due_ms: u64,
    looked_at_ms: u64,
    told: Integrity,
    /// When to write it down; `None`: as it is in the state file.
    save_at_ms: Option<u64>,
}

impl Watch {
    pub(crate) fn new(limits: IntegrityLimits, hasher: Hasher) -> Self {
        Self {
            limits,
            hasher,
            businesses: HashMap::new(),
        }
    }

    /// What was written down.
    pub(crate) fn found(&mut self, business: Number, activity: Activity) {
        if let Some(business) = self.business(business) {
            business.activity = activity;
        }
    }

    /// A report that is in the state file.
    pub(crate) fn reported(&mut self, business: Number, on_day: u32) {
        let pause_ms = self.pause_ms();
        if let Some(business) = self.business(business) {
            business.activity.reported(on_day);
            business.look_soon(pause_ms);
        }
    }

    /// How many reports of the day there are.
    pub(crate) fn reports_on(&self, business: Number, on_day: u32) -> u32 {
        self.businesses
            .get(&business)
            .map_or(0, |business| business.activity.reports_on(on_day))
    }

    pub(crate) fn hash(&self, number: Number) -> u64 {
        self.hasher.hash(number)
    }

    /// `business` wrote to `recipient`, or tried to.
    pub(crate) fn wrote(&mut self, business: Number, recipient: Number, is_registered: bool, now_ms: u64) {
        let (hash, pause_ms) = (self.hasher.hash(recipient), self.pause_ms());
        if let Some(business) = self.business(business)
            && business.activity.wrote(hash, is_registered, now_ms)
        {
            business.look_soon(pause_ms);
            business.save_at_ms.get_or_insert(now_ms.saturating_add(SAVE_MS));
        }
    }

    fn pause_ms(&self) -> u64 {
        u64::try_from(self.limits.pause.as_millis()).unwrap_or(u64::MAX)
    }

    /// The entry of a business, if there is room for it.
    fn business(&mut self, number: Number) -> Option<&mut Business> {
        if !self.businesses.contains_key(&number) && self.businesses.len() >= self.limits.businesses {
            return None;
        }
        Some(self.businesses.entry(number).or_default())
    }

    /// What there is to say about `business`, to somebody who hears it for the first time.
    pub(crate) fn introduce(&mut self, business: Number, now_ms: u64) -> Integrity {
        match self.businesses.get_mut(&business) {
            Some(business) => {
                business.look(&self.limits, now_ms);
                business.told
            }
            None => Integrity::default(),
        }
    }

    /// What has changed, of a bounded number of businesses.
    pub(crate) fn look(&mut self, now_ms: u64) -> Vec<(Number, Integrity)> {
        let mut changed = Vec::new();
        let mut is_over = false;
        let due = self.businesses.iter_mut().filter(|(_, business)| business.due_ms <= now_ms);
        for (number, business) in due.take(AT_ONCE) {
            let before = business.told;
            business.look(&self.limits, now_ms);
            if business.told != before {
                changed.push((*number, business.told));
            }
            is_over |= business.activity.is_over();
        }
        if is_over {
            // What is in the state file of it goes when the relay starts.
            self.businesses
                .retain(|_, business| !business.activity.is_over() || business.save_at_ms.is_some());
        }
        changed
    }

    /// Whether something is to be written down.
    pub(crate) fn wants_save(&self, now_ms: u64) -> bool {
        self.businesses
            .values()
            .any(|business| business.save_at_ms.is_some_and(|at_ms| at_ms <= now_ms))
    }

    /// What is to be written down: what is due, a bounded part of it; or everything, before an end.
    pub(crate) fn take_unsaved(&mut self, now_ms: u64, all: bool) -> Vec<(Number, Vec<u8>)> {
        let most = if all { usize::MAX } else { AT_ONCE };
        let due = |business: &Business| business.save_at_ms.is_some_and(|at_ms| all || at_ms <= now_ms);
        self.businesses
            .iter_mut()
            .filter(|(_, business)| due(business))
            .take(most)
            .map(|(number, business)| {
                business.save_at_ms = None;
                (*number, business.activity.encode())
            })
            .collect()
    }
}

impl Business {
    fn look_soon(&mut self, pause_ms: u64) {
        self.due_ms = self.due_ms.min(self.looked_at_ms.saturating_add(pause_ms));
    }

    fn look(&mut self, limits: &IntegrityLimits, now_ms: u64) {
        self.activity.forget_old(now_ms);
        let counts = self.activity.counts(now_ms);
        self.told = Integrity {
            quality: quality(limits, &counts).into(),
            reports_7d: counts.reports,
            unique_recipients_24h: counts.recipients,
            unknown_recipients_24h: counts.unknown,
        };
        self.looked_at_ms = now_ms;
        self.due_ms = now_ms.saturating_add(LOOK_AGAIN_MS);
    }
}

/// What a quality is derived from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Recipients per day, summed over the days that count: what reports, which count once per consumer and day, are a share of.
    pub(crate) recipient_days: u32,
    pub(crate) reports: u32,
    /// In 24 hours.
    pub(crate) recipients: u32,
    /// In 24 hours.
    pub(crate) unknown: u32,
}

/// The rules are in the documentation of [`IntegrityLimits`].
fn quality(limits: &IntegrityLimits, counts: &Counts) -> Quality {
    let share = |part: u32, of: u32, per_mille: u32| u64::from(part) * 1_000 >= u64::from(of) * u64::from(per_mille);
    let tried = counts.recipients.saturating_add(counts.unknown);
    if counts.recipient_days.saturating_add(counts.unknown) < limits.least_recipients {
        return Quality::Unknown;
    }
    let is = |bad: &crate::config::Badness| {
        let by_reports = counts.reports >= bad.least_reports && share(counts.reports, counts.recipient_days, bad.reports_per_mille);
        let by_unknown = counts.unknown >= bad.least_unknown && share(counts.unknown, tried, bad.unknown_per_mille);
        by_reports || by_unknown
    };
    match (is(&limits.red), is(&limits.yellow)) {
        (true, _) => Quality::Red,
        (false, true) => Quality::Yellow,
        (false, false) => Quality::Green,
    }
}

#[cfg(test)]
mod tests;
