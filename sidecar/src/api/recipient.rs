//! Whom a message is for.
//!
//! Purpose: turns `to` into a number without ever guessing a country. Meta prepends the business's own calling code to a number without
//! `+`, which has sent messages to strangers; here what is not a full international number is refused, and the error says how to write it.

use waxseal_content::PhoneNumber;

use super::GraphError;
use crate::message::country;

/// The shortest number taken without `+`: below it, a local number is likelier than a full one.
const BARE_DIGITS: usize = 8;

/// The longest user id without its country.
const USER_ID_CHARS: usize = 128;

/// Parses `to`: `+` and the full number, with spaces, hyphens, dots or parentheses if so written; or the bare digits of a `wa_id`.
///
/// # Errors
/// 131009, without repeating the number.
pub(super) fn parse(to: &str) -> Result<PhoneNumber, GraphError> {
    let to = to.trim();
    if to.starts_with('+') {
        return PhoneNumber::parse(to).map_err(|_| {
            GraphError::value("to is not a phone number: after + write the country calling code and the number, 7 to 15 digits in all.")
        });
    }
    if to.starts_with('0') {
        return Err(GraphError::value(
            "to starts with 0, so it is a national number or has an international dialling prefix: write + and the country calling code instead.",
        ));
    }
    if !to.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(GraphError::value(
            "to is neither bare digits (a wa_id) nor a number with a leading +: write + and the country calling code, then the number.",
        ));
    }
    if to.len() < BARE_DIGITS || country::of(to).is_none() {
        return Err(GraphError::value(
            "to is no full international number as it stands: write + and the country calling code before the number.",
        ));
    }
    PhoneNumber::parse_digits(to).map_err(|_| GraphError::value("to has more than 15 digits, which no phone number has."))
}

/// Parses `recipient`, a business-scoped user id: two letters for the country, `ENT.` for one over several accounts, letters and digits.
///
/// # Errors
/// 131009, without repeating it.
pub(super) fn user_id(recipient: &str) -> Result<String, GraphError> {
    let recipient = recipient.trim();
    let own = recipient
        .split_once('.')
        .filter(|(country, _)| country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()));
    let own = own.map(|(_, id)| id.strip_prefix("ENT.").unwrap_or(id));
    match own {
        Some(id) if (1..=USER_ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(recipient.to_owned())
        }
        _ => Err(GraphError::value(
            "recipient is no business-scoped user id: two letters for the country, a dot, and the id, as webhooks have it in user_id.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_numbers_are_taken_as_clients_write_them() {
        for to in ["+15550101", "15550101", " +1 (555) 01-01 ", "+1.555.0101", "+1-555-0101"] {
            assert_eq!(
                parse(to).map(|number| number.reveal().to_owned()),
                Ok("+15550101".to_owned()),
                "{to}"
            );
        }
        assert!(parse("5511987654321").is_ok());
        // Short countries exist; with the + there is no doubt.
        assert!(parse("+6834002").is_ok());
    }

    #[test]
    fn doubt_is_refused_without_repeating_the_number() {
        for to in [
            "",
            "+",
            "5550101",
            "05550101",
            "0015550101",
            "0049 170 1234567",
            "555-0101-22",
            "(555) 0101",
            "+1555x0101",
            "1555x0101",
            "9995550101",
            "1234567890123456",
            "+1234567890123456",
            "+0155501010",
            "１５５５０１０１",
            "US.13491208655302741918",
        ] {
            let error = parse(to).err().unwrap();
            assert_eq!(error.code, 131_009, "{to}");
            let told = format!("{error:?}");
            assert!(to.len() < 3 || !told.contains(to), "{told}");
        }
    }
}
