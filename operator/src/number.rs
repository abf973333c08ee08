//! A number: from what is declared to what runs, and to what its status says.
//!
//! [`dereference`] is what the references lead to, [`validate`](validate::validate) turns it into the one input of [`build`](build::build),
//! [`status`](status::status) says how it went. Pure; the modules that hold a client say so.

pub mod build;
pub mod dereference;
pub mod status;
pub mod validate;

// The steps that hold a client.
pub mod apply;
pub mod erase;
pub mod gather;
pub mod reconcile;
