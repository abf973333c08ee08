//! Conversations: the only place where session state is held and turned.
//!
//! A number's conversations are split into [`LANES`](crate::id::LANES) lanes by the blind index of the consumer. Each lane has one owner,
//! [`lane::Lane`], which works in turns: gather what has happened, load what it touches, [`core::Core::plan`] the turn (pure: ratchet steps,
//! sealed values, one guarded batch), commit the batch, and only then emit ciphertext, acknowledgements and webhooks. A turn whose commit fails
//! has changed nothing in memory either.
//!
//! What is where, from the ground up: [`record`] are the sealed values, `peer` a consumer, [`input`] what has happened, `conduct`, `blocks` and
//! `retries` the rules, [`shared`] what all lanes have, [`turn`] what comes of planning, [`core`] what a lane remembers; on these stand `needs`
//! and `plan`, on that `inbound`, `outbound`, `status` and `events`: the pure turn. [`lane`] is the actor around it.
//!
//! May touch: the store (guarded batches only), the transport link it is handed, the webhook line. Must not: know HTTP, read key files, let
//! content, consumer numbers or keys reach a log.

mod blocks;
mod conduct;
pub mod core;
mod events;
mod inbound;
pub mod input;
pub mod lane;
mod needs;
mod outbound;
mod peer;
mod plan;
pub mod record;
mod retries;
pub mod shared;
mod status;
pub mod turn;

pub use self::{blocks::Blocks, conduct::Conduct, peer::Peer};

#[cfg(test)]
mod tests;
