//! Requests to the API server: each with a deadline, and each failure with what was asked for.

use std::{fmt, future::Future, time::Duration};

use kube::core::Status;
use tokio::time::timeout;

/// How long one request may take. The client has no deadline of its own for answers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What was to be done, as in `create`.
    pub verb: &'static str,
    /// The kind of the object.
    pub kind: String,
    /// The name of the object.
    pub name: String,
}

impl Ask {
    /// To do this with the object of this kind and name.
    #[must_use]
    pub fn new(verb: &'static str, kind: &str, name: &str) -> Self {
        Self {
            verb,
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} '{}'", self.verb, self.kind, self.name)
    }
}

/// A request that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API server refused.
    #[error("the API server refused to {ask}: {} ({})", status.message, status.reason)]
    Refused {
        /// What was asked for.
        ask: Ask,
        /// Its answer.
        status: Box<Status>,
    },
    /// The API server could not be asked.
    #[error("could not ask the API server to {ask}: {source}")]
    Unreachable {
        /// What was asked for.
        ask: Ask,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("the API server did not answer in time when asked to {0}")]
    Timeout(Ask),
}

impl Failure {
    /// A word for metrics and conditions.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { status, .. } if status.is_forbidden() => "Forbidden",
            Self::Refused { status, .. } if status.is_conflict() => "Conflict",
            Self::Refused { status, .. } if status.is_invalid() => "Refused",
            Self::Refused { .. } => "ApiServerError",
            Self::Unreachable { .. } | Self::Timeout(_) => "ApiServerUnreachable",
        }
    }

    /// The answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            Self::Unreachable { .. } | Self::Timeout(_) => None,
        }
    }

    /// There is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        // A path that the API server does not know at all is answered without a reason.
        self.status().is_some_and(|status| status.is_not_found() || status.code == 404)
    }

    /// There is one already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// The object is not as it was thought to be.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// Nothing can be made in the namespace any more: it is being deleted.
    #[must_use]
    pub fn is_namespace_terminating(&self) -> bool {
        let causes = self
            .status()
            .and_then(|status| status.details.as_ref())
            .map(|details| &details.causes);
        causes.into_iter().flatten().any(|cause| cause.reason == "NamespaceTerminating")
    }
}

/// Asks, for a bounded time.
///
/// # Errors
/// [`Failure`].
pub async fn send<T>(ask: Ask, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Failure::Refused { ask, status }),
        Ok(Err(error)) => Err(Failure::Unreachable {
            ask,
            source: Box::new(error),
        }),
        Err(_) => Err(Failure::Timeout(ask)),
    }
}
