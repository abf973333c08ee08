//! Message templates: registered, and filled in for a message.
//!
//! Purpose: what a business asks for ([`Call`]: name, language and what is to be filled in), what comes of it ([`Filled`]), and why not
//! ([`Fault`], with the Cloud API's codes). [`fill`] is where the two meet. What may be registered is in [`check`], what is registered in
//! [`catalogue`]. There is no reviewer here: what passes the checks is approved.
//!
//! May touch: the number's registry of templates. Must not: know JSON of requests, HTTP or the ratchet. What is filled in is content: it has no
//! `Debug`, and no fault repeats it. What is registered is business information.

pub mod catalogue;
pub mod check;
pub mod definition;
mod error;
mod filling;
pub mod pattern;
mod words;

#[cfg(test)]
mod tests;

use self::catalogue::Catalogue;
pub use self::{definition::Category, filling::Filled};
pub use crate::message::template::{Call, Card, Component, Fault, Parameter, Part, Value};

/// Fills a template of the number in.
///
/// # Errors
/// [`Fault`] when there is no such template, or what is to be filled in does not fit it.
pub(crate) fn fill(templates: &Catalogue, call: &Call) -> Result<Filled, Fault> {
    Ok(filling::fill(templates.find(call)?, call)?)
}
