//! Connections to other pods of the number: plain, or over TLS when the port here has a certificate.
//!
//! All pods of a number mount the same certificate, so a pod knows the others by its own: by the public key, not by a name, since pods are
//! reached by address. The previous key counts as well, because a changed Secret comes to pods one after the other.
//!
//! May touch: the other pods' API ports.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::api::tls::Certificate;

/// This pod's certificates of late: the present one and the one before.
const KEYS: usize = 2;

/// What other pods of the number have to show.
#[derive(Debug, Default)]
pub struct Siblings(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    secured: bool,
    /// Public keys, the latest first.
    keys: Vec<Vec<u8>>,
}

impl Siblings {
    /// Remembers the certificate that this pod shows now.
    pub fn set(&self, certificate: Option<&Certificate>) {
        let key = certificate.and_then(|certificate| public_key(certificate.leaf()));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.secured = certificate.is_some();
        if let Some(key) = key.filter(|key| state.keys.first() != Some(key)) {
            state.keys.insert(0, key);
            state.keys.truncate(KEYS);
        }
    }

    fn are_secured(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).secured
    }

    fn has(&self, certificate: &CertificateDer<'_>) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        public_key(certificate).is_some_and(|key| state.keys.contains(&key))
    }
}

fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().to_vec())
}

/// Lets a connection stand if the other side holds the key of this pod's own certificate.
#[derive(Debug)]
struct Verifier {
    siblings: Arc<Siblings>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.siblings.has(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Connects to other pods.
#[derive(Clone)]
pub struct Dial {
    patience: Duration,
    siblings: Arc<Siblings>,
    /// Absent only if the library refuses its own defaults.
    tls: Option<TlsConnector>,
}

impl Dial {
    /// Connects within `patience`, and once more as long to shake hands.
    pub fn new(patience: Duration, siblings: Arc<Siblings>) -> Self {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            siblings: Arc::clone(&siblings),
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = config.ok().map(|config| {
            let config = config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        });
        Self { patience, siblings, tls }
    }

    async fn dial(self, to: Uri) -> io::Result<Stream> {
        let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
        let address: IpAddr = host.parse().map_err(io::Error::other)?;
        let tcp = timeout(self.patience, TcpStream::connect((address, to.port_u16().unwrap_or(80)))).await??;
        let _ = tcp.set_nodelay(true);
        if !self.siblings.are_secured() {
            return Ok(Stream(TokioIo::new(Either::Left(tcp))));
        }
        let tls = self.tls.ok_or_else(|| io::Error::other("no TLS"))?;
        let stream = timeout(self.patience, tls.connect(ServerName::IpAddress(address.into()), tcp)).await??;
        Ok(Stream(TokioIo::new(Either::Right(Box::new(stream)))))
    }
}

impl tower::Service<Uri> for Dial {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().dial(to))
    }
}

/// A connection to another pod.
pub struct Stream(TokioIo<Either<TcpStream, Box<TlsStream<TcpStream>>>>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
