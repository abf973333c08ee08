//! A node with our images on it, and whom the chapters act as.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use waxseal_cluster::helm::Helm;
use waxseal_harness::{
    business::Business,
    chat::Consumer,
    kubernetes::{ControlPlane, Kubectl, Node},
    up::{Endpoints, Number},
};
use waxseal_testbed::host_image;

/// Where everything is installed.
pub const NAMESPACE: &str = "waxseal";
/// The label by which nodes are in the second region.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// How long a pod may take from being declared to being ready.
pub const POD_PATIENCE: Duration = Duration::from_secs(120);

const REDIS_IMAGE: &str = "waxseal.test/redis:1";
/// What a business and a platform team bring themselves.
const SURROUNDINGS_IMAGE: &str = "waxseal.test/surroundings:1";

/// A cluster, and the tools of the people who use it.
pub struct World {
    // The node goes before its control plane.
    pub node: Node,
    _control_plane: ControlPlane,
    pub kubectl: Kubectl,
    pub helm: Helm,
    /// State of consumers.
    pub folder: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Result<Self> {
        let control_plane = ControlPlane::start().await?;
        let node = Node::start(&control_plane).await?;
        let world = Self {
            kubectl: control_plane.kubectl()?,
            helm: Helm::new(control_plane.kubeconfig())?,
            node,
            _control_plane: control_plane,
            folder: tempfile::tempdir()?,
        };
        for name in ["waxseal-operator", "waxseal-sidecar", "waxseal-relay", "waxseal"] {
            world.node.import_image(&images().join(format!("{name}.tar"))).await?;
        }
        world.import_host_program(REDIS_IMAGE, Path::new("/usr/bin/redis-server")).await?;
        let surroundings = Path::new(env!("CARGO_BIN_EXE_waxseal-surroundings"));
        world.import_host_program(SURROUNDINGS_IMAGE, surroundings).await?;
        Ok(world)
    }

    async fn import_host_program(&self, reference: &str, program: &Path) -> Result<()> {
        let file = self.folder.path().join("image.tar");
        host_image::of(reference, program)?.write(&file)?;
        self.node.import_image(&file).await
    }

    /// `helm install` or `upgrade` with everything for trying out, and what this machine has instead of a registry.
    pub async fn helm_with(&self, verb: &str, more: &[&str]) -> Result<String> {
        let redis = format!("redis.image={REDIS_IMAGE}");
        let common = [
            verb,
            "waxseal",
            "./waxseal",
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout=240s",
            "--set",
            "trial.enabled=true",
            "--set",
            &redis,
        ];
        let args: Vec<&str> = common.iter().chain(more).copied().collect();
        let args: Vec<&str> = args
            .into_iter()
            .filter(|arg| verb == "install" || verb == "upgrade" || *arg != "--create-namespace")
            .collect();
        self.helm.run(&args).await
    }

    /// Waits until a number is ready, as people do.
    pub async fn wait_ready(&self, name: &str) -> Result<()> {
        let number = format!("wxpn/{name}");
        self.kubectl
            .run(&["wait", "--for=condition=Ready", &number, "--namespace", NAMESPACE, "--timeout=50s"])
            .await
            .map(|_| ())
    }

    /// One object in our namespace.
    pub async fn object(&self, name: &str) -> Result<Value> {
        self.kubectl.get(&[name, "--namespace", NAMESPACE]).await
    }

