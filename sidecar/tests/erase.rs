//! Erasing a number at a real relay, in a real Redis and in custody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use waxseal_content::PhoneNumber;
use waxseal_harness::{
    bucket,
    redis::{RedisOptions, RedisServer},
};
use waxseal_protocol::{Account, Client, Credential, Identity, Tls};
use waxseal_relay::Relay;
use waxseal_sidecar::{
    Erased, Sidecar, Step,
    config::{Bucket, Config, CustodyLocation, Deletion, MediaLocation, Number, Retention, Secret, StoreLocation, Surface},
    erase,
};
use waxseal_store::Durability;
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(30);
const PIN: &str = "123456";
const ID: &str = "15550100";

struct World {
    folder: TempDir,
    relay: waxseal_relay::Running,
    redis: RedisServer,
    tls: Tls,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let relay = Relay::start(waxseal_relay::Config::new(listen, folder.path().join("relay")))
            .await
            .unwrap();
        let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
        Self {
            folder,
            relay,
            redis,
            tls: Tls::default(),
        }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("1.custody")
    }

    fn config(&self) -> Config {
        let scheme = if self.tls.ca.is_some() { "https" } else { "http" };
        Config {
            relay_tls: self.tls.clone(),
            ..config(&format!("{scheme}://{}", self.relay.addr()), &self.redis.url(), &self.key_file())
        }
    }

    fn save_keys(&self) {
        std::fs::copy(self.key_file(), self.key_file().with_extension("saved")).unwrap();
    }

    fn restore_keys(&self) {
        std::fs::copy(self.key_file().with_extension("saved"), self.key_file()).unwrap();
    }

    /// Has a sidecar serve the number until it is registered and has keys everywhere.
    async fn serve_for_a_while(&self) {
        let sidecar = Sidecar::start(self.config()).await.unwrap();
        let linked = async {
            while !sidecar.is_linked() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, linked).await.expect("linked");
        sidecar.shutdown(Duration::from_secs(5)).await;
        assert_eq!(self.relay.stats().accounts, 1);
        assert!(self.key_file().exists());
        assert!(self.names_in_redis().await > 0);
    }

    async fn names_in_redis(&self) -> i64 {
        self.redis.command(&["DBSIZE"]).await.unwrap().int().unwrap()
    }
}

fn config(relay_url: &str, redis_url: &str, key_file: &Path) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        api_listen: any,
        admin_listen: any,
        relay_url: relay_url.to_owned(),
        relay_tls: Tls::default(),
        store_ca: None,
        store: StoreLocation::Redis(Secret::from(redis_url)),
        durability: Durability::Memory,
        numbers: vec![Number {
            phone_number: PhoneNumber::parse("+15550100").unwrap(),
            phone_number_id: ID.to_owned(),
            waba_id: "1".to_owned(),
            display_name: "Test".to_owned(),
            pin: Secret::from(PIN),
            tokens: Vec::new(),
            app_secret: Secret::from("secret"),
            webhook: None,
            retention: Retention::Days(1),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::File(key_file.to_owned()),
            surface: Surface::default(),
        }],
        api_certificate: None,
        source_url: "s".to_owned(),
    }
}

