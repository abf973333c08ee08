//! What a file is, and which files are taken. Pure: the bytes are moved by [`crate::media`].
//!
//! What is where: `kind` and `sniff` are the rules for files, `record` is what is kept of one, `inbound` makes that for a consumer's file, `url`
//! makes addresses, `refusal` says why something was not done with one.
//!
//! May touch: ids and names of keys. Must not: do IO, know who asks.

mod inbound;
pub(crate) mod kind;
mod record;
mod refusal;
mod sniff;
pub(crate) mod url;

pub use self::{
    inbound::{Shelved, inbound},
    kind::{MOST_BYTES, Unfit, most_bytes, suits},
    record::{File, Lifetimes, Record},
    refusal::{LinkFailure, Refusal},
    url::Urls,
};
pub(crate) use self::{record::Place, sniff::HEAD_BYTES};
