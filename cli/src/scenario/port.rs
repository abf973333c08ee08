//! The faults of a running `waxseal up`: through its admin port, and for the relay through the process itself.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, oneshot};
use waxseal_sidecar::faults::Rule;

/// A relay that is to be away for a while; answered when it is back.
pub(crate) struct Outage {
    pub(crate) time: Duration,
    pub(crate) over: oneshot::Sender<anyhow::Result<()>>,
}

/// How faults are made.
#[derive(Clone)]
pub(crate) struct Port {
    /// `None`: nobody said where it is.
    admin: Option<String>,
    outages: Option<mpsc::Sender<Outage>>,
    client: reqwest::Client,
}

const TIMEOUT: Duration = Duration::from_secs(10);

impl Port {
    pub(crate) fn new(admin: Option<String>, outages: Option<mpsc::Sender<Outage>>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        Ok(Self { admin, outages, client })
    }

    pub(super) async fn add(&self, rules: &[Rule]) -> anyhow::Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        self.call(self.client.post(self.url()?).json(rules)).await
    }

    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        self.call(self.client.delete(self.url()?)).await
    }

    /// Returns when the relay is back.
    pub(super) async fn outage(&self, time: Duration) -> anyhow::Result<()> {
        let Some(outages) = &self.outages else {
            bail!("the relay can only be stopped by the process it runs in: play the scenario with `waxseal up --scenario`");
        };
        let (over, answer) = oneshot::channel();
        outages.send(Outage { time, over }).await.ok().context("waxseal up is ending")?;
        answer.await.context("waxseal up is ending")?
    }

    fn url(&self) -> anyhow::Result<String> {
        let admin = self
            .admin
            .as_ref()
            .context("faults need the admin port of a `waxseal up`: give --admin URL")?;
        Ok(format!("{admin}/faults"))
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> anyhow::Result<()> {
        let answer = request.send().await.context("the admin port does not answer")?;
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        bail!("the fault was refused: {}", text.trim());
    }
}
