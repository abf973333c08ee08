//! What a pod does when its files are not right yet, or not any more, and when the number is to be erased.

use std::process::Command;

use crate::{
    sender::post,
    world::{TOKEN, World, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_waits_for_what_is_missing_and_says_what_it_is() {
    let mut world = World::start().await;
    world.set_secret("pin", None);
    world.redis.kill().unwrap();
    let mut pod = world.pod("acme-a");
    pod.start();
    until("the missing PIN is told", || async {
        pod.problems(&world).await
            == [(
                "SecretMissing".to_owned(),
                "the Secret 'acme' has no entry 'pin' (spec.pinRef)".to_owned(),
            )]
    })
    .await;
    assert!(pod.is_live(&world).await && !pod.is_ready(&world).await);
    world.set_secret("pin", Some("12345"));
    until("the wrong PIN is told", || async {
        matches!(pod.problems(&world).await.as_slice(), [(reason, message)] if reason == "SecretInvalid" && message.contains("six digits") && !message.contains("12345"))
    })
    .await;
    world.set_secret("pin", Some("123456"));
    until("the missing Redis is told", || async {
        matches!(pod.problems(&world).await.as_slice(), [(reason, _)] if reason == "RedisUnavailable")
    })
    .await;
    assert!(pod.is_live(&world).await && !pod.is_ready(&world).await && !pod.has_ended());
    world.redis.restart().await.unwrap();
    world.ready(&[&pod]).await;
    world.owner(&[&pod]).await;
    assert!(pod.problems(&world).await.is_empty());
    assert!(!pod.output().contains("12345"), "a PIN in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_leaves_the_old_one_in_use() {
    let world = World::start().await;
    let mut pod = world.pod("acme-a");
    pod.start();
    world.owner(&[&pod]).await;
    let mut chatter = world.consumer(0).await;
    world.set_config(|config| {
        config["digest"] = "second".into();
        config["retentionMinutes"] = 7.into();
    });
    until("the problem is told", || async {
        matches!(pod.problems(&world).await.as_slice(), [(reason, message)] if reason == "ConfigurationInvalid" && message.contains("retentionMinutes"))
    })
    .await;
    assert!(pod.is_ready(&world).await);
    assert_eq!(pod.status(&world).await.unwrap()["configuration"], "first");
    post(&world.client, pod.api, &chatter.number, "as before").await.unwrap();
    chatter.wait_for("as before").await;

    // Another token, with the right configuration.
    let other = "another-token-of-the-business";
    world.set_secret("tokens/main", Some(other));
    world.set_config(|config| config["digest"] = "third".into());
    until("the third one is used", || async {
        pod.status(&world).await.is_some_and(|status| status["configuration"] == "third")
    })
    .await;
    let refused = post(&world.client, pod.api, &chatter.number, "no").await.unwrap_err();
    assert!(refused.starts_with("401"), "{refused}");
    assert!(pod.problems(&world).await.is_empty());
    assert!(!pod.output().contains(other) && !pod.output().contains(TOKEN), "a token in the log");
    pod.signal("TERM");
    assert!(pod.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_goes_where_another_configuration_says() {
    let world = World::start().await;
    let other = waxseal_harness::redis::RedisServer::start_default().await.unwrap();
    let mut pod = world.pod("acme-a");
    pod.start();
    world.owner(&[&pod]).await;
    world.set_config(|config| {
        config["digest"] = "moved".into();
        config["redisUrl"] = other.url().into();
        config["secrets"].as_array_mut().unwrap().pop();
    });
    world.set_secret("redis/password", None);
    until("it has moved", || async {
        pod.status(&world).await.is_some_and(|status| status["configuration"] == "moved")
    })
    .await;
    let mut chatter = world.consumer(0).await;
    post(&world.client, pod.api, &chatter.number, "from there").await.unwrap();
    chatter.wait_for("from there").await;
    assert!(!other.keys().await.unwrap().is_empty());
    let left = world.redis.keys().await.unwrap();
    assert!(!left.iter().any(|key| key.ends_with("pod:owner")), "still owned there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_leaves_nothing() {
    let world = World::start().await;
    let mut pod = world.pod("acme-a");
    pod.start();
    world.owner(&[&pod]).await;
    let mut chatter = world.consumer(0).await;
    post(&world.client, pod.api, &chatter.number, "one").await.unwrap();
    chatter.wait_for("one").await;
    pod.signal("TERM");
    assert!(pod.ended().await.success());
    assert!(!world.redis.keys().await.unwrap().is_empty() && world.path("keys/custody").is_file());
    // What only serving needs may be gone.
    world.set_secret("app-secret", None);
    world.set_secret("tokens/main", None);
    for _ in 0..2 {
        let erase = Command::new(env!("CARGO_BIN_EXE_waxseal-sidecar"))
            .args(["erase", "--deadline-seconds", "20", "--log-format", "text", "--config"])
            .arg(world.path("config/sidecar.yaml"))
            .arg("--secrets")
            .arg(world.path("secrets"))
            .arg("--custody-file")
            .arg(world.path("keys/custody"))
            .output()
            .unwrap();
        assert!(erase.status.success(), "{}", String::from_utf8_lossy(&erase.stderr));
        assert!(world.redis.keys().await.unwrap().is_empty());
        assert!(!world.path("keys/custody").exists());
    }
}
