//! The start-up check that session records of this build can be opened by every other build.

use libcrux_ml_kem::mlkem768::incremental;

use crate::Error;

/// Refuses a build whose lattice code stores the post-quantum ratchet state in a processor-dependent byte order.
///
/// The AVX2 path keeps 16-bit values little-endian, the portable one big-endian; a session that moves between two such machines is lost for
/// good. The values looked at are tiny (error terms of the encapsulation), so the order shows in the first one that is neither 0 nor -1.
/// Cargo does not rebuild when only the variables change: a build made without them stays wrong until it is cleaned.
///
/// # Errors
/// [`Error::UnportableBuild`].
pub fn self_test() -> Result<(), Error> {
    let mut state = vec![0; incremental::encaps_state_len()];
    let mut shared_secret = [0; 32];
    let keys = incremental::KeyPairCompressedBytes::from_seed([7; 64]);
    incremental::encapsulate1(keys.pk1(), [9; 32], &mut state, &mut shared_secret).map_err(|_| Error::UnportableBuild)?;
    if is_portable(&state) { Ok(()) } else { Err(Error::UnportableBuild) }
}

/// Where the error polynomial of the 2 080-byte state is.
const ERROR_TERMS: std::ops::Range<usize> = 1536..2048;

fn is_portable(state: &[u8]) -> bool {
    let Some(terms) = state.get(ERROR_TERMS) else { return false };
    let first = terms.chunks_exact(2).find(|term| !matches!(term, [0, 0] | [0xff, 0xff]));
    matches!(first, Some([0, 1] | [0, 2] | [0xff, 0xfe]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_build_is_portable() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn the_other_byte_order_is_recognised() {
        for (term, portable) in [
            ([0, 1], true),
            ([0xff, 0xfe], true),
            ([0, 2], true),
            ([1, 0], false),
            ([2, 0], false),
            ([0xfe, 0xff], false),
        ] {
            let mut state = vec![0; 2080];
            state[1600..1602].copy_from_slice(&term);
            assert_eq!(is_portable(&state), portable, "{term:?}");
        }
        assert!(!is_portable(&[0; 2080]));
        assert!(!is_portable(&[]));
    }
}
