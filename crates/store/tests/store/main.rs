//! What the store promises, against real redis-server processes and real database files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "test helpers fail by panicking, and counts are small"
)]

mod contract;
mod embedded;
mod fixture;
mod model;
mod proxy;
mod redis_durability;
mod redis_faults;
mod redis_preflight;
mod redis_script;
