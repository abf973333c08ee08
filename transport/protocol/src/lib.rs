//! The transport protocol between the relay and its clients (sidecars and consumers), and the client side of it.
//!
//! The wire is gRPC; `proto/` says what each message means. This crate may touch the network and nothing else. It must not know what an
//! envelope's body says, and nothing in it may put a number, a key or a PIN into an error text or a log.

mod account;
mod blob;
mod client;
mod error;
mod link;
mod tls;
pub mod wire;

pub use account::{Account, Credential};
pub use blob::Parts;
pub use client::Client;
pub use error::Error;
pub use link::{Link, LinkReceiver, LinkSender};
pub use tls::{Identity, Tls};

/// What `proto/waxseal/transport/v1/transport.proto` compiles to.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::large_futures,
    reason = "generated code"
)]
pub mod proto {
    tonic::include_proto!("waxseal.transport.v1");
}
