//! What is declared beyond messages, and acts in pods: TLS at the API with a certificate that is rotated, files in a folder and in a bucket,
//! a webhook that lets nobody in without a certificate, rules of the account.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use waxseal_harness::{
    certificates::{Authority, Identity},
    chat::{Chat, Kind},
};

use super::{
    chapters::{ARRIVAL, condition, is, patch, uids},
    world::{NAMESPACE, POD_PATIENCE, World},
};

const CONSUMER: &str = "+15550125";
const NUMBER: &str = "+15550178";
const TOKEN: &str = "the-only-token-of-the-desk-0001";
const VERIFY_TOKEN: &str = "the-verify-token-of-the-desk";
const KEY_ID: &str = "AKIDDESK";
const KEY: &str = "the-key-of-the-bucket-of-the-desk";
const HOST: &str = "desk-sidecar.waxseal.svc";
const PREFIX: &str = "sealed/files";
const POLL: Duration = Duration::from_millis(300);

/// The number whose files are to go with it.
pub struct Files {
    phone_number_id: String,
}

/// Who trusts whom.
struct Trust {
    /// Signs for the webhook and the bucket, and for those who may post to the webhook.
    surroundings: Authority,
    /// Signs the first certificate of the API.
    first: Authority,
    /// Signs the second.
    second: Authority,
}

fn tls_secret(name: &str, identity: &Identity, authority: &Authority) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {"tls.crt": identity.certificate, "tls.key": identity.private_key, "ca.crt": authority.certificate()}})
}

fn service(name: &str) -> String {
    format!("{name}.{NAMESPACE}.svc")
}

fn declaration(trust: &Trust) -> Result<Value> {
    let surroundings = &trust.surroundings;
    let server = |name: &str| surroundings.server(name, &[&service(name)]);
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": [
        tls_secret("endpoint", &server("endpoint")?, surroundings),
        tls_secret("bucket", &server("bucket")?, surroundings),
        tls_secret("desk-client", &surroundings.client("desk", None)?, surroundings),
        tls_secret("desk-api", &trust.first.server("desk", &[HOST])?, &trust.first),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "desk", "namespace": NAMESPACE}, "stringData": {
            "token": TOKEN, "appSecret": "the-app-secret-of-the-desk-0001", "verifyToken": VERIFY_TOKEN, "pin": "975310",
            "accessKeyId": KEY_ID, "secretAccessKey": KEY}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "DataRegion", "metadata": {"name": "files"}, "spec": {
            "country": "BR", "retentionCapDays": 10, "mediaStore": {"local": {"sizeLimit": "64Mi"}},
            "redis": {"url": format!("redis://waxseal-redis.{NAMESPACE}.svc:6379"), "credentialsSecretRef": {"name": "waxseal-redis"}},
            "relay": {"url": format!("http://waxseal-relay.{NAMESPACE}.svc:7400")}}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": "files"},
            "spec": {"days": 3, "mediaLifetimeDays": 1}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessAccount", "metadata": {"name": "desk", "namespace": NAMESPACE}, "spec": {
            "displayName": "Desk", "appSecretRef": {"name": "desk"}, "tokens": [{"name": "only", "secretRef": {"name": "desk"}}],
            "appId": "4242", "apiCallLimits": "Enabled", "overLimit": "Queue"}},
        {"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber", "metadata": {"name": "desk", "namespace": NAMESPACE}, "spec": {
            "phoneNumber": NUMBER, "accountRef": {"name": "desk"}, "regionRef": {"name": "files"},
            "retentionPolicyRef": {"name": "files"}, "pinSecretRef": {"name": "desk"}, "apiTlsSecretRef": {"name": "desk-api"},
            "webhook": {"url": format!("https://{}/hook", service("endpoint")), "verifyTokenSecretRef": {"name": "desk"},
                "fields": ["messages"], "caBundle": surroundings.certificate(),
                "clientCertificateSecretRef": {"name": "desk-client"}}}},
    ]}))
}

