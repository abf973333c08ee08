//! How much may be sent and asked.
//!
//! Purpose: the limits of the Cloud API: messages a second of a number ([`throughput`]), messages to one consumer ([`pair`]), management calls
//! of an app ([`calls`]), how the number stands with the transport ([`standing`]); and [`Limiter`], which holds those of one number for whoever accepts messages and for the lanes.
//!
//! The rules are pure: the time is passed in, in microseconds since any moment that stays the same. Memory is bounded: who is forgotten starts
//! anew. Nothing here outlives the process; a restart gives everybody a full quota.
//!
//! May touch: its own values. Must not: do IO, or know a consumer by more than its blind index.

pub mod bucket;
pub mod calls;
mod clock;
mod limiter;
pub mod pair;
pub mod standing;
pub mod throughput;

pub use self::{
    clock::Clock,
    limiter::{Grant, Limiter, Quota, Refused},
};

#[cfg(test)]
mod tests;
