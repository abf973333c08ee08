//! The edge to the transport.
//!
//! Purpose: what a number needs of whoever carries its messages, as a trait: register, deregister, publish and fetch pre-keys, and a link that carries
//! opaque envelopes both ways. The relay of Waxseal is the one kind there is; a network that terminates Signal itself would be another kind
//! and hand over plaintext events instead, which is why nothing outside `conversation` may assume envelopes.
//!
//! May touch: the network. Must not: know what an envelope says, or put a number into an error or a log.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use waxseal_content::PhoneNumber;
use waxseal_protocol::{
    Error,
    proto::{Bundle, Envelope, KeyCounts, PublishKeysRequest, from_relay::Frame},
};

use crate::config::Secret;

pub mod blobs;
pub mod relay;

/// A transport that carries opaque envelopes.
pub trait Transport: Send + Sync + 'static {
    /// Registers the number, or renews its registration. Safe to repeat. A number that is registered with another PIN gets the present one, as
    /// long as its credential is still the one registered.
    fn register<'a>(&'a self, identity_key: &'a [u8], registration_id: u32) -> BoxFuture<'a, Result<(), Error>>;

    /// Has the transport forget the number, with its keys and what waits for it. Not being registered is no error.
    fn deregister(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Replaces the number's PIN at the transport, and uses the new one from then on.
    fn change_pin<'a>(&'a self, pin: &'a Secret) -> BoxFuture<'a, Result<(), Error>>;

    /// Publishes pre-keys. Safe to repeat.
    fn publish_keys(&self, keys: PublishKeysRequest) -> BoxFuture<'_, Result<KeyCounts, Error>>;

    /// How many one-time pre-keys are left.
    fn count_keys(&self) -> BoxFuture<'_, Result<KeyCounts, Error>>;

    /// A pre-key bundle of a consumer. Costs the consumer one-time keys.
    fn fetch_bundle<'a>(&'a self, number: &'a PhoneNumber) -> BoxFuture<'a, Result<Bundle, Error>>;

    /// Opens the link in the name of the terminator with `epoch`.
    fn connect(&self, epoch: u64) -> BoxFuture<'_, Result<Link, Error>>;
}

/// An open link.
pub struct Link {
    /// The way out, shared by the lanes.
    pub outgoing: Arc<dyn Outgoing>,
    /// The way in.
    pub incoming: Box<dyn Incoming>,
    /// The highest epoch the transport has seen.
    pub highest_epoch: u64,
}

/// The way out.
pub trait Outgoing: Send + Sync {
    /// Submits envelopes in this order; waits while the transport takes no more.
    fn submit(&self, envelopes: Vec<Envelope>) -> BoxFuture<'_, Result<(), Error>>;

    /// Acknowledges deliveries that are durable.
    fn acknowledge(&self, sequences: Vec<u64>) -> BoxFuture<'_, Result<(), Error>>;
}

/// The way in.
pub trait Incoming: Send {
    /// The next frame, `None` when the link was closed in good order.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Frame, Error>>>;
}