/// The business, over TLS: trusts one authority and nobody else.
struct Desk {
    client: reqwest::Client,
    phone_number_id: String,
}

/// An answer, read whole.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Desk {
    async fn trusting(world: &World, authority: &Authority) -> Result<Self> {
        let number = world.object("wxpn/desk").await?;
        let address = world.service("desk-sidecar", "https").await?.parse()?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .no_proxy()
            .resolve(HOST, address)
            .tls_certs_only([reqwest::Certificate::from_pem(authority.certificate().as_bytes())?])
            // Each request meets the certificate that is shown now.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            client,
            phone_number_id: number["status"]["phoneNumberId"].as_str().context("no id")?.to_owned(),
        })
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let response = request.bearer_auth(TOKEN).send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            body: response.bytes().await?.to_vec(),
        })
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(self.client.get(format!("https://{HOST}/v23.0/{path}"))).await
    }

    /// `POST /{phone-number-id}/media`; the id.
    async fn upload(&self, content: &[u8]) -> Result<String> {
        let mut form =
            b"--b\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--b\r\nContent-Disposition: form-data; \
            name=\"file\"; filename=\"a.bin\"\r\nContent-Type: text/plain\r\n\r\n"
                .to_vec();
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n--b--\r\n");
        let url = format!("https://{HOST}/v23.0/{}/media", self.phone_number_id);
        let request = self
            .client
            .post(url)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(form);
        let answer = self.ask(request).await?;
        let json = answer.json();
        let id = json["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("not uploaded: {} {json}", answer.status))
    }

    /// What the address of a file gives that the API tells.
    async fn download(&self, id: &str) -> Result<Answer> {
        let told = self.get(id).await?;
        let json = told.json();
        let url = json["url"]
            .as_str()
            .with_context(|| format!("no address: {} {json}", told.status))?;
        ensure!(
            url.starts_with(&format!("https://{HOST}")),
            "the Service's address, over TLS: {url}"
        );
        self.ask(self.client.get(url)).await
    }

    async fn until_downloaded(&self, id: &str, content: &[u8]) -> Result<()> {
        let deadline = Instant::now() + POD_PATIENCE;
        loop {
            let seen = match self.download(id).await {
                Ok(answer) if answer.status == 200 && answer.body == content => return Ok(()),
                Ok(answer) => format!("{} with {} bytes", answer.status, answer.body.len()),
                Err(error) => format!("{error:#}"),
            };
            ensure!(Instant::now() < deadline, "the file did not come back: {seen}");
            tokio::time::sleep(POLL).await;
        }
    }
}

pub async fn everything_declared(world: &World) -> Result<Files> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trust = Trust {
        surroundings: Authority::new()?,
        first: Authority::new()?,
        second: Authority::new()?,
    };
    world.kubectl.apply(&declaration(&trust)?.to_string()).await?;
    let endpoint = World::surroundings("endpoint", &["webhook", "0.0.0.0:3000", VERIFY_TOKEN], Some("endpoint"));
    let bucket = World::surroundings("bucket", &["bucket", "0.0.0.0:3000", "files", KEY_ID, KEY], Some("bucket"));
    world.kubectl.apply(&endpoint).await?;
    world.kubectl.apply(&bucket).await?;
    world
        .until("wxpn/desk", |number| {
            is(number, "Ready", "True") && is(number, "WebhookVerified", "True")
        })
        .await?;
    let desk = Desk::trusting(world, &trust.first).await?;
    local_folder(world, &desk).await.context("files in a folder")?;
    let in_bucket = moved_to_bucket(world, &desk, &trust).await.context("files in a bucket")?;
    client_certificate(world).await.context("a webhook that wants a certificate")?;
    rotated_certificate(world, &trust).await.context("a rotated certificate")?;
    let desk = Desk::trusting(world, &trust.second).await?;
    replaced_pod(world, &desk, &in_bucket).await.context("a replaced pod")?;
    // Erased while the next chapter goes on.
    let args = ["delete", "wxpn/desk", "--namespace", NAMESPACE, "--wait=false"];
    world.kubectl.run(&args).await?;
    Ok(Files {
        phone_number_id: desk.phone_number_id,
    })
}

