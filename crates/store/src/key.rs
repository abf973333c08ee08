//! Names of what is stored.
//!
//! All keys of one business number share a hash tag, so that a batch stays in one slot of a Redis Cluster. Key names appear in logs, in
//! `MONITOR` and in backups: they are made of opaque ids only, never of phone numbers.

use std::fmt::{self, Write};
use std::sync::Arc;

/// Everything that belongs to one business number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    prefix: Arc<str>,
}

impl Namespace {
    /// The namespace of a `phone_number_id`. Characters that would break the hash tag are written as `%XX`.
    #[must_use]
    pub fn new(phone_number_id: &str) -> Self {
        let mut prefix = String::with_capacity(phone_number_id.len() + 6);
        prefix.push_str("wx:{");
        for byte in phone_number_id.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
                prefix.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(prefix, "%{byte:02X}");
            }
        }
        prefix.push_str("}:");
        Self { prefix: prefix.into() }
    }

    /// The key called `name` in this namespace. A name belongs to one kind of thing for ever: a value, a queue, an agenda or a lane.
    #[must_use]
    pub fn key(&self, name: &str) -> Key {
        let mut text = String::with_capacity(self.prefix.len() + name.len());
        text.push_str(&self.prefix);
        text.push_str(name);
        Key(text.into())
    }

    pub(crate) fn prefix(&self) -> Key {
        Key(Arc::clone(&self.prefix))
    }
}

/// The name of a value, a queue, an agenda or a lane. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The name as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The smallest name that is greater than every name that starts with this one; `None` when there is none.
    pub(crate) fn upper_bound(&self) -> Option<String> {
        let mut text = self.0.to_string();
        while let Some(last) = text.pop() {
            // The surrogate gap is skipped by `char::from_u32`, hence the range.
            if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
                text.push(next);
                return Some(text);
            }
        }
        None
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hash_tag_for_all_keys_of_a_number() {
        let namespace = Namespace::new("1055501");
        assert_eq!(namespace.key("s:ab12").as_str(), "wx:{1055501}:s:ab12");
        assert_eq!(Namespace::new("a}{b*").key("x").as_str(), "wx:{a%7D%7Bb%2A}:x");
    }

    #[test]
    fn upper_bound_is_just_above_the_prefix() {
        let key = Namespace::new("1").key("q");
        assert_eq!(key.upper_bound().unwrap(), "wx:{1}:r");
        assert!(key.upper_bound().unwrap().as_str() > "wx:{1}:q\u{10FFFF}\u{10FFFF}");
        assert_eq!(Key("\u{D7FF}".into()).upper_bound().unwrap(), "\u{E000}");
        assert_eq!(Key("a\u{10FFFF}".into()).upper_bound().unwrap(), "b");
        assert_eq!(Key("\u{10FFFF}".into()).upper_bound(), None);
    }
}
