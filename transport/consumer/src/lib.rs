//! The consumer's end of a conversation: a client library.
//!
//! Purpose: what the app on a phone does. It holds an identity and sessions, sends and receives messages end-to-end encrypted through a
//! relay, keeps the last 10,000 of them, and heals what breaks. [`Consumer`] is the handle, [`Event`] what it tells.
//!
//! Files travel beside the messages: encrypted under a key of their own into the state directory, from there to the relay, and only then
//! leaves the message that names them; [`Consumer::download`] brings one back, checked chunk by chunk and as a whole.
//!
//! Commit before emit: a message leaves only once session and ciphertext are durable, an envelope is acknowledged only once its message
//! is; what is sent again are the stored bytes.
//!
//! May touch: its state directory, the relay, content, Signal. Must not: know the business side, or print what it holds.

mod actor;
mod attachment;
mod choices;
mod consumer;
mod download;
mod engine;
mod error;
mod event;
mod options;
mod spool;
mod state;

pub use attachment::{Attachment, ending_of, kind_of, mime_type_of};
pub use choices::{Act, Choice, choices};
pub use consumer::{Consumer, Content, SpamReason};
pub use download::{Download, DownloadError};
pub use error::{Down, Error, Failure, Stop};
pub use event::{Direction, Entry, Event, Incoming, Status};
pub use options::{Options, Storage};
pub use waxseal_content::{
    Blob, BlobId, Body, ButtonReply, Contacts, Context, FileSecret, Header, Interactive, InteractiveReply, InvalidPhoneNumber, Link,
    Location, Media, MediaKind, MessageId, Order, OrderItem, PhoneNumber, ReceiptKind, Reply, Section, Template, TemplateButton,
    TemplateButtonKind, Text,
};

/// The largest file that is sent or fetched.
pub const MAX_FILE_BYTES: u64 = 100 << 20;
