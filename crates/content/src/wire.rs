//! The body of an envelope: one type byte, then the bytes of that type. The type bytes of Signal messages are Signal's own.

use crate::{Error, RetryReceipt};

/// `SignalMessage`: a message in a running session.
pub const WHISPER: u8 = 2;
/// `PreKeySignalMessage`: a message that opens a session.
pub const PRE_KEY: u8 = 3;
/// Plaintext content: a retry receipt.
pub const PLAINTEXT: u8 = 8;

/// What an envelope carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wire<'a> {
    /// A Signal ciphertext, type byte included, for the session to open.
    Signal(&'a [u8]),
    /// A retry receipt.
    Retry(RetryReceipt),
}

impl<'a> Wire<'a> {
    /// Tells by the first byte.
    ///
    /// # Errors
    /// [`Error`] when the type is unknown or a retry receipt does not decode.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        match body.split_first() {
            Some((&(WHISPER | PRE_KEY), rest)) if !rest.is_empty() => Ok(Self::Signal(body)),
            Some((&PLAINTEXT, rest)) => RetryReceipt::decode(rest).map(Self::Retry),
            _ => Err(Error::Member("type")),
        }
    }
}

impl RetryReceipt {
    /// The body of the envelope that carries this receipt.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let mut body = vec![PLAINTEXT];
        body.extend_from_slice(&self.encode());
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::EnvelopeId;

    #[test]
    fn tells_the_kinds_apart() {
        let receipt = RetryReceipt {
            envelope_id: EnvelopeId::new([3; 16]),
            attempt: 1,
            reason: 2,
            decryption_error: vec![],
        };
        assert_eq!(Wire::parse(&receipt.to_body()), Ok(Wire::Retry(receipt)));
        assert_eq!(Wire::parse(&[2, 1]), Ok(Wire::Signal(&[2, 1])));
        for body in [&[][..], &[2], &[7, 1], &[8, 0xff]] {
            assert!(Wire::parse(body).is_err());
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Wire::parse(&bytes);
        }
    }
}
