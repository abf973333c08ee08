//! Pods as processes: a real Redis, a real relay, files in a folder that stand in for mounts, keys in a file that stands in for the Secret.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod bucket;
mod files;
mod handover;
mod report;
mod sender;
mod tls;
mod world;
