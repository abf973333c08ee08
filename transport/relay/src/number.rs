//! E.164 numbers as the relay keeps them: as an integer, because a number's digits do not start with zero.

/// A phone number. No `Debug` and no `Display`: it must not reach a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(u64);

/// ITU-T E.164 allows 15 digits; shorter than 7 is no subscriber number anywhere.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl Number {
    /// Reads `+` and 7 to 15 digits, the first not zero, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().strip_prefix(b"+")?;
        if !DIGITS.contains(&digits.len()) || digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Self(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
    }

    /// The number as written on the wire.
    pub(crate) fn reveal(self) -> String {
        format!("+{}", self.0)
    }

    /// The number as a key of a table.
    pub(crate) fn key(self) -> u64 {
        self.0
    }

    /// The number that [`Self::key`] came from.
    pub(crate) fn from_key(key: u64) -> Self {
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_garbage() {
        for text in [
            "",
            "+",
            "15550100",
            "+0555010000",
            "+155501",
            "+1234567890123456",
            "+1555 0100",
            "+1555010a",
            "+٣٣٣٣٣٣٣٣",
            "++15550100",
            "+15550100\n",
        ] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn survives_the_round_trip(text in "\\+[1-9][0-9]{6,14}") {
            let number = Number::parse(&text).unwrap();
            prop_assert!(number.reveal() == text);
            prop_assert!(Number::from_key(number.key()) == number);
        }

        #[test]
        fn never_panics(text in ".*") {
            if let Some(number) = Number::parse(&text) {
                prop_assert!(number.reveal() == text);
            }
        }
    }
}
