//! Addresses of files. One is good for some minutes, and only together with a token of the number: whoever sees it in a log cannot use it.
//! Pure; made where a file is asked for and where the webhook of a message with a file is written.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;
use waxseal_sealing::Tokens;

use crate::id::MediaId;

const LABEL: &[u8] = b"media address";
const MOST_SIGNATURE_CHARS: usize = 128;

/// Makes the addresses of one number's files.
#[derive(Clone)]
pub struct Urls {
    /// `https://host` of the HTTP port as the business reaches it, if that is configured.
    base: Option<String>,
    /// The same, to be used in webhooks for want of anything better.
    own: Option<String>,
    number_id: String,
    lifetime: Duration,
}

impl Urls {
    /// For the number with this id. `base` is where the business reaches the port, `own` where it listens.
    #[must_use]
    pub fn new(base: Option<&str>, own: Option<&str>, number_id: &str, lifetime: Duration) -> Self {
        let clean = |base: Option<&str>| {
            base.map(|base| base.trim_end_matches('/').to_owned())
                .filter(|base| !base.is_empty())
        };
        Self {
            base: clean(base),
            own: clean(own),
            number_id: number_id.to_owned(),
            lifetime: lifetime.max(Duration::from_secs(1)),
        }
    }

    /// The address of a file for a webhook; `None` when nobody has said where the port is.
    #[must_use]
    pub fn of(&self, tokens: &Tokens, id: MediaId, now_ms: u64) -> Option<String> {
        let base = self.base.as_ref().or(self.own.as_ref())?;
        Some(self.under(base, tokens, id, now_ms))
    }

    /// The address of a file under the configured base, or under the one by which the port was reached.
    pub(crate) fn or_under(&self, reached: &str, tokens: &Tokens, id: MediaId, now_ms: u64) -> String {
        self.under(self.base.as_deref().unwrap_or(reached), tokens, id, now_ms)
    }

    fn under(&self, base: &str, tokens: &Tokens, id: MediaId, now_ms: u64) -> String {
        let expires_s = (now_ms / 1000).saturating_add(self.lifetime.as_secs());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(tokens.wrap(LABEL, &content(id, expires_s)));
        format!(
            "{base}/media/{id}?phone_number_id={}&expires={expires_s}&signature={signature}",
            self.number_id
        )
    }
}

/// Whether an address with these parts was given out, and has not expired.
pub(crate) fn is_good(tokens: &Tokens, id: MediaId, expires: &str, signature: &str, now_ms: u64) -> bool {
    let Ok(expires_s) = expires.parse::<u64>() else {
        return false;
    };
    if signature.len() > MOST_SIGNATURE_CHARS || now_ms / 1000 >= expires_s {
        return false;
    }
    let expected = tokens.wrap(LABEL, &content(id, expires_s));
    BASE64_URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|given| given.ct_eq(&expected).into())
}

fn content(id: MediaId, expires_s: u64) -> [u8; 16] {
    let mut content = [0; 16];
    content[..8].copy_from_slice(&id.number().to_be_bytes());
    content[8..].copy_from_slice(&expires_s.to_be_bytes());
    content
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn an_address_is_for_one_file_and_some_time() {
        let tokens = Tokens::new(&Zeroizing::new([1; 32]));
        let (id, other) = (
            MediaId::parse("1234567890123456").unwrap(),
            MediaId::parse("1234567890123457").unwrap(),
        );
        let urls = Urls::new(
            Some("https://api.example/"),
            Some("http://[::1]:1"),
            "106",
            Duration::from_secs(300),
        );
        let url = urls.of(&tokens, id, 1_000_000).unwrap();
        let (start, signature) = url.split_once("&signature=").unwrap();
        assert_eq!(start, "https://api.example/media/1234567890123456?phone_number_id=106&expires=1300");
        assert!(is_good(&tokens, id, "1300", signature, 1_000_000));
        assert!(is_good(&tokens, id, "1300", signature, 1_299_999));
        assert!(!is_good(&tokens, id, "1300", signature, 1_300_000), "expired");
        assert!(!is_good(&tokens, id, "1301", signature, 1_000_000), "prolonged");
        assert!(!is_good(&tokens, other, "1300", signature, 1_000_000), "another file");
        assert!(
            !is_good(&Tokens::new(&Zeroizing::new([2; 32])), id, "1300", signature, 1_000_000),
            "another number"
        );
        for wrong in ["", "A", &signature[1..], &"A".repeat(4096)] {
            assert!(!is_good(&tokens, id, "1300", wrong, 1_000_000));
        }
        assert!(!is_good(&tokens, id, "-1", signature, 0) && !is_good(&tokens, id, "", signature, 0));
    }

    #[test]
    fn without_a_base_the_port_s_own_address_serves() {
        let tokens = Tokens::new(&Zeroizing::new([1; 32]));
        let id = MediaId::parse("1234567890123456").unwrap();
        let urls = Urls::new(None, None, "106", Duration::from_secs(300));
        assert_eq!(urls.of(&tokens, id, 0), None);
        let own = Urls::new(None, Some("http://127.0.0.1:1"), "106", Duration::from_secs(300));
        assert!(own.of(&tokens, id, 0).unwrap().starts_with("http://127.0.0.1:1/media/"));
        assert!(
            own.or_under("https://api.example", &tokens, id, 0)
                .starts_with("https://api.example/media/"),
            "as it was reached"
        );
        assert!(
            urls.or_under("http://127.0.0.1:8080", &tokens, id, 0)
                .starts_with("http://127.0.0.1:8080/media/")
        );
    }
}
