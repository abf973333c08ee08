//! Why a call failed. No variant's text holds a number, a key or anything the other end wrote.

use std::time::Duration;

use rustls::CertificateError;
use tonic::{Code, Status};

use crate::wire;

/// Why a call to the relay failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The relay's address is no URL.
    #[error("the relay's address is no URL (http://host:port or https://host:port)")]
    Url,
    /// The certificates or the key that were given cannot be used.
    #[error("the TLS settings for the relay cannot be used: {0}")]
    Tls(&'static str),
    /// The relay's certificate is not one that the given CA (or a public one) vouches for, is for another name, or has expired.
    #[error("the relay's certificate is not accepted: {0}")]
    Certificate(&'static str),
    /// The relay cannot be reached, did not answer in time, or went away. Whether it did what was asked is not known: ask again.
    #[error("the relay is unavailable")]
    Unavailable,
    /// The relay wants a client certificate from business numbers, and none was shown.
    #[error("the relay wants a client certificate from business numbers, and none was shown")]
    ClientCertificate,
    /// The number is not registered with this credential.
    #[error("the relay does not know the number with this credential")]
    Unauthenticated,
    /// The PIN is missing or not the one stored with the number.
    #[error("the PIN is not the one the number was registered with")]
    PinMismatch,
    /// The number is registered by somebody else and this relay wants the old credential or the PIN.
    #[error("the number is registered with another credential")]
    Taken,
    /// The number asked for is not registered.
    #[error("the number asked for is not registered")]
    NotRegistered,
    /// The number asked for has published no keys.
    #[error("the number asked for has published no keys")]
    NoKeys,
    /// Asked too often.
    #[error("asked too often, next try in {} s", retry_after.as_secs())]
    RateLimited {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Another terminator with this epoch or a higher one was here before.
    #[error("epoch is not above {highest}, the highest the relay has seen")]
    StaleEpoch {
        /// The highest epoch the relay has seen.
        highest: u64,
    },
    /// Another connection of the same number took over; nothing submitted or acknowledged from now on counts.
    #[error("displaced by a connection with epoch {by_epoch}")]
    Displaced {
        /// Its epoch; 0 for a consumer.
        by_epoch: u64,
    },
    /// The relay takes no more registrations, connections or keys.
    #[error("the relay is full")]
    Full,
    /// An item does not fit in a frame, or a blob is above the relay's cap.
    #[error("an item is larger than the relay takes")]
    TooLarge,
    /// There is no such blob, or it has expired.
    #[error("the relay has no such blob")]
    NoBlob,
    /// Somebody else uses the id of the blob.
    #[error("somebody else uses the id of the blob")]
    BlobTaken,
    /// There were more or fewer bytes than declared, or the blob was stored before with another size.
    #[error("the blob does not have the declared size")]
    BlobSize,
    /// The upload took too long, as a whole or between two parts.
    #[error("the upload of the blob was too slow")]
    BlobSlow,
    /// What was asked is malformed (a number, a key, a field's size).
    #[error("the request is malformed")]
    Malformed,
    /// The relay said something the protocol does not allow here.
    #[error("the relay broke the protocol")]
    Protocol,
    /// Any other refusal.
    #[error("the relay refused: {0:?}")]
    Refused(Code),
}

impl Error {
    /// Whether the same call may succeed later without anything else being done.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Certificate(_) | Self::RateLimited { .. } | Self::Full
        )
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let text = |name| status.metadata().get(name).and_then(|value| value.to_str().ok());
        let number = |name| text(name).and_then(|text| text.parse::<u64>().ok());
        match text(wire::REASON) {
            Some(wire::REASON_PIN_MISMATCH) => return Self::PinMismatch,
            Some(wire::REASON_CLIENT_CERTIFICATE) => return Self::ClientCertificate,
            Some(wire::REASON_TAKEN) => return Self::Taken,
            Some(wire::REASON_NOT_REGISTERED) => return Self::NotRegistered,
            Some(wire::REASON_NO_KEYS) => return Self::NoKeys,
            Some(wire::REASON_FULL) => return Self::Full,
            Some(wire::REASON_NO_BLOB) => return Self::NoBlob,
            Some(wire::REASON_BLOB_TAKEN) => return Self::BlobTaken,
            Some(wire::REASON_BLOB_SIZE) => return Self::BlobSize,
            Some(wire::REASON_BLOB_SLOW) => return Self::BlobSlow,
            Some(wire::REASON_STALE_EPOCH) => {
                return Self::StaleEpoch {
                    highest: number(wire::HIGHEST_EPOCH).unwrap_or_default(),
                };
            }
            Some(wire::REASON_RATE) => {
                return Self::RateLimited {
                    retry_after: Duration::from_secs(number(wire::RETRY_AFTER).unwrap_or(1).clamp(1, 86_400)),
                };
            }
            _ => {}
        }
        if let Some(problem) = certificate_problem(&status) {
            return Self::Certificate(problem);
        }
        match status.code() {
            Code::Unauthenticated => Self::Unauthenticated,
            Code::InvalidArgument => Self::Malformed,
            Code::OutOfRange => Self::TooLarge,
            // A broken connection surfaces under several codes: hyper's errors as Unknown or Internal, a reset stream as Cancelled.
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::Unknown | Code::Internal => {
                Self::Unavailable
            }
            code => Self::Refused(code),
        }
    }
}

/// Why the relay's certificate was not accepted, when that is what broke the connection.
fn certificate_problem(status: &Status) -> Option<&'static str> {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        // An IO error does not name what it wraps as its source.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref());
        if let Some(rustls::Error::InvalidCertificate(problem)) = wrapped.or_else(|| error.downcast_ref()) {
            return Some(match problem {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another name",
                // The latter: one that has the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => "no CA that is trusted here has issued it",
                _ => "it is not valid",
            });
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_decide_before_codes() {
        let mut status = Status::failed_precondition("");
        status.metadata_mut().insert(wire::REASON, "stale-epoch".parse().unwrap());
        status.metadata_mut().insert(wire::HIGHEST_EPOCH, "41".parse().unwrap());
        assert_eq!(Error::from(status), Error::StaleEpoch { highest: 41 });

        let mut status = Status::resource_exhausted("");
        status.metadata_mut().insert(wire::REASON, "rate".parse().unwrap());
        status
            .metadata_mut()
            .insert(wire::RETRY_AFTER, "99999999999999999999".parse().unwrap());
        assert_eq!(
            Error::from(status),
            Error::RateLimited {
                retry_after: Duration::from_secs(1)
            }
        );

        assert_eq!(Error::from(Status::unavailable("")), Error::Unavailable);
        assert_eq!(Error::from(Status::unimplemented("")), Error::Refused(Code::Unimplemented));
    }

    #[test]
    fn no_text_repeats_what_the_relay_wrote() {
        for code in 0..17 {
            let error = Error::from(Status::new(Code::from_i32(code), "+15550100 said hello"));
            assert!(!format!("{error} {error:?}").contains("5550100"), "{error}");
        }
    }
}
