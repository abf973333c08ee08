//! The retry receipt: "I could not decrypt this envelope". Travels outside any session, because the session is what is broken; so it says
//! nothing about content and proves nothing about who sent it. Readers bound what it can make them do.

use prost::Message as _;

use crate::{EnvelopeId, Error, proto};

/// Longest decryption error a reader accepts; Signal's is about 40 bytes.
const MAX_DECRYPTION_ERROR: usize = 256;

/// Most often one message is sent anew.
const MAX_ATTEMPTS: u32 = 5;

/// Asks the sender of an envelope to send its message anew in a fresh session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryReceipt {
    /// The envelope that failed.
    pub envelope_id: EnvelopeId,
    /// The how-manieth request for this message, from 1 to 5.
    pub attempt: u32,
    /// Why, for the statistics.
    pub reason: u32,
    /// Signal's `DecryptionErrorMessage`.
    pub decryption_error: Vec<u8>,
}

impl RetryReceipt {
    /// Most often one message is sent anew.
    pub const MAX_ATTEMPTS: u32 = MAX_ATTEMPTS;

    /// The protobuf form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        proto::RetryReceipt {
            envelope_id: self.envelope_id.as_bytes().to_vec(),
            attempt: self.attempt,
            reason: self.reason,
            decryption_error: self.decryption_error.clone(),
        }
        .encode_to_vec()
    }

    /// Reads the protobuf form.
    ///
    /// # Errors
    /// [`Error`] for anything that is no retry receipt.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let message = proto::RetryReceipt::decode(bytes).map_err(|_| Error::Decode)?;
        if !(1..=MAX_ATTEMPTS).contains(&message.attempt) {
            return Err(Error::Member("attempt"));
        }
        if message.decryption_error.len() > MAX_DECRYPTION_ERROR {
            return Err(Error::Member("decryption_error"));
        }
        Ok(Self {
            envelope_id: EnvelopeId::from_slice(&message.envelope_id).ok_or(Error::Member("envelope_id"))?,
            attempt: message.attempt,
            reason: message.reason,
            decryption_error: message.decryption_error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_bounds() {
        let receipt = RetryReceipt {
            envelope_id: EnvelopeId::new([3; 16]),
            attempt: 5,
            reason: 2,
            decryption_error: vec![9; 40],
        };
        assert_eq!(RetryReceipt::decode(&receipt.encode()).unwrap(), receipt);
        assert!(
            RetryReceipt::decode(
                &RetryReceipt {
                    attempt: 6,
                    ..receipt.clone()
                }
                .encode()
            )
            .is_err()
        );
        assert!(
            RetryReceipt::decode(
                &RetryReceipt {
                    attempt: 0,
                    ..receipt.clone()
                }
                .encode()
            )
            .is_err()
        );
        assert!(
            RetryReceipt::decode(
                &RetryReceipt {
                    decryption_error: vec![0; 257],
                    ..receipt
                }
                .encode()
            )
            .is_err()
        );
    }
}
