//! A port that speaks TLS, for servers of tests: shows a certificate, and demands one where it is told to.

use std::{io, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use axum::serve::Listener;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A listener whose connections are encrypted.
pub struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Secured {
    /// Shows this certificate (PEM, with its key); with `clients`, the certificate of an authority (PEM), those who connect have to show one
    /// that it has signed.
    ///
    /// # Errors
    /// When something is not PEM or does not belong together.
    pub fn new(listener: TcpListener, certificate: &str, private_key: &str, clients: Option<&str>) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).context("the authority of clients")?)?;
                builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
            }
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>()?;
        let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(private_key.as_bytes())?)?;
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                continue;
            };
            // One after the other is enough for tests. Who has no certificate, or does not like ours, is not served.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
