//! What exists under a prefix, counted.

use std::time::Duration;

/// What exists under a prefix. Nothing of it tells content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Values, queues, agendas and lanes that exist.
    pub keys: u64,
    /// When the first of them expires, if nothing prolongs it.
    pub soonest_expiry: Option<Duration>,
    /// When the last of them expires, if nothing prolongs it.
    pub latest_expiry: Option<Duration>,
    /// Keys that never expire. The store writes none: they come from elsewhere.
    pub without_expiry: u64,
    /// False when there was more than a census looks at.
    pub complete: bool,
}

impl Census {
    pub(crate) fn note(&mut self, left: Duration) {
        self.keys += 1;
        self.soonest_expiry = Some(self.soonest_expiry.map_or(left, |soonest| soonest.min(left)));
        self.latest_expiry = Some(self.latest_expiry.map_or(left, |latest| latest.max(left)));
    }
}

/// A census looks at no more names than this.
pub(crate) const CENSUS_LIMIT: u64 = 100_000;
