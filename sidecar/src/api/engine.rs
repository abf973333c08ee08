//! What the HTTP port needs of a number, as a trait, so that its tests need none.

use crate::{
    id::Wamid,
    message::{Accepted, NumberFacts, Outbound, Refusal},
    number::Number,
};

/// One business number, as the HTTP port needs it.
///
/// The port never drops the future of a call it has begun because a client went away; it does when the process is told to stop and the
/// grace period is over. Implementations therefore hold commit-before-emit on their own, whatever becomes of the future.
pub trait Engine: Send + Sync + 'static {
    /// Accepts a message: `Ok` only once it is durable.
    fn send(&self, message: Outbound) -> impl Future<Output = Result<Accepted, Refusal>> + Send;

    /// Tells the consumer that a message was read, and with `typing` that an answer is being written.
    fn mark_read(&self, message: Wamid, typing: bool) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// What is known about the number itself.
    fn facts(&self) -> NumberFacts;

    /// The number itself, for whatever the port serves besides messages.
    fn number(&self) -> Option<&Number> {
        None
    }
}

impl Engine for Number {
    async fn send(&self, message: Outbound) -> Result<Accepted, Refusal> {
        Self::send(self, message).await
    }

    async fn mark_read(&self, message: Wamid, typing: bool) -> Result<(), Refusal> {
        Self::mark_read(self, message, typing).await
    }

    fn facts(&self) -> NumberFacts {
        Self::facts(self)
    }

    fn number(&self) -> Option<&Number> {
        Some(self)
    }
}
