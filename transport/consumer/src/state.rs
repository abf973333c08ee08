//! What the consumer keeps: one ordered map of bytes, on disk (redb) or in memory, and the rows in it.
//!
//! May touch: the state directory. Must not: know the network, or decide what happens to a message.

mod changes;
pub(crate) mod keys;
pub(crate) mod rows;
mod store;

pub(crate) use changes::Transaction;
pub(crate) use store::{Persistence, Store};
