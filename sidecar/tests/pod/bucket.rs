//! A pod whose files rest in a bucket: they outlive the pod, and go with the number.

use std::{
    net::SocketAddr,
    process::{Command, Output},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use waxseal_harness::{bucket::Bucket, certificates::Authority};

use crate::world::{ID, PATIENCE, Pod, TOKEN, World, until};

const PREFIX: &str = "sealed/files";

fn declare(world: &World, bucket: &Bucket, authorities: &str, digest: &str) {
    world.set_config(|config| {
        config["digest"] = digest.into();
        config["retentionMinutes"] = (3 * 1440).into();
        config["mediaLifetimeDays"] = 2.into();
        config["media"] = json!({"bucket": {"name": bucket.access().name, "endpoint": format!("https://{}", bucket.address()),
            "region": "eu-test-1", "prefix": PREFIX, "ca": authorities}});
        for (path, key) in [
            ("media/access-key-id", "accessKeyId"),
            ("media/secret-access-key", "secretAccessKey"),
        ] {
            let file = json!({"path": path, "secret": "s3", "key": key, "field": "spec.mediaStore.credentialsSecretRef", "required": true});
            config["secrets"].as_array_mut().unwrap().push(file);
        }
    });
}

async fn upload(world: &World, pod: SocketAddr, content: &[u8]) -> Result<String, String> {
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n"
        .to_vec();
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n--b--\r\n");
    let request = world.client.post(format!("http://{pod}/v23.0/{ID}/media")).bearer_auth(TOKEN);
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(form);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let json: Value = answer.json().await.map_err(|error| error.to_string())?;
    json["id"].as_str().map(str::to_owned).ok_or_else(|| json.to_string())
}

async fn download(world: &World, pod: SocketAddr, id: &str) -> Option<Vec<u8>> {
    let get = |url: String| world.client.get(url).bearer_auth(TOKEN).send();
    let told: Value = get(format!("http://{pod}/v23.0/{id}")).await.ok()?.json().await.ok()?;
    // The address is the Service's, which nobody has here.
    let path = told["url"].as_str()?.strip_prefix("http://acme-sidecar.shop.svc")?.to_owned();
    let answer = get(format!("http://{pod}{path}")).await.ok()?;
    (answer.status() == 200).then_some(answer)?.bytes().await.ok().map(Into::into)
}

fn erase(world: &World, deadline_seconds: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waxseal-sidecar"))
        .args(["erase", "--deadline-seconds", deadline_seconds, "--log-format", "text", "--config"])
        .arg(world.path("config/sidecar.yaml"))
        .arg("--secrets")
        .arg(world.path("secrets"))
        .arg("--custody-file")
        .arg(world.path("keys/custody"))
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_bucket_outlive_their_pod_and_go_with_the_number() {
    let world = World::start().await;
    let authority = Authority::new().unwrap();
    let identity = authority.server("bucket", &["127.0.0.1"]).unwrap();
    let bucket = Bucket::start_secured(&identity).await.unwrap();
    std::fs::create_dir(world.path("secrets/media")).unwrap();
    declare(&world, &bucket, authority.certificate(), "with files");
    let mut pods = [world.pod("acme-a"), world.pod("acme-b")];
    pods[0].start();
    until("the missing credentials are told", || async {
        let problems = pods[0].problems(&world).await;
        problems.len() == 2
            && problems
                .iter()
                .all(|(reason, message)| reason == "SecretMissing" && message.contains("'s3'"))
    })
    .await;
    world.set_secret("media/access-key-id", Some(&bucket.access().key_id));
    // With a wrong key first: the bucket refuses, and the right one is taken over without a restart.
    world.set_secret("media/secret-access-key", Some("canary-of-another-key"));
    world.owner(&[&pods[0]]).await;
    let content: Vec<u8> = (0..200_000_u32).map(|at| b'a' + at.to_le_bytes()[0] % 26).collect();
    let refused = upload(&world, pods[0].api, &content).await.unwrap_err();
    assert!(refused.contains("131016"), "{refused}");
    assert!(bucket.held().badly_signed > 0);
    world.set_secret("media/secret-access-key", Some(&bucket.access().secret));
    let deadline = Instant::now() + PATIENCE;
    let id = loop {
        match upload(&world, pods[0].api, &content).await {
            Ok(id) => break id,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let keys = bucket.keys();
    let rest = keys[0].strip_prefix(&format!("{PREFIX}/{ID}/")).unwrap();
    assert_eq!(keys.len(), 1);
    let hours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600;
    let expires: u64 = rest.split_once('/').unwrap().0.parse().unwrap();
    assert!(
        (hours + 47..=hours + 48).contains(&expires),
        "two of the three days: {expires} at {hours}"
    );
    assert!(
        !bucket.held().objects[&keys[0]].windows(26).any(|part| part == &content[..26]),
        "sealed"
    );

    // Nonsense is told, and the old configuration stays in use.
    declare(&world, &bucket, "no certificate", "wrong");
    until("the wrong authorities are told", || async {
        matches!(pods[0].problems(&world).await.as_slice(), [(reason, message)] if reason == "ConfigurationInvalid" && message.contains("PEM"))
    })
    .await;
    assert_eq!(download(&world, pods[0].api, &id).await.as_deref(), Some(&content[..]));
    declare(&world, &bucket, authority.certificate(), "right again");

    pods[0].kill9();
    pods[1].start();
    world.owner(&[&pods[1]]).await;
    assert!(
        download(&world, pods[1].api, &id).await.as_deref() == Some(&content[..]),
        "another pod has it"
    );
    pods[1].signal("TERM");
    assert!(pods[1].ended().await.success());

    bucket.held().down_after = Some(0);
    let failed = erase(&world, "3");
    assert!(!failed.status.success(), "the files are still there");
    assert!(world.path("keys/custody").is_file() && bucket.keys() == keys);
    bucket.held().down_after = None;
    let erased = erase(&world, "20");
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert!(bucket.keys().is_empty() && !world.path("keys/custody").exists());
    let logs = pods.iter().map(Pod::output).collect::<String>() + &String::from_utf8_lossy(&failed.stderr);
    assert!(
        !logs.contains("canary") && !logs.contains(&bucket.access().secret),
        "a key in a log"
    );
}
