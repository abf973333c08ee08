//! Hides the length of a message: the content, one byte 0x80, then zeros, so that the ciphertext is a multiple of 160 bytes.

use zeroize::Zeroizing;

use crate::Error;

pub(crate) const STEP_BYTES: usize = 160;
const BOUNDARY: u8 = 0x80;

/// One byte short of a whole step: the cipher's own padding adds at least one, and would add a block to a whole step.
pub(crate) fn pad(plaintext: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = (plaintext.len() + 2).div_ceil(STEP_BYTES) * STEP_BYTES - 1;
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(plaintext);
    padded.push(BOUNDARY);
    padded.resize(length, 0);
    padded
}

pub(crate) fn unpad(mut padded: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let boundary = padded.iter().rposition(|byte| *byte != 0).ok_or(Error::Malformed)?;
    if padded[boundary] != BOUNDARY {
        return Err(Error::Malformed);
    }
    padded.truncate(boundary);
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn padding_is_reversible_and_hides_the_length(plaintext in proptest::collection::vec(any::<u8>(), 0..1000)) {
            let padded = pad(&plaintext);
            prop_assert_eq!((padded.len() + 1) % STEP_BYTES, 0);
            prop_assert!(padded.len() < plaintext.len() + 1 + STEP_BYTES);
            prop_assert_eq!(&*unpad(padded).unwrap(), &plaintext);
        }
    }

    #[test]
    fn plaintexts_without_a_boundary_are_refused() {
        for padded in [vec![], vec![0; 159], vec![1, 2, 3], vec![0x80, 0, 1]] {
            assert_eq!(unpad(Zeroizing::new(padded)).err(), Some(Error::Malformed));
        }
    }

    #[test]
    fn steps_begin_where_they_should() {
        for (length, padded) in [(0, 159), (157, 159), (158, 159), (159, 319), (318, 319), (319, 479)] {
            assert_eq!(pad(&vec![7; length]).len(), padded, "{length}");
        }
    }
}