fn content(seed: u8) -> Vec<u8> {
    (b'a' + seed..=b'z').cycle().take(150_000).collect()
}

/// A sidecar that falls over finds its files again; they are in the pod.
async fn local_folder(world: &World, desk: &Desk) -> Result<()> {
    let content = content(1);
    let id = desk.upload(&content).await?;
    desk.until_downloaded(&id, &content).await?;
    let pods = world.pods("desk").await?;
    let uid = uids(&pods).pop().context("no pod")?;
    kill_container(&uid)?;
    world
        .until(
            &format!("pod/{}", pods[0]["metadata"]["name"].as_str().context("no name")?),
            |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1),
        )
        .await?;
    desk.until_downloaded(&id, &content).await?;
    ensure!(uids(&world.pods("desk").await?) == [uid], "the same pod");
    Ok(())
}

/// The node is a part of this machine: the program in the pod is a process here.
fn kill_container(pod_uid: &str) -> Result<()> {
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.parse::<u32>().is_ok())
        else {
            continue;
        };
        let read = |name: &str| std::fs::read(path.join(name)).unwrap_or_default();
        let (cgroup, command) = (read("cgroup"), read("cmdline"));
        let has = |text: &[u8], word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        if has(&cgroup, pod_uid) && command.ends_with(b"\0serve\0") {
            let killed = std::process::Command::new("kill").args(["-9", pid]).status()?;
            ensure!(killed.success(), "the sidecar could not be killed");
            return Ok(());
        }
    }
    anyhow::bail!("no process of the pod {pod_uid}")
}

/// The region gets a bucket instead. What was in the folder is gone with its pod, and the API says so; new files go into the bucket.
async fn moved_to_bucket(world: &World, desk: &Desk, trust: &Trust) -> Result<(String, Vec<u8>)> {
    let lost = desk.upload(&content(2)).await?;
    let before = uids(&world.pods("desk").await?);
    let store = json!({"spec": {"mediaStore": {"local": null, "bucket": "files", "url": format!("https://{}", service("bucket")),
        "region": "sa-east-1", "prefix": PREFIX, "caBundle": trust.surroundings.certificate(), "credentialsSecretRef": {"name": "desk"}}}});
    patch(world, "wxdr/files", &store.to_string()).await?;
    let deadline = Instant::now() + POD_PATIENCE;
    while uids(&world.pods("desk").await?).iter().any(|uid| before.contains(uid)) {
        ensure!(Instant::now() < deadline, "the pod with the folder is still there");
        tokio::time::sleep(POLL).await;
    }
    let content = content(3);
    let id = loop {
        match desk.upload(&content).await {
            Ok(id) => break id,
            Err(error) => ensure!(Instant::now() < deadline, "{error:#}"),
        }
        tokio::time::sleep(POLL).await;
    };
    let stored = format!("PUT {PREFIX}/{}/", desk.phone_number_id);
    let printed = world.printed("bucket").await?;
    let (_, key) = printed
        .split_once(&stored)
        .with_context(|| format!("it is not in the bucket: {printed}"))?;
    // Objects are named by the hour in which they expire: the policy's day from now, where the retention is three.
    let expires: u64 = key.split('/').next().unwrap_or_default().parse()?;
    let hours = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 3600;
    ensure!(
        (hours + 23..=hours + 24).contains(&expires),
        "{} hours",
        expires.saturating_sub(hours)
    );
    desk.until_downloaded(&id, &content).await?;
    let gone = desk.download(&lost).await?;
    ensure!(gone.status == 404, "files go with their folder: {} {}", gone.status, gone.json());
    Ok((id, content))
}

