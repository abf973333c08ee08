//! What people do, in the order in which they do it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use waxseal_harness::chat::{Chat, Kind};

use super::{
    load::Load,
    surface,
    world::{NAMESPACE, POD_PATIENCE, REGION_LABEL, World},
};

const CONSUMER: &str = "+15550123";
const NUMBER: &str = "+15550177";
pub const ARRIVAL: Duration = Duration::from_secs(60);

pub async fn all(world: &mut World) -> Result<()> {
    let mut begun = Instant::now();
    let mut tell = |chapter: &str| {
        eprintln!("  {chapter}: {:.1} s", begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    install(world).await.context("installing")?;
    tell("installed with Helm, sample number ready, helm test passed");
    region_without_nodes(world).await.context("a region without nodes")?;
    tell("a number in a region without capacity says why, and runs when a node comes");
    both_ways(world).await.context("both ways")?;
    tell("chat both ways through Services, webhook received in a pod");
    rolling_restart(world).await.context("rolling restart under load")?;
    tell("rolling restart under load, nothing lost, nothing refused");
    rotated_token(world).await.context("a rotated token")?;
    tell("token rotated without a new pod");
    missing_secret(world).await.context("a missing Secret")?;
    tell("a missing Secret is named, and picked up when it is there");
    refused_changes(world).await.context("refused changes")?;
    tell("region change refused; retention above the cap runs nothing");
    pod_killed(world).await.context("a killed pod")?;
    tell("a killed pod is replaced, nothing lost");
    let files = surface::everything_declared(world)
        .await
        .context("what is declared beyond messages")?;
    tell("TLS at the API, files in a folder and in a bucket, a webhook that wants a certificate");
    operator_upgrade(world).await.context("an upgrade of the operator")?;
    tell("helm upgrade rolls no sidecar");
    deletion(world).await.context("deletion")?;
    surface::erased(world, &files).await.context("deletion of files")?;
    tell("deletion erases Redis, the registration, the files and the keys");
    uninstall(world).await.context("uninstalling")?;
    tell("uninstalled, declarations still there");
    Ok(())
}

async fn install(world: &World) -> Result<()> {
    world.helm_with("install", &[]).await?;
    world.wait_ready("sample").await?;
    let columns = world.kubectl.run(&["get", "wxpn", "sample", "--namespace", NAMESPACE]).await?;
    for word in ["NUMBER", "REGION", "READY", "REASON", "+15550100", "True"] {
        ensure!(columns.contains(word), "`kubectl get wxpn` has no {word}:\n{columns}");
    }
    world
        .helm
        .run(&["test", "waxseal", "--namespace", NAMESPACE, "--logs", "--timeout=120s"])
        .await
        .map(|_| ())
}

/// Declared with kubectl, in a region of its own, with a webhook.
fn declaration() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "DataRegion", "metadata": {"name": "south"}, "spec": {
            "country": "BR", "retentionCapDays": 10, "placement": {"nodeSelector": {REGION_LABEL: "sa-east"}},
            "redis": {"url": format!("redis://waxseal-redis.{NAMESPACE}.svc:6379"), "credentialsSecretRef": {"name": "waxseal-redis"}},
            "relay": {"url": format!("http://waxseal-relay.{NAMESPACE}.svc:7400")}}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": "short"}, "spec": {"days": 3}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": "long"}, "spec": {"days": 20}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": NAMESPACE}, "stringData": {
            "token": "the-first-token-of-the-shop-0001", "appSecret": "the-app-secret-of-the-shop-0001",
            "verifyToken": "the-verify-token", "pin": "135790"}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessAccount", "metadata": {"name": "shop", "namespace": NAMESPACE}, "spec": {
            "displayName": "Shop", "appSecretRef": {"name": "shop"}, "tokens": [{"name": "first", "secretRef": {"name": "shop"}}],
            "webhook": {"url": format!("http://receiver.{NAMESPACE}.svc/hook"), "verifyTokenSecretRef": {"name": "shop"}}}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber", "metadata": {"name": "line", "namespace": NAMESPACE}, "spec": {
            "phoneNumber": NUMBER, "accountRef": {"name": "shop"}, "regionRef": {"name": "south"},
            "retentionPolicyRef": {"name": "short"}, "pinSecretRef": {"name": "shop"}, "replicas": 2,
            "throughputMessagesPerSecond": 1000}},
    ]})
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|one| one["type"] == kind))
        .unwrap_or(&Value::Null)
}

pub fn is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind)["status"] == status
}

