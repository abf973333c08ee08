//! A consumer's phone, built directly on the Signal steps. It remembers envelope ids and nothing else to tell repeats, so that a message
//! shown twice shows.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind, RetryReceipt, wire::Wire};
use waxseal_signal::{
    Answer, Bundle, Ciphertext, Error, Identity, Keys, OneTimePublicKey, Peer, PeerId, Policy, PrivateRecord, SignedPublicKey, Trust,
    archive, decrypt, decryption_error, encrypt, establish, must_archive, needed, pre_keys,
};

pub struct Phone {
    pub number: PhoneNumber,
    identity: Identity,
    signed: (PrivateRecord, SignedPublicKey),
    last_resort: (PrivateRecord, SignedPublicKey),
    one_time: HashMap<u32, PrivateRecord>,
    next_id: u32,
    pub peer: Peer,
    peer_id: PeerId,
    policy: Policy,
    seen: HashSet<EnvelopeId>,
    sent: HashMap<EnvelopeId, Sent>,
    /// Texts shown, in the order of showing.
    pub shown: Vec<(MessageId, String)>,
    /// Receipts and other things without text.
    pub noticed: Vec<Body>,
    /// Whether it tells that messages arrived, as phones do.
    pub tells_delivered: bool,
    /// Times it asked for a message again.
    pub asked: usize,
    /// Bundles that were handed out for it.
    pub bundles: usize,
}

/// What a phone has sent and may be asked for again.
#[derive(Clone)]
struct Sent {
    payload: Vec<u8>,
    attempt: u32,
}

/// What a phone wants to send.
pub enum Wish {
    /// Encrypted in the session.
    Encrypt { payload: Vec<u8>, attempt: u32 },
    /// As it is.
    Plain(Vec<u8>),
}

impl Phone {
    pub fn new(number: &str, now: SystemTime) -> Self {
        let mut rng = rand::rng();
        let identity = Identity::generate(&mut rng).unwrap();
        Self {
            number: PhoneNumber::parse(number).unwrap(),
            signed: pre_keys::signed(&identity, 1, now, &mut rng).unwrap(),
            last_resort: pre_keys::kyber(&identity, 2, now, &mut rng).unwrap(),
            identity,
            one_time: HashMap::new(),
            next_id: 3,
            peer: Peer::new(),
            peer_id: PeerId::random(&mut rng),
            policy: Policy::default(),
            seen: HashSet::new(),
            sent: HashMap::new(),
            shown: Vec::new(),
            noticed: Vec::new(),
            tells_delivered: true,
            asked: 0,
            bundles: 0,
        }
    }

    /// The same number on a new phone: new identity, nothing remembered; what the owner has seen, they have seen.
    pub fn reinstall(&mut self, now: SystemTime) {
        let fresh = Self::new(self.number.reveal(), now);
        let old = std::mem::replace(self, fresh);
        self.shown = old.shown;
        self.noticed = old.noticed;
    }

    pub fn lose_session(&mut self) {
        self.peer = self.peer.without_sessions();
    }

    pub fn bundle(&mut self) -> Bundle {
        let (record, one_time) = pre_keys::one_time_ec(self.next_id, &mut rand::rng()).unwrap();
        self.one_time.insert(self.next_id, record);
        self.next_id += 1;
        self.bundles += 1;
        Bundle {
            registration_id: self.identity.registration_id(),
            identity_key: self.identity.public_key().to_bytes(),
            signed_pre_key: self.signed.1.clone(),
            kyber_pre_key: self.last_resort.1.clone(),
            one_time_ec: Some(OneTimePublicKey {
                id: one_time.id,
                key: one_time.key,
            }),
        }
    }

    pub fn payload(&self, to: &PhoneNumber, body: Body, now_ms: u64) -> (MessageId, Vec<u8>) {
        let id = MessageId::random(&mut rand::rng());
        let payload = Payload::new(self.number.clone(), to.clone(), id, now_ms, body).named(Some("Kofi Mensah".into()));
        (id, payload.encode().to_vec())
    }

    pub fn establish(&mut self, bundle: &Bundle, now: SystemTime) {
        let rng = &mut rand::rng();
        let established = establish(
            &self.identity,
            &self.peer_id,
            &self.peer,
            bundle,
            Trust::AcceptChange,
            &self.policy,
            now,
            rng,
        )
        .unwrap();
        self.peer = established.peer;
    }

