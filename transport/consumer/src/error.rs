//! What can go wrong. No text, number or key is in any error; a path is, because its reader must know where to look.

use std::path::{Path, PathBuf};

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the state open.
    #[error("another waxseal process uses the consumer state in {}: end it first, or take another --state-dir", .directory.display())]
    InUse {
        /// The state's directory.
        directory: PathBuf,
    },
    /// The state directory cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// What was tried to be used.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The store failed; nothing that relied on the write was sent.
    #[error("the consumer state cannot be read or written: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds what this build did not write.
    #[error("the consumer state is damaged; move its directory away to start anew (the relay then sees a re-installation)")]
    Corrupt,
    /// The relay's URL is no URL, or the certificates to trust are none.
    #[error(transparent)]
    Relay(waxseal_protocol::Error),
    /// A Signal operation failed that cannot fail on sound state.
    #[error("signal: {0}")]
    Signal(#[from] waxseal_signal::Error),
    /// The text is empty or longer than a message may be.
    #[error("a message has 1 to {max} bytes of text")]
    TextLength {
        /// The longest text.
        max: usize,
    },
    /// One cannot write to oneself here.
    #[error("the recipient is the sender")]
    ToOneself,
    /// The file to send cannot be read.
    #[error("the file cannot be read: {0}")]
    Attachment(#[source] std::io::Error),
    /// The file to send is empty.
    #[error("the file is empty")]
    EmptyFile,
    /// The file to send is too large.
    #[error("a file has at most {} MB", max / 1_048_576)]
    FileTooLarge {
        /// The largest file.
        max: u64,
    },
    /// Receipts and what nobody can say are not messages.
    #[error("this is no message that can be sent")]
    NotAMessage,
    /// Only one's own messages of text, and the captions of one's own files, can be edited; only one's own messages can be taken back.
    #[error("there is no such message of yours that can be changed")]
    NotOurs,
    /// Too much waits to be sent.
    #[error("too many messages wait for the relay; try again when it is connected")]
    Overloaded,
    /// The consumer was closed, or stopped for the reason its last event told.
    #[error("the consumer is closed")]
    Closed,
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn storage(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Storage(Box::new(error))
    }
}

/// Why a message will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nobody is registered under the number.
    UnknownNumber,
    /// Longer than the relay takes.
    TooLarge,
    /// The relay refused it as malformed.
    Refused,
    /// The recipient could not decrypt it, five times.
    Undecryptable,
    /// The file it names was not at hand any more when it was to be uploaded.
    FileLost,
}

impl Failure {
    /// A word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownNumber => "unknown_number",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Undecryptable => "undecryptable",
            Self::FileLost => "file_lost",
        }
    }
}

/// Why the connection is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Down {
    /// The relay cannot be reached.
    Unreachable,
    /// The relay's certificate is not one to be trusted.
    Untrusted,
    /// The relay asked to come back later.
    RateLimited,
    /// The relay closed the connection, or answered what it should not.
    Broken,
}

impl Down {
    /// A word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::RateLimited => "rate_limited",
            Self::Broken => "broken",
        }
    }
}

/// Why the consumer stopped for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The number was opened elsewhere; the newer one has it.
    Displaced,
    /// The relay holds the number for somebody else.
    Refused,
    /// The state could not be written: nothing is sent that is not durable.
    Storage,
}

impl Stop {
    /// A word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Displaced => "displaced",
            Self::Refused => "refused",
            Self::Storage => "storage",
        }
    }
}
