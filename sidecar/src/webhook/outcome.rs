//! What became of one attempt at delivery.

use std::time::Duration;

use super::line::{Ended, FailureKind};

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("no connection")]
    Connect,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke")]
    Broken,
    /// An answer other than 2xx.
    #[error("HTTP status {0}")]
    Status(u16),
}

impl Failure {
    /// Whether it says something about the endpoint or about the event.
    #[must_use]
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::Connect | Self::Status(429 | 502 | 503 | 504) => FailureKind::Unreachable,
            Self::Timeout | Self::Broken | Self::Status(_) => FailureKind::Rejected,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint has the event.
    Delivered,
    /// It has not.
    Failed {
        /// Why.
        failure: Failure,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Failed { failure, retry_after } => Self::Failed {
                kind: failure.kind(),
                retry_after_ms: retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            },
        }
    }
}
