//! What pods run in: a Redis, a relay, files that stand in for mounts, and consumers.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use waxseal_consumer::{Consumer, Event, Options as ConsumerOptions};
use waxseal_content::{PhoneNumber, Text};
use waxseal_harness::{
    ports, program,
    receiver::Receiver,
    redis::{AppendOnly, RedisOptions, RedisServer},
};

/// How long anything that must happen may take. Generous: it only ever ends a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

pub const NUMBER: &str = "+15550100";
pub const ID: &str = "105550100";
pub const TOKEN: &str = "token-of-the-business";
pub const APP_SECRET: &str = "app-secret-of-acme";

pub struct World {
    pub redis: RedisServer,
    pub relay: Option<waxseal_relay::Running>,
    pub receiver: Receiver,
    pub client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl World {
    /// Everything but pods.
    pub async fn start() -> Self {
        let redis = RedisServer::start(RedisOptions {
            appendonly: AppendOnly::EverySecond,
            password: Some("p@ss/word".to_owned()),
            ..RedisOptions::default()
        })
        .await
        .unwrap();
        let folder = tempfile::Builder::new().prefix("waxseal-pod-").tempdir().unwrap();
        let relay = waxseal_relay::Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), folder.path().join("relay"));
        let world = Self {
            redis,
            relay: Some(waxseal_relay::Relay::start(relay).await.unwrap()),
            receiver: Receiver::start().unwrap(),
            client: waxseal_harness::business::http_client().unwrap(),
            folder,
        };
        for folder in ["config", "secrets/tokens", "secrets/redis", "output", "keys"] {
            fs::create_dir_all(world.folder.path().join(folder)).unwrap();
        }
        for (path, text) in [
            ("pin", "123456\n"),
            ("app-secret", APP_SECRET),
            ("verify-token", "verify-me"),
            ("tokens/main", TOKEN),
            ("redis/password", "p@ss/word"),
        ] {
            world.set_secret(path, Some(text));
        }
        world.set_config(|_| {});
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes or removes the entry of a Secret, in one step as the kubelet does.
    pub fn set_secret(&self, path: &str, text: Option<&str>) {
        let path = self.path("secrets").join(path);
        match text {
            Some(text) => put(&path, text),
            None => fs::remove_file(path).unwrap(),
        }
    }

    /// Writes the configuration, with a change.
    pub fn set_config(&self, change: impl FnOnce(&mut Value)) {
        let secret = |path: &str, key: &str| {
            let secret = if path.starts_with("redis/") { "redis" } else { "acme" };
            json!({"path": path, "secret": secret, "key": key, "field": format!("spec.{key}Ref"), "required": true})
        };
        let mut config = json!({
            "digest": "first", "namespace": "shop", "name": "acme",
            "phoneNumber": NUMBER, "phoneNumberId": ID, "businessAccountId": "77", "displayName": "Acme",
            "retentionMinutes": 1440, "contentDeletion": "OnDelivery", "webhookRetryWindowMinutes": 60,
            "webhook": {"url": self.receiver.url(), "timeoutSeconds": 5},
            "throughputMessagesPerSecond": 1000, "durability": "Auto", "durabilityReplicas": 1, "region": "local",
            "redisUrl": format!("redis://127.0.0.1:{}", self.redis.port()),
            "relayUrl": self.relay.as_ref().map_or("http://127.0.0.1:1".to_owned(), |relay| format!("http://{}", relay.addr())),
            "tokens": ["main"], "keysSecret": "acme-keys",
            "secrets": [
                secret("pin", "pin"), secret("app-secret", "appSecret"), secret("verify-token", "verifyToken"),
                secret("tokens/main", "token"), secret("redis/password", "password"),
            ],
        });
        change(&mut config);
        // JSON is YAML.
        put(&self.path("config/sidecar.yaml"), &config.to_string());
    }

    pub fn pod(&self, name: &str) -> Pod {
        Pod::new(name, self)
    }

    /// A consumer that has written to the business once, so that there is a session.
    pub async fn consumer(&self, index: usize) -> Chatter {
        let number = format!("+1555{:07}", 2_000_000 + index);
        let relay = format!("http://{}", self.relay.as_ref().unwrap().addr());
        let options = ConsumerOptions::in_memory(PhoneNumber::parse(&number).unwrap(), relay);
        let consumer = Consumer::open(options).await.unwrap();
        let business = PhoneNumber::parse(NUMBER).unwrap();
        consumer.send_text(&business, Text::from("hello")).await.unwrap();
        self.receiver.wait_for_messages(&number, 1, PATIENCE).await.unwrap();
        Chatter {
            consumer,
            number,
            texts: Vec::new(),
        }
    }

    /// Waits until one of the pods owns the number and every one of them is ready.
    pub async fn ready(&self, pods: &[&Pod]) {
        for pod in pods {
            until(&format!("{} is ready", pod.name), || pod.is_ready(self)).await;
        }
    }

