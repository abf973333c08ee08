//! Changes messages and records from outside, as an attacker on the way or a peer with other software would.

use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use rand::RngCore as _;
use waxseal_signal::{Ciphertext, Kind, Peer};

use crate::party::Party;

/// The library's own wire messages.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Inner {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) ratchet_key: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) counter: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(crate) previous_counter: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) ciphertext: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) post_quantum: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Shell {
    #[prost(uint32, optional, tag = "5")]
    pub(crate) registration_id: Option<u32>,
    #[prost(uint32, optional, tag = "1")]
    pub(crate) one_time_ec: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) signed: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(crate) kyber: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(crate) kyber_ciphertext: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) base_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) identity_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) message: Option<Vec<u8>>,
}

const MAC_BYTES: usize = 8;

/// The message with its inner part changed. The authentication code is no longer right.
pub(crate) fn inner(ciphertext: &Ciphertext, change: impl FnOnce(&mut Inner)) -> Ciphertext {
    match ciphertext.kind {
        Kind::Whisper => Ciphertext {
            kind: Kind::Whisper,
            bytes: changed_inner(&ciphertext.bytes, change),
        },
        Kind::PreKey => shell(ciphertext, |shell| {
            shell.message = shell.message.as_ref().map(|message| changed_inner(message, change));
        }),
    }
}

fn changed_inner(bytes: &[u8], change: impl FnOnce(&mut Inner)) -> Vec<u8> {
    let (body, mac) = bytes.split_at(bytes.len() - MAC_BYTES);
    let mut message = Inner::decode(&body[1..]).unwrap();
    change(&mut message);
    [&body[..1], &message.encode_to_vec(), mac].concat()
}

/// The message with its shell changed, which nothing authenticates.
pub(crate) fn shell(ciphertext: &Ciphertext, change: impl FnOnce(&mut Shell)) -> Ciphertext {
    assert_eq!(ciphertext.kind, Kind::PreKey);
    let mut shell = Shell::decode(&ciphertext.bytes[1..]).unwrap();
    change(&mut shell);
    Ciphertext {
        kind: Kind::PreKey,
        bytes: [&ciphertext.bytes[..1], &shell.encode_to_vec()].concat(),
    }
}

/// A ratchet key nobody has.
pub(crate) fn random_key(party: &mut Party) -> Vec<u8> {
    let mut key = vec![5; 33];
    party.rng.fill_bytes(&mut key[1..]);
    key[32] &= 0x7f;
    key
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) current: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) previous: Vec<Vec<u8>>,
}

pub(crate) fn record(peer: &Peer) -> Record {
    Record::decode(peer.record()).unwrap()
}

/// Makes the party one whose software does not know SPQR: its session has no state of it.
pub(crate) fn forget_post_quantum_ratchet(party: &mut Party) {
    const POST_QUANTUM_STATE: u32 = 15;
    let peer = party.peer();
    let mut record = record(&peer);
    record.current = record.current.map(|state| without_field(&state, POST_QUANTUM_STATE));
    let stored = peer.to_bytes();
    let head = stored.len() - peer.record().len();
    party.stored_peer = [&stored[..head], &record.encode_to_vec()].concat();
}

fn without_field(message: &[u8], field: u32) -> Vec<u8> {
    let mut rest = message;
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (tag, wire_type) = decode_key(&mut rest).unwrap();
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).unwrap();
        if tag != field {
            kept.extend_from_slice(&start[..start.len() - rest.len()]);
        }
    }
    assert!(kept.len() < message.len());
    kept
}
