//! The consumer's end of a conversation: a client library.
//!
//! Purpose: what the app on a phone does. It holds an identity and sessions, sends and receives messages end-to-end encrypted through a
//! relay, keeps the text of the last 10,000 of them, and heals what breaks. [`Consumer`] is the handle, [`Event`] what it tells.
//!
//! Commit before emit: a message leaves only once session and ciphertext are durable, an envelope is acknowledged only once its message
//! is; what is sent again are the stored bytes.
//!
//! May touch: its state directory, the relay, content, Signal. Must not: know the business side, or print what it holds.

mod actor;
mod consumer;
mod engine;
mod error;
mod event;
mod options;
mod state;

pub use consumer::Consumer;
pub use error::{Down, Error, Failure, Stop};
pub use event::{Direction, Entry, Event, Incoming, Said, Status};
pub use options::{Options, Storage};
pub use waxseal_content::{Context, InvalidPhoneNumber, MessageId, PhoneNumber, ReceiptKind, Text};
