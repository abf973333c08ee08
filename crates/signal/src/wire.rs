//! Ciphertexts: their form in an envelope, what a receiver must load for one, and the parts that are read before anything is authentic.

use libsignal_protocol::{CiphertextMessage, PreKeySignalMessage, SignalMessage};

use crate::{Error, IdentityKey, weak};

/// The kinds of ciphertext, with Signal's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A message of a session that both sides have.
    Whisper = 2,
    /// A message that also creates the session for its receiver.
    PreKey = 3,
}

/// One encrypted message.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// How to read the bytes.
    pub kind: Kind,
    /// Signal's serialised message.
    pub bytes: Vec<u8>,
}

impl Ciphertext {
    /// The body of an envelope: the type byte, then the bytes.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(1 + self.bytes.len());
        body.push(self.kind as u8);
        body.extend_from_slice(&self.bytes);
        body
    }

    /// Reads the body of an envelope. Whether the rest parses shows later.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the type byte is missing or another.
    pub fn from_body(body: &[u8]) -> Result<Self, Error> {
        let (kind, bytes) = body.split_first().ok_or(Error::Malformed)?;
        let kind = match kind {
            2 => Kind::Whisper,
            3 => Kind::PreKey,
            _ => return Err(Error::Malformed),
        };
        Ok(Self {
            kind,
            bytes: bytes.to_vec(),
        })
    }

    /// Parses, and refuses what would make the library panic or agree on a constant.
    pub(crate) fn parse(&self) -> Result<CiphertextMessage, Error> {
        let message = match self.kind {
            Kind::Whisper => CiphertextMessage::SignalMessage(SignalMessage::try_from(&self.bytes[..])?),
            Kind::PreKey => CiphertextMessage::PreKeySignalMessage(pre_key_message(&self.bytes)?),
        };
        weak::check_order(inner(&message)?.sender_ratchet_key())?;
        Ok(message)
    }
}

fn pre_key_message(bytes: &[u8]) -> Result<PreKeySignalMessage, Error> {
    let message = PreKeySignalMessage::try_from(bytes).map_err(|error| match Error::from(error) {
        // The library's word for a first message of the current version without its Kyber half.
        Error::Undecryptable => Error::Downgrade,
        error => error,
    })?;
    // X3DH without Kyber.
    if message.kyber_pre_key_id().is_none() {
        Err(Error::Downgrade)
    } else {
        Ok(message)
    }
}

/// The message inside the outer shell.
pub(crate) fn inner(message: &CiphertextMessage) -> Result<&SignalMessage, Error> {
    match message {
        CiphertextMessage::SignalMessage(message) => Ok(message),
        CiphertextMessage::PreKeySignalMessage(message) => Ok(message.message()),
        _ => Err(Error::Malformed),
    }
}

/// What a message that creates a session needs from the receiver's stores. Nothing of it is authentic before the message is decrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Needed {
    /// The one-time EC pre-key, if the sender got one.
    pub one_time_ec: Option<u32>,
    /// The signed pre-key.
    pub signed: u32,
    /// The Kyber pre-key, one-time or last resort.
    pub kyber: Option<u32>,
    /// Names the session. To be looked up among those seen for a last-resort Kyber key.
    pub base_key: Vec<u8>,
    /// Who the sender says it is.
    pub identity_key: IdentityKey,
}

/// Which private keys [`decrypt`](crate::decrypt) needs for this message: none for [`Kind::Whisper`]. Keys that are gone are simply not
/// given: if the session exists already, none is used.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Downgrade`], [`Error::WeakKey`].
pub fn needed(ciphertext: &Ciphertext) -> Result<Option<Needed>, Error> {
    match ciphertext.kind {
        Kind::Whisper => Ok(None),
        Kind::PreKey => {
            let message = pre_key_message(&ciphertext.bytes)?;
            Ok(Some(Needed {
                one_time_ec: message.pre_key_id().map(Into::into),
                signed: message.signed_pre_key_id().into(),
                kyber: message.kyber_pre_key_id().map(Into::into),
                base_key: message.base_key().serialize().into_vec(),
                identity_key: IdentityKey::from_bytes(&message.identity_key().serialize())?,
            }))
        }
    }
}

