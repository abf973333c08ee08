//! Signal sessions as pure synchronous steps over bytes.
//!
//! Purpose: everything Waxseal asks of the Signal library (PQXDH, the double ratchet, SPQR, safety numbers), and every guard that the
//! library leaves to its caller. A step takes the stored state of one peer, the keys it needs, the time and a source of randomness, and
//! returns the new state: nothing is stored, fetched or sent here, so the caller can commit all effects of one message in one batch.
//!
//! May touch: the bytes it is given, the processor. Must not: do IO, read a clock, keep state between steps, log, know phone numbers (peers
//! have opaque names, [`PeerId`]; the one exception is [`safety_number`], which hashes two numbers and forgets them).
//!
//! What each step adds to the library:
//!
//! * counters that no honest sender reaches are refused before the library derives a key ([`Error::ForgedCounter`]);
//! * fields that would make the library panic before it has authenticated anything are refused as [`Error::Malformed`];
//! * a session may not lose its post-quantum half ([`Error::Downgrade`]);
//! * keys that make an agreement worthless are refused ([`Error::WeakKey`]);
//! * archived states and the size of a record are bounded ([`Policy`]);
//! * a delayed message of a replaced identity never moves the conversation back to that identity.
//!
//! Zeroisation: serialised secrets that this crate hands out or holds are wiped when dropped. The library keeps private keys in `Copy`
//! types and records in plain vectors and wipes nothing; whoever runs this must keep core dumps off.

#![forbid(unsafe_code)]

mod bundle;
mod decrypt;
mod encrypt;
mod error;
mod guard;
mod identity;
mod padding;
mod peer;
pub mod pre_keys;
mod record;
mod retry;
mod safety;
mod self_test;
mod session;
mod stores;
mod weak;
mod wiped;
mod wire;

pub use bundle::Bundle;
pub use decrypt::{Consumed, Decrypted, Keys, decrypt};
pub use encrypt::{Encrypted, burn, encrypt, encrypt_many};
pub use error::{Answer, Error};
pub use identity::{Identity, IdentityKey, PeerId};
pub use peer::Peer;
pub use pre_keys::{OneTimePublicKey, PrivateRecord, SignedPublicKey};
pub use retry::{decryption_error, must_archive};
pub use safety::safety_number;
pub use self_test::self_test;
pub use session::{Established, Policy, Trust, archive, establish};
pub use wire::{Ciphertext, Kind, Needed, needed};

/// The padded size of a plaintext is a multiple of this, in bytes of ciphertext.
pub const PADDING_STEP_BYTES: usize = padding::STEP_BYTES;

/// Targets under which the Signal library logs ratchet keys, MACs and peer names, at levels up to `error`. Whoever installs a subscriber
/// must switch them off.
pub const LOG_TARGETS: [&str; 4] = ["libsignal_protocol_syft", "libsignal_core_syft", "signal_crypto_syft", "spqr_syft"];

/// The one device of a peer: Waxseal has no linked devices yet.
const DEVICE_ID: u8 = 1;
