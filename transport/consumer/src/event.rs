//! What a consumer is told, and what its history holds. Content: none of it can be printed.

use std::time::Duration;

use waxseal_content::{Body, Context, MessageId, PhoneNumber, ReceiptKind, Text};

use crate::{Down, Failure, Stop};

/// Something happened. Events about one peer come in the order in which they happened.
pub enum Event {
    /// The relay has us; messages flow.
    Connected {
        /// How many envelopes waited there.
        queued: u64,
    },
    /// The connection is down; it comes back by itself.
    Disconnected {
        /// Why.
        reason: Down,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Everything that waited at the relay has been handled.
    Drained,
    /// A message arrived. It is in the log, and its delivered receipt is on its way.
    Message(Incoming),
    /// A reaction arrived.
    Reaction {
        /// From whom.
        from: PhoneNumber,
        /// The message reacted to.
        message_id: MessageId,
        /// The emoji; empty takes the reaction back.
        emoji: Text,
        /// The id of the reaction itself.
        reaction_id: MessageId,
        /// When, by the sender's clock.
        sent_at_ms: u64,
    },
    /// The peer's message now says something else; the log does so already.
    Edited {
        /// By whom.
        from: PhoneNumber,
        /// The message.
        message_id: MessageId,
        /// What it says now.
        text: Text,
        /// Whether that is the caption of its file.
        caption: bool,
        /// The id of the edit itself.
        edit_id: MessageId,
        /// Whether the log has the message and it could be changed.
        applied: bool,
    },
    /// The peer took a message back; it is gone from the log already.
    Revoked {
        /// By whom.
        from: PhoneNumber,
        /// The message.
        message_id: MessageId,
        /// The id of the revocation itself.
        revoke_id: MessageId,
        /// Whether the log had the message.
        applied: bool,
    },
    /// The relay accepted a message.
    Sent {
        /// To whom it goes.
        to: PhoneNumber,
        /// The message.
        message_id: MessageId,
    },
    /// Messages arrived, or were read, or played.
    Receipt {
        /// By whom.
        from: PhoneNumber,
        /// Which of them.
        kind: ReceiptKind,
        /// Our messages; only those this receipt moved forward.
        message_ids: Vec<MessageId>,
    },
    /// Somebody is typing: for 25 seconds or until the next message.
    Typing {
        /// Who.
        from: PhoneNumber,
    },
    /// A message will not arrive.
    Failed {
        /// To whom it should have gone.
        to: PhoneNumber,
        /// The message.
        message_id: MessageId,
        /// Why.
        reason: Failure,
    },
    /// The peer has a new identity key (it re-installed, or somebody else answers): the safety number changed.
    IdentityChanged {
        /// Whose.
        peer: PhoneNumber,
    },
    /// The last event: nothing happens any more.
    Stopped {
        /// Why.
        reason: Stop,
    },
}

/// A message that arrived.
#[derive(Clone)]
pub struct Incoming {
    /// From whom.
    pub from: PhoneNumber,
    /// Its id.
    pub message_id: MessageId,
    /// What it says.
    pub body: Body,
    /// When it was written, by the sender's clock.
    pub sent_at_ms: u64,
    /// When it arrived here.
    pub received_at_ms: u64,
    /// The name the sender shows.
    pub sender_name: Option<Text>,
    /// What it refers to.
    pub context: Option<Context>,
}

impl Incoming {
    /// The text, if it is a message of text.
    #[must_use]
    pub const fn text(&self) -> Option<&Text> {
        match &self.body {
            Body::Text { body, .. } => Some(body),
            _ => None,
        }
    }
}

/// How far an outgoing message has come. Only ever goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Stored here.
    Pending,
    /// Stored at the relay.
    Sent,
    /// Given up. Below `Delivered`: a late receipt proves the giving up wrong.
    Failed,
    /// On the peer's device.
    Delivered,
    /// Shown to the peer.
    Read,
    /// Listened to by the peer.
    Played,
}

impl Status {
    pub(crate) const fn to_code(self) -> u32 {
        match self {
            Self::Pending => 0,
            Self::Sent => 1,
            Self::Failed => 2,
            Self::Delivered => 3,
            Self::Read => 4,
            Self::Played => 5,
        }
    }

    pub(crate) const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Pending,
            1 => Self::Sent,
            2 => Self::Failed,
            3 => Self::Delivered,
            4 => Self::Read,
            _ => Self::Played,
        }
    }
}

/// One line of the history.
#[derive(Clone)]
pub struct Entry {
    /// The id of the message or reaction.
    pub message_id: MessageId,
    /// When it was written here or arrived here.
    pub at_ms: u64,
    /// The direction, and how far it came.
    pub direction: Direction,
    /// What it says, after every edit; [`Body::Revoke`] of a message that was taken back.
    pub body: Body,
    /// Whether it says something else than at first.
    pub edited: bool,
    /// What it refers to.
    pub context: Option<Context>,
    /// The name the sender showed.
    pub sender_name: Option<Text>,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From us.
    Outgoing(Status),
    /// To us.
    Incoming {
        /// Whether it was marked read.
        read: bool,
    },
}
