//! What is declared comes into being, stays so, and nothing is written without a reason.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use waxseal_cluster::eventually;
use waxseal_crds::v1alpha1::BusinessPhoneNumber;
use waxseal_operator::{children::Child, options::Options};

use crate::world::{World, number, options, with};

/// What every number has.
const ALWAYS: [Child; 7] = [
    Child::ServiceAccount,
    Child::Role,
    Child::RoleBinding,
    Child::ConfigMap,
    Child::NetworkPolicy,
    Child::Service,
    Child::Deployment,
];

#[tokio::test]
async fn converges_and_then_writes_nothing() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let options = Options {
        // Often, so that a reconciliation without a reason is seen.
        resync: std::time::Duration::from_millis(700),
        ..options()
    };
    let operator = world.operate(options.clone()).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    for child in ALWAYS {
        let object = world.appears("acme", "desk", child).await;
        let owners = object.metadata.owner_references.unwrap();
        assert_eq!(
            (owners[0].kind.as_str(), owners[0].controller),
            ("BusinessPhoneNumber", Some(true)),
            "{child:?}"
        );
    }
    world.condition("acme", "desk", "Ready", "False", "Starting").await;
    let status = world.number("acme", "desk").await.status.unwrap();
    assert_eq!(status.phone_number.as_deref(), Some("+15550100"));
    assert_eq!(status.region.as_deref(), Some("br"));
    let secrets: Api<Secret> = world.api("acme");
    let keys = secrets.get("desk-keys").await.unwrap();
    assert_eq!(
        (keys.type_.as_deref(), keys.data, keys.metadata.owner_references),
        (Some("waxseal.dev/keys"), None, None)
    );
    counted(&world, 1).await;

    // Several resyncs go by, in which everything is looked at and nothing is written.
    let settled = world.settles().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(world.writes(), settled);
    let of_number: usize = settled.values().sum();
    assert!(of_number < 30, "one number takes so many writes: {settled:#?}");

    // What others own is theirs. (An annotation makes a new generation of a Deployment, so its status says for a moment that it is not
    // observed, and so does the number's.)
    let deployments = world.children("acme", Child::Deployment);
    world
        .meddle(
            &deployments,
            "desk-sidecar",
            json!({"metadata": {"annotations": {"example.com/note": "mine"}}}),
        )
        .await;
    let annotated = world.settles().await;
    assert_eq!(of_objects(&annotated), of_objects(&settled));

    // One that starts anew applies what it wants once more, which changes nothing, and is as quiet.
    let versions = versions(&world).await;
    operator.stop().await.unwrap();
    let operator = world.operate(options).await;
    let again = world.settles().await;
    assert_eq!(self::versions(&world).await, versions, "nothing is different after a restart");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.writes(), again);
    operator.stop().await.unwrap();
}

/// The writes but for those to numbers, which are statuses and finalizers.
fn of_objects(writes: &BTreeMap<String, usize>) -> usize {
    let of_objects = writes.iter().filter(|(what, _)| !what.contains("businessphonenumbers"));
    of_objects.map(|(_, count)| count).sum()
}

async fn versions(world: &World) -> Vec<Option<String>> {
    let mut versions = vec![world.number("acme", "desk").await.metadata.resource_version];
    for child in ALWAYS.into_iter().filter(|child| *child != Child::Deployment) {
        versions.push(world.child("acme", "desk", child).await.unwrap().metadata.resource_version);
    }
    versions
}

