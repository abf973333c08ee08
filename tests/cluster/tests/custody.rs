//! A number's keys in a Secret of a real API server, by an account that may do nothing but read and replace that Secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{net::SocketAddr, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use waxseal_content::PhoneNumber;
use waxseal_harness::{
    kubernetes::{ControlPlane, Kubectl},
    ports,
    proxy::{Mode, Proxy},
};
use waxseal_protocol::{Account, Credential, Tls};
use waxseal_sidecar::{
    Running, Sidecar,
    config::{self, CustodyLocation, Deletion, Number, Retention, Secret, StoreLocation, Surface},
    custody::{self, Error, Keeper, SecretKeeper},
};
use waxseal_store::Durability;

const PATIENCE: Duration = Duration::from_secs(60);

const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: line-keys, namespace: default, labels: {app.kubernetes.io/instance: line}}
type: waxseal.dev/keys
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: line-sidecar, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: line-sidecar, namespace: default}
rules:
- {apiGroups: [''], resources: [secrets], resourceNames: [line-keys], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: line-sidecar, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: line-sidecar}
subjects: [{kind: ServiceAccount, name: line-sidecar, namespace: default}]
";

/// A control plane with an empty Secret and its sidecar's account, behind a proxy.
struct World {
    control_plane: ControlPlane,
    kubectl: Kubectl,
    proxy: Proxy,
    client: Client,
}

impl World {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let control_plane = ControlPlane::start().await.unwrap();
        let kubectl = control_plane.kubectl().unwrap();
        kubectl.apply(OBJECTS).await.unwrap();
        let upstream: SocketAddr = control_plane.url().strip_prefix("https://").unwrap().parse().unwrap();
        let proxy = Proxy::start(upstream).await.unwrap();
        let account = control_plane.service_account("default", "line-sidecar").await.unwrap();
        let kubeconfig = Kubeconfig::read_from(account.path()).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        config.default_retry = false;
        config.cluster_url = format!("https://{}", proxy.address()).parse().unwrap();
        Self {
            control_plane,
            kubectl,
            proxy,
            client: Client::try_from(config).unwrap(),
        }
    }

    fn keeper(&self) -> SecretKeeper {
        SecretKeeper::new(self.client.clone(), "default", "line-keys")
    }

    async fn secret(&self) -> Value {
        self.kubectl.get(&["secret", "line-keys"]).await.unwrap()
    }

    /// The record, in base64 as the API server shows it.
    async fn kept(&self) -> String {
        self.secret().await["data"]["keys"].as_str().unwrap_or_default().to_owned()
    }
}