async fn erase_one(config: &Config, deadline: Duration) -> Erased {
    let mut erased = erase(config, deadline).await;
    assert_eq!(erased.len(), 1);
    erased.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_and_once_more_is_no_error() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    // Another number's state stays.
    world.redis.command(&["SET", "wx:{1}:x", "kept"]).await.unwrap();
    let config = world.config();

    let erased = erase_one(&config, PATIENCE).await;
    assert_eq!(
        erased,
        Erased {
            phone_number_id: ID.to_owned(),
            deregistered: Step::Done,
            state_deleted: Step::Done,
            keys_destroyed: Step::Done,
        }
    );
    assert_eq!(world.relay.stats().accounts, 0);
    assert_eq!(world.names_in_redis().await, 1);
    assert!(!world.key_file().exists());

    let again = erase_one(&config, PATIENCE).await;
    assert!(matches!(&again.deregistered, Step::Impossible(why) if why.contains("keys are gone")));
    assert_eq!((&again.state_deleted, &again.keys_destroyed), (&Step::Done, &Step::Done));
    assert!(again.is_complete());
    assert!(!world.key_file().exists(), "erasing makes no keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_somebody_else_registered_meanwhile_stays_theirs() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    let theirs = Account {
        number: "+15550100".to_owned(),
        credential: Credential::random(&mut rand::rng()),
    };
    let client = Client::new(&format!("http://{}", world.relay.addr())).unwrap();
    let role = waxseal_protocol::proto::Role::Business;
    client.register(&theirs, role, Some(PIN), &[6; 33], 8).await.unwrap();
    let erased = erase_one(&world.config(), PATIENCE).await;
    assert_eq!(erased.deregistered, Step::Done);
    assert!(erased.is_complete());
    assert_eq!(world.relay.stats().accounts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_is_said_and_the_keys_stay_for_another_attempt() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    let away = waxseal_harness::ports::reserve().unwrap();
    let config = config(&format!("http://{away}"), &world.redis.url(), &world.key_file());
    let erased = erase_one(&config, Duration::from_secs(1)).await;
    assert!(matches!(&erased.deregistered, Step::Failed(why) if why.contains("unavailable")));
    assert_eq!(erased.state_deleted, Step::Done);
    assert!(!erased.is_complete());
    assert!(world.key_file().exists(), "they hold the credential at the relay");

    let erased = erase_one(&world.config(), PATIENCE).await;
    assert_eq!((&erased.deregistered, &erased.keys_destroyed), (&Step::Done, &Step::Done));
    assert_eq!(world.relay.stats().accounts, 0);
    assert!(!world.key_file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pin_than_the_declared_one_does_not_keep_the_number_at_the_relay() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    // As after a change through the API: the credential proves whose number it is.
    let mut config = world.config();
    config.numbers[0].pin = Secret::from("654321");
    let erased = tokio::time::timeout(PATIENCE, erase_one(&config, 10 * PATIENCE))
        .await
        .expect("at once");
    assert_eq!(erased.deregistered, Step::Done);
    assert!(erased.is_complete());
    assert_eq!(world.relay.stats().accounts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_in_time_is_emptied() {
    let mut world = World::start().await;
    world.redis.command(&["CONFIG", "SET", "appendonly", "yes"]).await.unwrap();
    world.serve_for_a_while().await;
    let config = world.config();
    world.redis.stop().await.unwrap();
    let erasing = tokio::spawn(async move { erase_one(&config, PATIENCE).await });
    tokio::time::timeout(PATIENCE, async {
        while world.relay.stats().accounts > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the relay does not wait for the store");
    assert!(world.key_file().exists(), "the keys come last");
    world.redis.restart().await.unwrap();
    let erased = erasing.await.unwrap();
    assert_eq!((&erased.state_deleted, &erased.keys_destroyed), (&Step::Done, &Step::Done));
    assert_eq!(world.names_in_redis().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_serves_and_is_erased_over_tls_with_a_client_certificate() {
    let mut world = World::start().await;
    let file = |name: &str| world.folder.path().join(name);
    // Each is its own authority.
    let server = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let client = rcgen::generate_simple_self_signed(["sidecar".to_owned()]).unwrap();
    std::fs::write(file("tls.crt"), server.cert.pem()).unwrap();
    std::fs::write(file("tls.key"), server.signing_key.serialize_pem()).unwrap();
    std::fs::write(file("ca.crt"), client.cert.pem()).unwrap();
    let mut relay = waxseal_relay::Config::new("127.0.0.1:0".parse().unwrap(), file("tls-relay"));
    relay.tls = Some(waxseal_relay::Tls::new(file("tls.crt"), file("tls.key"), Some(file("ca.crt"))));
    let key = Zeroizing::new(client.signing_key.serialize_pem().into_bytes());
    world.relay = Relay::start(relay).await.unwrap();
    world.tls = Tls {
        ca: Some(server.cert.pem().into_bytes()),
        identity: Some(Identity::new(client.cert.pem().as_bytes(), key)),
    };
    world.serve_for_a_while().await;

    let without = Config {
        relay_tls: Tls {
            identity: None,
            ..world.tls.clone()
        },
        ..world.config()
    };
    world.save_keys();
    let refused = erase_one(&without, PATIENCE).await;
    assert!(
        matches!(&refused.deregistered, Step::Failed(why) if why.contains("client certificate")),
        "{refused:?}"
    );
    world.restore_keys();
    assert_eq!(erase_one(&world.config(), PATIENCE).await.deregistered, Step::Done);
    assert_eq!(world.relay.stats().accounts, 0);
}

fn bucket_of(bucket: &bucket::Bucket) -> MediaLocation {
    let access = bucket.access();
    MediaLocation::S3(Bucket {
        name: access.name.clone(),
        endpoint: Some(format!("http://{}", bucket.address())),
        prefix: Some("files".to_owned()),
        region: None,
        ca: None,
        credentials: Some((access.key_id.clone(), Secret::from(access.secret.as_str()))),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_bucket_go_before_the_keys_do() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    let bucket = bucket::Bucket::start().await.unwrap();
    for index in 0..1200 {
        bucket
            .held()
            .objects
            .insert(format!("files/{ID}/{}/{index:032x}", index % 5), vec![1]);
    }
    let others = [format!("{ID}/1/a"), format!("files/{ID}0/1/a")];
    for other in &others {
        bucket.held().objects.insert(other.clone(), vec![1]);
    }
    let mut config = world.config();
    config.numbers[0].surface.media.location = Some(bucket_of(&bucket));
    // It stops answering in the middle.
    bucket.held().down_after = Some(1);
    let erased = erase_one(&config, Duration::from_secs(2)).await;
    assert_eq!(erased.deregistered, Step::Done);
    assert!(matches!(&erased.state_deleted, Step::Failed(_)), "{erased:?}");
    assert!(!erased.is_complete());
    assert_eq!(world.names_in_redis().await, 0, "Redis does not wait for the bucket");
    assert!(world.key_file().exists(), "the keys stay until the files are gone");
    assert!(bucket.keys().len() > others.len());

    bucket.held().down_after = None;
    let erased = erase_one(&config, PATIENCE).await;
    assert_eq!((&erased.state_deleted, &erased.keys_destroyed), (&Step::Done, &Step::Done));
    assert_eq!(bucket.keys(), others, "another number's, and what is not ours");
    assert!(!world.key_file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_us_keeps_the_erasure_open() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    let bucket = bucket::Bucket::start().await.unwrap();
    let mut config = world.config();
    let MediaLocation::S3(mut wrong) = bucket_of(&bucket) else {
        panic!("a bucket");
    };
    wrong.credentials = Some(("AKIDOTHER".to_owned(), Secret::from("canary-secret")));
    config.numbers[0].surface.media.location = Some(MediaLocation::S3(wrong));
    let erased = erase_one(&config, Duration::from_secs(1)).await;
    assert!(
        matches!(&erased.state_deleted, Step::Failed(why) if !why.contains("canary")),
        "{erased:?}"
    );
    assert!(matches!(&erased.keys_destroyed, Step::Failed(_)) && world.key_file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_folder_go_and_no_folder_is_made() {
    let world = World::start().await;
    world.serve_for_a_while().await;
    let folder = world.folder.path().join("media");
    let mut config = world.config();
    config.numbers[0].surface.media.location = Some(MediaLocation::Directory(folder.clone()));
    for path in [format!("{ID}/7"), format!("{ID}0/7")] {
        std::fs::create_dir_all(folder.join(&path)).unwrap();
        std::fs::write(folder.join(path).join("a"), b"x").unwrap();
    }
    let erased = erase_one(&config, PATIENCE).await;
    assert_eq!((&erased.state_deleted, &erased.keys_destroyed), (&Step::Done, &Step::Done));
    assert!(!folder.join(ID).exists() && folder.join(format!("{ID}0/7/a")).exists());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(erase_one(&config, PATIENCE).await.state_deleted, Step::Done);
    assert!(!folder.exists());
}
