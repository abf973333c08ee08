//! The steps between two parties: what an honest conversation may rely on, and what nobody can do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "steps/abuse.rs"]
mod abuse;
#[path = "steps/bounds.rs"]
mod bounds;
#[path = "steps/conversation.rs"]
mod conversation;
#[path = "steps/forge.rs"]
mod forge;
#[path = "steps/keys.rs"]
mod keys;
#[path = "steps/party.rs"]
mod party;
#[path = "steps/walk.rs"]
mod walk;