/// Account, region and policy say how many numbers they have.
async fn counted(world: &World, numbers: i64) {
    for (kind, plural, namespace, name) in [
        ("BusinessAccount", "businessaccounts", Some("acme"), "acme"),
        ("DataRegion", "dataregions", None, "br"),
        ("RetentionPolicy", "retentionpolicies", None, "week"),
    ] {
        let gvk = kube::core::GroupVersionKind::gvk("waxseal.dev", "v1alpha1", kind);
        let resource = kube::core::ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<kube::api::DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(world.client.clone(), namespace, &resource),
            None => Api::all_with(world.client.clone(), &resource),
        };
        eventually(&format!("{kind} counts {numbers}"), || async {
            let object = api.get(name).await.ok()?;
            let ready = object.data.pointer("/status/conditions/0/status").and_then(Value::as_str) == Some("True");
            (ready && object.data.pointer("/status/numbers").and_then(Value::as_i64) == Some(numbers)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn drift_is_repaired_and_what_is_not_wanted_goes() {
    let world = World::start().await;
    world.surroundings("acme").await;
    install_optional_kinds(&world).await;
    let operator = world.operate(options()).await;
    let everything = json!({
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4}, "serviceMonitor": "Enabled", "httpRoute": {"gatewayName": "front"}
    });
    world.apply(&with(number("acme", "desk", "+15550100"), &everything)).await;
    let kinds: Vec<Child> = Child::ALL.into_iter().filter(|child| *child != Child::Job).collect();
    for child in &kinds {
        world.appears("acme", "desk", *child).await;
    }
    world.settles().await;

    // Changed.
    for child in &kinds {
        let api = world.children("acme", *child);
        let name = child.name("desk");
        let ours = json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "somebody"}}});
        world.meddle(&api, &name, ours).await;
        eventually(&format!("the {} is as it was", child.kind()), || async {
            let labels = api.get(&name).await.ok()?.metadata.labels?;
            (labels.get("app.kubernetes.io/part-of").map(String::as_str) == Some("waxseal")).then_some(())
        })
        .await;
    }
    let deployments = world.children("acme", Child::Deployment);
    world
        .meddle(
            &deployments,
            "desk-sidecar",
            json!({"spec": {"template": {"spec": {"serviceAccountName": "default", "automountServiceAccountToken": true}}}}),
        )
        .await;
    eventually("the pods are as they were", || async {
        let pod = deployments
            .get("desk-sidecar")
            .await
            .ok()?
            .data
            .pointer("/spec/template/spec")?
            .clone();
        (pod["serviceAccountName"] == "desk-sidecar" && pod["automountServiceAccountToken"] == false).then_some(())
    })
    .await;
    // Removed.
    for child in &kinds {
        let api = world.children("acme", *child);
        let before = api.get(&child.name("desk")).await.unwrap().metadata.uid;
        api.delete(&child.name("desk"), &DeleteParams::background()).await.unwrap();
        eventually(&format!("there is a new {}", child.kind()), || async {
            let there = api.get_opt(&child.name("desk")).await.ok()??;
            (there.metadata.uid != before).then_some(())
        })
        .await;
    }
    // Stripped of what makes it ours.
    let services = world.children("acme", Child::Service);
    let stripped = json!({"metadata": {"labels": null, "ownerReferences": null}});
    world.meddle(&services, "desk-sidecar", stripped).await;
    eventually("the Service is ours again", || async {
        let metadata = services.get("desk-sidecar").await.ok()?.metadata;
        (metadata.owner_references.is_some() && metadata.labels.is_some()).then_some(())
    })
    .await;
    // Left over under another name.
    let mut stray = world.child("acme", "desk", Child::ConfigMap).await.unwrap();
    stray.metadata.name = Some("desk-of-old".into());
    stray.metadata.resource_version = None;
    stray.metadata.uid = None;
    stray.metadata.managed_fields = None;
    let config_maps = world.children("acme", Child::ConfigMap);
    config_maps.create(&PostParams::default(), &stray).await.unwrap();
    eventually("the stray ConfigMap is gone", || async {
        config_maps.get_opt("desk-of-old").await.ok()?.is_none().then_some(())
    })
    .await;

    // Not wanted any more.
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    let nothing = json!({"spec": {"autoscaling": null, "serviceMonitor": "Disabled", "httpRoute": null}});
    world.meddle(&numbers, "desk", nothing).await;
    for child in [
        Child::HorizontalPodAutoscaler,
        Child::ServiceMonitor,
        Child::HttpRoute,
        Child::PodDisruptionBudget,
    ] {
        world.vanishes("acme", "desk", child).await;
    }
    assert!(world.child("acme", "desk", Child::Service).await.is_some());
    operator.stop().await.unwrap();
}

