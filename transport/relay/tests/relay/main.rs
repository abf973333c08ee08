//! The relay over real sockets: what it promises its clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod blobs;
mod boundary;
mod durability;
mod hostile;
mod integrity;
mod keys;
mod limits;
mod registration;
mod streams;
mod support;
mod tls;