    /// Waits until an object in our namespace is as wanted.
    pub async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.kubectl.until(&[name, "--namespace", NAMESPACE], POD_PATIENCE, wanted).await
    }

    /// An entry of a Secret.
    pub async fn secret(&self, name: &str, entry: &str) -> Result<String> {
        let secret = self.object(&format!("secret/{name}")).await?;
        let encoded = secret["data"][entry]
            .as_str()
            .with_context(|| format!("no entry {entry} in {name}"))?;
        Ok(String::from_utf8(STANDARD.decode(encoded)?)?)
    }

    /// `address:port` of a Service.
    pub async fn service(&self, name: &str, port: &str) -> Result<String> {
        let service = self.object(&format!("service/{name}")).await?;
        let address = service["spec"]["clusterIP"].as_str().context("no address")?;
        let ports = service["spec"]["ports"].as_array().context("no ports")?;
        let port = ports
            .iter()
            .find(|one| one["name"] == port)
            .with_context(|| format!("no port {port}"))?;
        Ok(format!("{address}:{}", port["port"]))
    }

    /// The URL of the relay that the chart runs.
    pub async fn relay(&self) -> Result<String> {
        Ok(format!("http://{}", self.service("waxseal-relay", "grpc").await?))
    }

    /// The business of a number, with a token from a Secret.
    pub async fn business(&self, number: &str, secret: &str, entry: &str) -> Result<Business> {
        let object = self.object(&format!("wxpn/{number}")).await?;
        let status = |field: &str| {
            object["status"][field]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {field}"))
        };
        let api = format!("http://{}", self.service(&format!("{number}-sidecar"), "http").await?);
        Business::new(&Endpoints {
            api,
            admin: String::new(),
            relay: self.relay().await?,
            proxy: None,
            pid: None,
            numbers: vec![Number {
                phone_number: status("phoneNumber")?,
                phone_number_id: status("phoneNumberId")?,
                // Nobody here calls in the name of the account or the app.
                business_account_id: String::new(),
                app_id: String::new(),
                token: self.secret(secret, entry).await?,
                app_secret: String::new(),
                verify_token: String::new(),
            }],
        })
    }

    /// A consumer that talks to a number of the cluster, from outside of it.
    pub async fn consumer(&self, me: &str, to: &str) -> Result<Consumer> {
        Ok(Consumer::new(me, to, &self.folder.path().join("consumers"), &self.relay().await?))
    }

    /// The pods of a number.
    pub async fn pods(&self, number: &str) -> Result<Vec<Value>> {
        let selector = format!("app.kubernetes.io/name=waxseal-sidecar,app.kubernetes.io/instance={number}");
        let pods = self
            .kubectl
            .get(&["pods", "--namespace", NAMESPACE, "--selector", &selector])
            .await?;
        Ok(pods["items"].as_array().cloned().unwrap_or_default())
    }

    /// What a number has in Redis, asked of Redis itself.
    pub async fn redis_keys(&self, phone_number_id: &str) -> Result<usize> {
        let address = self.service("waxseal-redis", "redis").await?;
        let (host, port) = address.split_once(':').context("no port")?;
        let password = self.secret("waxseal-redis", "password").await?;
        let pattern = format!("wx:{{{phone_number_id}}}:*");
        let output = tokio::process::Command::new("redis-cli")
            .args(["-h", host, "-p", port, "--no-auth-warning", "--scan", "--pattern", &pattern])
            .env("REDISCLI_AUTH", password)
            .output()
            .await?;
        anyhow::ensure!(output.status.success(), "redis-cli: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| !line.is_empty())
            .count())
    }

    /// What somebody would look at who has to find out what is wrong.
    pub async fn diagnosis(&self) -> String {
        let mut text = String::new();
        let looks: [&[&str]; 7] = [
            &["get", "pods,jobs,deployments", "--all-namespaces", "-o", "wide"],
            &["get", "waxseal", "--all-namespaces", "-o", "wide"],
            &["describe", "wxpn", "--namespace", NAMESPACE],
            &["describe", "pods", "--namespace", NAMESPACE],
            &["get", "events", "--namespace", NAMESPACE, "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "--namespace",
                NAMESPACE,
                "--selector=app.kubernetes.io/name=waxseal-operator",
                "--tail=60",
                "--prefix",
            ],
            &[
                "logs",
                "--namespace",
                NAMESPACE,
                "--selector=app.kubernetes.io/name=waxseal-sidecar",
                "--tail=60",
                "--prefix",
            ],
        ];
        for look in looks {
            let answer = self.kubectl.run(look).await.unwrap_or_else(|error| format!("{error:#}"));
            text.push_str(&format!("--- kubectl {}\n{answer}\n", look.join(" ")));
        }
        text
    }

    /// The receiver of webhooks, as the business deploys it.
    pub fn receiver(verify_token: &str) -> String {
        Self::surroundings("receiver", &["webhook", "0.0.0.0:3000", verify_token], None)
    }

    /// A pod with a Service of its name; with a Secret of certificates it is reached over TLS, on port 443.
    pub fn surroundings(name: &str, arguments: &[&str], certificates: Option<&str>) -> String {
        let mut arguments = arguments.to_vec();
        let (mut mounts, mut volumes) = (json!([]), json!([]));
        if let Some(secret) = certificates {
            arguments.push("/certificates");
            mounts = json!([{"name": "certificates", "mountPath": "/certificates", "readOnly": true}]);
            volumes = json!([{"name": "certificates", "secret": {"secretName": secret}}]);
        }
        let port = if certificates.is_some() { 443 } else { 80 };
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}}, "spec": {
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": name, "image": SURROUNDINGS_IMAGE, "args": arguments, "volumeMounts": mounts,
                    "readinessProbe": {"tcpSocket": {"port": 3000}, "periodSeconds": 1},
                    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}],
                "volumes": volumes}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {
                "selector": {"app": name}, "ports": [{"port": port, "targetPort": 3000}]}},
        ]})
        .to_string()
    }

    /// What a pod has printed.
    pub async fn printed(&self, pod: &str) -> Result<String> {
        self.kubectl.run(&["logs", pod, "--namespace", NAMESPACE]).await
    }
}

/// Where `cargo xtask images` puts them.
fn images() -> PathBuf {
    if let Some(folder) = std::env::var_os("WAXSEAL_IMAGES").filter(|value| !value.is_empty()) {
        return folder.into();
    }
    // Beside the folder of the profile that this test was built with.
    let program = std::env::current_exe().expect("a test has a path");
    program.ancestors().nth(3).map_or_else(PathBuf::new, |target| target.join("images"))
}
