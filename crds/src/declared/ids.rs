//! Ids that are derived from what was declared, so that they stay equal everywhere and for ever.

use sha2::{Digest, Sha256};

/// The id of a phone number that names none: 15 digits from a hash of the number.
#[must_use]
pub fn phone_number_id(phone_number: &str) -> String {
    digits("waxseal.dev/phone-number-id", &[phone_number])
}

/// The id of a business account that names none: 15 digits from a hash of namespace and name.
#[must_use]
pub fn business_account_id(namespace: &str, name: &str) -> String {
    digits("waxseal.dev/business-account-id", &[namespace, name])
}

fn digits(label: &str, parts: &[&str]) -> String {
    const LOWEST: u64 = 100_000_000_000_000;
    let mut hash = Sha256::new();
    hash.update(label);
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    let hash = hash.finalize();
    let number = hash.iter().take(8).fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    (LOWEST + number % (9 * LOWEST)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_what_they_always_were() {
        // Clients keep these ids in their configuration: a change here breaks every one of them.
        assert_eq!(phone_number_id("+15550100"), "545195353236995");
        assert_eq!(business_account_id("default", "sample"), "263783907935243");
    }

    #[test]
    fn do_not_mix_up_parts() {
        assert_ne!(business_account_id("a", "bc"), business_account_id("ab", "c"));
    }
}
