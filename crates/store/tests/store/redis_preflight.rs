//! Servers that are not fit are refused in words that say what to do; a TLS server and a password work; no text tells the password.

use std::path::PathBuf;

use waxseal_harness::redis::{AppendOnly, RedisOptions, RedisServer, RedisTls};
use waxseal_store::{Durability, Error, Namespace, Options, Store};

use crate::fixture::{apply, bytes, put};

async fn refusal(server: &RedisServer, durability: Durability) -> Error {
    match Store::open_redis(
        &server.url(),
        Options {
            durability,
            ..Options::default()
        },
    )
    .await
    {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_evicting_server_is_refused() {
    let config = vec!["maxmemory 100mb".to_owned(), "maxmemory-policy allkeys-lru".to_owned()];
    let server = RedisServer::start(RedisOptions {
        config,
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let Error::Refused(text) = refusal(&server, Durability::Auto).await else {
        panic!("not refused")
    };
    assert!(
        text.contains("allkeys-lru") && text.contains("set `maxmemory-policy noeviction`"),
        "{text}"
    );
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await.unwrap();
    let store = Store::open_redis(&server.url(), Options::default()).await.unwrap();
    store.ping().await.unwrap();
    // Readiness notices when somebody changes it later.
    server
        .command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"])
        .await
        .unwrap();
    assert!(matches!(store.ping().await, Err(Error::Refused(text)) if text.contains("volatile-lru")));
}

#[tokio::test]
async fn fsync_is_promised_only_where_it_is_done() {
    for (appendonly, words) in [(AppendOnly::Off, "appendonly yes"), (AppendOnly::EverySecond, "appendfsync always")] {
        let server = RedisServer::start(RedisOptions {
            appendonly,
            ..RedisOptions::default()
        })
        .await
        .unwrap();
        let version = server.command(&["INFO", "server"]).await.unwrap().text();
        if appendonly == AppendOnly::EverySecond && !version.contains("redis_version:7.0") {
            // Newer servers have WAITAOF, and so everysec is enough.
            Store::open_redis(
                &server.url(),
                Options {
                    durability: Durability::Fsync,
                    ..Options::default()
                },
            )
            .await
            .unwrap();
            continue;
        }
        let Error::Refused(text) = refusal(&server, Durability::Fsync).await else {
            panic!("not refused")
        };
        assert!(text.contains(words), "{text}");
    }
    let server = RedisServer::start(RedisOptions {
        appendonly: AppendOnly::Always,
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    Store::open_redis(
        &server.url(),
        Options {
            durability: Durability::Fsync,
            ..Options::default()
        },
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_replica_is_not_written_to_and_missing_replicas_are_named() {
    let master = RedisServer::start_default().await.unwrap();
    let replica = RedisServer::start_default().await.unwrap();
    let Error::Unavailable { in_doubt: false, reason } = refusal(&master, Durability::Replicated(1)).await else {
        panic!("opened")
    };
    assert!(reason.contains("1 replicas are to acknowledge and 0 are connected"), "{reason}");
    replica.replica_of(&master).await.unwrap();
    let Error::Unavailable { in_doubt: false, reason } = refusal(&replica, Durability::Memory).await else {
        panic!("opened")
    };
    assert!(reason.contains("connect to the master"), "{reason}");
}

#[tokio::test]
async fn passwords_work_and_stay_secret() {
    let password = "hunter2-hunter2";
    let server = RedisServer::start(RedisOptions {
        password: Some(password.to_owned()),
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let store = Store::open_redis(&server.url(), Options::default()).await.unwrap();
    let key = Namespace::new("1").key("v");
    apply(&store, vec![put(key.clone(), "value")]).await;
    assert_eq!(store.get(&[key]).await.unwrap(), [Some(bytes("value"))]);

    let port = server.port();
    for url in [
        format!("redis://127.0.0.1:{port}"),
        format!("redis://:{password}-wrong@127.0.0.1:{port}"),
        format!("redis://nobody:{password}@127.0.0.1:{port}"),
        format!("redis://:{password}@127.0.0.1:{port}/not-a-number"),
        format!("redis://:{password}@127.0.0.1:99999"),
        format!("redis://:{password}@127.0.0.1:1"),
        format!("rediss://:{password}@127.0.0.1:{port}#odd"),
        format!("http://:{password}@127.0.0.1:{port}"),
    ] {
        let options = Options {
            commit_deadline: std::time::Duration::from_millis(100),
            ..Options::default()
        };
        let Err(error) = Store::open_redis(&url, options).await else {
            panic!("opened {url}")
        };
        let text = format!("{error} {error:?}");
        assert!(!text.contains(password), "{text}");
        assert!(matches!(error, Error::Refused(_)) || url.ends_with(":1"), "{text}");
    }
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_is_checked() {
    // main does this once per process; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/store/tls").join(name);
    let tls = RedisTls {
        certificate: file("localhost.pem"),
        private_key: file("localhost.key"),
    };
    let server = RedisServer::start(RedisOptions {
        tls: Some(tls),
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let root_certificates = Some(std::fs::read(file("ca.pem")).unwrap());
    let store = Store::open_redis(
        &server.tls_url(),
        Options {
            root_certificates,
            ..Options::default()
        },
    )
    .await
    .unwrap();
    let key = Namespace::new("1").key("v");
    apply(&store, vec![put(key.clone(), "value")]).await;
    assert_eq!(store.get(&[key]).await.unwrap(), [Some(bytes("value"))]);
    let distrustful = Store::open_redis(&server.tls_url(), Options::default()).await;
    assert!(matches!(distrustful, Err(Error::Unavailable { .. } | Error::Refused(_))));
}
