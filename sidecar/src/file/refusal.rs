//! Why something was not done with a file.

use super::kind::Unfit;
use crate::egress;

/// Why a link gave no file. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFailure {
    /// It is not one that is gone to.
    #[error("the link is refused: {0}")]
    Refused(egress::Refused),
    /// Nobody can be connected to there, or the certificate is not accepted.
    #[error("the link's server cannot be connected to, or its certificate is not accepted")]
    Connect,
    /// No answer in time.
    #[error("the link's server did not answer in time")]
    Timeout,
    /// Not 200.
    #[error("the link's server answered with HTTP status {0}; redirects are not followed")]
    Status(u16),
    /// The file is encoded in some way that was not asked for.
    #[error("the link's server answered with a Content-Encoding, which is not taken")]
    Encoded,
    /// The connection broke.
    #[error("the link's server broke off the connection")]
    Broken,
}

/// Why something was not done with a file. Never names the file or what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such file, or not any more.
    #[error("there is no file with this id at this number; it may have expired")]
    NotFound,
    /// The file is not such as is taken.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The file ended before its end.
    #[error("the file broke off before its end")]
    BrokenOff,
    /// The file did not come in time.
    #[error("the file did not arrive in time")]
    TooSlow,
    /// A link gave no file.
    #[error(transparent)]
    Link(#[from] LinkFailure),
    /// No place is configured in which files could rest.
    #[error("this deployment has no media store, so that nothing can be uploaded")]
    NoPlace,
    /// The store, the object store or the relay does not answer.
    #[error("the media store or the relay does not answer")]
    Unavailable,
    /// Too many files are on their way.
    #[error("too many files are on their way")]
    Overloaded,
    /// A fault of this system.
    #[error("internal fault")]
    Internal,
}
