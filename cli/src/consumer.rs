//! What a consumer does, whoever plays it: a person in `waxseal chat`, a script, or a scenario.
//!
//! May touch: the consumer library, files that are sent and saved. Must not: know where input comes from or print anything.

pub(crate) mod save;
pub(crate) mod say;
pub(crate) mod show;
pub(crate) mod talk;

pub(crate) use save::Files;
pub(crate) use say::{Fields, Pick, Say, What};
pub(crate) use talk::{Said, Talk};

use waxseal_consumer::MessageId;

/// An id as scripts see it.
pub(crate) fn hex_id(id: MessageId) -> String {
    hex::encode(id.as_bytes())
}

/// An id as scripts write it.
pub(crate) fn parse_id(text: &str) -> Option<MessageId> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(MessageId::new(bytes))
}
