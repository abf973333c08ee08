//! The charts: what they render without a cluster, and what becomes of it in a real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access;
mod release;
mod rendered;
mod watching;

use serde_json::Value;
use waxseal_cluster::helm::Helm;
use waxseal_harness::kubernetes::Kubeconfig;

/// Sets of values that switch different things on; every one has to hold what the tests ask for.
const CONFIGURATIONS: &[&[&str]] = &[
    &[],
    &["--set", "watchNamespaces={a,b}"],
    &["--set", "trial.enabled=true"],
    &["--set", "trial.enabled=true,watchNamespaces={charts}"],
    EVERYTHING,
];

/// Everything that can be switched on.
const EVERYTHING: &[&str] = &[
    "--set",
    "trial.enabled=true,networkPolicy.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true",
    "--set",
    "rbac.serviceMonitors=true,rbac.httpRoutes=true,sample.webhookUrl=http://hook.example/,sidecar.imagePullSecrets={regcred}",
    "--set",
    "relay.persistence.enabled=true,relay.tls.secretName=relay,relay.tls.clientCaSecretName=clients,redis.persistence.enabled=true",
    "--set",
    "operator.priorityClassName=system-cluster-critical,operator.tolerations[0].operator=Exists,operator.nodeSelector.disk=fast",
    "--set",
    "commonLabels.team=platform,crds.labels.team=platform,imagePullSecrets[0].name=regcred,operator.podAnnotations.a=b",
    "--set-json",
    r#"operator.extraEnv=[{"name":"A","value":"b"}]"#,
];

/// Where the releases of these tests are.
const NAMESPACE: &str = "charts";

/// A helm that speaks to no cluster.
fn offline() -> Helm {
    Helm::new(&Kubeconfig::at("/dev/null".into())).unwrap()
}

/// What `helm template` makes of the chart with these values.
async fn render(chart: &str, values: &[&str]) -> Vec<Value> {
    let args = [&["template", "waxseal", chart, "--namespace", NAMESPACE], values].concat();
    documents(&offline().run(&args).await.unwrap())
}

/// The documents of a text of YAML.
fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Those of some kinds.
fn of_kinds<'a>(objects: &'a [Value], kinds: &[&str]) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| kinds.iter().any(|kind| object["kind"] == *kind))
        .collect()
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// The rules of Roles and ClusterRoles.
fn rules<'a>(roles: &[&'a Value]) -> Vec<&'a Value> {
    roles.iter().flat_map(|role| role["rules"].as_array().unwrap()).collect()
}
