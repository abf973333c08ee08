//! A sidecar's reports in the status of its number, by an account that may do nothing but patch that one status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use waxseal_cluster::{client, install_definitions};
use waxseal_crds::v1alpha1::{ProblemReason, SidecarProblem, SidecarStatus};
use waxseal_harness::kubernetes::{ControlPlane, Kubectl};
use waxseal_sidecar::pod::{
    board::Board,
    metrics::Metrics,
    report::{ApiServer, Desk as _, Reporter},
};

const PATIENCE: Duration = Duration::from_secs(60);

const OBJECTS: &str = "
apiVersion: waxseal.dev/v1alpha1
kind: BusinessPhoneNumber
metadata: {name: line, namespace: default}
spec:
  phoneNumber: '+15550142'
  accountRef: {name: shop}
  regionRef: {name: south}
  retentionPolicyRef: {name: week}
  pinSecretRef: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: line-sidecar, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: line-sidecar, namespace: default}
rules:
- {apiGroups: [waxseal.dev], resources: [businessphonenumbers/status], resourceNames: [line], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: line-sidecar, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: line-sidecar}
subjects: [{kind: ServiceAccount, name: line-sidecar, namespace: default}]
";

async fn number(kubectl: &Kubectl) -> Value {
    kubectl.get(&["businessphonenumber", "line"]).await.unwrap()
}

async fn until(what: &str, kubectl: &Kubectl, mut is_so: impl FnMut(&Value) -> bool) -> Value {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Ok(number) = kubectl.get(&["businessphonenumber", "line"]).await
            && is_so(&number)
        {
            return number;
        }
        assert!(tokio::time::Instant::now() < end, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_written_on_change_and_touch_nothing_else() {
    let mut control_plane = ControlPlane::start().await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    install_definitions(&client(control_plane.kubeconfig()).await).await;
    kubectl.apply(OBJECTS).await.unwrap();
    let account = control_plane.service_account("default", "line-sidecar").await.unwrap();
    let desk = ApiServer(client(&account).await);

    // Another manager's part of the status stays, and so do counts beyond 32 bits.
    let others = json!({"status": {"phoneNumberId": "105550142", "observedGeneration": 1}}).to_string();
    let patch = [
        "patch",
        "businessphonenumber",
        "line",
        "--subresource=status",
        "--type=merge",
        "-p",
        &others,
    ];
    kubectl.run(&patch).await.unwrap();
    let status = SidecarStatus {
        pod: Some("line-sidecar-1".to_owned()),
        linked: true,
        waiting_outbound: (1 << 53) - 1,
        last_webhook_result: Some("HTTP 500".to_owned()),
        ..SidecarStatus::default()
    };
    desk.write("default", "line", &status).await.unwrap();
    let written = number(&kubectl).await;
    assert_eq!(written["status"]["phoneNumberId"], "105550142");
    assert_eq!(written["status"]["sidecar"]["linked"], true);
    assert_eq!(written["status"]["sidecar"]["waitingOutbound"], (1_i64 << 53) - 1);
    // The same again is no change of the object; what is not said any more goes.
    desk.write("default", "line", &status).await.unwrap();
    assert_eq!(
        number(&kubectl).await["metadata"]["resourceVersion"],
        written["metadata"]["resourceVersion"]
    );
    desk.write("default", "line", &SidecarStatus::default()).await.unwrap();
    let less = number(&kubectl).await;
    assert!(less["status"]["sidecar"].get("lastWebhookResult").is_none() && less["status"]["phoneNumberId"] == "105550142");

    // Of another number it may say nothing, and one that is gone is not made anew.
    assert!(desk.write("default", "other", &status).await.unwrap_err().contains("403"));
    kubectl.run(&["delete", "businessphonenumber", "line", "--wait"]).await.unwrap();
    assert!(desk.write("default", "line", &status).await.unwrap_err().contains("does not exist"));
    kubectl.apply(OBJECTS).await.unwrap();

    // Through an outage of the API server, and then nothing more.
    let board = Arc::new(Board::default());
    let reporter = Reporter {
        desk,
        board: Arc::clone(&board),
        pod: "line-sidecar-2".to_owned(),
        fallback: Some(("default".to_owned(), "line".to_owned())),
        metrics: Arc::new(Metrics::default()),
    };
    control_plane.stop_api_server().unwrap();
    let reporting = tokio::spawn(reporter.run());
    board.write(|state| {
        state.files = vec![SidecarProblem {
            reason: ProblemReason::SecretMissing,
            message: "the Secret 'shop' has no entry 'pin' (spec.pinSecretRef)".to_owned(),
        }];
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    control_plane.start_api_server().await.unwrap();
    let told = until("the problem is told", &kubectl, |number| {
        number["status"]["sidecar"]["problems"][0]["reason"] == "SecretMissing"
    })
    .await;
    assert_eq!(told["status"]["sidecar"]["pod"], "line-sidecar-2");
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(
        number(&kubectl).await["metadata"]["resourceVersion"],
        told["metadata"]["resourceVersion"]
    );
    reporting.abort();
}
