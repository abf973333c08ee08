//! How a turn of a reconciler ended, and when the next one is due.

use std::time::Duration;

use crate::metrics::Outcome;

/// How a turn ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// How.
    pub outcome: Outcome,
    /// When the next one is due.
    pub next: Next,
}

/// When the next turn is due, unless something happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When everything is looked at anyway.
    Resync,
    /// After this time.
    After(Duration),
    /// As after a failure, later each time.
    Later,
}

impl Turn {
    /// It ended like this, and nothing is due.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            next: Next::Resync,
        }
    }

    /// The same, but the next turn is due after this time.
    #[must_use]
    pub const fn after(mut self, period: Duration) -> Self {
        self.next = Next::After(period);
        self
    }

    /// The same, but it is tried again, later each time.
    #[must_use]
    pub const fn try_again(mut self) -> Self {
        self.next = Next::Later;
        self
    }
}
