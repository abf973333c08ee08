//! What the operator can do with its credentials, tried in a real control plane.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, PropagationPolicy},
};
use serde_json::{Value, json};
use waxseal_cluster::{client, eventually, helm::Helm};
use waxseal_harness::kubernetes::{ControlPlane, Kubectl};

use crate::NAMESPACE;

/// As the operator: what happens to an object that it applies.
async fn apply(operator: &Kubectl, object: &Value) -> Result<(), String> {
    let args = ["apply", "--server-side", "--dry-run=server", "--namespace", NAMESPACE, "-f", "-"];
    let output = operator.output(&args, &object.to_string()).await.unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules})
}

fn keys_rule(verbs: &[&str], names: &[&str]) -> Value {
    json!({"apiGroups": [""], "resources": ["secrets"], "verbs": verbs, "resourceNames": names})
}

fn status_rule() -> Value {
    json!({"apiGroups": ["waxseal.dev"], "resources": ["businessphonenumbers/status"], "verbs": ["patch"], "resourceNames": ["line"]})
}

fn binding(role_kind: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "line-sidecar"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [subject],
    })
}

fn account(name: &str, namespace: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

/// A Deployment as the operator builds one, with some members of the pod replaced.
fn deployment(pod: &Value) -> Value {
    let mut spec = json!({
        "serviceAccountName": "line-sidecar",
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container(&json!({}))],
        "volumes": [{"name": "secrets", "projected": {"sources": [{"secret": {"name": "acme", "optional": true}}]}}],
    });
    for (name, value) in pod.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "line-sidecar"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec},
        },
    })
}

fn container(more: &Value) -> Value {
    let mut container = json!({
        "name": "sidecar", "image": "sidecar",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    for (name, value) in more.as_object().unwrap() {
        container[name] = value.clone();
    }
    container
}

fn secret(name: &str, kind: &str, more: &Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "type": kind});
    for (name, value) in more.as_object().unwrap() {
        secret[name] = value.clone();
    }
    secret
}

/// A control plane with the chart, and the operator's credentials.
async fn installed(values: &[&str]) -> (ControlPlane, Kubectl) {
    let control_plane = ControlPlane::start().await.unwrap();
    let helm = Helm::new(control_plane.kubeconfig()).unwrap();
    let args = ["install", "waxseal", "waxseal", "--namespace", NAMESPACE, "--create-namespace"];
    helm.run(&[&args[..], values].concat()).await.unwrap();
    let operator = control_plane.service_account(NAMESPACE, "waxseal-operator").await.unwrap();
    let operator = Kubectl::new(&operator).unwrap();
    (control_plane, operator)
}

#[tokio::test]
async fn the_api_server_holds_the_operator_to_its_task() {
    let (control_plane, operator) = installed(&[]).await;
    // Policies take a moment to be in force.
    let wildcard = role("line-sidecar", &json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]));
    eventually("the policies are in force", || async {
        apply(&operator, &wildcard)
            .await
            .err()
            .filter(|error| error.contains("denied request"))
    })
    .await;

    for good in [
        role(
            "line-sidecar",
            &json!([keys_rule(&["get", "update"], &["line-keys"]), status_rule()]),
        ),
        binding("Role", "line-sidecar", &account("line-sidecar", NAMESPACE)),
        deployment(&json!({})),
    ] {
        apply(&operator, &good).await.unwrap();
    }
    let bad = [
        // Rights.
        role("line-sidecar", &json!([keys_rule(&["get", "list"], &["line-keys"])])),
        role("line-sidecar", &json!([keys_rule(&["get"], &["acme"])])),
        role("line-sidecar", &json!([keys_rule(&["get"], &["line-keys", "acme"])])),
        role("line-sidecar", &json!([keys_rule(&["get"], &[])])),
        role("operators", &json!([keys_rule(&["get"], &["line-keys"])])),
        role(
            "line-sidecar",
            &json!([status_rule(), {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]),
        ),
        binding("Role", "line-sidecar", &account("waxseal-operator", NAMESPACE)),
        binding("Role", "line-sidecar", &account("line-sidecar", "elsewhere")),
        binding(
            "Role",
            "line-sidecar",
            &json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}),
        ),
        binding("Role", "other-sidecar", &account("line-sidecar", NAMESPACE)),
        binding("ClusterRole", "cluster-admin", &account("line-sidecar", NAMESPACE)),
        // Pods.
        deployment(&json!({"serviceAccountName": "default"})),
        deployment(&json!({"hostNetwork": true})),
        deployment(&json!({"hostPID": true})),
        deployment(&json!({"securityContext": {}})),
        deployment(&json!({"volumes": [{"name": "node", "hostPath": {"path": "/"}}]})),
        deployment(&json!({"containers": [container(&json!({"securityContext": {"privileged": true}}))]})),
        deployment(&json!({"initContainers": [container(&json!({"name": "first", "securityContext": {}}))]})),
        deployment(&json!({"containers": [container(&json!({"envFrom": [{"secretRef": {"name": "acme"}}]}))]})),
        deployment(&json!({"containers": [container(
            &json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "acme", "key": "a"}}}]}),
        )]})),
    ];
    for object in &bad {
        let error = apply(&operator, object).await.expect_err(&object.to_string());
        assert!(error.contains("orbidden"), "{object}: {error}");
        assert!(!error.contains("no such key"), "the policy itself failed on {object}: {error}");
    }
    // Everybody else is left alone.
    let kubectl = control_plane.kubectl().unwrap();
    apply(&kubectl, &wildcard).await.unwrap();
    apply(&kubectl, &deployment(&json!({"hostNetwork": true}))).await.unwrap();
}

