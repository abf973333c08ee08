//! Refusals as gRPC statuses. No text tells whose.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};
use waxseal_protocol::wire;

use crate::writer::Refusal;

pub(crate) fn unavailable() -> Status {
    Status::unavailable("the relay stops or its state cannot be used")
}

pub(crate) fn unauthenticated() -> Status {
    Status::unauthenticated("no such registration")
}

pub(crate) fn no_client_certificate() -> Status {
    with_reason(
        Code::PermissionDenied,
        "business numbers have to show a client certificate",
        wire::REASON_CLIENT_CERTIFICATE,
    )
}

pub(crate) fn malformed() -> Status {
    Status::invalid_argument("malformed")
}

pub(crate) fn invalid(what: &'static str) -> Status {
    Status::invalid_argument(what)
}

pub(crate) fn full(what: &'static str) -> Status {
    with_reason(Code::ResourceExhausted, what, wire::REASON_FULL)
}

/// Asked too often; the client is told when to come back.
pub(crate) fn too_often(wait: Duration) -> Status {
    let mut status = with_reason(Code::ResourceExhausted, "asked too often", wire::REASON_RATE);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    status.metadata_mut().insert(wire::RETRY_AFTER, MetadataValue::from(seconds.max(1)));
    status
}

pub(crate) fn no_blob() -> Status {
    with_reason(Code::NotFound, "no such blob", wire::REASON_NO_BLOB)
}

pub(crate) fn not_the_declared_size() -> Status {
    with_reason(Code::InvalidArgument, "more or fewer bytes than declared", wire::REASON_BLOB_SIZE)
}

pub(crate) fn blob_too_large() -> Status {
    Status::out_of_range("larger than the relay takes")
}

pub(crate) fn client_gone() -> Status {
    Status::cancelled("the client is gone")
}

pub(crate) fn blob_too_slow() -> Status {
    with_reason(Code::DeadlineExceeded, "too slow", wire::REASON_BLOB_SLOW)
}

fn with_reason(code: Code, text: &'static str, reason: &'static str) -> Status {
    let mut status = Status::new(code, text);
    status
        .metadata_mut()
        .insert(wire::REASON, MetadataValue::<Ascii>::from_static(reason));
    status
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated => unauthenticated(),
            Refusal::PinMismatch => with_reason(Code::PermissionDenied, "the PIN does not match", wire::REASON_PIN_MISMATCH),
            Refusal::Taken => with_reason(Code::AlreadyExists, "registered with another credential", wire::REASON_TAKEN),
            Refusal::NotRegistered => with_reason(Code::NotFound, "not registered", wire::REASON_NOT_REGISTERED),
            Refusal::NoKeys => with_reason(Code::FailedPrecondition, "no keys published", wire::REASON_NO_KEYS),
            Refusal::Full => full("no room"),
            Refusal::BlobTaken => with_reason(Code::AlreadyExists, "somebody else uses the id", wire::REASON_BLOB_TAKEN),
            Refusal::BlobSize => with_reason(Code::FailedPrecondition, "stored with another size", wire::REASON_BLOB_SIZE),
            Refusal::NoBlob => no_blob(),
            Refusal::StaleEpoch { highest } => {
                let mut status = with_reason(Code::FailedPrecondition, "the epoch is stale", wire::REASON_STALE_EPOCH);
                status.metadata_mut().insert(wire::HIGHEST_EPOCH, MetadataValue::from(highest));
                status
            }
        }
    }
}
