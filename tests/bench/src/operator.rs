//! `operator`: how the operator does with many numbers, on a control plane of its own without nodes.
//!
//! Measures how long numbers take to converge and what of that is the API server's own write rate, how many requests the operator makes for a
//! number, how many when nothing changes, and its memory. Controllers are stopped: no pod would run anyway, and they would take the cores.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use waxseal_harness::kubernetes::ControlPlane;

/// Measures the operator with many numbers.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many numbers; several values are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    numbers: Vec<usize>,
    /// How long nothing is changed at the end, to count what is written meanwhile.
    #[arg(long, default_value_t = 60)]
    steady_seconds: u64,
    /// The operator to measure; built in release mode if absent.
    #[arg(long)]
    program: Option<std::path::PathBuf>,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

/// Objects of one namespace.
const PER_NAMESPACE: usize = 100;
const IN_FLIGHT: usize = 16;
const CONVERGE_TIMEOUT: Duration = Duration::from_secs(1800);
/// The user whose requests are counted.
const USER: &str = "waxseal-operator";

pub(crate) async fn run(args: Args) -> Result<()> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let program = match &args.program {
        Some(program) => program.clone(),
        None => built()?,
    };
    let mut rows = Vec::new();
    for &numbers in &args.numbers {
        rows.push(measure(&program, numbers, Duration::from_secs(args.steady_seconds)).await?);
    }
    println!("{}", serde_json::to_string_pretty(&rows)?);
    if let Some(path) = args.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn built() -> Result<std::path::PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--package", "waxseal-operator"])
        .status()?;
    ensure!(status.success(), "the operator cannot be built");
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Ok(std::path::Path::new(&target).join("release/waxseal-operator"))
}

/// The operator as a process; ended with this.
struct Operator(Child);

impl Operator {
    fn start(program: &std::path::Path, kubeconfig: &std::path::Path) -> Result<Self> {
        let child = Command::new(program)
            .args(["--admin-listen", "127.0.0.1:0", "--sidecar-image", "example.test/waxseal-sidecar:1"])
            .env("KUBECONFIG", kubeconfig)
            .env("WAXSEAL_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        Ok(Self(child))
    }

    fn resident_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib / 1024)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').context("no fields")?.1.split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
        Ok(f64::from(ticks) / 100.0)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure(program: &std::path::Path, numbers: usize, steady: Duration) -> Result<Value> {
    eprintln!("{numbers} numbers: starting a control plane ...");
    let mut control_plane = ControlPlane::start().await?;
    let client = client(control_plane.kubeconfig()).await?;
    definitions(&client).await?;
    let namespaces = numbers.div_ceil(PER_NAMESPACE);
    shared(&client, namespaces).await?;
    control_plane.stop_controllers()?;

    eprintln!("{numbers} numbers: declaring them ...");
    let declare = Instant::now();
    each(0..numbers, |number| create(&client, number_object(number))).await?;
    let declared = declare.elapsed();
    // What the API server can do, measured with the kind of object that the operator writes.
    let baseline = 2000.min(numbers * 2);
    let bare = Instant::now();
    each(0..baseline, |at| create(&client, bare_object(at))).await?;
    let bare_rate = per_second(baseline, bare.elapsed());

    let user = control_plane.user(USER, Some("system:masters"))?;
    eprintln!("{numbers} numbers: starting the operator ...");
    let begun = Instant::now();
    let operator = Operator::start(program, user.path())?;
    converge(&client, numbers, begun).await?;
    let converged = begun.elapsed();
    let cpu = operator.cpu_seconds()?;
    let writes = requests(&control_plane.audit_log()?, true)?;
    let reads = requests(&control_plane.audit_log()?, false)?;
    eprintln!(
        "{numbers} numbers: converged in {:.1} s; waiting {} s ...",
        converged.as_secs_f64(),
        steady.as_secs()
    );
    // Events and late statuses of the last ones.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = requests(&control_plane.audit_log()?, true)?;
    tokio::time::sleep(steady).await;
    let after = requests(&control_plane.audit_log()?, true)?;
    let resident = operator.resident_mib()?;
    let write_rate = per_second(writes, converged);
    Ok(json!({
        "numbers": numbers,
        "declared_per_second": per_second(numbers, declared),
        "converged_seconds": converged.as_secs_f64(),
        "numbers_per_second": per_second(numbers, converged),
        "writes_per_number": ratio(writes, numbers),
        "reads_per_number": ratio(reads, numbers),
        "writes_per_second": write_rate,
        "bare_creates_per_second": bare_rate,
        "ratio_to_bare_creates": write_rate / bare_rate,
        "cpu_ms_per_number": cpu * 1000.0 / f64::from(u32::try_from(numbers)?),
        "steady_writes": after - before,
        "steady_seconds": steady.as_secs(),
        "resident_mib": resident,
    }))
}

fn per_second(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

fn ratio(a: usize, b: usize) -> f64 {
    f64::from(u32::try_from(a).unwrap_or(u32::MAX)) / f64::from(u32::try_from(b).unwrap_or(u32::MAX))
}

/// Requests that the operator has made and that were answered, leases and events aside.
fn requests(audit: &str, writes: bool) -> Result<usize> {
    let mut count = 0;
    for line in audit.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let is_write = ["create", "update", "patch", "delete"].contains(&event["verb"].as_str().unwrap_or_default());
        let kind = event["objectRef"]["resource"].as_str().unwrap_or_default();
        let counted = event["user"]["username"] == USER && event["stage"] == "ResponseComplete" && kind != "leases" && kind != "events";
        count += usize::from(counted && is_write == writes);
    }
    Ok(count)
}

async fn client(kubeconfig: &waxseal_harness::kubernetes::Kubeconfig) -> Result<Client> {
    let mut config = Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig.path())?, &KubeConfigOptions::default()).await?;
    config.default_retry = true;
    Ok(Client::try_from(config)?)
}

