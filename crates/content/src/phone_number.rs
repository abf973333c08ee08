//! E.164 phone numbers.

use zeroize::Zeroize;

/// A phone number in E.164 form: `+` and 7 to 15 digits, the first not zero.
///
/// Has no `Debug`, `Display` or `Serialize`: a consumer's number never reaches a log, metric, trace, Kubernetes object or key name. Wiped
/// when dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// The text is no E.164 number. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in E.164 form: write + and the country code, then the number, 7 to 15 digits in all")]
pub struct InvalidPhoneNumber;

/// ITU-T E.164 allows 15 digits; shorter than 7 is no subscriber number anywhere.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl PhoneNumber {
    /// Parses `+15550100`, also with spaces, hyphens, dots and parentheses between the digits. The leading `+` is required.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`] if it is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let rest = text.trim().strip_prefix('+').ok_or(InvalidPhoneNumber)?;
        Self::collect(rest.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'.' | b'(' | b')')))
    }

    /// Parses a `wa_id`: the digits of the full international number without `+`.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`] if it is anything else.
    pub fn parse_digits(digits: &str) -> Result<Self, InvalidPhoneNumber> {
        Self::collect(digits.bytes())
    }

    fn collect(digits: impl Iterator<Item = u8>) -> Result<Self, InvalidPhoneNumber> {
        let mut number = String::with_capacity(16);
        number.push('+');
        for digit in digits {
            if !digit.is_ascii_digit() || number.len() > *DIGITS.end() || (number.len() == 1 && digit == b'0') {
                number.zeroize();
                return Err(InvalidPhoneNumber);
            }
            number.push(char::from(digit));
        }
        if DIGITS.contains(&(number.len() - 1)) {
            Ok(Self(number))
        } else {
            number.zeroize();
            Err(InvalidPhoneNumber)
        }
    }

    /// With the leading `+`. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Without the leading `+`, as the Cloud API writes it.
    #[must_use]
    pub fn wa_id(&self) -> &str {
        &self.0[1..]
    }
}

impl Drop for PhoneNumber {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_write() {
        for text in ["+15550100", "+1 (555) 01-00", " +1.555.0100 ", "+491701234567"] {
            assert!(PhoneNumber::parse(text).is_ok(), "{text}");
        }
        assert!(PhoneNumber::parse("+1 (555) 01-00").unwrap().reveal() == "+15550100");
        assert!(PhoneNumber::parse_digits("15550100").unwrap().wa_id() == "15550100");
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "+",
            "15550100",
            "+0155501000",
            "+123456",
            "+1234567890123456",
            "+1555x0100",
            "++15550100",
            "+١٥٥٥٠١٠٠",
        ] {
            assert!(PhoneNumber::parse(text).is_err(), "{text}");
        }
        for digits in ["+15550100", "0155501000", "555 0100", "123456"] {
            assert!(PhoneNumber::parse_digits(digits).is_err(), "{digits}");
        }
    }
}
