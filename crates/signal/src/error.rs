//! What can go wrong in a step, and how an inbound message that went wrong is answered. No variant carries content, keys or names.

use libsignal_protocol::SignalProtocolError;

/// Why a step was refused. The state that went in stays valid and unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no usable session: none yet, archived, or 30 days without an answer. Fetch a bundle and establish one.
    #[error("there is no usable session: fetch a bundle")]
    NoSession,
    /// The message was decrypted before.
    #[error("the message was decrypted before")]
    Duplicate,
    /// The peer has another identity key than the pinned one.
    #[error("the identity key of the peer has changed")]
    IdentityChanged,
    /// A private pre-key that the message needs was not among the given ones.
    #[error("a pre-key that the message names is gone or was never ours")]
    UnknownPreKey,
    /// A first message whose base key was used before with the last-resort key: a replay, or the session it made is lost.
    #[error("the base key of the first message was used before")]
    ReusedBaseKey,
    /// The message claims a counter so far ahead that following it would cost too much before it can be authenticated.
    #[error("the message counter is too far ahead")]
    ForgedCounter,
    /// The new state would exceed [`Policy::max_record_bytes`](crate::Policy::max_record_bytes) even without its archived sessions.
    #[error("the session record is too large: archive it and establish a new session")]
    RecordTooLarge,
    /// The session or message is not protected against quantum computers, and the policy demands it.
    #[error("the session or message lacks the post-quantum ratchet")]
    Downgrade,
    /// A public key is not canonical or of small order.
    #[error("a public key is not acceptable")]
    WeakKey,
    /// A pre-key is not signed by the identity it came with.
    #[error("a pre-key signature does not verify")]
    BadSignature,
    /// The message does not decrypt with any session of this peer.
    #[error("the message does not decrypt")]
    Undecryptable,
    /// Not the bytes of such a thing.
    #[error("malformed input")]
    Malformed,
    /// The stored session state does not parse. Treat the session as absent.
    #[error("the stored session state is damaged")]
    DamagedRecord,
    /// The build keeps post-quantum state in a processor-dependent byte order; see [`self_test`](crate::self_test()).
    #[error(
        "this build keeps session state in a processor-dependent form: build with LIBCRUX_DISABLE_SIMD256=1 and LIBCRUX_DISABLE_SIMD128=1"
    )]
    UnportableBuild,
    /// A bug, in this crate or the library.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// What the receiver of a message does about a failed [`decrypt`](crate::decrypt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledge it: it was already committed.
    Acknowledge,
    /// Send a retry receipt with this reason, up to the usual limit, then acknowledge.
    Retry {
        /// The reason number, as WhatsApp numbers them.
        reason: u32,
    },
    /// Ask the identity policy: block, or accept the change and decrypt again.
    Identity,
    /// Count it and drop it: nothing the sender could repeat would help.
    Drop,
}

impl Error {
    /// What to do about an inbound message that failed with this.
    #[must_use]
    pub const fn answer(&self) -> Answer {
        match self {
            Self::Duplicate => Answer::Acknowledge,
            Self::IdentityChanged => Answer::Identity,
            Self::Malformed | Self::WeakKey | Self::BadSignature => Answer::Drop,
            Self::NoSession => Answer::Retry { reason: 1 },
            Self::UnknownPreKey | Self::ReusedBaseKey => Answer::Retry { reason: 3 },
            Self::Undecryptable => Answer::Retry { reason: 4 },
            Self::ForgedCounter | Self::RecordTooLarge | Self::Downgrade | Self::DamagedRecord => Answer::Retry { reason: 8 },
            Self::UnportableBuild | Self::Internal(_) => Answer::Retry { reason: 0 },
        }
    }
}

impl From<SignalProtocolError> for Error {
    fn from(error: SignalProtocolError) -> Self {
        use SignalProtocolError as Lib;
        match error {
            Lib::SessionNotFound(_) => Self::NoSession,
            Lib::DuplicatedMessage(..) => Self::Duplicate,
            Lib::UntrustedIdentity(_) => Self::IdentityChanged,
            Lib::InvalidPreKeyId | Lib::InvalidSignedPreKeyId | Lib::InvalidKyberPreKeyId => Self::UnknownPreKey,
            Lib::SignatureValidationFailed => Self::BadSignature,
            Lib::InvalidMessage(..) | Lib::UnrecognizedMessageVersion(_) => Self::Undecryptable,
            Lib::InvalidSessionStructure(_) | Lib::InvalidState(..) => Self::DamagedRecord,
            Lib::InvalidProtobufEncoding
            | Lib::CiphertextMessageTooShort(_)
            | Lib::LegacyCiphertextVersion(_)
            | Lib::UnrecognizedCiphertextVersion(_)
            | Lib::NoKeyTypeIdentifier
            | Lib::BadKeyType(_)
            | Lib::BadKeyLength(..)
            | Lib::BadKEMKeyType(_)
            | Lib::WrongKEMKeyType(..)
            | Lib::BadKEMKeyLength(..)
            | Lib::BadKEMCiphertextLength(..)
            | Lib::InvalidArgument(_) => Self::Malformed,
            _ => Self::Internal("unexpected error of the Signal library"),
        }
    }
}
