//! The values of the rows, as protobuf, so that a later build reads what an earlier one wrote. None of them can be printed.

use prost::Message;

/// Who we are at the relay.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Account {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) credential: Vec<u8>,
    /// `waxseal_signal::Identity`.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) identity: Vec<u8>,
    /// Id of the newest signed pre-key; 0 before the first.
    #[prost(uint32, tag = "4")]
    pub(crate) signed_id: u32,
    #[prost(uint64, tag = "5")]
    pub(crate) signed_at_ms: u64,
    /// The last ids given out.
    #[prost(uint32, tag = "6")]
    pub(crate) last_ec_id: u32,
    #[prost(uint32, tag = "7")]
    pub(crate) last_kyber_id: u32,
}

/// The next ordinals.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Counters {
    #[prost(uint64, tag = "1")]
    pub(crate) log: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) outbox: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) queue: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) marks: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) sent: u64,
}

/// A private pre-key.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct PreKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) record: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) created_at_ms: u64,
}

/// One peer.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Peer {
    /// The opaque name that Signal knows the peer by.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    /// `waxseal_signal::Peer`.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) state: Vec<u8>,
}

/// One message in the log.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Logged {
    #[prost(string, tag = "1")]
    pub(crate) peer: String,
    #[prost(bool, tag = "2")]
    pub(crate) outgoing: bool,
    /// `waxseal_content::Payload`.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) payload: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) at_ms: u64,
    /// Outgoing: `Status`.
    #[prost(uint32, tag = "5")]
    pub(crate) status: u32,
    /// Outgoing: the envelope that carries it now.
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) envelope: Vec<u8>,
    /// Incoming: the read receipt is on its way.
    #[prost(bool, tag = "7")]
    pub(crate) read: bool,
    /// Incoming: the played receipt is on its way.
    #[prost(bool, tag = "8")]
    pub(crate) played: bool,
    /// The payload is not what was written first.
    #[prost(bool, tag = "9")]
    pub(crate) edited: bool,
}

/// A payload on its way: waiting for a session, or kept until it has arrived.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Outgoing {
    #[prost(string, tag = "1")]
    pub(crate) recipient: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
    /// The id of a message in the log; empty for receipts.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) message: Vec<u8>,
    /// How often the recipient asked for it anew.
    #[prost(uint32, tag = "4")]
    pub(crate) attempts: u32,
    /// The blob that has to be at the relay before this may leave; empty: none (any more).
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) blob: Vec<u8>,
    /// Bytes of that blob.
    #[prost(uint64, tag = "6")]
    pub(crate) blob_bytes: u64,
    /// For tests of the other end: its first envelope cannot be decrypted.
    #[prost(bool, tag = "7")]
    pub(crate) damaged: bool,
}

/// An envelope that the relay has not accepted yet.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Envelope {
    #[prost(string, tag = "1")]
    pub(crate) recipient: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) body: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) message: Vec<u8>,
    #[prost(uint32, tag = "5")]
    pub(crate) ttl_seconds: u32,
    /// After this time it need not be sent any more; 0: it must.
    #[prost(uint64, tag = "6")]
    pub(crate) useless_after_ms: u64,
}