/// As much of other software's kinds as is needed here.
async fn install_optional_kinds(world: &World) {
    for (group, plural, kind) in [
        ("monitoring.coreos.com", "servicemonitors", "ServiceMonitor"),
        ("gateway.networking.k8s.io", "httproutes", "HTTPRoute"),
    ] {
        let name = format!("{plural}.{group}");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, only for a test"}},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open}}}
                }]
            }
        });
        world.apply(&crd).await;
        let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
        eventually(&format!("{name} is established"), || async {
            let conditions = crds.get(&name).await.ok()?.status?.conditions?;
            conditions
                .iter()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
                .then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_asked_for_and_not_there_is_named() {
    let mut world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    // A kind that nobody has installed.
    world
        .apply(&with(number("acme", "desk", "+15550100"), json!({"serviceMonitor": "Enabled"})))
        .await;
    let message = world.condition("acme", "desk", "Stalled", "True", "KindMissing").await;
    assert!(message.contains("ServiceMonitor"), "{message}");
    world.appears("acme", "desk", Child::Deployment).await;
    // A region without a node.
    world.control_plane.start_scheduler().unwrap();
    let message = world.condition("acme", "desk", "Scheduled", "False", "Unschedulable").await;
    assert!(message.contains("DataRegion 'br'"), "{message}");
    world.condition("acme", "desk", "Ready", "False", "Unschedulable").await;
    let note = world.event("acme", "desk", "Unschedulable").await;
    assert!(note.contains("DataRegion 'br'"), "{note}");
    // A node of another region does not help; one of this region does.
    let nodes: Api<Node> = Api::all(world.client.clone());
    for region in ["de", "br"] {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("node-{region}"), "labels": {"example.com/region": region}},
        });
        nodes
            .create(&PostParams::default(), &serde_json::from_value(node).unwrap())
            .await
            .unwrap();
        let status = json!({"status": {
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "20"}, "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "20"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Test", "message": ""}]
        }});
        let parameters = kube::api::PatchParams::default();
        nodes
            .patch_status(&format!("node-{region}"), &parameters, &kube::api::Patch::Strategic(&status))
            .await
            .unwrap();
        world
            .meddle(&nodes, &format!("node-{region}"), json!({"spec": {"taints": null}}))
            .await;
        if region == "de" {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            world.condition("acme", "desk", "Scheduled", "False", "Unschedulable").await;
        }
    }
    world.condition("acme", "desk", "Scheduled", "True", "Scheduled").await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn a_number_can_be_paused_and_suspended() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    world
        .apply(&with(
            number("acme", "desk", "+15550100"),
            json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 3}}),
        ))
        .await;
    world.appears("acme", "desk", Child::HorizontalPodAutoscaler).await;
    world.settles().await;
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    let deployments = world.children("acme", Child::Deployment);

    let paused = json!({"metadata": {"annotations": {"waxseal.dev/reconcile": "paused"}}});
    world.meddle(&numbers, "desk", paused).await;
    world.condition("acme", "desk", "ReconciliationPaused", "True", "Paused").await;
    let quiet = world.settles().await;
    world
        .meddle(
            &deployments,
            "desk-sidecar",
            json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "somebody"}}}),
        )
        .await;
    world.meddle(&numbers, "desk", json!({"spec": {"suspend": true}})).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(of_objects(&world.writes()), of_objects(&quiet));
    assert_ne!(world.replicas("acme", "desk").await, 0);

    world
        .meddle(
            &numbers,
            "desk",
            json!({"metadata": {"annotations": {"waxseal.dev/reconcile": null}}}),
        )
        .await;
    world.condition("acme", "desk", "Ready", "False", "Suspended").await;
    eventually("the Deployment is scaled to nothing", || async {
        (world.replicas("acme", "desk").await == 0).then_some(())
    })
    .await;
    assert!(!world.has_condition("acme", "desk", "ReconciliationPaused").await);
    let labels = deployments.get("desk-sidecar").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["app.kubernetes.io/part-of"], "waxseal");

    // An autoscaler does nothing for a Deployment of no pods, so going on has to begin with one.
    world.meddle(&numbers, "desk", json!({"spec": {"suspend": false}})).await;
    eventually("the Deployment has pods again", || async {
        (world.replicas("acme", "desk").await > 0).then_some(())
    })
    .await;
    operator.stop().await.unwrap();
}
