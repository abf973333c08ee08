//! The names of a number's keys in the store. All of them start with the namespace of the number (one hash slot); consumers appear as blind
//! indexes only.
//!
//! May touch: ids. Must not: know what is under a key.

use waxseal_content::{EnvelopeId, MessageId};
use waxseal_store::{Key, Namespace};

use crate::id::{MediaId, PeerIndex};

/// Makes the names of one number.
#[derive(Clone)]
pub struct Names {
    namespace: Namespace,
}

impl Names {
    /// For the number with this id.
    #[must_use]
    pub fn new(phone_number_id: &str) -> Self {
        Self {
            namespace: Namespace::new(phone_number_id),
        }
    }

    /// The namespace itself.
    #[must_use]
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The fence of a lane: epoch and sequence of its owner.
    #[must_use]
    pub fn fence(&self, lane: u8) -> Key {
        self.namespace.key(&format!("lane:{lane}"))
    }

    /// The fence of the book: epoch and sequence of its owner.
    #[must_use]
    pub fn book_lane(&self) -> Key {
        self.namespace.key("lane:book")
    }

    /// Which documents the book has.
    #[must_use]
    pub fn book_index(&self) -> Key {
        self.namespace.key("book-index")
    }

    /// A document of the book.
    #[must_use]
    pub fn book(&self, document: &str) -> Key {
        self.namespace.key(&format!("book:{document}"))
    }

    /// Queue: accepted messages that are not encrypted yet.
    #[must_use]
    pub fn accepted(&self, lane: u8) -> Key {
        self.namespace.key(&format!("out:{lane}"))
    }

    /// Queue: envelopes the relay has not accepted yet.
    #[must_use]
    pub fn outbox(&self, lane: u8) -> Key {
        self.namespace.key(&format!("relay:{lane}"))
    }

    /// Queue: events the business has not acknowledged yet.
    #[must_use]
    pub fn events(&self, lane: u8) -> Key {
        self.namespace.key(&format!("hook:{lane}"))
    }

    /// Queue: events that the business did not take within their window.
    #[must_use]
    pub fn dead_letters(&self, lane: u8) -> Key {
        self.namespace.key(&format!("dead:{lane}"))
    }

    /// Agenda: undelivered messages by the time they expire.
    #[must_use]
    pub fn deadlines(&self, lane: u8) -> Key {
        self.namespace.key(&format!("due:{lane}"))
    }

    /// The session and the number of a consumer.
    #[must_use]
    pub fn peer(&self, peer: &PeerIndex) -> Key {
        self.namespace.key(&format!("peer:{}", hex::encode(peer)))
    }

    /// What all peers' names start with.
    #[must_use]
    pub fn peers(&self) -> Key {
        self.namespace.key("peer:")
    }

    /// Whom a business-scoped user id names. `user` is its blind index.
    #[must_use]
    pub fn user(&self, user: &PeerIndex) -> Key {
        self.namespace.key(&format!("user:{}", hex::encode(user)))
    }

    /// What is kept of an outbound message.
    #[must_use]
    pub fn message(&self, message: MessageId) -> Key {
        self.namespace.key(&format!("msg:{}", hex::encode(message.as_bytes())))
    }

    /// Mark: this envelope of this consumer has been dealt with.
    #[must_use]
    pub fn seen(&self, peer: &PeerIndex, envelope: EnvelopeId) -> Key {
        self.namespace
            .key(&format!("seen:{}:{}", hex::encode(peer), hex::encode(envelope.as_bytes())))
    }

    /// The private half of a one-time pre-key.
    #[must_use]
    pub fn one_time_ec(&self, id: u32) -> Key {
        self.namespace.key(&format!("ec:{id}"))
    }

    /// The private half of a one-time Kyber pre-key.
    #[must_use]
    pub fn one_time_kyber(&self, id: u32) -> Key {
        self.namespace.key(&format!("kyber:{id}"))
    }

    /// Mark: a session was opened with this base key against a last-resort key, or this one-time key was used.
    #[must_use]
    pub fn used(&self, what: &[u8]) -> Key {
        self.namespace.key(&format!("used:{}", hex::encode(what)))
    }

    /// What is kept of a file.
    #[must_use]
    pub fn media(&self, id: MediaId) -> Key {
        self.namespace.key(&format!("media:{id}"))
    }

    /// What is there of an upload that is not whole yet.
    #[must_use]
    pub fn upload(&self, session: &[u8]) -> Key {
        self.namespace.key(&format!("upload:{}", hex::encode(session)))
    }

    /// The answer to a request with an `Idempotency-Key`.
    #[must_use]
    pub fn idempotency(&self, key_hash: &[u8; 32]) -> Key {
        self.namespace.key(&format!("idem:{}", hex::encode(key_hash)))
    }
}
