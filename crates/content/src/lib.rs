//! What a message says.
//!
//! Purpose: the payload inside the Signal ciphertext ([`Payload`]), the one message that travels outside a session ([`RetryReceipt`]), and
//! the types that keep content and consumer numbers out of logs: [`PhoneNumber`] and [`Text`] have neither `Debug` nor `Display` nor
//! `Serialize`, so a log line with one in it does not compile.
//!
//! May touch: bytes. Must not: do IO, know Signal, know the store or the HTTP port.

mod body;
mod ids;
mod interactive;
mod media;
mod order;
mod payload;
mod phone_number;
mod retry;
mod template;
mod text;
pub mod wire;

pub use body::{Body, Contacts, Location, ReceiptKind};
pub use ids::{BlobId, EnvelopeId, MessageId};
pub use interactive::{ButtonReply, Header, Interactive, InteractiveReply, Link, Reply, Section};
pub use media::{Blob, FileSecret, Media, MediaKind};
pub use order::{Order, OrderItem};
pub use payload::{Context, Payload};
pub use phone_number::{InvalidPhoneNumber, PhoneNumber};
pub use retry::RetryReceipt;
pub use template::{Template, TemplateButton, TemplateButtonKind};
pub use text::Text;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/waxseal.content.v1.rs"));
}

/// Why bytes are not a payload. Says nothing about the content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not a protobuf message of the right shape.
    #[error("not a payload: the protobuf does not decode")]
    Decode,
    /// A version this build does not know how to read safely.
    #[error("payload version {0} is not supported")]
    Version(u32),
    /// A member that every payload has is missing or out of range.
    #[error("payload member `{0}` is missing or invalid")]
    Member(&'static str),
}
