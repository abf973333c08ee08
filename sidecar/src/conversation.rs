//! Conversations: the only place where session state is held and turned.
//!
//! A number's conversations are split into [`LANES`](crate::id::LANES) lanes by the blind index of the consumer. Each lane has one owner, [`lane::Lane`], which
//! works in turns: gather what has happened, load what it touches, [`core::Core::plan`] the turn (pure: ratchet steps, sealed values, one
//! guarded batch), commit the batch, and only then emit ciphertext, acknowledgements and webhooks. A turn whose commit fails has changed
//! nothing in memory either.
//!
//! What is where: [`record`] are the sealed values, [`core`] with `shared`,
//! `input`, `plan`, `inbound`, `outbound` and `status` the pure turn, [`lane`] the actor around it.
//!
//! May touch: the store (guarded batches only), the transport link it is handed, the webhook line. Must not: know HTTP, read key files, let
//! content, consumer numbers or keys reach a log.

mod conduct;
pub mod core;
mod events;
mod inbound;
mod input;
pub mod lane;
mod outbound;
mod plan;
pub mod record;
mod shared;
mod status;

pub use self::conduct::Conduct;

#[cfg(test)]
mod tests;
