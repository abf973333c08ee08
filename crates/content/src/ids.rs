//! Random 16-byte ids. They name messages and envelopes and say nothing about them, so they may be logged.

use std::fmt;

use rand::RngCore;

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps known bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A fresh id.
            pub fn random<R: RngCore + ?Sized>(rng: &mut R) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }

            /// `None` unless there are exactly 16 bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

id!(MessageId, "Names one message for both ends of a conversation.");
id!(
    EnvelopeId,
    "Names one envelope; the relay accepts an id of one sender once, and receivers deliver it once."
);
id!(
    BlobId,
    "Names a file's ciphertext at the relay. Whoever names it may fetch it; without the key in the message it says nothing."
);
