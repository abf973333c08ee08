//! What a message id looks like to the business: a string, without what is in it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// The id of one message as the business sees it: `wamid.` and an opaque base64url token, at most 128 characters.
///
/// The token is made and opened by the number it belongs to; here it is a string that may be logged.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wamid(String);

/// The text is no id this system gave out. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message id of this system: `wamid.` and up to 122 characters of base64url")]
pub struct InvalidWamid;

impl Wamid {
    /// What every id starts with.
    pub const PREFIX: &'static str = "wamid.";
    /// The longest id, prefix included.
    pub const MAX_CHARS: usize = 128;

    /// Writes a token as an id.
    ///
    /// # Errors
    /// [`InvalidWamid`] if the token is empty or longer than 91 bytes.
    pub fn from_token(token: &[u8]) -> Result<Self, InvalidWamid> {
        let mut id = String::with_capacity(Self::PREFIX.len() + token.len().div_ceil(3) * 4);
        id.push_str(Self::PREFIX);
        BASE64_URL_SAFE_NO_PAD.encode_string(token, &mut id);
        if token.is_empty() || id.len() > Self::MAX_CHARS {
            return Err(InvalidWamid);
        }
        Ok(Self(id))
    }

    /// Checks prefix, alphabet and length. Whether the token is one of ours shows only when it is opened.
    ///
    /// # Errors
    /// [`InvalidWamid`] if one of them is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidWamid> {
        let token = text.strip_prefix(Self::PREFIX).ok_or(InvalidWamid)?;
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if token.is_empty() || text.len() > Self::MAX_CHARS || !token.bytes().all(alphabet) {
            return Err(InvalidWamid);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token's bytes, `None` if they were not written by [`Wamid::from_token`].
    #[must_use]
    pub fn token(&self) -> Option<Vec<u8>> {
        BASE64_URL_SAFE_NO_PAD.decode(&self.0[Self::PREFIX.len()..]).ok()
    }

    /// With the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_as_an_id() {
        let token: Vec<u8> = (0..91).collect();
        let wamid = Wamid::from_token(&token).unwrap();
        assert_eq!(wamid.as_str().len(), 128);
        assert_eq!(Wamid::parse(wamid.as_str()).unwrap().token().unwrap(), token);
        assert_eq!(Wamid::from_token(&[0; 92]), Err(InvalidWamid));
        assert_eq!(Wamid::from_token(&[]), Err(InvalidWamid));
    }

    #[test]
    fn foreign_ids_are_refused() {
        let long = format!("wamid.{}", "A".repeat(123));
        for text in [
            "",
            "wamid.",
            "WAMID.AAAA",
            "wamid.HBgL==",
            "wamid.a/b+",
            "wamid.ä",
            "gid.AAAA",
            long.as_str(),
        ] {
            assert_eq!(Wamid::parse(text), Err(InvalidWamid), "{text}");
        }
        assert!(Wamid::parse("wamid.A").unwrap().token().is_none());
    }
}
