//! The names of the rows. One letter per kind; ordinals are big-endian, so that the order of keys is the order of events.

use waxseal_content::{EnvelopeId, MessageId, PhoneNumber};

/// Who we are at the relay.
pub(crate) const ACCOUNT: &[u8] = b"a";
/// The next ordinal of everything that is numbered.
pub(crate) const COUNTERS: &[u8] = b"c";
/// Plaintext that waits for a session.
pub(crate) const QUEUE: &[u8] = b"q/";
/// Ciphertext that the relay has not accepted yet.
pub(crate) const OUTBOX: &[u8] = b"o/";
/// The message log.
pub(crate) const LOG: &[u8] = b"m/";

/// Kinds of private pre-keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PreKey {
    Signed,
    OneTimeEc,
    OneTimeKyber,
    LastResort,
}

impl PreKey {
    pub(crate) const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Signed => b"k/s/",
            Self::OneTimeEc => b"k/e/",
            Self::OneTimeKyber => b"k/k/",
            Self::LastResort => b"k/l/",
        }
    }

    pub(crate) fn key(self, id: u32) -> Vec<u8> {
        join(self.prefix(), &id.to_be_bytes())
    }

    /// The id in a key of this kind.
    pub(crate) fn id(self, key: &[u8]) -> Option<u32> {
        key.strip_prefix(self.prefix())
            .and_then(|id| id.try_into().ok())
            .map(u32::from_be_bytes)
    }
}

/// Base keys seen with one last-resort key.
pub(crate) fn base_keys(kyber_id: u32) -> Vec<u8> {
    join(b"b/", &kyber_id.to_be_bytes())
}

pub(crate) fn base_key(kyber_id: u32, digest: &[u8]) -> Vec<u8> {
    join(&base_keys(kyber_id), digest)
}

pub(crate) fn peer(number: &PhoneNumber) -> Vec<u8> {
    join(b"p/", number.wa_id().as_bytes())
}

/// Envelopes seen: the mark, and its place in the order of arrival (for forgetting).
pub(crate) fn mark(sender: &PhoneNumber, envelope: EnvelopeId) -> Vec<u8> {
    join(&of_peer(b"d/", sender), envelope.as_bytes())
}

pub(crate) fn mark_order(ordinal: u64) -> Vec<u8> {
    join(b"D/", &ordinal.to_be_bytes())
}

/// The plaintext of envelopes sent, for a retry receipt; and its place in the order of sending.
pub(crate) fn sent(envelope: EnvelopeId) -> Vec<u8> {
    join(b"e/", envelope.as_bytes())
}

pub(crate) fn sent_order(ordinal: u64) -> Vec<u8> {
    join(b"E/", &ordinal.to_be_bytes())
}

pub(crate) fn log(ordinal: u64) -> Vec<u8> {
    join(LOG, &ordinal.to_be_bytes())
}

/// From a message id to its place in the log. The direction keeps a peer from naming a message it wrote as one of ours.
pub(crate) fn log_index(peer: &PhoneNumber, outgoing: bool, message: MessageId) -> Vec<u8> {
    join(&of_peer(if outgoing { b"x/o/" } else { b"x/i/" }, peer), message.as_bytes())
}

pub(crate) fn queue_of(peer: &PhoneNumber) -> Vec<u8> {
    of_peer(QUEUE, peer)
}

pub(crate) fn queue(peer: &PhoneNumber, ordinal: u64) -> Vec<u8> {
    join(&queue_of(peer), &ordinal.to_be_bytes())
}

/// Whose queue a queue key belongs to.
pub(crate) fn peer_of_queue(key: &[u8]) -> Option<PhoneNumber> {
    let rest = key.strip_prefix(QUEUE)?;
    let digits = rest.split(|byte| *byte == b'/').next()?;
    PhoneNumber::parse_digits(std::str::from_utf8(digits).ok()?).ok()
}

pub(crate) fn outbox(ordinal: u64) -> Vec<u8> {
    join(OUTBOX, &ordinal.to_be_bytes())
}

/// Numbers have different lengths: the slash ends them.
fn of_peer(prefix: &[u8], peer: &PhoneNumber) -> Vec<u8> {
    let mut key = join(prefix, peer.wa_id().as_bytes());
    key.push(b'/');
    key
}

fn join(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    [prefix, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_name_their_peer_and_do_not_mix() {
        let short = PhoneNumber::parse("+1555010").unwrap();
        let long = PhoneNumber::parse("+15550100").unwrap();
        assert!(peer_of_queue(&queue(&long, 7)) == Some(long.clone()));
        assert!(peer_of_queue(&queue(&short, u64::from(b'/'))) == Some(short.clone()));
        assert!(!queue(&long, 1).starts_with(&queue_of(&short)));
        assert!(queue(&long, 255) < queue(&long, 256));
    }
}
