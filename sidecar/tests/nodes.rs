//! What a business tells a number through the port: over real sockets, with a real sidecar, a real relay and real consumers, over the embedded
//! store and over Redis.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "nodes/world.rs"]
mod world;

#[path = "nodes/blocks.rs"]
mod blocks;
#[path = "nodes/described.rs"]
mod described;
#[path = "nodes/flows.rs"]
mod flows;
#[path = "nodes/history.rs"]
mod history;
#[path = "nodes/kept.rs"]
mod kept;
#[path = "nodes/refusals.rs"]
mod refusals;
#[path = "nodes/registration.rs"]
mod registration;
