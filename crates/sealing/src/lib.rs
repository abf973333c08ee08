//! Encryption at rest.
//!
//! Purpose: every value in the store is sealed here ([`Sealer`]); its keys come from an hourly chain that only moves forward ([`Chain`]:
//! retention is a ratchet); consumer numbers appear in key names only as a keyed [`BlindIndex`]; message ids the business sees are
//! [`Tokens`] that only this number can open; files are encrypted chunk by chunk
//! ([`stream`]); what the business says of itself outlives the chain ([`Vault`]).
//!
//! May touch: key bytes and plaintext handed to it. Must not: do IO, read the clock, know where keys or values are kept, name what a value
//! means beyond its [`Class`].

mod blind;
mod chain;
mod sealer;
pub mod stream;
mod token;
mod vault;

pub use blind::BlindIndex;
pub use chain::{Chain, Hour};
pub use sealer::{Class, Sealer};
pub use token::Tokens;
pub use vault::Vault;

/// Why a value was not sealed or opened. Never says what was in it.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The value is not in the sealed format of this build.
    #[error("not a sealed value of a format this build reads")]
    Format,
    /// The chain has moved past the hour the value was sealed in: it is gone for everyone, as the retention policy says.
    #[error("sealed in an hour whose key has been destroyed")]
    Shredded,
    /// Sealed in an hour that is further ahead than any clock difference explains.
    #[error("sealed in an hour that lies too far ahead; is the clock right?")]
    TooFarAhead,
    /// The key is wrong, or the value was changed, moved to another name, or belongs to another number.
    #[error("the value is not authentic under this name")]
    NotAuthentic,
    /// 2^31 values were sealed with one key; random nonces are safe to 2^32.
    #[error("the sealing key of this hour is used up")]
    KeyExhausted,
}
