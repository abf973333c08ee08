//! An authority of this state directory alone, for the names under which clients know Meta.
//!
//! Purpose: makes the certificate that the proxy shows, and the files that a client is to trust. The authority is made once and its key stays in
//! the state directory; it may sign for Meta's names and no other, so that whoever trusts it trusts it with nothing else. The certificate it
//! signs is new at every start and is kept nowhere.
//!
//! May touch: its own folder, and the system's list of authorities (to read). Must not: listen, or know what passes under the certificate.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use jiff::{ToSpan as _, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use zeroize::Zeroizing;

use crate::state_dir::{create_private, write_private};

/// The names under which clients reach the Cloud API and its files.
pub(super) const HOSTS: [&str; 3] = ["graph.facebook.com", "api.facebook.com", "lookaside.fbsbx.com"];
/// What the authority may sign for: these domains and what is below them.
const DOMAINS: [&str; 2] = ["facebook.com", "fbsbx.com"];
/// How long the authority is good.
const AUTHORITY_YEARS: i32 = 10;
/// How long a certificate is good: no client takes one of more than 825 days, and none runs for a year.
const CERTIFICATE_DAYS: i32 = 365;
/// Where systems keep the authorities that everybody trusts.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authority, and the certificate that it signed for this start.
pub(super) struct Authority {
    /// Its certificate, and those of the authorities that this system trusts, in one file.
    pub(super) bundle: PathBuf,
    /// Its certificate alone.
    pub(super) certificate: PathBuf,
    /// What to show to clients.
    pub(super) server: Arc<ServerConfig>,
}

impl Authority {
    /// The authority of this folder; it is made when there is none.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        create_private(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        let (key_file, certificate) = (folder.join("ca.key"), folder.join("ca.pem"));
        let kept = read(&key_file)?.map(Zeroizing::new).zip(read(&certificate)?);
        let (key, text) = match kept {
            Some((key, text)) => (
                KeyPair::from_pem(&key).with_context(|| format!("{} is damaged; remove {}", key_file.display(), folder.display()))?,
                text,
            ),
            None => {
                let key = KeyPair::generate().context("a key cannot be made")?;
                let text = authority()?.self_signed(&key).context("an authority cannot be made")?.pem();
                write(&key_file, Zeroizing::new(key.serialize_pem()).as_bytes())?;
                write(&certificate, text.as_bytes())?;
                (key, text)
            }
        };
        let bundle = folder.join("bundle.pem");
        let others = SYSTEM_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
        write(&bundle, format!("{text}{}", others.unwrap_or_default()).as_bytes())?;
        Ok(Self {
            bundle: absolute(bundle),
            certificate: absolute(certificate),
            server: Arc::new(server(&Issuer::new(authority()?, key))?),
        })
    }
}

/// What the authority is, but for its key.
fn authority() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Waxseal on this computer, in place of graph.facebook.com");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: DOMAINS.map(|domain| GeneralSubtree::DnsName(domain.to_owned())).into(),
        excluded_subtrees: Vec::new(),
    });
    set_time(&mut params, AUTHORITY_YEARS * 365)?;
    Ok(params)
}

/// A certificate for Meta's names, with its key.
fn server(issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<ServerConfig> {
    let mut params = CertificateParams::new(HOSTS.map(str::to_owned)).context("a name is none")?;
    params.distinguished_name.push(DnType::CommonName, HOSTS[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_time(&mut params, CERTIFICATE_DAYS)?;
    let key = KeyPair::generate().context("a key cannot be made")?;
    let certificate = params.signed_by(&key, issuer).context("a certificate cannot be made")?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// From yesterday, because clocks differ, for so many days.
fn set_time(params: &mut CertificateParams, days: i32) -> anyhow::Result<()> {
    let from = Zoned::now().date().checked_sub(1.days())?;
    let to = from.checked_add(days.days())?;
    let of = |date: jiff::civil::Date| -> anyhow::Result<_> {
        Ok(date_time_ymd(
            i32::from(date.year()),
            u8::try_from(date.month())?,
            u8::try_from(date.day())?,
        ))
    };
    (params.not_before, params.not_after) = (of(from)?, of(to)?);
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context(format!("{} cannot be read", path.display()))),
    }
}

fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    write_private(path, contents).with_context(|| format!("{} cannot be written", path.display()))
}

/// The client may have another working directory.
fn absolute(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("authority");
        let first = Authority::open(&folder).unwrap();
        let trusted = fs::read(&first.certificate).unwrap();
        let second = Authority::open(&folder).unwrap();
        assert_eq!(fs::read(&second.certificate).unwrap(), trusted);
        assert!(fs::read(&second.bundle).unwrap().starts_with(&trusted));
        #[cfg(unix)]
        for file in ["ca.key", "ca.pem", "bundle.pem"] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(folder.join(file)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{file}"
            );
        }
    }

    #[test]
    fn a_damaged_key_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path()).unwrap();
        fs::write(folder.path().join("ca.key"), "482913").unwrap();
        let error = format!("{:#}", Authority::open(folder.path()).err().unwrap());
        assert!(error.contains("is damaged; remove") && !error.contains("482913"), "{error}");
    }
}
