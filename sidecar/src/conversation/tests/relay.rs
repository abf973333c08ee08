//! A relay: takes each envelope id of a sender once, queues, delivers again what was not acknowledged. And a notary: it fails the test when
//! one envelope id carries two bodies, or one message key encrypts two messages.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use prost::Message as _;
use waxseal_content::EnvelopeId;
use waxseal_protocol::proto::Verdict;

#[derive(Clone)]
pub struct Envelope {
    pub sequence: u64,
    pub id: EnvelopeId,
    pub sender: String,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Relay {
    queues: BTreeMap<String, VecDeque<Envelope>>,
    bodies: HashMap<(String, EnvelopeId), Vec<u8>>,
    keys: HashMap<(String, Vec<u8>, u32), Vec<u8>>,
    sequence: u64,
    pub unknown: HashSet<String>,
    pub refuses: Option<Verdict>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PreKeyMessage {
    #[prost(bytes = "vec", tag = "4")]
    message: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WhisperMessage {
    #[prost(bytes = "vec", tag = "1")]
    ratchet_key: Vec<u8>,
    #[prost(uint32, tag = "2")]
    counter: u32,
}

/// The ratchet key and counter of a body, and the signed message itself.
pub fn message_key(body: &[u8]) -> Option<(Vec<u8>, u32, Vec<u8>)> {
    let whisper = match body.first()? {
        2 => body[1..].to_vec(),
        3 => PreKeyMessage::decode(&body[2..]).unwrap().message,
        _ => return None,
    };
    let inner = WhisperMessage::decode(&whisper[1..whisper.len() - 8]).unwrap();
    Some((inner.ratchet_key, inner.counter, whisper))
}

impl Relay {
    pub fn submit(&mut self, sender: &str, recipient: &str, id: EnvelopeId, body: &[u8]) -> Verdict {
        let before = self.bodies.insert((sender.to_owned(), id), body.to_vec());
        assert!(
            before.as_deref().is_none_or(|before| before == body),
            "one envelope id carries two bodies"
        );
        if let Some((key, counter, message)) = message_key(body) {
            let before = self.keys.insert((sender.to_owned(), key, counter), message.clone());
            assert!(
                before.is_none_or(|before| before == message),
                "one message key encrypts two messages"
            );
        }
        if let Some(verdict) = self.refuses {
            return verdict;
        }
        if self.unknown.contains(recipient) {
            return Verdict::UnknownRecipient;
        }
        if before.is_none() {
            self.inject(sender, recipient, id, body.to_vec());
        }
        Verdict::Accepted
    }

    /// Queues whatever it is: what a relay that lies could do.
    pub fn inject(&mut self, sender: &str, recipient: &str, id: EnvelopeId, body: Vec<u8>) {
        self.sequence += 1;
        let envelope = Envelope {
            sequence: self.sequence,
            id,
            sender: sender.to_owned(),
            body,
        };
        self.queues.entry(recipient.to_owned()).or_default().push_back(envelope);
    }

    /// What waits for a recipient; it stays until acknowledged.
    pub fn waiting(&self, recipient: &str) -> Vec<Envelope> {
        self.queues.get(recipient).into_iter().flatten().cloned().collect()
    }

    pub fn acknowledge(&mut self, recipient: &str, sequence: u64) {
        if let Some(queue) = self.queues.get_mut(recipient) {
            queue.retain(|envelope| envelope.sequence != sequence);
        }
    }
}
