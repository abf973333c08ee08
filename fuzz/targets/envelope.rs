//! See `waxseal_sidecar::fuzzing`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waxseal_sidecar::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::envelope(bytes);
});
