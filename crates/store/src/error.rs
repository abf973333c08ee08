//! What can go wrong, in the words of a caller.

use std::sync::Arc;

/// Why an operation on the store failed. The texts name hosts, settings and key names, never values or passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached or cannot take writes now. With `in_doubt` the batch may or may not have been applied: the caller must
    /// not act on either, and may commit the identical batch again.
    #[error("the store is unavailable{}: {reason}", if *in_doubt { ", and it is unknown whether the batch was applied" } else { "" })]
    Unavailable {
        /// Whether the batch may have been applied.
        in_doubt: bool,
        /// What happened.
        reason: Arc<str>,
    },
    /// The batch, the options or the server's settings are not acceptable; trying again does not help.
    #[error("the store refuses: {0}")]
    Refused(Arc<str>),
    /// Too much is waiting already. Nothing of this batch was applied.
    #[error("the store is overloaded")]
    Overloaded,
    /// What is stored does not have the form that this crate gives it.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(Arc<str>),
}

impl Error {
    pub(crate) fn unavailable(reason: impl Into<Arc<str>>) -> Self {
        Self::Unavailable {
            in_doubt: false,
            reason: reason.into(),
        }
    }

    pub(crate) fn in_doubt(reason: impl Into<Arc<str>>) -> Self {
        Self::Unavailable {
            in_doubt: true,
            reason: reason.into(),
        }
    }

    pub(crate) fn refused(reason: impl Into<Arc<str>>) -> Self {
        Self::Refused(reason.into())
    }

    pub(crate) fn corrupt(reason: impl Into<Arc<str>>) -> Self {
        Self::Corrupt(reason.into())
    }

    /// Whether the batch that failed may nevertheless have been applied.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Unavailable { in_doubt: true, .. })
    }
}
