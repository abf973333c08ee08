//! Business-scoped user ids.
//!
//! Purpose: names a consumer to one business: `CC.` and twenty digits. A keyed hash, so it is the same for as long as the number and the key
//! are, says nothing to another business, and needs no table. Pure.

use hmac::Mac;
use waxseal_content::PhoneNumber;

use super::sign;
use crate::message::country;

/// The country of a number under no known calling code.
const NO_COUNTRY: &str = "ZZ";

/// Part of the input, so that the key may serve other ends as well.
const DOMAIN: &[u8] = b"waxseal business-scoped user id v1\0";

/// The id of a consumer for the business that holds `key`.
#[must_use]
pub fn of(key: &[u8; 32], consumer: &PhoneNumber) -> String {
    let digits = consumer.wa_id();
    let mut mac = sign::keyed(key);
    mac.update(DOMAIN);
    mac.update(digits.as_bytes());
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    let (high, _) = hash.split_at(16);
    let number = high.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    // Twenty digits that do not start with zero, since some receivers read ids as numbers.
    let number = 10_u128.pow(19) + number % (9 * 10_u128.pow(19));
    format!("{}.{number}", country::of(digits).unwrap_or(NO_COUNTRY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_one_business_and_different_for_another() {
        let ada = PhoneNumber::parse("+15550101").unwrap();
        let bob = PhoneNumber::parse("+491701234567").unwrap();
        let id = of(&[7; 32], &ada);
        assert_eq!(id, "US.79795931940564293269");
        assert_eq!(id, of(&[7; 32], &ada));
        assert_ne!(id, of(&[8; 32], &ada));
        assert!(of(&[7; 32], &bob).starts_with("DE."));
        assert!(of(&[7; 32], &PhoneNumber::parse("+9995550101").unwrap()).starts_with("ZZ."));
        for id in [id, of(&[7; 32], &bob)] {
            let (country, digits) = id.split_once('.').unwrap();
            assert!(
                country.len() == 2 && digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()),
                "{id}"
            );
        }
    }
}
