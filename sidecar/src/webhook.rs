//! What a business receives, and how it gets there.
//!
//! Purpose: the bytes of a webhook ([`body`]), the proof of who sent them ([`sign`]), the verification handshake ([`handshake`]), one attempt
//! at delivery ([`deliver`]) and what became of it ([`outcome`]), and the pure rules of when which event is tried ([`line`], [`schedule`]). [`bsuid`] names a consumer to one
//! business and to no other.
//!
//! May touch: the business's endpoint over HTTP. Must not: know a ratchet or a store key, or log a body.
//!
//! The caller keeps the events: it commits them to a durable queue before it offers them here, and removes them from it when told.

pub mod ascii;
pub mod body;
pub mod bsuid;
pub mod deliver;
pub mod handshake;
pub mod line;
pub mod outcome;
pub mod route;
pub mod schedule;
pub mod sign;
