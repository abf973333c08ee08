//! How many numbers get another image at a time. Pure: the time is passed in.
//!
//! A slot is held from the moment a Deployment is given its new image until that Deployment is complete, or for ten minutes: a roll-out that
//! hangs serves on with its old pods and must not hold up the rest for ever. Slots are kept in memory; an operator that starts anew may for
//! once have that many more numbers under way.

use std::{collections::HashMap, collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::key::Key;

/// How long a slot is held at most.
pub const SLOT_MAX: Duration = Duration::from_secs(600);

/// Who may roll now, and who waits.
#[derive(Debug)]
pub struct Rollouts {
    slots: usize,
    under_way: HashMap<Key, Instant>,
    /// In the order in which they asked.
    waiting: VecDeque<Key>,
}

impl Rollouts {
    /// At most `slots` at a time, at least one.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: slots.max(1),
            under_way: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether this number may be given its new image now. Who may not is remembered and named by [`Self::next`] later.
    pub fn request(&mut self, key: &Key, now: Instant) -> bool {
        if self.under_way.contains_key(key) {
            return true;
        }
        // Whoever asked before and is still waiting comes first, as long as slots are scarce.
        let before = self.waiting.iter().position(|waiting| waiting == key).unwrap_or(self.waiting.len());
        if self.under_way.len() + before < self.slots {
            self.waiting.retain(|waiting| waiting != key);
            self.under_way.insert(key.clone(), now);
            return true;
        }
        if before == self.waiting.len() {
            self.waiting.push_back(key.clone());
        }
        false
    }

    /// The roll-out is complete, or the number does not need one any more. Whether it held a slot.
    pub fn finish(&mut self, key: &Key) -> bool {
        self.waiting.retain(|waiting| waiting != key);
        self.under_way.remove(key).is_some()
    }

    /// The number does not wait any more: it is paused, or something else is wrong with it. Those behind it must not wait for it.
    pub fn withdraw(&mut self, key: &Key) {
        self.waiting.retain(|waiting| waiting != key);
    }

    /// The numbers whose slot was held for too long; they hold it no more.
    pub fn expire(&mut self, now: Instant) -> Vec<Key> {
        let (kept, expired): (HashMap<_, _>, HashMap<_, _>) = self
            .under_way
            .drain()
            .partition(|(_, since)| now.saturating_duration_since(*since) < SLOT_MAX);
        self.under_way = kept;
        expired.into_keys().collect()
    }

    /// Who should ask again now.
    #[must_use]
    pub fn next(&self) -> Vec<Key> {
        let free = self.slots.saturating_sub(self.under_way.len());
        self.waiting.iter().take(free).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> Key {
        Key::new("acme", &format!("n{n}"))
    }

    #[test]
    fn lets_through_as_many_as_there_are_slots_and_then_in_order() {
        let now = Instant::now();
        let mut rollouts = Rollouts::new(2);
        let granted: Vec<bool> = (0..5).map(|n| rollouts.request(&key(n), now)).collect();
        assert_eq!(granted, [true, true, false, false, false]);
        assert!(rollouts.request(&key(0), now), "who has a slot keeps it");
        assert!(rollouts.next().is_empty());
        assert!(rollouts.finish(&key(1)));
        assert_eq!(rollouts.next(), [key(2)]);
        assert!(!rollouts.request(&key(4), now), "somebody asked before");
        assert!(rollouts.request(&key(2), now));
        // One that is not needed any more makes room in the queue.
        assert!(!rollouts.finish(&key(3)));
        rollouts.finish(&key(0));
        assert_eq!(rollouts.next(), [key(4)]);
        rollouts.withdraw(&key(4));
        assert!(rollouts.next().is_empty());
    }

    #[test]
    fn a_slot_is_not_held_for_ever() {
        let now = Instant::now();
        let mut rollouts = Rollouts::new(1);
        assert!(rollouts.request(&key(0), now));
        assert!(!rollouts.request(&key(1), now));
        assert!(rollouts.expire(now + SLOT_MAX - Duration::from_secs(1)).is_empty());
        assert_eq!(rollouts.expire(now + SLOT_MAX), [key(0)]);
        assert_eq!(rollouts.next(), [key(1)]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_slots(slots in 0_usize..5, steps in prop::collection::vec((any::<bool>(), 0_u8..12), 0..200)) {
            let now = Instant::now();
            let mut rollouts = Rollouts::new(slots);
            let mut under_way = std::collections::HashSet::new();
            for (asks, n) in steps {
                if asks {
                    if rollouts.request(&key(n), now) { under_way.insert(n); }
                } else {
                    rollouts.finish(&key(n));
                    under_way.remove(&n);
                }
                prop_assert!(under_way.len() <= slots.max(1));
            }
            // Nobody who waits is forgotten.
            for n in 0..12 { rollouts.request(&key(n), now); }
            let mut rounds = 0;
            while under_way.len() < 12 || !rollouts.waiting.is_empty() {
                for n in 0..12 { if rollouts.under_way.contains_key(&key(n)) { under_way.insert(n); rollouts.finish(&key(n)); } }
                for next in rollouts.next() { rollouts.request(&next, now); }
                rounds += 1;
                prop_assert!(rounds < 20);
            }
        }
    }
}
