//! State: one primitive, the guarded batch, over two backends.
//!
//! A [`Batch`] is a list of operations (put, delete, append to a queue, remove from it, schedule, unschedule) under guards (a fence, absent
//! keys). It is applied whole or not at all, and when [`Store::commit`] returns it is durable at the level that [`Options::durability`] names.
//! Redis runs a batch as one Lua script in one hash slot; the embedded database (redb) in one write transaction. Batches of many callers are
//! committed in groups, so that the price of durability is paid once for all of them.
//!
//! Three rules hold for both backends:
//!
//! * **Everything expires.** An operation without a time to live, or with one above [`Options::ttl_cap`], refuses the whole batch. Expired
//!   data is never read again.
//! * **Nothing is sent twice blindly.** When a reply is lost, a batch is run again only if running it again is a no-op: see
//!   [`Batch::is_repeatable`]. Everything else ends as [`Error::Unavailable`] with `in_doubt`.
//! * **Nothing grows without bound.** Waiting batches and their bytes are limited; above that a commit is [`Error::Overloaded`] at once.
//!
//! This crate may touch Redis, one database file and the clock. It must not know what the values mean: callers seal content before it gets
//! here, and put neither phone numbers nor text into key names.

mod admission;
mod batch;
mod census;
mod embedded;
mod error;
mod key;
mod options;
mod redis;
mod store;
mod work;

pub use batch::{Batch, Claim, EntryId, Fence, Op, Outcome};
pub use census::Census;
pub use error::Error;
pub use key::{Key, Namespace};
pub use options::{Clock, Durability, HARD_TTL_CAP, Options};
pub use store::Store;
