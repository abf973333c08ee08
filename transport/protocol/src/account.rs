//! Who calls: a number and the credential it chose at registration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::{CryptoRng, Rng};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Error, wire};

/// 32 random bytes that prove a number's registration to the relay, which keeps only their hash. No `Debug`; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Credential([u8; 32]);

impl Credential {
    /// A fresh credential.
    pub fn random<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The credential with these bytes, as kept by its owner.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, to keep or to send.
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads what `authorization` carries. `None` when it is not a bearer credential of 32 bytes.
    #[must_use]
    pub fn from_bearer(value: &str) -> Option<Self> {
        let encoded = value.strip_prefix("Bearer ")?;
        let mut bytes = [0; 32];
        // 48: the decoder wants room for the padded estimate.
        let mut decoded = Zeroizing::new([0; 48]);
        let length = STANDARD.decode_slice(encoded, decoded.as_mut()).ok()?;
        bytes.copy_from_slice(decoded.get(..length).filter(|bytes| bytes.len() == 32)?);
        Some(Self(bytes))
    }

    fn bearer(&self) -> Result<MetadataValue<Ascii>, Error> {
        let text = Zeroizing::new(format!("Bearer {}", *Zeroizing::new(STANDARD.encode(self.0))));
        let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| Error::Malformed)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A registered (or about to be registered) number. No `Debug`.
#[derive(Clone)]
pub struct Account {
    /// E.164 with the leading `+`.
    pub number: String,
    /// What proves the registration.
    pub credential: Credential,
}

impl Account {
    /// The call `message` in this account's name.
    pub(crate) fn request<T>(&self, message: T) -> Result<Request<T>, Error> {
        let mut request = Request::new(message);
        let mut number: MetadataValue<Ascii> = self.number.parse().map_err(|_| Error::Malformed)?;
        number.set_sensitive(true);
        request.metadata_mut().insert(wire::NUMBER, number);
        request.metadata_mut().insert(wire::AUTHORIZATION, self.credential.bearer()?);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_reads_what_it_wrote() {
        let credential = Credential::random(&mut rand::rng());
        let value = credential.bearer().unwrap();
        assert!(value.is_sensitive());
        assert!(Credential::from_bearer(value.to_str().unwrap()).is_some_and(|read| read == credential));
    }

    #[test]
    fn bearer_refuses_anything_else() {
        let long = STANDARD.encode([7; 33]);
        let short = STANDARD.encode([7; 31]);
        for text in ["", "Bearer", "Bearer ", "Basic eHg=", "Bearer %%%%"] {
            assert!(Credential::from_bearer(text).is_none(), "{text}");
        }
        assert!(Credential::from_bearer(&format!("Bearer {long}")).is_none());
        assert!(Credential::from_bearer(&format!("Bearer {short}")).is_none());
        assert!(Credential::from_bearer(&format!("Bearer {}", STANDARD.encode([7; 4096]))).is_none());
    }
}