#[tokio::test]
async fn the_operator_cannot_read_a_secret_in_any_way() {
    let (control_plane, operator) = installed(&[]).await;
    let kubectl = control_plane.kubectl().unwrap();
    let content = json!({"stringData": {"keys": "content-of-a-secret"}});
    let keys = secret("line-keys", "waxseal.dev/keys", &content);
    let acme = secret("acme", "Opaque", &content);
    kubectl.apply(&keys.to_string()).await.unwrap();
    kubectl.apply(&acme.to_string()).await.unwrap();

    for verb in ["get", "list", "watch", "patch", "update", "deletecollection"] {
        let output = operator
            .output(&["auth", "can-i", verb, "secrets", "--all-namespaces"], "")
            .await
            .unwrap();
        assert!(!output.status.success(), "{verb}");
        let output = operator
            .output(&["auth", "can-i", verb, "secrets/line-keys", "--namespace", NAMESPACE], "")
            .await
            .unwrap();
        assert!(!output.status.success(), "{verb}");
    }

    let secrets: Api<Secret> = Api::namespaced(client(operator.kubeconfig()).await, NAMESPACE);
    eventually("the policies are in force", || async {
        let error = secrets.delete("acme", &DeleteParams::default().dry_run()).await.err()?;
        error.to_string().contains("denied request").then_some(())
    })
    .await;
    // Deletions that are not done at once answer with the object.
    for policy in [PropagationPolicy::Foreground, PropagationPolicy::Orphan] {
        let params = DeleteParams {
            propagation_policy: Some(policy.clone()),
            ..DeleteParams::default()
        };
        for params in [params.clone().dry_run(), params] {
            let error = secrets.delete("line-keys", &params).await.expect_err("deleted").to_string();
            assert!(error.contains("denied request"), "{policy:?}: {error}");
        }
    }
    let held = json!([{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/held"]}]).to_string();
    let patch = ["patch", "secret/line-keys", "--namespace", NAMESPACE, "--type=json", "-p"];
    kubectl.run(&[&patch[..], &[&held]].concat()).await.unwrap();
    assert!(secrets.delete("line-keys", &DeleteParams::default().dry_run()).await.is_err());
    let let_go = json!([{"op": "remove", "path": "/metadata/finalizers"}]).to_string();
    kubectl.run(&[&patch[..], &[&let_go]].concat()).await.unwrap();

    // What it is there for: an empty one for keys is made, and unmade.
    for wrong in [
        secret("other-keys", "Opaque", &json!({})),
        secret("other", "waxseal.dev/keys", &json!({})),
        secret("other-keys", "waxseal.dev/keys", &content),
        secret("other-keys", "kubernetes.io/service-account-token", &json!({})),
        secret(
            "other-keys",
            "waxseal.dev/keys",
            &json!({"metadata": {"name": "other-keys", "namespace": NAMESPACE, "finalizers": ["example.com/held"]}}),
        ),
    ] {
        let output = operator.output(&["create", "-f", "-"], &wrong.to_string()).await.unwrap();
        assert!(!output.status.success(), "{wrong}");
    }
    let empty = secret("other-keys", "waxseal.dev/keys", &json!({})).to_string();
    operator.run_with_input(&["create", "-f", "-"], &empty).await.unwrap();
    for name in ["other-keys", "line-keys"] {
        let answer = secrets.delete(name, &DeleteParams::background()).await.unwrap();
        assert!(answer.is_right(), "a status, not the object");
    }
    assert!(kubectl.get(&["secret/line-keys", "--namespace", NAMESPACE]).await.is_err());
    kubectl.get(&["secret/acme", "--namespace", NAMESPACE]).await.unwrap();
}

#[tokio::test]
async fn in_namespaces_of_its_own_it_can_do_nothing_elsewhere() {
    let control_plane = ControlPlane::start().await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    kubectl.run(&["create", "namespace", "a"]).await.unwrap();
    let helm = Helm::new(control_plane.kubeconfig()).unwrap();
    let args = ["install", "waxseal", "waxseal", "--namespace", NAMESPACE, "--create-namespace"];
    helm.run(&[&args[..], &["--set", "watchNamespaces={a}"]].concat()).await.unwrap();
    let operator = control_plane.service_account(NAMESPACE, "waxseal-operator").await.unwrap();
    let operator = Kubectl::new(&operator).unwrap();
    let can = async |verb: &str, resource: &str, namespace: &str| {
        let args = ["auth", "can-i", verb, resource, "--namespace", namespace];
        operator.output(&args, "").await.unwrap().status.success()
    };
    for (verb, resource) in [
        ("create", "secrets"),
        ("patch", "deployments.apps"),
        ("escalate", "roles.rbac.authorization.k8s.io"),
        ("watch", "pods"),
        ("watch", "businessphonenumbers.waxseal.dev"),
    ] {
        assert!(can(verb, resource, "a").await, "{verb} {resource}");
        assert!(!can(verb, resource, "default").await, "{verb} {resource}");
        assert!(!can(verb, resource, NAMESPACE).await, "{verb} {resource}");
    }
    assert!(can("watch", "dataregions.waxseal.dev", "default").await);
    assert!(can("create", "events.events.k8s.io", "default").await);
    assert!(can("create", "leases.coordination.k8s.io", NAMESPACE).await);
    assert!(!can("create", "leases.coordination.k8s.io", "a").await);
}
