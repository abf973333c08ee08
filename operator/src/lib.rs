//! The operator: reconciles the custom resources of `waxseal.dev` into sidecars.
//!
//! A number is reconciled in five steps: dereference, [`number::validate`], [`number::build`], apply, [`number::status`]. Those in the middle
//! are pure and are told the time; only the first and the last hold a client. Knows business information and counts; never content, never a
//! consumer's number, and no Secret's value: it may create the Secret for a number's keys and can read none.

// The pure half: no client, no clock.
pub mod account;
mod check;
pub mod conditions;
mod endpoint;
pub mod fault;
pub mod names;
pub mod number;
pub mod policy;
pub mod region;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod text;
