//! What consumers write.

use crate::id::Wamid;
use waxseal_content::{ButtonReply, Contacts, InteractiveReply, Location, MediaKind, Order, PhoneNumber, Text};

/// A message of a consumer, on its way to the business.
pub struct InboundMessage {
    /// The consumer.
    pub from: PhoneNumber,
    /// The name the consumer goes by.
    pub profile_name: Option<Text>,
    /// Business-scoped user id, see [`crate::webhook::bsuid`].
    pub user_id: String,
    /// Hash of the consumer's identity key, where the business wants to know it.
    pub identity_key_hash: Option<String>,
    /// The message's id.
    pub wamid: Wamid,
    /// When the consumer sent it, in seconds since 1970.
    pub timestamp_s: u64,
    /// What it says.
    pub body: InboundBody,
    /// What it refers to.
    pub context: Option<InboundContext>,
}

/// What a message of a consumer says.
pub enum InboundBody {
    /// Text.
    Text(Text),
    /// An emoji on a message; an empty one takes the reaction back.
    Reaction {
        /// The message reacted to.
        message: Wamid,
        /// One emoji or nothing.
        emoji: Text,
    },
    /// A file.
    Media(Box<InboundMedia>),
    /// A file larger than any that is passed on.
    MediaTooLarge,
    /// A place.
    Location(Box<Location>),
    /// Address cards.
    Contacts(Contacts),
    /// A quick reply of a template was pressed.
    Button(ButtonReply),
    /// A button or a row was chosen, or a flow finished.
    Interactive(InteractiveReply),
    /// A message now says something else.
    Edit {
        /// The message.
        original: Wamid,
        /// What it says now.
        text: Text,
    },
    /// A message was taken back.
    Revoke {
        /// The message.
        original: Wamid,
    },
    /// The consumer opened the conversation and has not written yet.
    RequestWelcome,
    /// Wares of a catalogue are ordered.
    Order(Box<Order>),
    /// The consumer writes from another number from now on.
    NumberChanged {
        /// The new number.
        to: PhoneNumber,
        /// The user id it has.
        user_id: String,
    },
    /// Nothing was said: another identity than before is at the other end.
    IdentityChanged {
        /// What the business knows it by.
        hash: String,
        /// When that was noticed, in seconds since 1970.
        at_s: u64,
    },
    /// Something this build does not know.
    Unsupported,
}

/// A file of a consumer.
pub struct InboundMedia {
    /// How it is to be shown.
    pub kind: MediaKind,
    /// Its id at the HTTP port.
    pub id: String,
    /// Where it can be had for a few minutes.
    pub url: Option<String>,
    /// Its media type.
    pub mime_type: Text,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// What is said about it.
    pub caption: Option<Text>,
    /// The name under which it may be saved.
    pub filename: Option<Text>,
    /// Audio that was recorded to be listened to.
    pub voice: bool,
    /// A sticker that moves.
    pub animated: bool,
}

/// What a message refers to.
pub struct InboundContext {
    /// The message it answers.
    pub quoted: Option<Quoted>,
    /// Whether it was forwarded.
    pub forwarded: bool,
}

/// The message that a message answers.
pub struct Quoted {
    /// Its id.
    pub wamid: Wamid,
    /// Who wrote it: the consumer or the business number.
    pub from: PhoneNumber,
}
