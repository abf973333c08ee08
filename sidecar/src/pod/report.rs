//! Reports what a pod is doing into the status of its number: `status.sidecar`, by server-side apply, with the pod's own ServiceAccount.
//!
//! The API server is the authenticated channel between a sidecar and the operator. It must not be one that grows with traffic: a report is
//! written when something has changed, counts at most twice a minute, and nothing at all when nothing changes. Only the owner reports, or a
//! pod that cannot start while nobody is known to own the number. That the API server is away is no reason to stop serving.
//!
//! May touch: `status.sidecar` of one object. Must not: write anything but states and counts.

mod pace;
mod status;

use std::{sync::Arc, time::Duration};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use tokio::time::Instant;
use waxseal_crds::v1alpha1::{self, SidecarStatus};

use self::{pace::Pace, status::Waits};
use super::{
    board::{Board, State},
    metrics::Metrics,
    ownership::View,
};

/// How often the state is looked at when nobody says that it has changed: links and webhooks change by themselves.
const LOOK: Duration = Duration::from_secs(2);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
const MANAGER: &str = "waxseal-sidecar";
/// An answer is the whole object.
const MOST_BYTES: usize = 2 << 20;

/// Where reports go.
pub trait Desk: Send + Sync + 'static {
    /// Writes one report; the error says in words why not.
    fn write(&self, namespace: &str, name: &str, status: &SidecarStatus) -> impl Future<Output = Result<(), String>> + Send;
}

/// The API server.
pub struct ApiServer(pub kube::Client);

impl Desk for ApiServer {
    async fn write(&self, namespace: &str, name: &str, status: &SidecarStatus) -> Result<(), String> {
        let path = format!(
            "/apis/{}/{}/namespaces/{namespace}/businessphonenumbers/{name}/status?fieldManager={MANAGER}&force=true",
            waxseal_crds::GROUP,
            VERSION,
        );
        let body = serde_json::json!({
            "apiVersion": v1alpha1::API_VERSION,
            "kind": "BusinessPhoneNumber",
            "metadata": { "name": name, "namespace": namespace },
            "status": { "sidecar": status },
        });
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(Body::from(body.to_string().into_bytes()))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.0.send(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            let _ = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
            match status {
                StatusCode::OK | StatusCode::CREATED => Ok(()),
                StatusCode::NOT_FOUND => Err("the BusinessPhoneNumber does not exist any more".to_owned()),
                status => Err(format!("the API server answered with status {}", status.as_u16())),
            }
        };
        tokio::time::timeout(CALL, exchange)
            .await
            .unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()))
    }
}

const VERSION: &str = "v1alpha1";

/// Who reports, where to when no configuration could be read.
pub struct Reporter<D> {
    /// Where reports go.
    pub desk: D,
    /// What is known.
    pub board: Arc<Board>,
    /// The name of the pod.
    pub pod: String,
    /// Namespace and name of the number, for when the files do not say.
    pub fallback: Option<(String, String)>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl<D: Desk> Reporter<D> {
    /// Reports until dropped.
    pub async fn run(self) {
        let mut changes = self.board.changes();
        let mut pace = Pace::default();
        let mut unlinked = status::Unlinked::default();
        let mut failed_before = false;
        loop {
            let now = Instant::now().into_std();
            let state = self.board.read();
            if let Some((namespace, name)) = reports(&state)
                .then(|| state.number_name.clone().or(self.fallback.clone()))
                .flatten()
            {
                let waits = match &state.number {
                    Some(number) if pace.counts_are_due(now) => number.waiting().await.ok().map(Waits::from),
                    _ => None,
                };
                let status = status::of(&state, &self.pod, waits, &mut unlinked, pace.last(), now);
                if pace.is_due(now, &status) {
                    let written = self.desk.write(&namespace, &name, &status).await;
                    self.metrics.reported(written.is_ok());
                    match written {
                        Ok(()) => {
                            failed_before = false;
                            pace.written(now, status);
                        }
                        Err(error) => {
                            if !std::mem::replace(&mut failed_before, true) {
                                tracing::warn!(%error, "the state of the number cannot be reported; trying again");
                            }
                            pace.failed(now);
                        }
                    }
                }
            } else {
                // Whoever owns the number reports; what was written here is not what is there.
                pace = Pace::default();
            }
            let _ = tokio::time::timeout(LOOK, changes.changed()).await;
            // Changes come in bursts.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Whether this pod is the one to report.
fn reports(state: &State) -> bool {
    match &state.view {
        _ if state.is_leaving => false,
        Some(View::Mine | View::Suspended) => state.number.is_some() || !state.problems().is_empty(),
        Some(View::Other(..)) => false,
        Some(View::Nobody) | None => !state.problems().is_empty(),
    }
}

#[cfg(test)]
mod tests;
