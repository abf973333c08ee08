use serde_json::{Value, json};

use super::*;
use crate::number::status::Trouble;

const UID: &str = "11111111-1111-1111-1111-111111111111";

fn object(child: Child, name: &str, version: u64, change: impl FnOnce(&mut Value)) -> DynamicObject {
    let mut object = json!({
        "metadata": {
            "name": name, "namespace": "acme", "resourceVersion": version.to_string(), "generation": 1,
            "labels": {"app.kubernetes.io/managed-by": "waxseal-operator", "app.kubernetes.io/instance": "desk"},
            "ownerReferences": [{"apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber", "name": "desk", "uid": UID, "controller": true}],
            "managedFields": [{"manager": "waxseal-operator", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:a": {}}}}]
        },
        "spec": {"a": 1}
    });
    change(&mut object);
    let mut object: DynamicObject = serde_json::from_value(object).unwrap();
    object.types = Some(kube::core::TypeMeta {
        api_version: child.resource().api_version,
        kind: child.kind().into(),
    });
    object
}

fn service(version: u64, change: impl FnOnce(&mut Value)) -> DynamicObject {
    object(Child::Service, "desk-sidecar", version, change)
}

fn key() -> Key {
    Key::new("acme", "desk")
}

fn wanted(n: u32) -> Fingerprint {
    fingerprint::desired(&n)
}

fn decide(children: &Children, n: u32) -> Decision {
    children.decide(&key(), Child::Service, wanted(n), UID)
}

#[test]
fn is_applied_once_and_then_only_for_a_reason() {
    let children = Children::default();
    assert_eq!(decide(&children, 1), Decision::Look);
    children.applied(&key(), Child::Service, wanted(1), &service(5, |_| {}));
    assert_eq!(decide(&children, 1), Decision::Nothing);
    assert!(
        !children.seen(Child::Service, &service(5, |_| {}), Round::default()),
        "our own write"
    );
    assert_eq!(decide(&children, 1), Decision::Nothing);
    assert_eq!(decide(&children, 2), Decision::Apply, "something else is wanted");
}

#[test]
fn is_applied_again_after_drift() {
    let children = Children::default();
    children.applied(&key(), Child::Service, wanted(1), &service(5, |_| {}));
    assert!(!children.seen(Child::Service, &service(6, |o| o["status"] = json!({"b": 2})), Round::default()));
    assert_eq!(decide(&children, 1), Decision::Nothing);
    assert!(children.seen(Child::Service, &service(7, |o| o["spec"]["a"] = json!(2)), Round::default()));
    assert_eq!(decide(&children, 1), Decision::Apply);
    children.applied(&key(), Child::Service, wanted(1), &service(8, |_| {}));
    // The watch is late with what was before.
    assert!(!children.seen(Child::Service, &service(7, |o| o["spec"]["a"] = json!(2)), Round::default()));
    assert_eq!(decide(&children, 1), Decision::Nothing);
}

#[test]
fn what_the_watch_saw_first_counts() {
    let children = Children::default();
    // Somebody was faster than our answer.
    children.seen(Child::Service, &service(9, |o| o["spec"]["a"] = json!(2)), Round::default());
    children.applied(&key(), Child::Service, wanted(1), &service(8, |_| {}));
    assert_eq!(decide(&children, 1), Decision::Apply);
}

#[test]
fn is_made_again_when_it_vanishes() {
    let children = Children::default();
    children.applied(&key(), Child::Service, wanted(1), &service(5, |_| {}));
    assert!(!children.gone(Child::Service, &service(4, |_| {})), "an earlier one");
    assert!(children.gone(Child::Service, &service(6, |_| {})));
    assert_eq!(decide(&children, 1), Decision::Look);
}

#[test]
fn what_a_new_list_does_not_have_is_gone() {
    let children = Children::default();
    let first = Round::default().next();
    children.seen(Child::Service, &service(5, |_| {}), first);
    assert!(children.listed(Child::Service, None, first).is_empty());
    let second = first.next();
    assert!(children.listed(Child::Service, Some("other"), second).is_empty());
    assert_eq!(children.listed(Child::Service, Some("acme"), second), [key()]);
    assert_eq!(decide(&children, 1), Decision::Look);
    assert!(children.table().is_empty());
}

#[test]
fn leaves_alone_what_is_somebody_elses() {
    for (change, decision) in [
        (
            json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "other", "controller": true}]),
            Decision::Look,
        ),
        (
            json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "other"}]),
            Decision::Apply,
        ),
        (json!([]), Decision::Apply),
    ] {
        let children = Children::default();
        children.seen(
            Child::Service,
            &service(5, |o| o["metadata"]["ownerReferences"] = change),
            Round::default(),
        );
        assert_eq!(decide(&children, 1), decision);
    }
    let children = Children::default();
    let nobodys = service(5, |o| {
        o["metadata"]["ownerReferences"] = json!([]);
        o["metadata"]["managedFields"] = json!([]);
    });
    children.seen(Child::Service, &nobodys, Round::default());
    assert_eq!(decide(&children, 1), Decision::Look);
    let unlabelled = service(5, |o| o["metadata"]["labels"] = json!({}));
    assert!(!Children::default().seen(Child::Service, &unlabelled, Round::default()));
}

