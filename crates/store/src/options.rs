//! How a store is opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Error;

/// No time to live is ever longer, whatever the options say.
pub const HARD_TTL_CAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What "durable" means when [`Store::commit`](crate::Store::commit) returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Embedded: [`Durability::Fsync`]. Redis: `Replicated(1)` if a replica is connected when the store is opened or at any later reconnect
    /// (it is never lowered again while the process lives, because a master cut off from its replicas looks the same as one without), else
    /// whatever the server's append-only file gives: with `appendfsync everysec` a crash of the machine can lose the last second.
    #[default]
    Auto,
    /// Applied in memory. A crash of the server (embedded: of the machine or the process) may lose it.
    Memory,
    /// On the disk. Redis: needs `appendfsync always`, or Redis 7.2 with an append-only file, where each group ends with `WAITAOF`.
    Fsync,
    /// Acknowledged by this many replicas (`WAIT`).
    Replicated(u32),
}

/// The wall clock of the embedded backend. (With Redis, the server's clock is the only one.)
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until it is turned: for tests.
    #[must_use]
    pub fn manual(now_ms: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(now_ms))))
    }

    /// Turns a manual clock forward. The system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(now) = &self.0 {
            now.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Some(now) => now.load(Ordering::SeqCst),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
    }
}

/// How a store is opened. `Options::default()` is right for production.
#[derive(Clone, Debug)]
pub struct Options {
    /// What "durable" means.
    pub durability: Durability,
    /// The longest time to live that is accepted; at most [`HARD_TTL_CAP`].
    pub ttl_cap: Duration,
    /// A group is closed at this many batches ...
    pub group_max_batches: usize,
    /// ... or when its oldest batch has waited this long while another group was under way. An idle store sends at once.
    pub group_max_wait: Duration,
    /// How long an in-doubt or unsent batch is tried again. The last try may take [`Options::response_timeout`] on top.
    pub commit_deadline: Duration,
    /// More batches than this under way or waiting: [`Error::Overloaded`].
    pub max_pending_batches: usize,
    /// More bytes than this under way or waiting: [`Error::Overloaded`].
    pub max_pending_bytes: usize,
    /// More reads than this at the same time: [`Error::Overloaded`].
    pub max_pending_reads: usize,
    /// Redis: connections that commit. Each lane stays on one of them.
    pub connections: usize,
    /// Redis: groups under way on one connection.
    pub groups_in_flight: usize,
    /// Redis: how long one connection attempt may take.
    pub connect_timeout: Duration,
    /// Redis: a connection that does not answer for this long is given up.
    pub response_timeout: Duration,
    /// Redis: how long one `WAIT` or `WAITAOF` may take; well below half of `response_timeout`.
    pub barrier_timeout: Duration,
    /// Redis: certificates (PEM) to trust with `rediss://` instead of the public ones.
    pub root_certificates: Option<Vec<u8>>,
    /// Embedded: memory for pages of the database.
    pub cache_bytes: usize,
    /// Embedded: how often expired rows are removed.
    pub sweep_interval: Duration,
    /// Embedded: the clock that rows expire by.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Auto,
            ttl_cap: HARD_TTL_CAP,
            group_max_batches: 128,
            group_max_wait: Duration::from_millis(1),
            commit_deadline: Duration::from_secs(2),
            max_pending_batches: 16_384,
            max_pending_bytes: 64 << 20,
            max_pending_reads: 1_024,
            connections: 4,
            groups_in_flight: 4,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(2),
            barrier_timeout: Duration::from_millis(500),
            root_certificates: None,
            cache_bytes: 64 << 20,
            sweep_interval: Duration::from_secs(1),
            clock: Clock::system(),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.ttl_cap.is_zero() || self.ttl_cap > HARD_TTL_CAP {
            return Err(Error::refused("ttl_cap must be above zero and at most 30 days"));
        }
        let at_least_one = [
            ("group_max_batches", self.group_max_batches),
            ("max_pending_batches", self.max_pending_batches),
            ("max_pending_bytes", self.max_pending_bytes),
            ("max_pending_reads", self.max_pending_reads),
            ("connections", self.connections),
            ("groups_in_flight", self.groups_in_flight),
        ];
        if let Some((name, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(Error::refused(format!("{name} must be at least 1")));
        }
        if self.durability == Durability::Replicated(0) {
            return Err(Error::refused(
                "durability Replicated needs at least one replica; use Memory or Fsync",
            ));
        }
        if self.barrier_timeout.is_zero() || self.barrier_timeout * 2 > self.response_timeout {
            return Err(Error::refused(
                "barrier_timeout must be above zero and at most half of response_timeout",
            ));
        }
        Ok(())
    }
}

/// Whole milliseconds; times to live are at most 30 days, so nothing is cut off.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_options_are_refused() {
        assert!(Options::default().check().is_ok());
        for options in [
            Options {
                ttl_cap: HARD_TTL_CAP + Duration::from_millis(1),
                ..Options::default()
            },
            Options {
                ttl_cap: Duration::ZERO,
                ..Options::default()
            },
            Options {
                connections: 0,
                ..Options::default()
            },
            Options {
                durability: Durability::Replicated(0),
                ..Options::default()
            },
            Options {
                barrier_timeout: Duration::from_secs(2),
                ..Options::default()
            },
        ] {
            assert!(matches!(options.check(), Err(Error::Refused(_))));
        }
    }
}
