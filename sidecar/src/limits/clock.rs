//! The time of limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Microseconds since it was made.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Nobody sets it.
    System(Instant),
    /// For tests.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System(Instant::now()))
    }

    /// A clock that stands still until it is turned. Clones are the same clock.
    #[must_use]
    pub fn manual() -> Self {
        Self(Kind::Manual(Arc::default()))
    }

    /// Microseconds since it was made.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        match &self.0 {
            Kind::System(began) => u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            Kind::Manual(now_us) => now_us.load(Ordering::SeqCst),
        }
    }

    /// Turns a clock that stands still.
    pub fn turn_us(&self, by_us: u64) {
        if let Kind::Manual(now_us) = &self.0 {
            now_us.fetch_add(by_us, Ordering::SeqCst);
        }
    }
}
