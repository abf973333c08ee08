//! What one business did lately.

use std::collections::BTreeMap;

use prost::Message as _;

use super::sketch::Sketch;
use super::{Counts, DAYS, day};

const SLOT_MS: u64 = 2 * 60 * 60 * 1_000;
const SLOTS_PER_DAY: u32 = 12;

/// Whom one business wrote to in the last 24 hours (26 at most), how many that were on each of the last days, and how many reports there
/// were.
#[derive(Default)]
pub(crate) struct Activity {
    /// By two-hour slot.
    slots: BTreeMap<u32, Slot>,
    /// Different recipients by day.
    recipients: BTreeMap<u32, u32>,
    /// By day.
    reports: BTreeMap<u32, u32>,
}

#[derive(Default)]
struct Slot {
    recipients: Sketch,
    unknown: Sketch,
}

/// As in the state file; reports have a place of their own there.
#[derive(Clone, PartialEq, prost::Message)]
struct Saved {
    #[prost(message, repeated, tag = "1")]
    slots: Vec<SavedSlot>,
    #[prost(btree_map = "uint32, uint32", tag = "2")]
    recipients: BTreeMap<u32, u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SavedSlot {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(bytes = "vec", tag = "2")]
    recipients: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    unknown: Vec<u8>,
}

fn slot(now_ms: u64) -> u32 {
    u32::try_from(now_ms / SLOT_MS).unwrap_or(u32::MAX)
}

impl Activity {
    /// Takes a recipient in, by hash; returns whether that may have changed anything.
    pub(super) fn wrote(&mut self, recipient: u64, is_registered: bool, now_ms: u64) -> bool {
        let index = slot(now_ms);
        if !self.slots.contains_key(&index) {
            self.forget_old(now_ms);
        }
        let slot = self.slots.entry(index).or_default();
        match is_registered {
            true => slot.recipients.insert(recipient),
            false => slot.unknown.insert(recipient),
        }
    }

    pub(super) fn reported(&mut self, on_day: u32) {
        *self.reports.entry(on_day).or_default() += 1;
    }

    pub(super) fn reports_on(&self, on_day: u32) -> u32 {
        self.reports.get(&on_day).copied().unwrap_or(0)
    }

    pub(super) fn counts(&mut self, now_ms: u64) -> Counts {
        // Days that ended since are complete in the slots for long enough.
        for day in [day(now_ms).saturating_sub(1), day(now_ms)] {
            let first = day.saturating_mul(SLOTS_PER_DAY);
            let of_day = self
                .slots
                .range(first..first.saturating_add(SLOTS_PER_DAY))
                .map(|(_, slot)| &slot.recipients);
            let seen = Sketch::union(of_day);
            if seen > 0 {
                let known = self.recipients.entry(day).or_default();
                // Slots of yesterday go one by one.
                *known = seen.max(*known);
            }
        }
        let slots = self.slots.values();
        Counts {
            recipient_days: self.recipients.values().fold(0, |sum, count| sum.saturating_add(*count)),
            reports: self.reports.values().fold(0, |sum, count| sum.saturating_add(*count)),
            recipients: Sketch::union(slots.clone().map(|slot| &slot.recipients)),
            unknown: Sketch::union(slots.map(|slot| &slot.unknown)),
        }
    }

    pub(super) fn forget_old(&mut self, now_ms: u64) {
        // What is to come is from a clock that was set back since.
        let slots = slot(now_ms).saturating_sub(SLOTS_PER_DAY)..=slot(now_ms);
        self.slots.retain(|slot, _| slots.contains(slot));
        let days = day(now_ms).saturating_sub(DAYS - 1)..=day(now_ms);
        self.recipients.retain(|day, _| days.contains(day));
        self.reports.retain(|day, _| days.contains(day));
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_over(&self) -> bool {
        self.slots.is_empty() && self.recipients.is_empty() && self.reports.is_empty()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let slots = self.slots.iter().map(|(index, slot)| SavedSlot {
            index: *index,
            recipients: slot.recipients.encode(),
            unknown: slot.unknown.encode(),
        });
        Saved {
            slots: slots.collect(),
            recipients: self.recipients.clone(),
        }
        .encode_to_vec()
    }

    /// What [`encode`](Self::encode) wrote, without what is too old by now; `None` when it is damaged or nothing is left.
    pub(crate) fn decode(bytes: &[u8], now_ms: u64) -> Option<Self> {
        let saved = Saved::decode(bytes).ok()?;
        let slots = saved.slots.into_iter().map(|saved| {
            let slot = Slot {
                recipients: Sketch::decode(&saved.recipients),
                unknown: Sketch::decode(&saved.unknown),
            };
            (saved.index, slot)
        });
        let mut activity = Self {
            slots: slots.collect(),
            recipients: saved.recipients,
            reports: BTreeMap::new(),
        };
        activity.forget_old(now_ms);
        (!activity.is_over()).then_some(activity)
    }
}
