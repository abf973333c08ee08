//! Connections under TLS: who trusts whom, and what happens when certificates change.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use waxseal_protocol::proto::Role;
use waxseal_protocol::{Account, Client, Credential, Error, Identity, Tls};
use waxseal_relay::{Relay, TlsError};
use zeroize::Zeroizing;

use crate::support::{PIN, Person, TestRelay, numbered, soon};

const BUSINESS: &str = "+15550100";

/// Somebody who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Certificate and key, PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn server(&self) -> Pair {
        self.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    fn expired(&self) -> Pair {
        self.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    fn identity(&self) -> Identity {
        let pair = self.issue("sidecar", ExtendedKeyUsagePurpose::ClientAuth, |_| {});
        Identity::new(pair.certificate.as_bytes(), Zeroizing::new(pair.key.into_bytes()))
    }

    /// What a client needs that trusts this authority.
    fn trusted(&self) -> Tls {
        Tls {
            ca: Some(self.pem.clone().into_bytes()),
            identity: None,
        }
    }
}

/// The relay's files.
struct Files(TempDir);

impl Files {
    fn new(pair: &Pair) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(pair);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, pair: &Pair) {
        std::fs::write(self.path("tls.key"), &pair.key).unwrap();
        std::fs::write(self.path("tls.crt"), &pair.certificate).unwrap();
    }

    /// With files that are looked at all the time.
    fn settings(&self, client_ca: Option<&Authority>) -> waxseal_relay::Tls {
        let client_ca = client_ca.map(|authority| {
            std::fs::write(self.path("ca.crt"), &authority.pem).unwrap();
            self.path("ca.crt")
        });
        waxseal_relay::Tls {
            poll: Duration::from_millis(10),
            ..waxseal_relay::Tls::new(self.path("tls.crt"), self.path("tls.key"), client_ca)
        }
    }
}

async fn relay(tls: waxseal_relay::Tls) -> TestRelay {
    TestRelay::start_with(|config| config.tls = Some(tls)).await
}

fn client(relay: &TestRelay, tls: &Tls) -> Client {
    Client::with_tls(&format!("https://{}", relay.running().addr()), tls).unwrap()
}

fn somebody(number: &str) -> Account {
    Account {
        number: number.to_owned(),
        credential: Credential::random(&mut rand::rng()),
    }
}

/// What a first call over a new connection comes to.
async fn call(relay: &TestRelay, tls: &Tls) -> Result<(), Error> {
    let client = client(relay, tls);
    let answer = soon(client.count_keys(&somebody("+15550999"))).await;
    match answer {
        // Nobody by that name: but there was an answer.
        Err(Error::Unauthenticated) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => panic!("nobody has registered it"),
    }
}