/// The endpoint lets nobody in without a certificate of its authority: what arrives there was shown one.
async fn client_certificate(world: &World) -> Result<()> {
    let consumer = world.consumer(CONSUMER, NUMBER).await?;
    let mut chat = Chat::connected(&consumer, ARRIVAL).await?;
    chat.say("to the desk")?;
    chat.wait_for_kind(&Kind::Delivered, ARRIVAL).await?;
    let deadline = Instant::now() + ARRIVAL;
    while !world.printed("endpoint").await?.contains("to the desk") {
        ensure!(Instant::now() < deadline, "the webhook did not come");
        tokio::time::sleep(POLL).await;
    }
    chat.close().await?;
    Ok(())
}

async fn rotated_certificate(world: &World, trust: &Trust) -> Result<()> {
    let before = uids(&world.pods("desk").await?);
    let secret = tls_secret("desk-api", &trust.second.server("desk", &[HOST])?, &trust.second);
    world.kubectl.apply(&secret.to_string()).await?;
    let desk = Desk::trusting(world, &trust.second).await?;
    let deadline = Instant::now() + POD_PATIENCE;
    loop {
        // Refused until the new certificate is shown: only its authority is trusted here.
        match desk.get(&format!("{}?fields=id", desk.phone_number_id)).await {
            Ok(answer) if answer.status == 200 => break,
            Ok(answer) => ensure!(answer.status == 503, "{} {}", answer.status, answer.json()),
            Err(_) => {}
        }
        ensure!(Instant::now() < deadline, "the new certificate was not picked up");
        tokio::time::sleep(POLL).await;
    }
    ensure!(uids(&world.pods("desk").await?) == before, "no pod was replaced");
    Ok(())
}

/// Another pod finds what the one before had put into the bucket.
async fn replaced_pod(world: &World, desk: &Desk, (id, content): &(String, Vec<u8>)) -> Result<()> {
    let pods = world.pods("desk").await?;
    let name = pods[0]["metadata"]["name"].as_str().context("no pod")?;
    let args = [
        "delete",
        "pod",
        name,
        "--namespace",
        NAMESPACE,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ];
    world.kubectl.run(&args).await?;
    desk.until_downloaded(id, content).await?;
    ensure!(
        uids(&world.pods("desk").await?).iter().all(|uid| !uids(&pods).contains(uid)),
        "another pod"
    );
    let number = world.until("wxpn/desk", |number| is(number, "Ready", "True")).await?;
    ensure!(
        is(&number, "SecretsAvailable", "True"),
        "{}",
        condition(&number, "SecretsAvailable")
    );
    Ok(())
}

/// The bucket was told to delete every object that the number had put there.
pub async fn erased(world: &World, files: &Files) -> Result<()> {
    let args = ["wait", "--for=delete", "wxpn/desk", "--namespace", NAMESPACE, "--timeout=55s"];
    world.kubectl.run(&args).await?;
    let printed = world.printed("bucket").await?;
    let of_number = format!(" {PREFIX}/{}/", files.phone_number_id);
    let mut held = std::collections::BTreeSet::new();
    let mut put = 0;
    for line in printed.lines().filter(|line| line.contains(&of_number)) {
        match line.split_once(' ') {
            Some(("PUT", key)) => {
                put += 1;
                held.insert(key);
            }
            Some(("DELETE", key)) => {
                held.remove(key);
            }
            _ => {}
        }
    }
    ensure!(put > 0 && held.is_empty(), "{put} were put, these are left: {held:?}");
    ensure!(
        world.redis_keys(&files.phone_number_id).await? == 0,
        "Redis still has something of the number"
    );
    for object in ["pod/endpoint", "service/endpoint", "pod/bucket", "service/bucket"] {
        world
            .kubectl
            .run(&["delete", object, "--namespace", NAMESPACE, "--wait=false"])
            .await?;
    }
    Ok(())
}
