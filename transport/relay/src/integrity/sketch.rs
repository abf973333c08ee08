//! Counting different things in bounded memory: exactly while there are few, with a HyperLogLog (1,024 registers, about 3 % off) when there are
//! many. Either way a sketch is at most 2 KiB.

use std::collections::HashSet;

const EXACT: usize = 256;
const REGISTERS: usize = 1_024;
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();

/// Which hashes were seen.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Sketch {
    /// In order.
    Few(Vec<u64>),
    /// The longest run of leading zeros by register, plus one.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Sketch {
    /// Takes `hash` in; returns whether that changed anything.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        match self {
            Self::Few(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else {
                    return false;
                };
                if hashes.len() < EXACT {
                    hashes.insert(place, hash);
                } else {
                    let mut registers = Box::new([0; REGISTERS]);
                    for hash in hashes.iter().copied().chain([hash]) {
                        see(&mut registers, hash);
                    }
                    *self = Self::Many(registers);
                }
                true
            }
            Self::Many(registers) => see(registers, hash),
        }
    }

    /// How many different hashes all these have seen.
    pub(super) fn union<'a>(sketches: impl Iterator<Item = &'a Self> + Clone) -> u32 {
        let is_exact = sketches.clone().all(|sketch| matches!(sketch, Self::Few(_)));
        if is_exact {
            let mut all: HashSet<u64> = HashSet::new();
            for sketch in sketches {
                if let Self::Few(hashes) = sketch {
                    all.extend(hashes);
                }
            }
            return u32::try_from(all.len()).unwrap_or(u32::MAX);
        }
        let mut union = [0; REGISTERS];
        for sketch in sketches {
            match sketch {
                Self::Few(hashes) => hashes.iter().for_each(|hash| {
                    see(&mut union, *hash);
                }),
                Self::Many(registers) => union.iter_mut().zip(registers.iter()).for_each(|(a, b)| *a = (*a).max(*b)),
            }
        }
        estimate(&union)
    }

    /// As bytes, for the state file: hashes, or registers behind a zero byte.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Few(hashes) => hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect(),
            Self::Many(registers) => [&[0], registers.as_slice()].concat(),
        }
    }

    /// What [`Self::encode`] wrote; what is none of it is nothing.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        if let Some(registers) = bytes.strip_prefix(&[0]).and_then(|registers| registers.try_into().ok()) {
            return Self::Many(Box::new(registers));
        }
        let mut sketch = Self::default();
        for hash in bytes.as_chunks::<8>().0 {
            sketch.insert(u64::from_be_bytes(*hash));
        }
        sketch
    }
}

fn see(registers: &mut [u8; REGISTERS], hash: u64) -> bool {
    let index = usize::try_from(hash >> (64 - INDEX_BITS)).unwrap_or(0);
    let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
    let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
    match registers.get_mut(index) {
        Some(register) if *register < rank => {
            *register = rank;
            true
        }
        _ => false,
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, never negative, and saturating where it is too large"
)]
fn estimate(registers: &[u8; REGISTERS]) -> u32 {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    let count = match empty {
        1.. if raw <= 2.5 * m => m * (m / empty as f64).ln(),
        _ => raw,
    };
    count.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrity::Hasher;
    use crate::number::Number;

    fn hash(n: u64) -> u64 {
        Hasher([9; 16]).hash(Number::from_key(n))
    }

    fn of(range: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::default();
        for n in range {
            sketch.insert(hash(n));
        }
        sketch
    }

    #[test]
    fn few_are_counted_exactly_and_once() {
        let mut sketch = of(0..256);
        assert!(matches!(sketch, Sketch::Few(_)));
        assert!(!sketch.insert(hash(17)));
        assert_eq!(Sketch::union([&sketch, &of(200..300)].into_iter()), 300);
        assert_eq!(Sketch::union(std::iter::empty()), 0);
    }

    #[test]
    fn many_are_estimated_and_bounded() {
        for many in [257, 1_000, 3_000, 10_000, 100_000, 1_000_000] {
            let sketch = of(0..many);
            assert!(matches!(sketch, Sketch::Many(_)));
            let seen = Sketch::union([&sketch, &of(0..many / 2), &of(0..10)].into_iter());
            let off = seen.abs_diff(u32::try_from(many).unwrap()) * 100;
            assert!(off <= u32::try_from(many).unwrap() * 10, "{seen} of {many}");
        }
    }

    #[test]
    fn survives_the_round_trip_and_reads_anything() {
        for sketch in [Sketch::default(), of(0..10), of(0..256), of(0..1_000)] {
            assert!(Sketch::decode(&sketch.encode()) == sketch);
        }
        for garbage in [&[1, 2, 3][..], &[0; 1_024], &[0; 1_026], &[7; 9_999]] {
            Sketch::union([&Sketch::decode(garbage)].into_iter());
        }
        let full = Sketch::Many(Box::new([u8::MAX; REGISTERS]));
        assert_eq!(Sketch::union([&full].into_iter()), u32::MAX);
    }
}
