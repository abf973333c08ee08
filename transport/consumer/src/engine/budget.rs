//! How many retry receipts one sender can make us send: a token bucket per sender, over a bounded number of senders.

use std::collections::HashMap;

use waxseal_content::PhoneNumber;

/// A sender whose whole backlog cannot be decrypted needs one receipt for each message of it.
const BURST: u32 = 1_000;
const REFILL_MS: u64 = 100;
const MAX_SENDERS: usize = 1_000;

#[derive(Default)]
pub(crate) struct Budget(HashMap<PhoneNumber, Bucket>);

struct Bucket {
    tokens: u32,
    at_ms: u64,
}

impl Budget {
    /// Whether one more receipt to this sender is within its budget.
    pub(crate) fn take(&mut self, sender: &PhoneNumber, now_ms: u64) -> bool {
        if !self.0.contains_key(sender) {
            if self.0.len() >= MAX_SENDERS {
                // The one that was quiet for the longest has the fullest bucket, so forgetting it gives away least.
                let quiet = self
                    .0
                    .iter()
                    .min_by_key(|(_, bucket)| bucket.at_ms)
                    .map(|(number, _)| number.clone());
                if let Some(quiet) = quiet {
                    self.0.remove(&quiet);
                }
            }
            self.0.insert(
                sender.clone(),
                Bucket {
                    tokens: BURST,
                    at_ms: now_ms,
                },
            );
        }
        let Some(bucket) = self.0.get_mut(sender) else { return false };
        let earned = now_ms.saturating_sub(bucket.at_ms) / REFILL_MS;
        if earned > 0 {
            bucket.tokens = u32::try_from(earned).unwrap_or(BURST).saturating_add(bucket.tokens).min(BURST);
            bucket.at_ms = now_ms;
        }
        let within = bucket.tokens > 0;
        bucket.tokens = bucket.tokens.saturating_sub(1);
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_ten_a_second() {
        let sender = PhoneNumber::parse("+15550100").unwrap();
        let mut budget = Budget::default();
        assert_eq!((0..2_000).filter(|_| budget.take(&sender, 5_000)).count(), 1_000);
        assert_eq!((0..50).filter(|_| budget.take(&sender, 6_000)).count(), 10);
        assert_eq!((0..2_000).filter(|_| budget.take(&sender, u64::MAX)).count(), 1_000);
        assert!(
            budget.take(&PhoneNumber::parse("+15550101").unwrap(), 6_000),
            "others are not affected"
        );
    }

    #[test]
    fn the_number_of_senders_is_bounded() {
        let mut budget = Budget::default();
        for n in 0..3_000 {
            assert!(budget.take(&PhoneNumber::parse(&format!("+1555{n:07}")).unwrap(), n));
        }
        assert_eq!(budget.0.len(), MAX_SENDERS);
    }
}
