//! What the end-to-end tests share. They drive the `waxseal` program and nothing inside it: `waxseal up` and `waxseal chat` as processes, the
//! HTTP port as a business, a webhook receiver, a real Redis. `cargo xtask test --only e2e` builds the program and runs them.

use std::time::Duration;

use anyhow::{Context as _, Result};
pub use waxseal_harness::{
    business::Business,
    chat::{Chat, Consumer, Kind},
    numbers,
    receiver::{Answer, Receiver},
    up::{Options, Up},
};

/// How long anything that must happen may take. Generous: it only ever ends a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A running `waxseal up` whose events go to a receiver.
pub struct World {
    /// The relay, the sidecar, the store.
    pub up: Up,
    /// Where events go.
    pub receiver: Receiver,
    /// Who calls the HTTP port.
    pub business: Business,
}

impl World {
    /// Starts everything with the embedded store.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start() -> Result<Self> {
        Self::with(|options| options).await
    }

    /// Starts everything with these options, to which the webhook has been added.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn with(options: impl FnOnce(Options) -> Options) -> Result<Self> {
        let receiver = Receiver::start()?;
        let up = Up::start(options(Options::webhook(receiver.url()))).await?;
        let business = Business::new(up.endpoints())?;
        Ok(Self { up, receiver, business })
    }

    /// A new consumer whose state is in the state directory.
    ///
    /// # Errors
    /// When no number is served.
    pub fn consumer(&self) -> Result<Consumer> {
        Consumer::of(&self.up, &numbers::consumer())
    }

    /// A new consumer that is online.
    ///
    /// # Errors
    /// When it does not connect.
    pub async fn online(&self) -> Result<(Consumer, Chat)> {
        let consumer = self.consumer()?;
        let chat = Chat::connected(&consumer, PATIENCE).await?;
        Ok((consumer, chat))
    }

    /// The sum of a counter over all its labels, as the admin port tells it.
    ///
    /// # Errors
    /// When the port does not answer or does not know the counter.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let url = format!("{}/metrics", self.up.endpoints().admin);
        let text = waxseal_harness::business::http_client()?.get(url).send().await?.text().await?;
        let values: Vec<u64> = text
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        anyhow::ensure!(!values.is_empty(), "no metric is called {name}");
        Ok(values.iter().sum())
    }

    /// Fails unless every event that arrived is signed, ASCII, and one event per body.
    ///
    /// # Errors
    /// What is wrong with which event.
    pub fn check_events(&self) -> Result<()> {
        for (index, delivery) in self.receiver.deliveries().iter().enumerate() {
            delivery
                .check(&self.business.number().app_secret)
                .with_context(|| format!("event {index}"))?;
        }
        Ok(())
    }

    /// Waits until every event has been acknowledged.
    ///
    /// # Errors
    /// When some still wait.
    pub async fn no_events_wait(&self) -> Result<()> {
        until("no event waits", || async {
            let status = self.up.status().await?;
            let numbers = status["numbers"]
                .as_array()
                .or(status.as_array())
                .context("status has no numbers")?;
            Ok(numbers.iter().all(|number| number["waiting_webhooks"] == 0))
        })
        .await
    }
}

/// Asks again and again until the answer is yes. Errors count as no; the last one is told.
///
/// # Errors
/// When the time is over.
pub async fn until<F: Future<Output = Result<bool>>>(what: &str, mut ask: impl FnMut() -> F) -> Result<()> {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if std::time::Instant::now() > end {
            return answer
                .map(drop)
                .and_then(|()| anyhow::bail!("not within {PATIENCE:?}"))
                .context(what.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `prefix 0`, `prefix 1`, …
#[must_use]
pub fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix} {index}")).collect()
}
