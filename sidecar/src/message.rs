//! Where the HTTP port, the webhooks and the conversations meet: what is sent, what comes in, what became of it.
//!
//! Purpose: plain types. Those that hold content or a consumer's number have no `Debug`, `Display` or `Serialize`.
//!
//! May touch: its own values. Must not: do IO, know HTTP, JSON, the store, the ratchet or the number.

mod attachment;
pub mod country;
mod inbound;
mod outbound;
pub mod template;

use waxseal_content::{PhoneNumber, Text};

use crate::{file, limits};

pub use crate::id::{InvalidWamid, Wamid};

pub use self::{
    attachment::{Attachment, File, Header},
    inbound::{InboundBody, InboundContext, InboundMedia, InboundMessage, Quoted},
    outbound::{Accepted, Addressee, IdempotencyKey, Interactive, MessageStatus, Outbound, OutboundBody},
};

/// Why a request was not accepted. Nothing was written, or (`Unavailable`) it is not known whether it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The message id is none of this number, or what it named has expired.
    #[error("no such message at this number")]
    UnknownMessage,
    /// The store did not answer.
    #[error("state cannot be made durable at the moment")]
    Unavailable,
    /// More is waiting than the bounds allow.
    #[error("too much is waiting already")]
    Overloaded,
    /// The idempotency key was used for another request.
    #[error("idempotency key used for another request")]
    IdempotencyMismatch,
    /// A limit stands in the way.
    #[error("a limit of messages is reached")]
    Limited(limits::Refused),
    /// The recipient is the business number itself.
    #[error("recipient is the sender")]
    ToSelf,
    /// The number is not registered at the transport.
    #[error("number is not registered")]
    NotRegistered,
    /// The business has blocked the recipient.
    #[error("recipient is blocked")]
    Blocked,
    /// The user id is none of a consumer whose conversation is known.
    #[error("no such user id at this number")]
    UnknownUser,
    /// A template of this kind goes to phone numbers only, not to user ids.
    #[error("a phone number is needed for this template")]
    NumberNeeded,
    /// The template cannot be sent.
    #[error(transparent)]
    Template(#[from] template::Fault),
    /// The flow cannot be sent.
    #[error(transparent)]
    Flow(crate::flow::Unsendable),
    /// The media id is none of this number, or its file has expired.
    #[error("no such media at this number")]
    UnknownMedia,
    /// The file cannot go into this message, or cannot be had.
    #[error(transparent)]
    Media(file::Refusal),
    /// A fault of this system.
    #[error("internal fault")]
    Internal,
}

/// What is known about a business number: business information, free to be shown to the business.
#[derive(Clone)]
pub struct NumberFacts {
    /// The number in E.164 form, with `+`.
    pub phone_number: String,
    /// Its id at the HTTP port.
    pub phone_number_id: String,
    /// The account it belongs to.
    pub waba_id: String,
    /// The app the business calls with.
    pub app_id: String,
    /// The name consumers see.
    pub display_name: String,
    /// Whether it can send now: registered, and linked to the relay.
    pub connected: bool,
    /// Whether a two-step verification PIN is set.
    pub pin_enabled: bool,
    /// Where its webhooks go.
    pub webhook_url: Option<String>,
}

/// What became of a message of the business.
pub struct StatusUpdate {
    /// The message.
    pub wamid: Wamid,
    /// To whom it went.
    pub recipient: PhoneNumber,
    /// Business-scoped user id of the recipient.
    pub user_id: String,
    /// What became of it.
    pub status: Status,
    /// When, in seconds since 1970.
    pub timestamp_s: u64,
    /// As given when the message was sent.
    pub opaque_callback_data: Option<Text>,
    /// Hash of the recipient's identity key, where the business wants to know it.
    pub identity_key_hash: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The relay has it.
    Sent,
    /// The consumer's device has it.
    Delivered,
    /// The consumer has seen it.
    Read,
    /// The consumer has listened to it, a voice message.
    Played,
    /// It will not arrive.
    Failed(FailureReason),
}

/// Why a message will not arrive. Each has its own words, so that nobody has to guess behind one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The transport knows no consumer of this number.
    UnknownRecipient,
    /// The consumer has published no keys to encrypt to.
    NoKeys,
    /// The consumer could not decrypt it, however often it was encrypted anew.
    CouldNotDecrypt,
    /// Under No Storage: the consumer could not decrypt it, and the hour in which it can be encrypted anew is over.
    DecryptionWindowOver,
    /// It was not delivered within the retention time.
    Expired,
    /// The transport refused it.
    RelayRefused,
    /// The transport limits this business's rate to this consumer.
    PairRateLimited,
    /// It is no template, and the consumer has not written for 24 hours.
    OutsideWindow,
    /// The consumer's identity is not the one that the business named.
    IdentityMismatch,
    /// The number has begun as many conversations today as it may.
    MessagingLimit,
    /// A fault of this system.
    Internal,
}