/// The head of the SPQR part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostQuantumHeader {
    pub(crate) epoch: u64,
    pub(crate) index: u32,
}

impl PostQuantumHeader {
    const VERSION: u8 = 1;
    const CHUNK_BYTES: usize = 32;

    /// `None` if the message has no part of this version: the peer does not take part in SPQR, or speaks a later one.
    ///
    /// The library reads these bytes before it checks the authentication code, and panics if they end early or name epoch zero.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Some((&Self::VERSION, mut rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let epoch = varint(&mut rest)?;
        let index = u32::try_from(varint(&mut rest)?).map_err(|_| Error::Malformed)?;
        let (kind, mut chunk) = rest.split_first().ok_or(Error::Malformed)?;
        match kind {
            0 | 4 => {}
            1..=3 | 5 | 6 => {
                let position = varint(&mut chunk)?;
                if position > u64::from(u16::MAX) || chunk.len() < Self::CHUNK_BYTES {
                    return Err(Error::Malformed);
                }
            }
            _ => return Err(Error::Malformed),
        }
        if epoch == 0 {
            Err(Error::Malformed)
        } else {
            Ok(Some(Self { epoch, index }))
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Error::Malformed)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Error::Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bodies_carry_their_kind() {
        for kind in [Kind::Whisper, Kind::PreKey] {
            let ciphertext = Ciphertext {
                kind,
                bytes: vec![1, 2, 3],
            };
            let body = ciphertext.to_body();
            assert_eq!(body, [kind as u8, 1, 2, 3]);
            assert!(Ciphertext::from_body(&body).unwrap() == ciphertext);
        }
        for body in [&[][..], &[0], &[8, 1], &[7, 1]] {
            assert_eq!(Ciphertext::from_body(body).err(), Some(Error::Malformed));
        }
    }

    #[test]
    fn post_quantum_headers_are_read_as_the_library_writes_them() {
        let read = PostQuantumHeader::parse;
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[2, 0xff]), Ok(None));
        assert_eq!(read(&[1, 3, 0xac, 0x02, 0]), Ok(Some(PostQuantumHeader { epoch: 3, index: 300 })));
        let chunk = [&[1, 1, 0, 5, 0x80, 0x01][..], &[9; 32]].concat();
        assert_eq!(read(&chunk), Ok(Some(PostQuantumHeader { epoch: 1, index: 0 })));
        assert_eq!(
            read(&[&chunk[..], &[1, 2]].concat()),
            Ok(Some(PostQuantumHeader { epoch: 1, index: 0 })),
            "later versions may append"
        );
    }

    #[test]
    fn post_quantum_headers_that_panic_the_library_are_refused() {
        let chunk = [&[1, 1, 0, 5, 0][..], &[9; 31]].concat();
        let far_chunk = [&[1, 1, 0, 5, 0x80, 0x80, 0x04][..], &[9; 32]].concat();
        let long = [&[1][..], &[0xff; 9], &[2, 0, 0]].concat();
        for bytes in [
            &[1][..],
            &[1, 1],
            &[1, 1, 0],
            &[1, 0x80],
            &[1, 0, 0, 0],
            &[1, 1, 0, 7],
            &[1, 1, 0, 5],
            &chunk,
            &far_chunk,
            &long,
        ] {
            assert_eq!(PostQuantumHeader::parse(bytes), Err(Error::Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(kind in prop_oneof![Just(Kind::Whisper), Just(Kind::PreKey)], bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = PostQuantumHeader::parse(&bytes);
            let ciphertext = Ciphertext { kind, bytes };
            let _ = ciphertext.parse();
            let _ = needed(&ciphertext);
        }
    }
}
