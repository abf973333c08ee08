//! The custom resources of `waxseal.dev`, as types, as YAML and as what they mean together.
//!
//! [`v1alpha1`] has the types, [`document`] reads them from YAML files, [`declared::resolve`] follows their references and says what is
//! wrong, all of it at once. May depend on nothing that knows messages, sessions or keys, and does no IO: callers hand in text.

pub mod declared;
pub mod definitions;
pub mod document;
pub mod meta;
pub mod pod;
pub mod rules;
mod schema;
pub mod secret;
pub mod v1alpha1;

pub use declared::{DeclaredNumber, Problem, resolve};
pub use document::{Object, Resource, documents};

/// The API group of all kinds here.
pub const GROUP: &str = "waxseal.dev";
