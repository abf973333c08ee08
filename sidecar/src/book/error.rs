//! Why a document was not changed.

/// Why a document was not changed. Unless it is [`Error::Unavailable`], nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer in time. The change may show later, or not.
    #[error("the book cannot be written at the moment: {0}")]
    Unavailable(&'static str),
    /// Another process answers for the number now.
    #[error("another process keeps this book now")]
    Displaced,
    /// The number keeps as much as it may.
    #[error("the book is full: {0}")]
    Full(&'static str),
    /// The document's name is none, or what it is to say cannot be written.
    #[error("a document that cannot be kept: {0}")]
    Unfit(&'static str),
    /// The store refuses; trying again does not help.
    #[error("the store refuses the book: {0}")]
    Store(#[source] waxseal_store::Error),
}
