//! Requests on their way from the handle to the committer of a backend.

use tokio::sync::oneshot;

use crate::admission::Permit;
use crate::{Batch, Claim, Error, Key, Outcome};

/// A request on its way to a backend's committer.
pub(crate) enum Work {
    Commit(Batch, oneshot::Sender<Result<Outcome, Error>>),
    Claim(ClaimRequest, oneshot::Sender<Result<Claim, Error>>),
}

#[derive(Clone)]
pub(crate) struct ClaimRequest {
    pub(crate) lane: Key,
    pub(crate) at_least: u64,
}

/// Work with its right to be under way.
pub(crate) struct Admitted {
    pub(crate) work: Work,
    pub(crate) permit: Permit,
}

pub(crate) fn closed() -> Error {
    Error::unavailable("the store was closed")
}
