//! How a client knows the relay, and the relay the client, when the address begins with `https`.

use std::sync::Arc;

use tonic::transport::{Certificate, ClientTlsConfig};
use zeroize::Zeroizing;

use crate::Error;

/// How a client knows the relay and shows who it is. The default trusts the public roots (Mozilla's) and shows nothing. Means nothing for
/// an `http` address. No `Debug`.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates (PEM, one or more) to trust instead of the public roots.
    pub ca: Option<Vec<u8>>,
    /// What the client shows, where the relay wants to see something.
    pub identity: Option<Identity>,
}

/// A certificate chain and its private key. No `Debug`; the key is wiped when the last clone is dropped, except for the copies that the TLS
/// library makes.
#[derive(Clone)]
pub struct Identity {
    certificate: Arc<[u8]>,
    key: Arc<Zeroizing<Vec<u8>>>,
}

impl Identity {
    /// The chain (PEM, the client's own certificate first) and the private key (PEM: PKCS #8, PKCS #1 or SEC 1).
    #[must_use]
    pub fn new(certificate: &[u8], key: Zeroizing<Vec<u8>>) -> Self {
        Self {
            certificate: certificate.into(),
            key: Arc::new(key),
        }
    }
}

impl Tls {
    /// What tonic wants.
    pub(crate) fn config(&self) -> Result<ClientTlsConfig, Error> {
        let config = match &self.ca {
            // Without this check an empty bundle would trust nobody and every connection would fail for a reason that is hard to find.
            Some(ca) if !has_certificate(ca) => return Err(Error::Tls("the CA bundle holds no certificate in PEM form")),
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_webpki_roots(),
        };
        Ok(match &self.identity {
            Some(identity) if !has_certificate(&identity.certificate) => {
                return Err(Error::Tls("the client certificate is not in PEM form"));
            }
            Some(identity) => config.identity(tonic::transport::Identity::from_pem(&identity.certificate, identity.key.as_slice())),
            None => config,
        })
    }
}

fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}