    /// Encrypts; `None` when there is no session.
    pub fn encrypt(&mut self, payload: &[u8], attempt: u32, now: SystemTime) -> Option<(EnvelopeId, Vec<u8>)> {
        let rng = &mut rand::rng();
        let encrypted = match encrypt(&self.identity, &self.peer_id, &self.peer, payload, &self.policy, now, rng) {
            Ok(encrypted) => encrypted,
            Err(Error::NoSession) => return None,
            Err(error) => panic!("the phone cannot encrypt: {error}"),
        };
        self.peer = encrypted.peer;
        let id = EnvelopeId::random(rng);
        self.sent.insert(
            id,
            Sent {
                payload: payload.to_vec(),
                attempt,
            },
        );
        Some((id, encrypted.ciphertext.to_body()))
    }

    pub fn receive(&mut self, business: &PhoneNumber, id: EnvelopeId, body: &[u8], now: SystemTime) -> Vec<Wish> {
        if !self.seen.insert(id) {
            return Vec::new();
        }
        match Wire::parse(body).unwrap() {
            Wire::Retry(receipt) => self.resend(&receipt),
            Wire::Signal(bytes) => {
                let ciphertext = Ciphertext::from_body(bytes).unwrap();
                match self.open(&ciphertext, now) {
                    Ok(payload) => self.take(business, &payload, now),
                    Err(Error::Duplicate) => panic!("a message key was used twice"),
                    Err(error) => {
                        let Answer::Retry { reason } = error.answer() else {
                            panic!("the phone cannot answer: {error}")
                        };
                        self.asked += 1;
                        let decryption_error = decryption_error(&ciphertext, 0).unwrap();
                        vec![Wish::Plain(
                            RetryReceipt {
                                envelope_id: id,
                                attempt: 1,
                                reason,
                                decryption_error,
                            }
                            .to_body(),
                        )]
                    }
                }
            }
        }
    }

    fn open(&mut self, ciphertext: &Ciphertext, now: SystemTime) -> Result<Payload, Error> {
        let keys = match needed(ciphertext)? {
            None => Keys::default(),
            Some(needed) => Keys {
                one_time_ec: needed.one_time_ec.and_then(|id| self.one_time.get(&id).cloned()),
                signed: Some(self.signed.0.clone()),
                kyber: Some(self.last_resort.0.clone()),
                base_key_seen: false,
            },
        };
        let rng = &mut rand::rng();
        let trust = Trust::AcceptChange;
        let decrypted = decrypt(
            &self.identity,
            &self.peer_id,
            &self.peer,
            ciphertext,
            &keys,
            trust,
            &self.policy,
            now,
            rng,
        )?;
        self.peer = decrypted.peer;
        if let Some(id) = decrypted.consumed.one_time_ec {
            self.one_time.remove(&id);
        }
        Ok(Payload::decode(&decrypted.plaintext).unwrap())
    }

    fn take(&mut self, business: &PhoneNumber, payload: &Payload, now: SystemTime) -> Vec<Wish> {
        assert!(payload.recipient == self.number && payload.sender == *business);
        let Body::Text { body, .. } = &payload.body else {
            self.noticed.push(payload.body.clone());
            return Vec::new();
        };
        self.shown.push((payload.message_id, body.reveal().to_owned()));
        if !self.tells_delivered {
            return Vec::new();
        }
        let receipt = Body::Receipt {
            kind: ReceiptKind::Delivered,
            message_ids: vec![payload.message_id],
        };
        let now_ms = crate::moment::Moment::of(now).ms;
        vec![Wish::Encrypt {
            payload: self.payload(business, receipt, now_ms).1,
            attempt: 0,
        }]
    }

    fn resend(&mut self, receipt: &RetryReceipt) -> Vec<Wish> {
        // One answer per envelope.
        let Some(sent) = self.sent.remove(&receipt.envelope_id) else {
            return Vec::new();
        };
        if must_archive(&self.peer, &receipt.decryption_error).unwrap() {
            self.peer = archive(&self.peer).unwrap();
        }
        assert!(sent.attempt < 5, "asked for the same message more than five times");
        vec![Wish::Encrypt {
            payload: sent.payload,
            attempt: sent.attempt + 1,
        }]
    }
}
