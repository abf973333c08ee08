//! Ids of messages, envelopes and files as the sidecar makes them, and the `wamid` the business sees.
//!
//! A message id of ours is 16 random bytes, but for two things: byte 14 is the lane, so that the relay's answer about an envelope finds its
//! lane, and the lowest three bits of byte 15 are zero. The envelope of the n-th attempt to deliver the message has the same id with n in
//! those bits. So envelope ids need no table, and sending an attempt again after a crash uses the id the relay already knows.
//!
//! May touch: randomness and the tokens it is handed. Must not: do IO, know what an id names.

mod media;
mod wamid;

use rand::RngCore;
use waxseal_content::{EnvelopeId, MessageId};
use waxseal_sealing::Tokens;

pub use self::{
    media::MediaId,
    wamid::{InvalidWamid, Wamid},
};

/// How many lanes a number has. Fixed: the lane of a consumer is part of the names in the store.
pub const LANES: u8 = 8;

const ATTEMPT_BITS: u8 = 0b111;
const LANE_BYTE: usize = 14;
const ATTEMPT_BYTE: usize = 15;
const WAMID_LABEL: &[u8] = b"wamid 1";

/// The blind index of a consumer: how a peer is named in the store and to the Signal library.
pub type PeerIndex = [u8; 16];

/// Stands for a consumer in webhook events that are about the number itself, so that they too go one after the other. Lane 0.
pub const NOBODY: PeerIndex = [0; 16];

/// The lane of a consumer.
#[must_use]
pub const fn lane_of(peer: &PeerIndex) -> u8 {
    peer[0] % LANES
}

/// A fresh message id in this lane.
pub fn message_id<R: RngCore + ?Sized>(lane: u8, rng: &mut R) -> MessageId {
    let mut bytes = *MessageId::random(rng).as_bytes();
    bytes[LANE_BYTE] = lane;
    bytes[ATTEMPT_BYTE] &= !ATTEMPT_BITS;
    MessageId::new(bytes)
}

/// The envelope of the n-th attempt, counted from 0; attempts past 7 do not exist.
#[must_use]
pub fn envelope_id(message: MessageId, attempt: u32) -> EnvelopeId {
    let mut bytes = *message.as_bytes();
    bytes[ATTEMPT_BYTE] |= u8::try_from(attempt).unwrap_or(ATTEMPT_BITS).min(ATTEMPT_BITS);
    EnvelopeId::new(bytes)
}

/// The message and attempt of one of our envelopes.
#[must_use]
pub fn of_envelope(envelope: EnvelopeId) -> (MessageId, u32) {
    let mut bytes = *envelope.as_bytes();
    let attempt = bytes[ATTEMPT_BYTE] & ATTEMPT_BITS;
    bytes[ATTEMPT_BYTE] &= !ATTEMPT_BITS;
    (MessageId::new(bytes), attempt.into())
}

/// The lane an envelope of ours belongs to; `None` for an id we did not make.
#[must_use]
pub fn lane_of_envelope(envelope: EnvelopeId) -> Option<u8> {
    Some(envelope.as_bytes()[LANE_BYTE]).filter(|lane| *lane < LANES)
}

/// The id of a message between this number and `peer`, as the business sees it: equal for equal input, opaque without the number's key.
#[must_use]
pub fn wamid(tokens: &Tokens, peer: &PeerIndex, message: MessageId) -> Wamid {
    let mut content = [0; 32];
    content[..16].copy_from_slice(peer);
    content[16..].copy_from_slice(message.as_bytes());
    let token = tokens.wrap(WAMID_LABEL, &content);
    // 60 bytes are far below the limit of 91; the fallback cannot be reached and would be refused when it comes back.
    Wamid::from_token(&token).unwrap_or_else(|_| unreachable_wamid())
}

fn unreachable_wamid() -> Wamid {
    debug_assert!(false, "a token of 60 bytes is a wamid");
    Wamid::from_token(&[0]).unwrap_or_else(|_| unreachable_wamid())
}

/// Whom and which message a `wamid` names; `None` when this number did not make it.
#[must_use]
pub fn of_wamid(tokens: &Tokens, wamid: &Wamid) -> Option<(PeerIndex, MessageId)> {
    let content = tokens.unwrap(WAMID_LABEL, &wamid.token()?).ok()?;
    let (peer, message) = content.split_first_chunk::<16>()?;
    Some((*peer, MessageId::from_slice(message)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    proptest! {
        #[test]
        fn envelope_ids_lead_back(peer: [u8; 16], attempt in 0u32..=5) {
            let lane = lane_of(&peer);
            let message = message_id(lane, &mut rand::rng());
            let envelope = envelope_id(message, attempt);
            prop_assert_eq!(of_envelope(envelope), (message, attempt));
            prop_assert_eq!(lane_of_envelope(envelope), Some(lane));
        }

        #[test]
        fn wamids_lead_back_for_their_number_only(peer: [u8; 16], id: [u8; 16]) {
            let ours = Tokens::new(&Zeroizing::new([1; 32]));
            let others = Tokens::new(&Zeroizing::new([2; 32]));
            let made = wamid(&ours, &peer, MessageId::new(id));
            prop_assert!(made.as_str().len() <= Wamid::MAX_CHARS);
            prop_assert!(of_wamid(&ours, &made) == Some((peer, MessageId::new(id))));
            prop_assert!(of_wamid(&others, &made).is_none());
        }
    }
}