/// By the trait, as custody does.
fn keeper(keeper: &mut SecretKeeper) -> &mut dyn Keeper {
    keeper
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_kept_whatever_happens_on_the_way() {
    let mut world = World::start().await;
    let mut one = world.keeper();
    let one = keeper(&mut one);
    assert!(one.load().await.unwrap().is_none(), "an empty Secret keeps nothing");

    // Kept, and nothing else of the Secret changed.
    one.save(b"first").await.unwrap();
    let secret = world.secret().await;
    assert_eq!(secret["data"], serde_json::json!({"keys": "Zmlyc3Q="}));
    assert_eq!(secret["type"], "waxseal.dev/keys");
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/instance"], "line");
    assert_eq!(world.keeper().load_now().await.as_deref(), Some(&b"first"[..]));

    // The same again is no write.
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    one.save(b"first").await.unwrap();
    assert_eq!(version(&world.secret().await), version(&secret));

    // Others may change labels.
    world.kubectl.run(&["label", "secret", "line-keys", "team=blue"]).await.unwrap();
    one.save(b"second").await.unwrap();
    let secret = world.secret().await;
    assert_eq!(
        (secret["data"]["keys"].as_str(), secret["metadata"]["labels"]["team"].as_str()),
        (Some("c2Vjb25k"), Some("blue"))
    );

    // The write happens and the answer is lost. The next write is another one.
    world.proxy.set(Mode::DropReplies);
    let lost = one.save(b"third").await.unwrap_err();
    assert!(lost.is_transient() && lost.to_string().contains("did not answer"), "{lost}");
    assert_eq!(world.kept().await, "dGhpcmQ=");
    world.proxy.cut();
    world.proxy.set(Mode::Pass);
    one.save(b"fourth").await.unwrap();
    assert_eq!(world.kept().await, "Zm91cnRo");

    // The write happens and the caller goes away while it waits; the next is the same.
    world.proxy.set(Mode::DropReplies);
    assert!(tokio::time::timeout(Duration::from_secs(1), one.save(b"fifth")).await.is_err());
    assert_eq!(world.kept().await, "ZmlmdGg=");
    world.proxy.cut();
    world.proxy.set(Mode::Pass);
    let before = version(&world.secret().await);
    one.save(b"fifth").await.unwrap();
    assert_eq!(version(&world.secret().await), before, "it was there already");

    // The write does not happen.
    world.proxy.partition();
    let away = one.save(b"sixth").await.unwrap_err();
    assert!(away.is_transient() && away.to_string().contains("cannot be reached"), "{away}");
    assert!(!format!("{away} {away:?}").contains("sixth"));
    world.proxy.set(Mode::Pass);
    assert_eq!(world.kept().await, "ZmlmdGg=");
    one.save(b"seventh").await.unwrap();

    // The API server is away for a while.
    world.control_plane.stop_api_server().unwrap();
    assert!(one.save(b"eighth").await.unwrap_err().is_transient());
    world.control_plane.start_api_server().await.unwrap();
    one.save(b"eighth").await.unwrap();
    assert_eq!(world.keeper().load_now().await.as_deref(), Some(&b"eighth"[..]));

    // No content anywhere but in the object.
    let log = world.control_plane.audit_log().unwrap();
    assert!(log.contains("line-keys") && !log.contains("ZWlnaHRo") && !log.contains("eighth"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_the_later_start_wins_and_destroyed_keys_stay_destroyed() {
    let world = World::start().await;
    let (mut one, mut two) = (world.keeper(), world.keeper());
    let (one, two) = (keeper(&mut one), keeper(&mut two));

    // Both find nothing; who writes second is told, and finds the other's when it loads again.
    assert!(one.load().await.unwrap().is_none() && two.load().await.unwrap().is_none());
    one.save(b"one").await.unwrap();
    assert!(matches!(two.save(b"two").await, Err(Error::Displaced(_))));
    assert_eq!(world.kept().await, "b25l");
    assert_eq!(two.load().await.unwrap().unwrap().as_slice(), b"one");
    two.save(b"two").await.unwrap();

    // The older one never writes again, whatever it wants to write.
    for record in [&b"three"[..], b"two", b"one"] {
        assert!(matches!(one.save(record).await, Err(Error::Displaced(_))));
    }
    assert_eq!(world.kept().await, "dHdv");

    // A write of the older one whose outcome it does not know does not undo the newer one's.
    let mut third = world.keeper();
    let third = keeper(&mut third);
    third.load().await.unwrap();
    world.proxy.partition();
    assert!(two.save(b"lost").await.unwrap_err().is_transient());
    world.proxy.set(Mode::Pass);
    third.save(b"third").await.unwrap();
    assert!(matches!(two.save(b"lost").await, Err(Error::Displaced(_))));
    assert_eq!(world.kept().await, "dGhpcmQ=");

    // Destroyed by whoever, even by one who was displaced, twice, and gone.
    one.destroy().await.unwrap();
    assert_eq!(world.secret().await["data"]["keys"], "");
    assert!(matches!(third.save(b"fourth").await, Err(Error::Displaced(_))));
    one.destroy().await.unwrap();
    assert!(one.load().await.unwrap().is_none());
    world.kubectl.run(&["delete", "secret", "line-keys"]).await.unwrap();
    one.destroy().await.unwrap();
    let missing = one.load().await.unwrap_err();
    assert!(
        matches!(&missing, Error::Missing { .. }) && missing.to_string().contains("default/line-keys"),
        "{missing}"
    );
    assert!(matches!(one.save(b"x").await, Err(Error::Missing { .. })));

    // Another Secret is out of reach, and that is said.
    let mut other = SecretKeeper::new(world.client.clone(), "default", "other-keys");
    let refused = keeper(&mut other).load().await.unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("Role"), "{refused}");
}

trait LoadNow {
    async fn load_now(self) -> Option<Vec<u8>>;
}

impl LoadNow for SecretKeeper {
    async fn load_now(mut self) -> Option<Vec<u8>> {
        keeper(&mut self).load().await.unwrap().map(|record| record.to_vec())
    }
}

/// A number whose keys are in the Secret, with a relay that can be started and stopped at one address.
struct Line {
    world: World,
    folder: tempfile::TempDir,
    relay: SocketAddr,
}

impl Line {
    async fn start() -> Self {
        Self {
            world: World::start().await,
            folder: tempfile::tempdir().unwrap(),
            relay: ports::reserve().unwrap(),
        }
    }

    async fn relay(&self) -> waxseal_relay::Running {
        let config = waxseal_relay::Config::new(self.relay, self.folder.path().join("relay"));
        waxseal_relay::Relay::start(config).await.unwrap()
    }

    async fn sidecar(&self) -> Running {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let number = Number {
            phone_number: PhoneNumber::parse("+15550100").unwrap(),
            phone_number_id: "15550100".to_owned(),
            waba_id: "1".to_owned(),
            display_name: "Line".to_owned(),
            pin: Secret::from("123456"),
            tokens: Vec::new(),
            app_secret: Secret::from("secret"),
            webhook: None,
            retention: Retention::Days(1),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::Secret {
                client: self.world.client.clone(),
                namespace: "default".to_owned(),
                name: "line-keys".to_owned(),
            },
            surface: Surface::default(),
        };
        let config = config::Config {
            api_listen: any,
            admin_listen: any,
            relay_url: format!("http://{}", self.relay),
            relay_tls: Tls::default(),
            store_ca: None,
            store: StoreLocation::Embedded(self.folder.path().join("state.redb")),
            durability: Durability::Auto,
            numbers: vec![number],
            api_certificate: None,
            source_url: "s".to_owned(),
        };
        Sidecar::start(config).await.unwrap()
    }

    async fn keys(&self) -> custody::Keys {
        custody::read(&mut self.world.keeper()).await.unwrap().unwrap()
    }

    /// Serves once, then has the relay remember an epoch that custody does not know, so that the next start has to keep a higher one.
    async fn with_a_relay_that_remembers_more(&self) -> u64 {
        let relay = self.relay().await;
        let sidecar = self.sidecar().await;
        linked(&sidecar).await;
        sidecar.shutdown(Duration::from_secs(5)).await;
        let highest = self.keys().await.epoch + 1_000;
        let account = Account {
            number: "+15550100".to_owned(),
            credential: Credential::from_bytes(*self.keys().await.credential),
        };
        let client = waxseal_protocol::Client::new(&format!("http://{}", self.relay)).unwrap();
        drop(client.connect(&account, highest).await.unwrap());
        relay.shutdown().await;
        highest
    }
}

async fn linked(sidecar: &Running) {
    let linked = async {
        while !sidecar.is_linked() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, linked).await.expect("linked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_starts_anew_with_the_keys_in_the_secret() {
    let line = Line::start().await;
    let relay = line.relay().await;
    let mut identity = None;
    for start in 1..=2 {
        let sidecar = line.sidecar().await;
        linked(&sidecar).await;
        sidecar.shutdown(Duration::from_secs(5)).await;
        let keys = line.keys().await;
        assert!(keys.epoch >= start && !keys.signed_pre_keys.is_empty());
        let public = keys.identity.public_key().to_bytes();
        assert_eq!(*identity.get_or_insert_with(|| public.clone()), public);
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_kept_are_tried_again_and_those_of_another_process_stop_this_one() {
    let line = Line::start().await;
    let highest = line.with_a_relay_that_remembers_more().await;

    // The API server is away when a higher epoch has to be kept: the number waits for it, and uses no epoch that is not kept.
    let sidecar = line.sidecar().await;
    let before = line.keys().await.epoch;
    line.world.proxy.partition();
    let relay = line.relay().await;
    let refused = line.world.proxy.connections();
    tokio::time::timeout(PATIENCE, async {
        while line.world.proxy.connections() == refused {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it tries to keep the epoch");
    assert!(!sidecar.is_linked());
    line.world.proxy.set(Mode::Pass);
    assert_eq!(line.keys().await.epoch, before);
    linked(&sidecar).await;
    assert_eq!(line.keys().await.epoch, highest + 1);
    sidecar.shutdown(Duration::from_secs(5)).await;
    relay.shutdown().await;

    // Another process has written the Secret when it has to be kept: this one stops.
    line.with_a_relay_that_remembers_more().await;
    let sidecar = line.sidecar().await;
    let mut other = line.world.keeper();
    keeper(&mut other).load().await.unwrap();
    keeper(&mut other).save(b"other").await.unwrap();
    let relay = line.relay().await;
    tokio::time::timeout(PATIENCE, sidecar.stopped()).await.expect("it stops");
    assert_eq!(line.world.kept().await, "b3RoZXI=");
    sidecar.shutdown(Duration::from_secs(5)).await;
    relay.shutdown().await;
}
