//! Addresses that are good for some time and need no token: for what a program or a person opens without one, and what is the business's own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;
use waxseal_sealing::Tokens;

use super::Number;

/// More than any signature has.
const MOST_SIGNATURE_CHARS: usize = 256;

/// What an address is of. Each is signed apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The document of a flow.
    FlowJson,
    /// The picture of the profile.
    Picture,
}

impl Thing {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::FlowJson => b"address of a flow's document",
            Self::Picture => b"address of a picture",
        }
    }
}

impl Number {
    /// The query of an address of this thing with this id, good from now on for so long.
    #[must_use]
    pub fn signed(&self, thing: Thing, id: &str, lifetime: Duration, now: SystemTime) -> String {
        let expires_s = seconds(now).saturating_add(lifetime.as_secs());
        let signature = signature(&self.shared.tokens, thing, id, expires_s);
        format!("phone_number_id={}&expires={expires_s}&signature={signature}", self.id())
    }

    /// Whether such a query was given out for this, and is still good.
    #[must_use]
    pub fn is_signed(&self, thing: Thing, id: &str, expires: &str, signature: &str, now: SystemTime) -> bool {
        is_good(&self.shared.tokens, thing, id, expires, signature, now)
    }
}

fn signature(tokens: &Tokens, thing: Thing, id: &str, expires_s: u64) -> String {
    // The time has a fixed length, so that id and time cannot be taken apart in another way.
    let content = [&expires_s.to_be_bytes(), id.as_bytes()].concat();
    BASE64_URL_SAFE_NO_PAD.encode(tokens.wrap(thing.label(), &content))
}

fn is_good(tokens: &Tokens, thing: Thing, id: &str, expires: &str, given: &str, now: SystemTime) -> bool {
    let Ok(expires_s) = expires.parse::<u64>() else {
        return false;
    };
    if given.len() > MOST_SIGNATURE_CHARS || seconds(now) >= expires_s {
        return false;
    }
    let expected = signature(tokens, thing, id, expires_s);
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn an_address_is_for_one_thing_and_some_time() {
        let (tokens, others) = (Tokens::new(&Zeroizing::new([1; 32])), Tokens::new(&Zeroizing::new([2; 32])));
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let given = signature(&tokens, Thing::FlowJson, "17", 1300);
        let is_good = |tokens, id: &str, expires: &str, given: &str, now| is_good(tokens, Thing::FlowJson, id, expires, given, at(now));
        assert!(is_good(&tokens, "17", "1300", &given, 1299));
        assert!(!is_good(&tokens, "17", "1300", &given, 1300), "expired");
        assert!(!is_good(&tokens, "17", "1301", &given, 1000), "prolonged");
        assert!(!is_good(&tokens, "18", "1300", &given, 1000), "of another one");
        assert!(!is_good(&others, "17", "1300", &given, 1000), "of another number");
        for wrong in ["", "A", &given[1..], &"A".repeat(4096)] {
            assert!(!is_good(&tokens, "17", "1300", wrong, 1000));
        }
        assert!(!is_good(&tokens, "17", "", &given, 0) && !is_good(&tokens, "17", "-1", &given, 0));
    }
}
