//! Why an object could not be written or read.

/// Why an object could not be written or read. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of this name.
    #[error("the object is not there")]
    NotFound,
    /// The folder or the bucket cannot be used as configured.
    #[error("the media store cannot be used: {0}")]
    Configuration(String),
    /// The folder or the bucket does not answer, or refuses.
    #[error("the media store failed: {0}")]
    Failed(String),
    /// No answer in time.
    #[error("the media store does not answer in time")]
    Timeout,
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            // Names paths and HTTP statuses, no content.
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<tokio::time::error::Elapsed> for Error {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Timeout
    }
}
