//! A time, as it is written down.

use std::time::{SystemTime, UNIX_EPOCH};

/// One time in two forms. Passed in, so that tests can turn the clock.
#[derive(Clone, Copy)]
pub struct Moment {
    /// As such.
    pub time: SystemTime,
    /// In Unix milliseconds.
    pub ms: u64,
}

impl Moment {
    /// Of a time.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let ms = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            time,
            ms: u64::try_from(ms).unwrap_or(u64::MAX),
        }
    }
}
