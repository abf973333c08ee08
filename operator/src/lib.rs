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

// The half that does IO.
pub mod admin;
mod announce;
pub mod arguments;
pub mod backoff;
pub mod cache;
pub mod children;
pub mod context;
pub mod controllers;
pub mod crds;
pub mod declared;
pub mod events;
pub mod fingerprint;
pub mod index;
pub mod key;
pub mod lease;
pub mod metrics;
mod operator;
pub mod options;
pub mod request;
pub mod rollout;
pub mod turn;
pub mod update_status;
pub mod watch;

pub use operator::{Error, client, run};
