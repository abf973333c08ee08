//! The values in the store, before they are sealed. Protobuf, so that fields can be added; without `Debug`, because they hold content and
//! numbers.

use prost::Message;
use zeroize::Zeroizing;

/// A message on its way to be encrypted: an entry of the queue of accepted messages.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Job {
    /// Ours, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub message_id: Vec<u8>,
    /// The consumer, E.164.
    #[prost(string, tag = "2")]
    pub to: String,
    /// The encoded content payload.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How often it was encrypted before.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// When it is no longer worth delivering, Unix milliseconds.
    #[prost(uint64, tag = "5")]
    pub expires_at_ms: u64,
    /// Whether the business is told what becomes of it (messages: yes; read marks and typing: no).
    #[prost(bool, tag = "6")]
    pub tracked: bool,
    /// Echoed in statuses.
    #[prost(string, optional, tag = "7")]
    pub opaque: Option<String>,
    /// The message is for whoever has the identity key of this hash, and for nobody else.
    #[prost(string, optional, tag = "8")]
    pub identity_hash: Option<String>,
}

/// What is kept of an outbound message until it expires: enough to encrypt it anew and to report on it.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Kept {
    /// The consumer, E.164.
    #[prost(string, tag = "1")]
    pub to: String,
    /// The encoded content payload; gone once delivered or failed.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub payload: Option<Vec<u8>>,
    /// Echoed in statuses.
    #[prost(string, optional, tag = "3")]
    pub opaque: Option<String>,
    /// How often it was encrypted before.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// Whether the consumer's device has it.
    #[prost(bool, tag = "5")]
    pub delivered: bool,
    /// When it is no longer worth delivering, Unix milliseconds.
    #[prost(uint64, tag = "6")]
    pub expires_at_ms: u64,
    /// Whether the consumer has read it.
    #[prost(bool, tag = "7")]
    pub read: bool,
    /// When it was accepted, Unix milliseconds; the other times likewise, 0 for what has not happened or is not known.
    #[prost(uint64, tag = "8")]
    pub accepted_at_ms: u64,
    /// When the relay had it.
    #[prost(uint64, tag = "9")]
    pub sent_at_ms: u64,
    /// When the consumer's device had it.
    #[prost(uint64, tag = "10")]
    pub delivered_at_ms: u64,
    /// When the consumer had read it.
    #[prost(uint64, tag = "11")]
    pub read_at_ms: u64,
    /// When it failed.
    #[prost(uint64, tag = "12")]
    pub failed_at_ms: u64,
    /// Why it failed, in words.
    #[prost(string, tag = "13")]
    pub failure: String,
    /// A voice message: it is worth hearing that it was played.
    #[prost(bool, tag = "14")]
    pub voice: bool,
    /// Whether the consumer has listened to it.
    #[prost(bool, tag = "15")]
    pub played: bool,
    /// As in [`Job`]: it holds for every attempt.
    #[prost(string, optional, tag = "16")]
    pub identity_hash: Option<String>,
}

/// An envelope the relay has not accepted yet.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Outgoing {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub envelope_id: Vec<u8>,
    /// The consumer, E.164.
    #[prost(string, tag = "2")]
    pub to: String,
    /// The bytes to send: these and no others, however often.
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
    /// When the relay may forget it, Unix milliseconds.
    #[prost(uint64, tag = "4")]
    pub expires_at_ms: u64,
    /// Whether the business is told what becomes of it.
    #[prost(bool, tag = "5")]
    pub tracked: bool,
    /// Echoed in statuses.
    #[prost(string, optional, tag = "6")]
    pub opaque: Option<String>,
}

/// A webhook event.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Event {
    /// Names the event over all attempts, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub event_id: Vec<u8>,
    /// The consumer's blind index: events of one consumer are delivered in order.
    #[prost(bytes = "vec", tag = "2")]
    pub peer: Vec<u8>,
    /// Until when it is tried, Unix milliseconds.
    #[prost(uint64, tag = "3")]
    pub window_end_ms: u64,
    /// The exact bytes to post.
    #[prost(bytes = "vec", tag = "4")]
    pub body: Vec<u8>,
    /// What it tells of, without its content.
    #[prost(message, optional, tag = "5")]
    pub about: Option<About>,
}

/// What a webhook event tells of, without its content and without a consumer.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct About {
    /// When it happened, Unix milliseconds.
    #[prost(uint64, tag = "1")]
    pub made_at_ms: u64,
    /// A [`Kind`].
    #[prost(enumeration = "Kind", tag = "2")]
    pub kind: i32,
    /// The webhook field; empty for `messages`.
    #[prost(string, tag = "3")]
    pub field: String,
    /// The message of the business that a status is about, 16 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub message_id: Vec<u8>,
    /// A [`Step`], of a status.
    #[prost(enumeration = "Step", tag = "5")]
    pub step: i32,
}

/// What kind of webhook event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// Something about the number or its account.
    Notice = 0,
    /// A message of a consumer.
    Message = 1,
    /// What became of a message of the business.
    Status = 2,
    /// Something that went wrong with the number as a whole.
    Errors = 3,
}

/// What became of a message of the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Step {
    /// None of these.
    None = 0,
    /// The relay has it.
    Sent = 1,
    /// The consumer's device has it.
    Delivered = 2,
    /// The consumer has seen it.
    Read = 3,
    /// It will not arrive.
    Failed = 4,
    /// The consumer has listened to it.
    Played = 5,
}

/// A webhook event that was not delivered within its window.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct DeadLetter {
    /// The event as it was.
    #[prost(message, optional, tag = "1")]
    pub event: Option<Event>,
    /// When its window ended, Unix milliseconds.
    #[prost(uint64, tag = "2")]
    pub died_at_ms: u64,
    /// How often it was tried, as far as is known.
    #[prost(uint32, tag = "3")]
    pub attempts: u32,
    /// Why the last attempt failed, if one is known.
    #[prost(string, tag = "4")]
    pub last_error: String,
}

/// A consumer.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct PeerRecord {
    /// E.164.
    #[prost(string, tag = "1")]
    pub number: String,
    /// The profile name last shown.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Session record and pinned identity, as `waxseal_signal` wrote them.
    #[prost(bytes = "vec", tag = "3")]
    pub signal: Vec<u8>,
    /// When its [`UserRecord`] was last written, Unix milliseconds.
    #[prost(uint64, tag = "4")]
    pub user_at_ms: u64,
    /// When the consumer last wrote, Unix milliseconds; 0 for never.
    #[prost(uint64, tag = "10")]
    pub heard_ms: u64,
}

/// Whom a business-scoped user id names.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct UserRecord {
    /// E.164.
    #[prost(string, tag = "1")]
    pub number: String,
}

/// The answer given to a request with an `Idempotency-Key`.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Answer {
    /// The message's id.
    #[prost(string, tag = "1")]
    pub wamid: String,
    /// SHA-256 of what the request meant.
    #[prost(bytes = "vec", tag = "2")]
    pub fingerprint: Vec<u8>,
}

/// The bytes of a record, wiped when dropped.
#[must_use]
pub fn encode<M: Message>(record: &M) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(record.encode_to_vec())
}
