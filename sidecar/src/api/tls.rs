//! The certificate of the API port.
//!
//! Purpose: makes of PEM files what the accept loop shows to clients. The files are read elsewhere; what is said of a fault never repeats
//! what is in them.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no certificate.
    #[error("the certificate file holds no certificate in PEM form")]
    NoCertificate,
    /// There is no key.
    #[error("the key file holds no private key in PEM form")]
    NoKey,
    /// They are of different pairs.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// They are of a kind that cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[source] rustls::Error),
}

/// A certificate with its key, ready to be shown. No `Debug`: it holds the key.
#[derive(Clone)]
pub struct Certificate {
    pub(super) config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
}

impl Certificate {
    /// Of a chain (the port's own certificate first) and its private key, both PEM.
    ///
    /// # Errors
    /// [`Error`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::NoCertificate)?;
        let leaf = chain.first().cloned().ok_or(Error::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::NoKey)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => Error::Mismatch,
                error => Error::Unusable(error),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            leaf,
        })
    }

    /// The port's own certificate.
    #[must_use]
    pub const fn leaf(&self) -> &CertificateDer<'static> {
        &self.leaf
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

    use super::*;

    #[test]
    fn what_is_wrong_with_the_files_is_said_without_repeating_them() {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["graph.example".to_owned()]).unwrap();
        let (chain, key) = (cert.pem(), signing_key.serialize_pem());
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(certificate.leaf(), cert.der());
        let other = KeyPair::generate().unwrap().serialize_pem();
        for (chain, key, said) in [
            ("", key.as_str(), "no certificate"),
            ("garbage", &key, "no certificate"),
            (&chain, "", "no private key"),
            (&chain, &chain, "no private key"),
            (&chain, &other, "does not belong"),
        ] {
            let error = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).err().unwrap().to_string();
            assert!(
                error.contains(said) && !error.contains("BEGIN") && !error.contains("garbage"),
                "{error}"
            );
        }
    }
}
