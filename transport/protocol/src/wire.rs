//! What both ends of the wire must agree on beside the protos: sizes, metadata names and the reasons of a refusal.

/// The longest envelope body the relay takes; a longer one is answered `TOO_LARGE`.
pub const MAX_BODY_BYTES: usize = 96 * 1024;
/// The longest frame of a stream, encoded. A longer one ends the connection.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// The most items (envelopes, sequences, outcomes, deliveries) in one frame.
pub const MAX_FRAME_ITEMS: usize = 4096;
/// The longest request or answer of the directory, encoded: a full pool of one-time keys of both kinds.
pub const MAX_DIRECTORY_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of a blob in one frame, either way.
pub const MAX_PART_BYTES: usize = 256 * 1024;
/// The longest frame of a blob, encoded.
pub const MAX_PART_FRAME_BYTES: usize = MAX_PART_BYTES + 1024;
/// The largest blob a relay takes unless it is told otherwise: 100 MiB of a file and what encrypting adds.
pub const MAX_BLOB_BYTES: u64 = 110 * 1024 * 1024;
/// Metadata and headers of one call may take this much.
pub const MAX_METADATA_BYTES: u32 = 8 * 1024;

/// Metadata: whose call it is, `+E164`.
pub const NUMBER: &str = "waxseal-number";
/// Metadata: `Bearer <base64 of the credential>`.
pub const AUTHORIZATION: &str = "authorization";
/// Metadata of `Connect`: 32 hex digits that one terminator keeps for its lifetime. With them it may come back with the epoch it already has;
/// another terminator needs a higher one.
pub const TERMINATOR: &str = "waxseal-terminator";
/// Metadata of a refusal: why (one of the `REASON_` texts), where the status code alone does not say it.
pub const REASON: &str = "waxseal-reason";
/// Metadata of a refusal: the highest epoch the relay has seen.
pub const HIGHEST_EPOCH: &str = "waxseal-highest-epoch";
/// Metadata of a refusal for asking too often: seconds to wait, rounded up.
pub const RETRY_AFTER: &str = "retry-after";

/// The PIN is not the one stored with the number.
pub const REASON_PIN_MISMATCH: &str = "pin-mismatch";
/// The number is already registered and neither its credential nor its PIN was given.
pub const REASON_TAKEN: &str = "taken";
/// The number asked for is not registered.
pub const REASON_NOT_REGISTERED: &str = "not-registered";
/// The number asked for has published no keys.
pub const REASON_NO_KEYS: &str = "no-keys";
/// A terminator with this epoch or a higher one was here before.
pub const REASON_STALE_EPOCH: &str = "stale-epoch";
/// Asked too often; `retry-after` says how long to wait.
pub const REASON_RATE: &str = "rate";
/// The relay takes no more registrations, connections or keys.
pub const REASON_FULL: &str = "full";
/// The relay wants a client certificate from business numbers, and the connection has shown none.
pub const REASON_CLIENT_CERTIFICATE: &str = "client-certificate";
/// Somebody else uses the id of the blob.
pub const REASON_BLOB_TAKEN: &str = "blob-taken";
/// The blob has, or was declared with, another size.
pub const REASON_BLOB_SIZE: &str = "blob-size";
/// There is no such blob (any more).
pub const REASON_NO_BLOB: &str = "no-blob";
/// The upload took too long.
pub const REASON_BLOB_SLOW: &str = "blob-slow";
