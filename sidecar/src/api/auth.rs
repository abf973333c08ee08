//! Bearer tokens.
//!
//! Purpose: says whether a request may act for a number. Keeps SHA-256 digests only, compares them in constant time, and lets several tokens
//! live at once so that they can be changed without a gap.

use std::collections::HashSet;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::GraphError;

/// The digest of a token that was presented.
pub(super) struct Presented([u8; 32]);

impl Presented {
    /// Reads `Authorization: Bearer …` (or Graph's older word `OAuth`).
    ///
    /// # Errors
    /// 190 if there is none.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, GraphError> {
        let missing = || GraphError::unauthenticated("An access token is required to request this resource.");
        let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.as_bytes();
        let space = value.iter().position(u8::is_ascii_whitespace).ok_or_else(missing)?;
        let (scheme, token) = value.split_at(space);
        let token = token.trim_ascii();
        if token.is_empty() || !(scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"oauth")) {
            return Err(missing());
        }
        Ok(Self(Sha256::digest(token).into()))
    }
}

/// The tokens of one number.
pub(super) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// Keeps the digests of these tokens; empty ones never match.
    pub(super) fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let tokens = tokens.into_iter().filter(|token| !token.is_empty());
        Self(tokens.map(|token| Sha256::digest(token.as_bytes()).into()).collect())
    }

    pub(super) fn admits(&self, presented: &Presented) -> bool {
        let any = self.0.iter().fold(Choice::from(0), |any, digest| any | digest.ct_eq(&presented.0));
        any.into()
    }
}

/// Every token of the process, to tell a token of another number from one of nobody.
#[derive(Default)]
pub(super) struct Everyone(HashSet<[u8; 32]>);

impl Everyone {
    /// Adds a number's tokens.
    pub(super) fn add(&mut self, tokens: &Tokens) {
        self.0.extend(&tokens.0);
    }

    /// Admits the token, or says why not.
    ///
    /// # Errors
    /// 190 for a token of nobody, 10 for one of another number. `own` is `None` if the request names no number of this process: then a
    /// token of anybody passes, and the caller says what is missing.
    pub(super) fn check(&self, presented: &Presented, own: Option<&Tokens>) -> Result<(), GraphError> {
        if own.is_some_and(|own| own.admits(presented)) {
            return Ok(());
        }
        // The table is keyed by digests, which nobody can choose: its timing says nothing about a token.
        match (self.0.contains(&presented.0), own) {
            (true, None) => Ok(()),
            (true, Some(_)) => Err(GraphError::forbidden()),
            (false, _) => Err(GraphError::unauthenticated(
                "Invalid OAuth access token - Cannot parse access token",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn presented(value: &str) -> Result<Presented, u32> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        Presented::from_headers(&headers).map_err(|error| error.code)
    }

    #[test]
    fn the_header_is_read_as_clients_write_it() {
        let tokens = Tokens::new(["EAAG", "second", ""]);
        for value in ["Bearer EAAG", "bearer EAAG", "Bearer  EAAG ", "OAuth EAAG", "Bearer second"] {
            assert!(tokens.admits(&presented(value).ok().unwrap()), "{value}");
        }
        for value in ["Bearer", "Bearer ", "Basic EAAG", "EAAG", ""] {
            assert_eq!(presented(value).err(), Some(190), "{value}");
        }
        assert!(!tokens.admits(&presented("Bearer EAAGx").ok().unwrap()));
    }

    #[test]
    fn whose_token_it_is_decides_the_error() {
        let (mine, theirs) = (Tokens::new(["mine", "mine-too"]), Tokens::new(["theirs"]));
        let mut everyone = Everyone::default();
        everyone.add(&mine);
        everyone.add(&theirs);
        let check = |token: &str, own| {
            let token = presented(&format!("Bearer {token}")).ok().unwrap();
            everyone.check(&token, own).map_err(|error| (error.status.as_u16(), error.code))
        };
        assert_eq!(check("mine", Some(&mine)), Ok(()));
        assert_eq!(check("mine-too", Some(&mine)), Ok(()));
        assert_eq!(check("theirs", Some(&mine)), Err((403, 10)));
        assert_eq!(check("nobody's", Some(&mine)), Err((401, 190)));
        assert_eq!(check("theirs", None), Ok(()));
        assert_eq!(check("nobody's", None), Err((401, 190)));
    }
}