    /// Which of the pods owns the number, once one does.
    pub async fn owner(&self, pods: &[&Pod]) -> usize {
        let begun = Instant::now();
        loop {
            for (index, pod) in pods.iter().enumerate() {
                if pod.owns(self).await {
                    return index;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "nobody owns the number");
            tokio::time::sleep(POLL).await;
        }
    }
}

fn put(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let begun = Instant::now();
    while !ask().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// A consumer and what arrived there.
pub struct Chatter {
    consumer: Consumer,
    pub number: String,
    pub texts: Vec<String>,
}

impl Chatter {
    /// Waits until this text has arrived, and keeps all that came before.
    pub async fn wait_for(&mut self, last: &str) {
        let wait = async {
            while let Some(event) = self.consumer.next_event().await {
                if let Event::Message(message) = event {
                    let text = message.text().map_or_else(String::new, |text| text.reveal().to_owned());
                    let is_last = text == last;
                    self.texts.push(text);
                    if is_last {
                        return;
                    }
                }
            }
            panic!("the consumer has ended");
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{last:?} did not arrive; {} texts did", self.texts.len());
    }
}

/// A sidecar as a process.
pub struct Pod {
    pub name: String,
    pub api: SocketAddr,
    pub admin: SocketAddr,
    child: Option<Child>,
    starts: usize,
    root: PathBuf,
}

impl Pod {
    fn new(name: &str, world: &World) -> Self {
        Self {
            name: name.to_owned(),
            api: ports::reserve().unwrap(),
            admin: ports::reserve().unwrap(),
            child: None,
            starts: 0,
            root: world.folder.path().to_owned(),
        }
    }

    pub fn start(&mut self) {
        self.kill9();
        self.starts += 1;
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.root.join(format!("output/{}", self.name)))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_waxseal-sidecar"))
            .args(["serve", "--report", "none", "--pod-name", &self.name])
            .args(["--api-listen", &self.api.to_string(), "--admin-listen", &self.admin.to_string()])
            .arg("--config")
            .arg(self.root.join("config/sidecar.yaml"))
            .arg("--secrets")
            .arg(self.root.join("secrets"))
            .arg("--custody-file")
            .arg(self.root.join("keys/custody"))
            .env("WAXSEAL_LOG", "debug")
            .env_remove("POD_IP")
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null").unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn signal(&self, name: &str) {
        program::signal(self.child.as_ref().unwrap(), name).unwrap();
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Waits for the end after a signal.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let ended = program::wait(&mut child, Duration::from_secs(25)).await;
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended.unwrap_or_else(|error| panic!("{}: {error:#}", self.output()))
    }

    pub fn output(&self) -> String {
        fs::read_to_string(self.root.join(format!("output/{}", self.name))).unwrap_or_default()
    }

    async fn get(&self, world: &World, path: &str) -> Option<(u16, String)> {
        let answer = world.client.get(format!("http://{}{path}", self.admin)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub async fn is_ready(&self, world: &World) -> bool {
        self.get(world, "/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    pub async fn is_live(&self, world: &World) -> bool {
        self.get(world, "/livez").await.is_some_and(|(status, _)| status == 200)
    }

    pub async fn status(&self, world: &World) -> Option<Value> {
        serde_json::from_str(&self.get(world, "/status").await?.1).ok()
    }

    pub async fn owns(&self, world: &World) -> bool {
        self.status(world)
            .await
            .is_some_and(|status| status["owner"] == "this pod" && status["numbers"].as_array().is_some_and(|numbers| !numbers.is_empty()))
    }

    /// The reasons and messages of what it lacks.
    pub async fn problems(&self, world: &World) -> Vec<(String, String)> {
        let status = self.status(world).await.unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        status["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|problem| (word(&problem["reason"]), word(&problem["message"])))
            .collect()
    }

    /// The sum of a counter over its labels.
    pub async fn metric(&self, world: &World, name: &str) -> u64 {
        let text = self.get(world, "/metrics").await.unwrap_or_default().1;
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Fails unless every accepted text arrived exactly once, no text twice, all in the order of sending. Says how many were accepted.
pub fn check(sent: &[(String, bool)], received: &[String]) -> usize {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in received {
        *counts.entry(text).or_default() += 1;
    }
    for (text, accepted) in sent {
        let count = counts.remove(text.as_str()).unwrap_or_default();
        // One that was not answered with 200 may have been accepted, or not.
        assert!(
            count == 1 || (count == 0 && !accepted),
            "{text} came {count} times; accepted: {accepted}"
        );
    }
    assert!(counts.is_empty(), "texts that nobody sent: {counts:?}");
    assert!(received.is_sorted(), "out of order: {received:?}");
    sent.iter().filter(|(_, accepted)| *accepted).count()
}
