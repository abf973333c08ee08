//! The life of a release in a real control plane: everything is accepted, and what people declared outlives upgrades and the release.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};
use waxseal_cluster::{client, eventually, helm::Helm, install_definitions};
use waxseal_harness::kubernetes::{ControlPlane, Kubectl};

use crate::{CONFIGURATIONS, NAMESPACE, documents, render};

/// A kind of somebody else that the charts make objects of, as far as it takes to accept them.
fn foreign_definition(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
}

async fn create_namespaces(kubectl: &Kubectl, names: &[&str]) {
    for name in names {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        kubectl.apply(&namespace.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn the_api_server_takes_everything_that_is_rendered_and_the_sample() {
    let control_plane = ControlPlane::start().await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    create_namespaces(&kubectl, &[NAMESPACE, "a", "b"]).await;
    install_definitions(&client(control_plane.kubeconfig()).await).await;
    for (plural, kind) in [("servicemonitors", "ServiceMonitor"), ("prometheusrules", "PrometheusRule")] {
        kubectl.apply(&foreign_definition(plural, kind).to_string()).await.unwrap();
        eventually(kind, || async { kubectl.run(&["get", plural]).await.ok() }).await;
    }
    let mut manifests = vec![documents(include_str!("../../../../docs/samples/cluster.yaml"))];
    for values in CONFIGURATIONS {
        manifests.push(render("waxseal", values).await);
    }
    for objects in manifests {
        assert!(objects.len() > 5);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = kubectl.output(&args, &list).await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !told.contains("Warning"), "{told}");
    }
}

#[tokio::test]
async fn what_is_declared_outlives_upgrades_and_the_release() {
    let control_plane = ControlPlane::start().await.unwrap();
    let helm = Helm::new(control_plane.kubeconfig()).unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    let client = client(control_plane.kubeconfig()).await;
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let secret = async |name: &str| secrets.get(name).await.unwrap().data.unwrap();
    let number = async || {
        kubectl
            .get(&["businessphonenumber/sample", "--namespace", NAMESPACE])
            .await
            .unwrap()
    };
    let pods = async || kubectl.get(&["deployments,statefulsets", "--namespace", NAMESPACE]).await.unwrap()["items"].clone();

    // Definitions, operator, relay, Redis and sample in one go.
    let options = ["waxseal", "waxseal", "--namespace", NAMESPACE, "--set", "trial.enabled=true"];
    let told = helm
        .run(&[&["install", "--create-namespace"], &options[..]].concat())
        .await
        .unwrap();
    assert!(told.contains("NOT FOR PRODUCTION"), "{told}");
    let (password, sample) = (secret("waxseal-redis").await, secret("sample").await);
    let (uid, before) = (number().await["metadata"]["uid"].clone(), pods().await);
    assert_eq!(sample["pin"].0.len(), 6);

    // Upgraded twice: nothing that was made up is made up anew, nothing rolls, the number is the same object.
    for values in [&[][..], &["--set", "prometheusRule.labels.a=b"]] {
        helm.run(&[&["upgrade"], &options[..], values].concat()).await.unwrap();
        assert_eq!(secret("waxseal-redis").await, password);
        assert_eq!(secret("sample").await, sample);
        assert_eq!(number().await["metadata"]["uid"], uid);
        for (old, new) in before.as_array().unwrap().iter().zip(pods().await.as_array().unwrap()) {
            assert_eq!(old["spec"], new["spec"], "{}", old["metadata"]["name"]);
        }
    }

    // Switched off, the number stays; switched on again, it is still the same.
    helm.run(&["upgrade", "waxseal", "waxseal", "--namespace", NAMESPACE])
        .await
        .unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);
    helm.run(&[&["upgrade"], &options[..]].concat()).await.unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);

    // A deleted object of the sample comes back with the next upgrade, and only that.
    kubectl.run(&["delete", "retentionpolicy/sample"]).await.unwrap();
    helm.run(&[&["upgrade"], &options[..]].concat()).await.unwrap();
    kubectl.get(&["retentionpolicy/sample"]).await.unwrap();

    // Uninstalled: definitions, number and its Secret are there, and a new release takes the definitions over.
    helm.run(&["uninstall", "waxseal", "--namespace", NAMESPACE]).await.unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);
    assert_eq!(secret("sample").await, sample);
    assert!(secrets.get_opt("waxseal-redis").await.unwrap().is_none());
    helm.run(&[&["install"], &options[..]].concat()).await.unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);

    // From one release for everything to a chart of their own for the definitions.
    helm.run(&[
        "upgrade",
        "waxseal",
        "waxseal",
        "--namespace",
        NAMESPACE,
        "--set",
        "crds.enabled=false",
    ])
    .await
    .unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);
    helm.run(&[
        "install",
        "definitions",
        "waxseal-crds",
        "--namespace",
        NAMESPACE,
        "--take-ownership",
    ])
    .await
    .unwrap();
    helm.run(&["uninstall", "definitions", "--namespace", NAMESPACE]).await.unwrap();
    assert_eq!(number().await["metadata"]["uid"], uid);
}