#[test]
fn names_what_is_not_wanted() {
    let children = Children::default();
    children.seen(Child::Service, &service(5, |_| {}), Round::default());
    children.seen(Child::ConfigMap, &object(Child::ConfigMap, "desk-old", 5, |_| {}), Round::default());
    assert_eq!(
        children.unwanted(&key(), &[Child::Deployment]),
        [
            (Child::ConfigMap, "desk-old".to_owned()),
            (Child::Service, "desk-sidecar".to_owned())
        ]
    );
    children.deleted(&key(), Child::ConfigMap, "desk-old");
    assert!(children.unwanted(&key(), &[Child::Service]).is_empty());
}

#[test]
fn takes_down_how_the_deployment_is() {
    let children = Children::default();
    let name = "desk-sidecar";
    let begun = object(Child::Deployment, name, 5, |o| {
        o["spec"]["replicas"] = json!(2);
        o["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2});
    });
    assert!(children.seen(Child::Deployment, &begun, Round::default()));
    assert!(!children.seen(Child::Deployment, &begun, Round::default()) || children.workload(&key()).is_some());
    assert!(!children.workload(&key()).unwrap().is_complete());
    let done = object(Child::Deployment, name, 6, |o| {
        o["spec"]["replicas"] = json!(2);
        o["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    });
    assert!(children.seen(Child::Deployment, &done, Round::default()));
    assert!(children.workload(&key()).unwrap().is_complete());
    let stuck = object(Child::Deployment, name, 7, |o| {
        o["metadata"]["generation"] = json!(2);
        o["spec"]["replicas"] = json!(2);
        o["status"] = json!({
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
            "conditions": [{"type": "Progressing", "status": "False", "message": "too slow"}]
        });
    });
    children.seen(Child::Deployment, &stuck, Round::default());
    let workload = children.workload(&key()).unwrap();
    assert_eq!((workload.is_complete(), workload.stuck.as_deref()), (false, Some("too slow")));
    let known = workload.deployment();
    assert_eq!(known.status.unwrap().updated_replicas, Some(2));
}

fn pod(name: &str, app: &str, status: &Value) -> Pod {
    let pod = json!({
        "metadata": {
            "name": name, "namespace": "acme",
            "labels": {
                "app.kubernetes.io/managed-by": "waxseal-operator", "app.kubernetes.io/instance": "desk", "app.kubernetes.io/name": app
            }
        },
        "status": status
    });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn sums_pods_up() {
    let children = Children::default();
    assert!(children.pod_seen(&pod("a", "waxseal-sidecar", &json!({"phase": "Running"}))));
    let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"});
    let lost = json!({"phase": "Pending", "conditions": [unscheduled]});
    assert!(children.pod_seen(&pod("b", "waxseal-sidecar", &lost)));
    assert!(!children.pod_seen(&pod("b", "waxseal-sidecar", &lost)), "nothing new");
    children.pod_seen(&pod("c", "waxseal-sidecar", &json!({"phase": "Failed"})));
    let container = |reason: &str| {
        json!({
            "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": "no such"}}
        })
    };
    let crashing = json!({"phase": "Running", "containerStatuses": [container("CrashLoopBackOff")]});
    children.pod_seen(&pod("a", "waxseal-sidecar", &crashing));
    children.pod_seen(&pod(
        "d",
        "waxseal-erase",
        &json!({"phase": "Pending", "containerStatuses": [container("ErrImagePull")]}),
    ));
    let pods = children.pods(&key());
    assert_eq!(pods.sidecars, 2);
    assert_eq!(
        pods.trouble,
        Some(Trouble::Unschedulable {
            message: "0/3 nodes".into()
        })
    );
    assert!(matches!(pods.erasure_trouble, Some(Trouble::Waiting { .. })));
    assert!(children.pod_gone(&pod("b", "waxseal-sidecar", &json!({}))));
    children.pods_forgotten(Some("other"));
    assert_eq!(children.pods(&key()).trouble, Some(Trouble::Crashing));
    children.pods_forgotten(None);
    assert_eq!(children.pods(&key()), Pods::default());
}
