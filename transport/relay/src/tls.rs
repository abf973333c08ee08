//! TLS for those who connect: the certificate the relay shows, whose client certificates it accepts, and both again when their files change.
//!
//! Client certificates are asked for and not required of everybody: a consumer has none. One that is shown has to be good. That business
//! numbers show one is looked at where calls are authenticated (`service`).
//!
//! Files are polled, and what counts is their content: a Secret mounted in a pod changes by a switched link, about which watching files
//! says little. A connection keeps what it began with; new ones get the new certificate. What is broken is not taken over.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use zeroize::Zeroizing;

/// How long a client may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait to be accepted.
const HANDSHAKES: usize = 512;
/// Connections that wait to be served.
const READY: usize = 64;
/// After an accept that failed, for example because there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// No certificate chain, key or bundle is near this size.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The files of TLS, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The relay's certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose client certificates are accepted. When there is one, business numbers have to show one.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at.
    pub poll: Duration,
}

impl Tls {
    /// Files that are looked at every ten seconds.
    #[must_use]
    pub const fn new(certificate: PathBuf, key: PathBuf, client_ca: Option<PathBuf>) -> Self {
        Self {
            certificate,
            key,
            client_ca,
            poll: Duration::from_secs(10),
        }
    }
}

/// Why TLS cannot start. Says the file, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that should hold certificates holds none.
    #[error("{} holds no certificate in PEM form", .0.display())]
    Certificates(PathBuf),
    /// The file of the key holds none.
    #[error("{} holds no private key in PEM form", .0.display())]
    Key(PathBuf),
    /// Certificate and key are of different pairs.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Certificate or key are of a kind that cannot be used.
    #[error("the certificate in {} and its key cannot be used: {source}", certificate.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The bundle of client authorities cannot be used.
    #[error("the client CA in {} cannot be used", .0.display())]
    ClientCa(PathBuf),
}

/// The files' contents.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &Tls) -> Result<Self, Error> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: Zeroizing::new(read(&files.key)?),
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [&self.certificate[..], &self.key, self.client_ca.as_deref().unwrap_or_default()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn config(&self, files: &Tls) -> Result<ServerConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let unusable = |source| Error::Unusable {
            certificate: files.certificate.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => builder.with_client_cert_verifier(verifier(path, pem, provider)?),
            _ => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| Error::Key(files.key.clone()))?;
        let chain = certificates(&files.certificate, &self.certificate)?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::Mismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            },
            error => unusable(error),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let read = || {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len().min(MAX_FILE_BYTES)).unwrap_or_default());
        io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE_BYTES), &mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(Error::Certificates(path.to_owned())),
    }
}

fn verifier(path: &Path, pem: &[u8], provider: Arc<CryptoProvider>) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|_| Error::ClientCa(path.to_owned()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|_| Error::ClientCa(path.to_owned()))
}

/// What new connections get, and the files it came from.
pub(crate) struct Source {
    files: Tls,
    current: watch::Sender<Arc<ServerConfig>>,
    digest: [u8; 32],
    /// The last complaint, so that it is made once.
    complaint: Option<String>,
}

impl Source {
    /// Reads the files.
    pub(crate) fn load(files: Tls) -> Result<Self, Error> {
        let contents = Contents::read(&files)?;
        let config = contents.config(&files)?;
        Ok(Self {
            files,
            current: watch::Sender::new(Arc::new(config)),
            digest: contents.digest(),
            complaint: None,
        })
    }

    /// What new connections get, always the latest.
    pub(crate) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files again and again.
    pub(crate) async fn watch(mut self) {
        let mut poll = interval(self.files.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            self.look();
        }
    }

    /// Takes over what has changed, if it can be used.
    fn look(&mut self) {
        let changed = Contents::read(&self.files).and_then(|contents| {
            let digest = contents.digest();
            match digest == self.digest {
                true => Ok(None),
                false => contents.config(&self.files).map(|config| Some((digest, config))),
            }
        });
        match changed {
            Ok(None) => self.complaint = None,
            Ok(Some((digest, config))) => {
                self.digest = digest;
                self.complaint = None;
                self.current.send_replace(Arc::new(config));
                tracing::info!("the TLS files have changed; new connections get the new certificate");
            }
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(%error, "the changed TLS files cannot be used; the certificate stays as it was");
                    self.complaint = Some(complaint);
                }
            }
        }
    }
}

/// Connections that have shaken hands.
pub(crate) fn incoming(
    listener: TcpListener,
    current: watch::Receiver<Arc<ServerConfig>>,
) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
    let (ready, connections) = mpsc::channel(READY);
    tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, current, ready.clone()) => {}
            // The server takes no more.
            () = ready.closed() => {}
        }
    });
    ReceiverStream::new(connections)
}

async fn accept(listener: TcpListener, current: watch::Receiver<Arc<ServerConfig>>, ready: mpsc::Sender<io::Result<TlsStream<TcpStream>>>) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = tcp.set_nodelay(true);
        let acceptor = TlsAcceptor::from(Arc::clone(&current.borrow()));
        let ready = ready.clone();
        tokio::spawn(async move {
            match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
                Ok(Ok(tls)) => drop(ready.send(Ok(tls)).await),
                Ok(Err(error)) => tracing::debug!(%error, "a client could not shake hands"),
                Err(_) => tracing::debug!("a client did not shake hands in time"),
            }
            drop(slot);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// Log lines of this thread.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn take_warnings(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
            text.lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect()
        }
    }

    fn write(folder: &TempDir) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn what_is_broken_is_said_once_and_not_taken_over() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let folder = TempDir::new().unwrap();
        write(&folder);
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let mut source = Source::load(Tls::new(certificate, key.clone(), None)).unwrap();
        let mut current = source.current();
        let other = KeyPair::generate().unwrap().serialize_pem();
        let breaks: [(&str, &dyn Fn() -> io::Result<()>); 3] = [
            ("does not belong to", &|| std::fs::write(&key, &other)),
            ("no private key", &|| std::fs::write(&key, "garbage")),
            ("cannot read", &|| std::fs::remove_file(&key)),
        ];
        for (said, break_it) in breaks {
            break_it().unwrap();
            for _ in 0..3 {
                source.look();
            }
            let warnings = lines.take_warnings();
            assert!(warnings.len() == 1 && warnings[0].contains(said), "{said}: {warnings:?}");
            assert!(!warnings[0].contains("BEGIN") && !warnings[0].contains("garbage"));
            assert!(!current.has_changed().unwrap());
        }
        write(&folder);
        source.look();
        assert!(current.has_changed().unwrap());
        current.mark_unchanged();
        source.look();
        assert!(!current.has_changed().unwrap(), "the same files again");
        assert!(lines.take_warnings().is_empty());
    }
}
