//! Checks of foreign public keys that version 0.85 of the library leaves out: an agreement with such a key yields a constant, or is not
//! unique to the key.

use libsignal_protocol::PublicKey;

use crate::Error;

/// Accepts keys that an honest generator can produce: reduced, and in the prime-order subgroup. Costs 35 us, so it is for keys that are
/// seen once per session.
pub(crate) fn check(key: &PublicKey) -> Result<(), Error> {
    if key.is_canonical() { Ok(()) } else { Err(Error::WeakKey) }
}

/// Refuses only the keys with which every agreement is zero. Costs next to nothing, so it is for every ratchet key.
pub(crate) fn check_order(key: &PublicKey) -> Result<(), Error> {
    let mut point = [0; 32];
    let bytes = key.public_key_bytes();
    if bytes.len() != point.len() {
        return Err(Error::WeakKey);
    }
    point.copy_from_slice(bytes);
    // X25519 ignores the highest bit.
    point[31] &= 0x7f;
    if SMALL_ORDER.contains(&point) {
        Err(Error::WeakKey)
    } else {
        Ok(())
    }
}

/// Every encoding (highest bit cleared) of a u-coordinate of order 1, 2, 4 or 8 on the curve or its twist: 0, 1, p - 1, two of order 8, and
/// the unreduced forms p and p + 1.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
        0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
        0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

/// The 32 bytes of p = 2^255 - 19 with another lowest byte.
const fn near_p(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use libsignal_protocol::KeyPair;

    fn key(mut point: [u8; 32], high_bit: bool) -> PublicKey {
        point[31] |= u8::from(high_bit) << 7;
        PublicKey::from_djb_public_key_bytes(&point).unwrap()
    }

    /// The table is true: these keys, and these with the highest bit set, yield a zero agreement with anybody; and both checks know them.
    #[test]
    fn small_order_keys_yield_zero_and_are_refused() {
        let ours = KeyPair::generate(&mut rand::rng());
        for point in SMALL_ORDER {
            for high_bit in [false, true] {
                let weak = key(point, high_bit);
                assert!(ours.private_key.calculate_agreement(&weak).unwrap().iter().all(|byte| *byte == 0));
                assert_eq!(check(&weak), Err(Error::WeakKey));
                assert_eq!(check_order(&weak), Err(Error::WeakKey));
            }
        }
    }

    #[test]
    fn honest_keys_pass() {
        for _ in 0..64 {
            let honest = KeyPair::generate(&mut rand::rng()).public_key;
            assert_eq!(check(&honest), Ok(()));
            assert_eq!(check_order(&honest), Ok(()));
        }
    }

    #[test]
    fn unreduced_keys_are_refused() {
        let mut rng = rand::rng();
        let honest = KeyPair::generate(&mut rng).public_key;
        let mut point = [0; 32];
        point.copy_from_slice(honest.public_key_bytes());
        assert_eq!(check(&key(point, true)), Err(Error::WeakKey));
    }
}
