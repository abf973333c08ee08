//! Messages of a number to one consumer: one in 6 seconds. Within 6 seconds 45 may go at once; they are borrowed, and nothing more goes until
//! the time for as many has passed.

use std::num::NonZeroUsize;

use lru::LruCache;

/// For each message.
pub const EACH_US: u64 = 6_000_000;
/// At once, within [`EACH_US`].
pub const BURST: u32 = 45;
/// Consumers that are remembered: more than get a message in the time that the longest debt lasts, at 80 messages a second.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();

/// What was sent to one consumer lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// When the first message of the burst went.
    began_us: u64,
    /// Messages since.
    count: u32,
    /// When all of them are paid back.
    free_at_us: u64,
}

impl Account {
    /// One message goes out.
    ///
    /// # Errors
    /// How long, in microseconds, until it may.
    pub fn send(&mut self, now_us: u64) -> Result<(), u64> {
        if now_us >= self.free_at_us {
            *self = Self {
                began_us: now_us,
                count: 1,
                free_at_us: now_us.saturating_add(EACH_US),
            };
            return Ok(());
        }
        if self.left(now_us) == 0 {
            return Err(self.free_at_us - now_us);
        }
        self.count += 1;
        self.free_at_us = self.free_at_us.saturating_add(EACH_US);
        Ok(())
    }

    /// How many may go out now.
    #[must_use]
    pub fn left(&self, now_us: u64) -> u32 {
        match now_us {
            now_us if now_us >= self.free_at_us => BURST,
            now_us if now_us < self.began_us.saturating_add(EACH_US) => BURST.saturating_sub(self.count),
            _ => 0,
        }
    }

    /// Microseconds until as many as ever may go out.
    #[must_use]
    pub fn free_in_us(&self, now_us: u64) -> u64 {
        self.free_at_us.saturating_sub(now_us)
    }
}

/// What was sent to each consumer lately.
pub struct Pairs<K: std::hash::Hash + Eq>(LruCache<K, Account>);

impl<K: std::hash::Hash + Eq> Pairs<K> {
    /// Nobody has been sent anything.
    #[must_use]
    pub fn new() -> Self {
        // Grows as it is used.
        Self(LruCache::unbounded())
    }

    /// What was sent to this consumer.
    pub fn account(&mut self, consumer: K) -> &mut Account {
        while self.0.len() >= REMEMBERED.get() && !self.0.contains(&consumer) {
            self.0.pop_lru();
        }
        self.0.get_or_insert_mut(consumer, Account::default)
    }

    /// How many consumers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: std::hash::Hash + Eq> Default for Pairs<K> {
    fn default() -> Self {
        Self::new()
    }
}
