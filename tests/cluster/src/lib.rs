//! What the tests against a real API server and a real node share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests end here when their surroundings fail"
)]

pub mod helm;

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::time::{Instant, sleep};

/// How long anything may take that a healthy cluster does within seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A client with the credentials of a kubeconfig.
pub async fn client(kubeconfig: &waxseal_harness::kubernetes::Kubeconfig) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig.path()).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a usable kubeconfig");
    Client::try_from(config).expect("a client")
}

/// Installs the custom resource definitions and waits until they are served.
pub async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in waxseal_crds::definitions::all() {
        let params = PatchParams::apply("waxseal-tests").force();
        api.patch(&definition.name, &params, &Patch::Apply(&definition.value))
            .await
            .expect("the definition is accepted");
    }
    for definition in waxseal_crds::definitions::all() {
        eventually(&format!("{} is established", definition.name), || async {
            let crd = api.get(&definition.name).await.ok()?;
            let conditions = crd.status?.conditions?;
            conditions
                .iter()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
                .then_some(())
        })
        .await;
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}