async fn definitions(client: &Client) -> Result<()> {
    let api = Api::<DynamicObject>::all_with(
        client.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition")),
    );
    for definition in waxseal_crds::definitions::all() {
        api.patch(
            &definition.name,
            &PatchParams::apply("bench").force(),
            &Patch::Apply(&definition.value),
        )
        .await?;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let all = api.list(&ListParams::default()).await?;
        let is_established = |crd: &DynamicObject| {
            let conditions = crd.data["status"]["conditions"].as_array();
            conditions.is_some_and(|conditions| conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True"))
        };
        if all.items.iter().all(is_established) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("the definitions are not served")
}

fn namespace(at: usize) -> String {
    format!("bench-{}", at / PER_NAMESPACE)
}

/// What numbers refer to.
async fn shared(client: &Client, namespaces: usize) -> Result<()> {
    create(
        client,
        json!({"apiVersion": "waxseal.dev/v1alpha1", "kind": "DataRegion", "metadata": {"name": "bench"}, "spec": {
            "country": "BR", "retentionCapDays": 30, "placement": {"nodeSelector": {"region": "bench"}},
            "redis": {"url": "redis://redis.data.svc:6379", "credentialsSecretRef": {"name": "redis"}}, "relay": {"url": "http://relay.data.svc:7400"}
        }}),
    )
    .await?;
    create(
        client,
        json!({"apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": "bench"}, "spec": {"days": 7}}),
    )
    .await?;
    for at in 0..namespaces {
        let name = namespace(at * PER_NAMESPACE);
        create(client, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        create(
            client,
            json!({"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessAccount", "metadata": {"name": "shop", "namespace": name}, "spec": {
                "displayName": "Shop", "appSecretRef": {"name": "shop"}, "tokens": [{"name": "first", "secretRef": {"name": "shop"}}],
                "webhook": {"url": "https://shop.example/hook", "verifyTokenSecretRef": {"name": "shop"}}
            }}),
        )
        .await?;
    }
    Ok(())
}

fn number_object(at: usize) -> Value {
    json!({"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber",
        "metadata": {"name": format!("line-{at}"), "namespace": namespace(at)},
        "spec": {
            "phoneNumber": format!("+1555{at:07}"), "accountRef": {"name": "shop"}, "regionRef": {"name": "bench"},
            "retentionPolicyRef": {"name": "bench"}, "pinSecretRef": {"name": "shop"}
        }
    })
}

fn bare_object(at: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bare-{at}"), "namespace": namespace(0)},
        "data": {"a": "x".repeat(1500)}})
}

async fn create(client: &Client, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("no kind")?;
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    if types.kind == "RetentionPolicy" {
        resource.plural = "retentionpolicies".to_owned();
    }
    let api = match &object.metadata.namespace {
        Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}

async fn each<F: Future<Output = Result<()>>>(range: std::ops::Range<usize>, one: impl Fn(usize) -> F) -> Result<()> {
    stream::iter(range.map(one))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Until every number has its Deployment and a status of its present generation.
async fn converge(client: &Client, numbers: usize, begun: Instant) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("waxseal.dev", "v1alpha1", "BusinessPhoneNumber"));
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let deployments = Api::<DynamicObject>::all_with(
        client.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")),
    );
    let mut told = Instant::now();
    loop {
        // Counting costs the API server too: metadata only, and not often.
        let there = deployments.list_metadata(&ListParams::default()).await?.items.len();
        if there >= numbers {
            let observed = api.list(&ListParams::default()).await?;
            let is_done = |number: &&DynamicObject| number.data["status"]["observedGeneration"].as_i64() == number.metadata.generation;
            if observed.items.iter().filter(is_done).count() == numbers {
                return Ok(());
            }
        }
        ensure!(
            begun.elapsed() < CONVERGE_TIMEOUT,
            "only {there} of {numbers} after {CONVERGE_TIMEOUT:?}"
        );
        if told.elapsed() > Duration::from_secs(10) {
            eprintln!("  {there} of {numbers} after {:.0} s", begun.elapsed().as_secs_f64());
            told = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(if numbers > 2000 { 2000 } else { 500 })).await;
    }
}