async fn region_without_nodes(world: &World) -> Result<()> {
    world.kubectl.apply(&World::receiver("the-verify-token")).await?;
    world.kubectl.apply(&declaration().to_string()).await?;
    let waiting = world
        .until("wxpn/line", |number| {
            is(number, "Ready", "False") && is(number, "Scheduled", "False")
        })
        .await?;
    let message = condition(&waiting, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    ensure!(
        message.contains("south") && message.contains("node"),
        "the reason names the region and its nodes: {message}"
    );
    world.node.label(&format!("{REGION_LABEL}=sa-east")).await?;
    world.wait_ready("line").await
}

async fn both_ways(world: &World) -> Result<()> {
    let number = world.until("wxpn/line", |number| is(number, "WebhookVerified", "True")).await?;
    let fingerprint = number["status"]["sidecar"]["identityFingerprint"].as_str().unwrap_or_default();
    ensure!(fingerprint.len() == 64, "the identity is known: {fingerprint}");
    let consumer = world.consumer(CONSUMER, NUMBER).await?;
    let mut chat = Chat::connected(&consumer, ARRIVAL).await?;
    chat.say("from the consumer")?;
    chat.wait_for_kind(&Kind::Delivered, ARRIVAL).await?;
    let business = world.business("line", "shop", "token").await?;
    business.send_text(CONSUMER, "from the business").await?;
    let texts = chat.wait_for_texts(1, ARRIVAL).await?;
    ensure!(texts == ["from the business"], "{texts:?}");
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let log = world.printed("receiver").await?;
        if log.contains("from the consumer") && log.contains("\"delivered\"") {
            break;
        }
        ensure!(Instant::now() < deadline, "the webhook did not come: {log}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    nothing_of_it_in_the_cluster(world).await?;
    chat.close().await?;
    Ok(())
}

/// No consumer's number, no text, in any object or log that the platform team can read.
async fn nothing_of_it_in_the_cluster(world: &World) -> Result<()> {
    let kinds = "wxpn,wxba,events,configmaps,pods,deployments,services,jobs";
    let objects = world.kubectl.run(&["get", kinds, "--all-namespaces", "-o", "json"]).await?;
    let mut logs = String::new();
    for selector in [
        "app.kubernetes.io/name=waxseal-sidecar",
        "app.kubernetes.io/name=waxseal-operator",
        "app.kubernetes.io/name=waxseal-relay",
    ] {
        let args = [
            "logs",
            "--namespace",
            NAMESPACE,
            "--selector",
            selector,
            "--tail=-1",
            "--all-containers",
        ];
        logs.push_str(&world.kubectl.run(&args).await?);
    }
    ensure!(logs.contains("\"level\""), "there are logs to look at");
    for (place, text) in [("objects", objects), ("logs", logs)] {
        for word in ["from the business", "from the consumer", CONSUMER.trim_start_matches('+')] {
            ensure!(!text.contains(word), "'{word}' is in the {place}");
        }
    }
    Ok(())
}

async fn rolling_restart(world: &World) -> Result<()> {
    let before: Vec<String> = uids(&world.pods("line").await?);
    let consumer = world.consumer(CONSUMER, NUMBER).await?;
    let chat = Chat::connected(&consumer, ARRIVAL).await?;
    let load = Load::start(world.business("line", "shop", "token").await?, CONSUMER, "rolling");
    world
        .kubectl
        .run(&["rollout", "restart", "deployment/line-sidecar", "--namespace", NAMESPACE])
        .await?;
    // Ours is overwritten by the operator if it objects; either way the roll-out must end.
    world
        .kubectl
        .run(&[
            "rollout",
            "status",
            "deployment/line-sidecar",
            "--namespace",
            NAMESPACE,
            "--timeout=55s",
        ])
        .await?;
    let deadline = Instant::now() + POD_PATIENCE;
    while uids(&world.pods("line").await?).iter().any(|uid| before.contains(uid)) {
        ensure!(Instant::now() < deadline, "old pods are still there");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let sent = load.end().await?;
    ensure!(sent.len() > 50, "there was load: {}", sent.len());
    let texts = chat.wait_for_texts(sent.len(), ARRIVAL).await?;
    ensure!(texts == sent, "all of it, once, in order: {} of {}", texts.len(), sent.len());
    chat.close().await?;
    Ok(())
}

pub fn uids(pods: &[Value]) -> Vec<String> {
    pods.iter()
        .filter_map(|pod| pod["metadata"]["uid"].as_str())
        .map(str::to_owned)
        .collect()
}

async fn rotated_token(world: &World) -> Result<()> {
    let before = uids(&world.pods("line").await?);
    let patch = json!({"stringData": {"token": "the-second-token-of-the-shop-0002"}}).to_string();
    world
        .kubectl
        .run(&[
            "patch",
            "secret",
            "shop",
            "--namespace",
            NAMESPACE,
            "--type=merge",
            "--patch",
            &patch,
        ])
        .await?;
    let business = world.business("line", "shop", "token").await?;
    let deadline = Instant::now() + POD_PATIENCE;
    loop {
        let answer = business
            .post(&waxseal_harness::business::text_to(CONSUMER, "with the new token"))
            .await?;
        if answer.status == 200 {
            break;
        }
        ensure!(
            answer.code() == Some(190),
            "the old configuration refuses it by its code: {}",
            answer.json
        );
        ensure!(Instant::now() < deadline, "the new token was not picked up");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ensure!(uids(&world.pods("line").await?) == before, "no pod was replaced");
    let consumer = world.consumer(CONSUMER, NUMBER).await?;
    let once = consumer.once(&[], 1, ARRIVAL).await?.ok()?;
    ensure!(once.texts() == ["with the new token"], "{:?}", once.texts());
    Ok(())
}

fn tokens(secrets: &[(&str, &str)]) -> String {
    let tokens: Vec<Value> = secrets
        .iter()
        .map(|(name, secret)| json!({"name": name, "secretRef": {"name": secret}}))
        .collect();
    json!({ "spec": { "tokens": tokens } }).to_string()
}

pub async fn patch(world: &World, object: &str, patch: &str) -> Result<()> {
    let args = ["patch", object, "--namespace", NAMESPACE, "--type=merge", "--patch", patch];
    world.kubectl.run(&args).await.map(|_| ())
}

async fn missing_secret(world: &World) -> Result<()> {
    patch(world, "wxba/shop", &tokens(&[("first", "shop"), ("later", "not-there-yet")])).await?;
    let number = world.until("wxpn/line", |number| is(number, "SecretsAvailable", "False")).await?;
    let message = condition(&number, "SecretsAvailable")["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        message.contains("not-there-yet") && message.contains("token"),
        "it is named: {message}"
    );
    // What was served before still is.
    let business = world.business("line", "shop", "token").await?;
    business.send_text(CONSUMER, "while a Secret is missing").await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "not-there-yet", "namespace": NAMESPACE},
        "stringData": {"token": "the-third-token-of-the-shop-0003"}});
    world.kubectl.apply(&secret.to_string()).await?;
    world
        .until("wxpn/line", |number| {
            is(number, "SecretsAvailable", "True") && is(number, "Ready", "True")
        })
        .await?;
    let later = world.business("line", "not-there-yet", "token").await?;
    let deadline = Instant::now() + POD_PATIENCE;
    while later.send_text(CONSUMER, "by the third token").await.is_err() {
        ensure!(Instant::now() < deadline, "the added token was not picked up");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let once = world.consumer(CONSUMER, NUMBER).await?.once(&[], 2, ARRIVAL).await?.ok()?;
    ensure!(
        once.texts() == ["while a Secret is missing", "by the third token"],
        "{:?}",
        once.texts()
    );
    Ok(())
}

async fn refused_changes(world: &World) -> Result<()> {
    let region = json!({"spec": {"regionRef": {"name": "sample"}}}).to_string();
    let refused = patch(world, "wxpn/line", &region).await;
    let text = format!("{:#}", refused.err().context("the region was changed")?);
    ensure!(text.contains("data does not move between regions"), "{text}");

    patch(
        world,
        "wxpn/line",
        &json!({"spec": {"retentionPolicyRef": {"name": "long"}}}).to_string(),
    )
    .await?;
    let number = world.until("wxpn/line", |number| is(number, "Stalled", "True")).await?;
    let message = condition(&number, "Stalled")["message"].as_str().unwrap_or_default().to_owned();
    ensure!(message.contains("20") && message.contains("10"), "both lengths are told: {message}");
    world
        .until("deployment/line-sidecar", |one| {
            one["spec"]["replicas"] == 0 && one["status"]["replicas"].is_null()
        })
        .await?;
    patch(
        world,
        "wxpn/line",
        &json!({"spec": {"retentionPolicyRef": {"name": "short"}}}).to_string(),
    )
    .await?;
    world
        .until("wxpn/line", |number| {
            is(number, "Ready", "True") && condition(number, "Stalled").is_null()
        })
        .await?;
    Ok(())
}

async fn pod_killed(world: &World) -> Result<()> {
    let business = world.business("line", "shop", "token").await?;
    let consumer = world.consumer(CONSUMER, NUMBER).await?;
    let chat = Chat::connected(&consumer, ARRIVAL).await?;
    let mut accepted = Vec::new();
    let owner = world.object("wxpn/line").await?["status"]["sidecar"]["pod"]
        .as_str()
        .context("no owner")?
        .to_owned();
    for index in 0..40 {
        if index == 10 {
            let args = [
                "delete",
                "pod",
                &owner,
                "--namespace",
                NAMESPACE,
                "--grace-period=0",
                "--force",
                "--wait=false",
            ];
            world.kubectl.run(&args).await?;
        }
        // A business repeats what was not answered; the key keeps the repetition from becoming a second message.
        let (text, key) = (format!("killed {index}"), format!("killed-{index}"));
        let body = waxseal_harness::business::text_to(CONSUMER, &text);
        let deadline = Instant::now() + POD_PATIENCE;
        while !business.post_once(&body, &key).await.is_ok_and(|answer| answer.status == 200) {
            ensure!(Instant::now() < deadline, "nobody took over");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        accepted.push(text);
    }
    let texts = chat.wait_for_texts(accepted.len(), ARRIVAL).await?;
    ensure!(texts == accepted, "{texts:?}");
    chat.close().await?;
    world.until("wxpn/line", |number| is(number, "Ready", "True")).await?;
    Ok(())
}

async fn operator_upgrade(world: &World) -> Result<()> {
    let before = [uids(&world.pods("line").await?), uids(&world.pods("sample").await?)];
    let password = world.secret("waxseal-redis", "password").await?;
    // As a new release would: another default image for new numbers, other settings.
    world
        .helm_with(
            "upgrade",
            &["--set", "sidecar.image=example.test/newer:2", "--set", "operator.resyncMinutes=5"],
        )
        .await?;
    let args = [
        "rollout",
        "status",
        "deployment/waxseal-operator",
        "--namespace",
        NAMESPACE,
        "--timeout=55s",
    ];
    world.kubectl.run(&args).await?;
    // The new operator has seen the number once it has answered a change.
    patch(world, "wxpn/line", &json!({"spec": {"displayName": "Other"}}).to_string()).await?;
    world
        .until("wxpn/line", |number| {
            number["status"]["observedGeneration"] == number["metadata"]["generation"] && is(number, "Ready", "True")
        })
        .await?;
    let after = [uids(&world.pods("line").await?), uids(&world.pods("sample").await?)];
    ensure!(before == after, "no sidecar was rolled: {before:?} {after:?}");
    ensure!(world.secret("waxseal-redis", "password").await? == password, "the password stays");
    Ok(())
}

async fn deletion(world: &World) -> Result<()> {
    let number = world.object("wxpn/line").await?;
    let id = number["status"]["phoneNumberId"].as_str().context("no id")?.to_owned();
    ensure!(world.redis_keys(&id).await? > 10, "there is something to erase");
    let args = ["delete", "wxpn/line", "--namespace", NAMESPACE, "--timeout=55s"];
    world.kubectl.run(&args).await?;
    ensure!(world.redis_keys(&id).await? == 0, "Redis still has something of the number");
    let secrets = world
        .kubectl
        .run(&["get", "secrets", "--namespace", NAMESPACE, "-o", "name"])
        .await?;
    ensure!(!secrets.contains("line-keys"), "the keys are still there: {secrets}");
    let consumer = world.consumer("+15550124", NUMBER).await?;
    let once = consumer.once(&["to nobody"], 0, Duration::from_secs(20)).await?;
    ensure!(!once.status.success(), "the relay still knows the number");
    let reasons: Vec<_> = once.events.iter().filter_map(|event| event.json["reason"].as_str()).collect();
    ensure!(reasons.contains(&"unknown_number"), "{reasons:?} {}", once.stderr);
    // What belongs to it goes by itself.
    let deadline = Instant::now() + POD_PATIENCE;
    loop {
        let left = world
            .kubectl
            .run(&[
                "get",
                "all,configmaps,networkpolicies,serviceaccounts,roles,rolebindings",
                "--namespace",
                NAMESPACE,
                "-o",
                "name",
            ])
            .await?;
        if !left.contains("line-") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "left behind: {left}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn uninstall(world: &World) -> Result<()> {
    world
        .helm
        .run(&["uninstall", "waxseal", "--namespace", NAMESPACE, "--wait", "--timeout=120s"])
        .await?;
    world
        .object("wxpn/sample")
        .await
        .context("the declared number went with the release")?;
    Ok(())
}
