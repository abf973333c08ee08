//! Ids of files.

use std::fmt;

use rand::Rng;

/// The id of a file at the HTTP port: 16 digits, below 2^53 because some clients hold ids as JavaScript numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MediaId(u64);

impl MediaId {
    const LEAST: u64 = 1_000_000_000_000_000;
    const MOST: u64 = (1 << 53) - 1;

    /// A fresh id.
    pub fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        Self(rng.random_range(Self::LEAST..=Self::MOST))
    }

    /// `None` when no file can have this id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|_| digits)?;
        (Self::LEAST..=Self::MOST).contains(&id).then_some(Self(id))
    }

    /// The number it is.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn ids_are_sixteen_digits_that_a_double_can_hold() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..1000 {
            let id = MediaId::random(&mut rng);
            let text = id.to_string();
            assert!(text.len() == 16 && id.number() < 1 << 53);
            assert_eq!(MediaId::parse(&text), Some(id));
        }
        for text in [
            "",
            "1",
            "999999999999999",
            "9007199254740992",
            "+100000000000000",
            "10000000000000000",
            "100000000000000a",
        ] {
            assert_eq!(MediaId::parse(text), None, "{text}");
        }
    }
}
