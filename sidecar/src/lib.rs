//! The sidecar: terminates Signal sessions for a business number, gives the business a Cloud-API-compatible HTTP port and webhooks, and keeps
//! message state sealed and expiring in a [`waxseal_store::Store`].
//!
//! What is where:
//! * [`config`]: what a sidecar is told at start (from the custom resources, or from `waxseal up`).
//! * [`api`]: the HTTP port; parses, authenticates, answers with Graph errors. Knows no ratchet and no store key.
//! * [`number`]: one business number: accepts sends, owns the lanes, the relay link and the webhook delivery.
//! * [`conversation`]: the lane actor: ratchet steps, commits, emits. The only module that holds session state.
//! * [`webhook`]: the JSON a business receives, its signature, its delivery with retries. Knows no ratchet.
//! * [`custody`]: the keys that are kept outside the store: Signal identity, retention chain.
//! * [`book`]: what the business says of itself through the port, and what must outlive messages.
//! * `pod`: a number's life in a pod of a cluster: its files, which of its pods owns it, the port that is always open. With `kubernetes`.
//! * [`file`](mod@file): what a file is, and which are taken. [`media`]: files kept as ciphertext, handed to the relay, fetched from it. [`egress`]:
//!   where links that others name may lead.
//! * [`faults`]: what goes wrong on purpose, in development only.
//! * [`limits`]: how much may be sent and asked.
//! * [`flow`]: flows: what is kept of them, and what is wrong with them.
//! * [`template`]: message templates: registered, checked, filled in.
//! * [`message`]: where these meet: plain types of what is sent, what comes in, what became of it.
//! * [`id`], [`names`], [`moment`]: what everything else stands on: ids, keys in the store, times.
//! * [`transport`]: the edge to the relay, as a trait.
//!
//! Commit before emit: no HTTP 200, ciphertext, relay ack or webhook leaves before the state behind it is durable.

pub mod api;
pub mod book;
pub mod config;
pub mod conversation;
pub mod custody;
pub mod egress;
mod erase;
pub mod faults;
pub mod file;
pub mod flow;
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod limits;
pub mod media;
pub mod message;
pub mod metrics;
pub mod moment;
pub mod names;
pub mod number;
#[cfg(feature = "kubernetes")]
pub mod pod;
mod process;
mod serving;
mod sidecar;
pub mod template;
pub mod transport;
pub mod webhook;

pub use erase::{Erased, Step, erase};
pub use process::harden;
pub use serving::Serving;
pub use sidecar::{Error, Running, Sidecar};
