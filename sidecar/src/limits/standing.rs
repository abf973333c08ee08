//! How a number stands with the transport, and how many consumers it may begin conversations with.
//!
//! The transport tells what it has noticed. From that follow the quality rating, and the messaging limit: unique consumers a day that are
//! written to before they have written. The limit rises when half of it was used with good quality, and falls by a step when the quality turns
//! red.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What consumers make of a number's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rating {
    /// Too little is known.
    #[default]
    Unknown,
    /// Good.
    Green,
    /// Worse.
    Yellow,
    /// Bad.
    Red,
}

/// How many consumers a day a number may begin conversations with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Tier {
    #[default]
    #[serde(rename = "TIER_250")]
    Of250,
    #[serde(rename = "TIER_2K")]
    Of2K,
    #[serde(rename = "TIER_10K")]
    Of10K,
    #[serde(rename = "TIER_100K")]
    Of100K,
    #[serde(rename = "TIER_UNLIMITED")]
    Unlimited,
}

const TIERS: [Tier; 5] = [Tier::Of250, Tier::Of2K, Tier::Of10K, Tier::Of100K, Tier::Unlimited];

impl Rating {
    /// The Cloud API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Green => "GREEN",
            Self::Yellow => "YELLOW",
            Self::Red => "RED",
        }
    }
}

impl Tier {
    /// The Cloud API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Of250 => "TIER_250",
            Self::Of2K => "TIER_2K",
            Self::Of10K => "TIER_10K",
            Self::Of100K => "TIER_100K",
            Self::Unlimited => "TIER_UNLIMITED",
        }
    }

    /// How many; `None` for any number.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        match self {
            Self::Of250 => Some(250),
            Self::Of2K => Some(2_000),
            Self::Of10K => Some(10_000),
            Self::Of100K => Some(100_000),
            Self::Unlimited => None,
        }
    }

    fn step(self, by: isize) -> Self {
        let at = TIERS.iter().position(|tier| *tier == self).unwrap_or_default();
        at.checked_add_signed(by).and_then(|at| TIERS.get(at)).copied().unwrap_or(self)
    }
}

/// How a number stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What consumers make of its messages.
    pub rating: Rating,
    /// How many conversations a day it may begin.
    pub tier: Tier,
}

/// What the business is told of a change, as the Cloud API words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Change {
    Flagged,
    Unflagged,
    Upgrade,
    Downgrade,
}

impl Change {
    /// The Cloud API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flagged => "FLAGGED",
            Self::Unflagged => "UNFLAGGED",
            Self::Upgrade => "UPGRADE",
            Self::Downgrade => "DOWNGRADE",
        }
    }
}

impl Standing {
    /// What the transport has noticed now: the quality, and how many consumers were written to in a day.
    pub fn notice(&mut self, rating: Rating, unique_recipients: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = std::mem::replace(&mut self.rating, rating);
        match (before == Rating::Red, rating == Rating::Red) {
            (false, true) => {
                changes.push(Change::Flagged);
                let lower = self.tier.step(-1);
                if lower != self.tier {
                    self.tier = lower;
                    changes.push(Change::Downgrade);
                }
            }
            (true, false) => changes.push(Change::Unflagged),
            _ => {}
        }
        let half = self.tier.limit().map(|limit| limit / 2);
        if rating != Rating::Red && half.is_some_and(|half| unique_recipients >= half) {
            self.tier = self.tier.step(1);
            changes.push(Change::Upgrade);
        }
        changes
    }
}

/// Conversations that the business began in the last day.
#[derive(Default)]
pub struct Begun<K>(HashMap<K, u64>);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl<K: std::hash::Hash + Eq> Begun<K> {
    /// Whether a conversation with this consumer may begin, or has begun within a day. Then it counts from now on.
    pub fn begin(&mut self, consumer: K, limit: Option<u32>, now_ms: u64) -> bool {
        let Some(limit) = limit else { return true };
        let is_recent = |at_ms: u64| now_ms.saturating_sub(at_ms) < DAY_MS;
        if self.0.get(&consumer).is_some_and(|at_ms| is_recent(*at_ms)) {
            return true;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if self.0.len() >= limit {
            self.0.retain(|_, at_ms| is_recent(*at_ms));
            if self.0.len() >= limit {
                return false;
            }
        }
        self.0.insert(consumer, now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_rises_and_falls() {
        let mut standing = Standing::default();
        assert_eq!(standing.notice(Rating::Green, 124), []);
        assert_eq!(standing.notice(Rating::Green, 125), [Change::Upgrade]);
        assert_eq!((standing.tier, standing.tier.limit()), (Tier::Of2K, Some(2_000)));
        assert_eq!(standing.notice(Rating::Red, 1_500), [Change::Flagged, Change::Downgrade]);
        assert_eq!(standing.notice(Rating::Red, 1_500), []);
        assert_eq!(standing.notice(Rating::Yellow, 10), [Change::Unflagged]);
        assert_eq!(standing.tier, Tier::Of250);
        for _ in 0..10 {
            standing.notice(Rating::Green, 100_000);
        }
        assert_eq!(standing.tier, Tier::Unlimited);
        let stored = serde_json::to_string(&standing).unwrap();
        assert_eq!(stored, r#"{"rating":"GREEN","tier":"TIER_UNLIMITED"}"#);
    }

    proptest! {
        /// No day sees more conversations begun than the limit, and who has begun one may go on with it.
        #[test]
        fn a_day_sees_no_more_than_the_limit(
            limit in 1_u32..20,
            steps in prop::collection::vec((0_u64..DAY_MS / 8, 0_u8..60), 1..200),
        ) {
            let (mut begun, mut now_ms, mut given) = (Begun::default(), DAY_MS, Vec::<(u64, u8)>::new());
            for (step, consumer) in steps {
                now_ms += step;
                let known = given.iter().any(|(at_ms, of)| *of == consumer && now_ms - at_ms < DAY_MS);
                let may = begun.begin(consumer, Some(limit), now_ms);
                prop_assert!(may || !known);
                if may && !known {
                    given.push((now_ms, consumer));
                }
                let today = given.iter().filter(|(at_ms, _)| now_ms - at_ms < DAY_MS).count();
                prop_assert!(today <= limit as usize);
            }
        }
    }
}