async fn until_call(relay: &TestRelay, tls: &Tls, wanted: Result<(), Error>) {
    soon(async {
        while call(relay, tls).await != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn messages_travel_under_tls_and_only_businesses_need_a_certificate() {
    let (servers, sidecars) = (Authority::new(), Authority::new());
    let files = Files::new(&servers.server());
    let relay = relay(files.settings(Some(&sidecars))).await;
    let shown = Tls {
        identity: Some(sidecars.identity()),
        ..servers.trusted()
    };
    let business = Person::register(client(&relay, &shown), BUSINESS, Role::Business, Some(PIN)).await;
    let ann = Person::register(client(&relay, &servers.trusted()), "+15550001", Role::Consumer, None).await;
    let (mut from_ann, mut inbox) = (ann.connect(0).await, business.connect(1).await);
    from_ann.submit_all_accepted(numbered(BUSINESS, 0..100)).await;
    assert_eq!(inbox.receive(100).await.len(), 100);
    inbox.submit_all_accepted(numbered("+15550001", 0..100)).await;
    assert_eq!(from_ann.receive(100).await.len(), 100);
}

#[tokio::test]
async fn a_business_without_a_certificate_is_refused_in_every_call() {
    let (servers, sidecars) = (Authority::new(), Authority::new());
    let files = Files::new(&servers.server());
    let mut relay = relay(files.settings(None)).await;
    // Registered while no client certificates were wanted.
    let before = Person::register(client(&relay, &servers.trusted()), BUSINESS, Role::Business, Some(PIN)).await;
    relay
        .restart_with(|config| config.tls = Some(files.settings(Some(&sidecars))))
        .await;

    let without = before.at(client(&relay, &servers.trusted()));
    assert_eq!(without.connect_error(1).await, Error::ClientCertificate);
    let (client_without, account) = (&without.client, &without.account);
    assert_eq!(client_without.count_keys(account).await, Err(Error::ClientCertificate));
    assert_eq!(client_without.deregister(account, Some(PIN)).await, Err(Error::ClientCertificate));
    assert_eq!(
        client_without.fetch_bundle(account, "+15550001").await.err(),
        Some(Error::ClientCertificate)
    );
    assert_eq!(client_without.change_pin(account, PIN).await, Err(Error::ClientCertificate));
    let data = futures_util::stream::iter([bytes::Bytes::from_static(b"x")]);
    assert_eq!(
        client_without.put_blob(account, &[1; 16], 1, Duration::ZERO, data).await,
        Err(Error::ClientCertificate)
    );
    assert_eq!(
        client_without.get_blob(account, &[1; 16], 0, 0).await.err(),
        Some(Error::ClientCertificate)
    );
    for (number, role) in [
        (BUSINESS, Role::Business),
        (BUSINESS, Role::Consumer),
        ("+15550101", Role::Business),
    ] {
        let refused = client_without.register(&somebody(number), role, Some(PIN), &[5; 33], 7).await;
        assert_eq!(refused, Err(Error::ClientCertificate), "{role:?} {number}");
    }

    let shown = Tls {
        identity: Some(sidecars.identity()),
        ..servers.trusted()
    };
    let with = before.at(client(&relay, &shown));
    with.connect(1).await;
    let foreign = Tls {
        identity: Some(Authority::new().identity()),
        ..servers.trusted()
    };
    assert_eq!(
        call(&relay, &foreign).await,
        Err(Error::Unavailable),
        "a certificate that is shown has to be good"
    );
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_is_not_spoken_to() {
    let servers = Authority::new();
    let files = Files::new(&servers.server());
    let tls = relay(files.settings(None)).await;
    let unknown = Error::Certificate("no CA that is trusted here has issued it");
    assert_eq!(call(&tls, &servers.trusted()).await, Ok(()));
    assert_eq!(call(&tls, &Authority::new().trusted()).await, Err(unknown.clone()));
    assert_eq!(call(&tls, &Tls::default()).await, Err(unknown), "not of a public CA");

    let elsewhere = servers.issue("relay.example", ExtendedKeyUsagePurpose::ServerAuth, |_| {});
    let other = relay(Files::new(&elsewhere).settings(None)).await;
    assert_eq!(
        call(&other, &servers.trusted()).await,
        Err(Error::Certificate("it is for another name"))
    );

    // One end with TLS, the other without.
    let plain = TestRelay::start().await;
    assert_eq!(call(&plain, &servers.trusted()).await, Err(Error::Unavailable));
    let client = Client::new(&format!("http://{}", tls.running().addr())).unwrap();
    assert_eq!(soon(client.count_keys(&somebody("+15550999"))).await, Err(Error::Unavailable));
}

#[tokio::test]
async fn changed_files_are_taken_over_for_new_connections() {
    let (servers, later) = (Authority::new(), Authority::new());
    let files = Files::new(&servers.expired());
    let relay = relay(files.settings(None)).await;
    assert_eq!(call(&relay, &servers.trusted()).await, Err(Error::Certificate("it has expired")));
    files.write(&servers.server());
    until_call(&relay, &servers.trusted(), Ok(())).await;

    // What is connected stays connected, whatever new connections get.
    let ann = Person::register(client(&relay, &servers.trusted()), "+15550001", Role::Consumer, None).await;
    let mut inbox = ann.connect(0).await;
    files.write(&later.server());
    until_call(&relay, &later.trusted(), Ok(())).await;
    assert!(matches!(call(&relay, &servers.trusted()).await, Err(Error::Certificate(_))));
    inbox.submit_all_accepted(numbered("+15550001", 0..1)).await;
}

#[tokio::test]
async fn a_changed_client_ca_counts_for_new_connections() {
    let (servers, sidecars, later) = (Authority::new(), Authority::new(), Authority::new());
    let files = Files::new(&servers.server());
    let relay = relay(files.settings(Some(&sidecars))).await;
    let shown = |authority: &Authority| Tls {
        identity: Some(authority.identity()),
        ..servers.trusted()
    };
    assert_eq!(call(&relay, &shown(&sidecars)).await, Ok(()));
    assert_eq!(call(&relay, &shown(&later)).await, Err(Error::Unavailable));
    std::fs::write(files.path("ca.crt"), &later.pem).unwrap();
    until_call(&relay, &shown(&later), Ok(())).await;
    assert_eq!(call(&relay, &shown(&sidecars)).await, Err(Error::Unavailable));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let servers = Authority::new();
    let refused = async |change: &dyn Fn(&Files)| {
        let files = Files::new(&servers.server());
        let settings = files.settings(Some(&servers));
        change(&files);
        let state = TempDir::new().unwrap();
        let mut config = waxseal_relay::Config::new("127.0.0.1:0".parse().unwrap(), state.path().join("relay"));
        config.tls = Some(settings);
        match Relay::start(config).await {
            Err(waxseal_relay::Error::Tls(error)) => error,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it started"),
        }
    };
    let write = |name: &'static str, text: String| move |files: &Files| std::fs::write(files.path(name), &text).unwrap();
    let error = refused(&|files| std::fs::remove_file(files.path("tls.crt")).unwrap()).await;
    assert!(
        matches!(&error, TlsError::Read { path, .. } if path.ends_with("tls.crt")),
        "{error}"
    );
    let error = refused(&write("tls.crt", "garbage".to_owned())).await;
    assert!(
        matches!(&error, TlsError::Certificates(path) if path.ends_with("tls.crt")),
        "{error}"
    );
    let error = refused(&write("tls.key", String::new())).await;
    assert!(matches!(&error, TlsError::Key(path) if path.ends_with("tls.key")), "{error}");
    let error = refused(&write("tls.key", servers.server().key)).await;
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("does not belong to"), "{error}");
    let error = refused(&write("ca.crt", servers.server().key)).await;
    assert!(
        matches!(&error, TlsError::Certificates(path) if path.ends_with("ca.crt")),
        "{error}"
    );
}

#[tokio::test]
async fn settings_of_a_client_that_cannot_be_used_are_refused_before_the_first_call() {
    let authority = Authority::new();
    let refused = |tls: Tls| match Client::with_tls("https://127.0.0.1:1", &tls) {
        Err(error @ Error::Tls(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was taken"),
    };
    let identity = |certificate: &str, key: &str| Tls {
        identity: Some(Identity::new(certificate.as_bytes(), Zeroizing::new(key.as_bytes().to_vec()))),
        ..authority.trusted()
    };
    assert!(
        refused(Tls {
            ca: Some(b"garbage".to_vec()),
            identity: None
        })
        .contains("CA bundle")
    );
    let (one, two) = (authority.server(), authority.server());
    assert!(refused(identity("garbage", &one.key)).contains("client certificate"));
    assert!(refused(identity(&one.certificate, "garbage")).contains("key"));
    assert!(refused(identity(&one.certificate, &two.key)).contains("belong together"));
}
