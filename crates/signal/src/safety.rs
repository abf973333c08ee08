//! The number that two people compare to be sure that nobody sits between them.

use libsignal_protocol::Fingerprint;

use crate::{Error, IdentityKey};

/// Signal's second version: rounds of SHA-512 over key and name.
const VERSION: u32 = 2;
const ITERATIONS: u32 = 5200;

/// The 60 digits that both sides see if and only if they hold each other's real identity key.
///
/// Both must write the two numbers the same way, E.164 with the leading `+`. Costs 2.5 ms: cache it.
///
/// # Errors
/// [`Error::Internal`] never in practice.
pub fn safety_number(me: &IdentityKey, my_number: &str, them: &IdentityKey, their_number: &str) -> Result<String, Error> {
    Fingerprint::new(
        VERSION,
        ITERATIONS,
        my_number.as_bytes(),
        me.as_inner(),
        their_number.as_bytes(),
        them.as_inner(),
    )
    .map(|fingerprint| fingerprint.display.to_string())
    .map_err(|_| Error::Internal("safety number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn both_sides_see_the_same_60_digits_and_a_third_key_shows() {
        let mut rng = rand::rng();
        let [ours, theirs, other] = std::array::from_fn(|_| Identity::generate(&mut rng).unwrap().public_key());
        let here = safety_number(&ours, "+15550100", &theirs, "+15550101").unwrap();
        let there = safety_number(&theirs, "+15550101", &ours, "+15550100").unwrap();
        assert_eq!(here, there);
        assert_eq!(here.len(), 60);
        assert!(here.bytes().all(|byte| byte.is_ascii_digit()));
        assert_ne!(here, safety_number(&ours, "+15550100", &other, "+15550101").unwrap());
        assert_ne!(here, safety_number(&ours, "+15550100", &theirs, "+15550102").unwrap());
    }
}
