//! Numbers at work, and the HTTP API over them: what `waxseal up` runs for as long as the process lives, and a pod for as long as it owns
//! its number and the configuration stays the same.
//!
//! May touch: the store it is given, the relay, the webhooks. Must not: listen anywhere; ports outlive the numbers behind them.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use waxseal_store::{Durability, Options, Store};

use crate::{
    api::{self, Api},
    config::{self, Config, StoreLocation},
    metrics::Metrics,
    number::{self, Number, Surroundings},
};

/// How long tasks may take to end once they are told to.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// A number that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("number {phone_number_id}: {source}")]
pub struct Error {
    /// Its id.
    pub phone_number_id: String,
    /// The cause.
    pub source: number::Error,
}

/// Opens the store that the configuration names.
///
/// # Errors
/// As those of [`Store`].
pub async fn open_store(config: &Config) -> Result<Store, waxseal_store::Error> {
    let options = Options {
        durability: config.durability,
        root_certificates: config.store_ca.clone(),
        ..Options::default()
    };
    match &config.store {
        StoreLocation::Embedded(path) => Store::open_embedded(path, options).await,
        StoreLocation::Redis(url) => Store::open_redis(url.reveal(), options).await,
    }
}

/// Whether addresses and certificates are such that the numbers could be started with them; nothing is reached.
///
/// # Errors
/// What is wrong.
#[cfg(feature = "kubernetes")]
pub(crate) fn check(config: &Config) -> Result<(), number::Error> {
    for number in &config.numbers {
        number::check(number, &config.relay_url, &config.relay_tls)?;
    }
    Ok(())
}

/// The numbers of a configuration at work.
pub struct Serving {
    api: Arc<Api<Number>>,
    numbers: Vec<Arc<Number>>,
    /// No more work.
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Starts the numbers. Lanes are claimed when this returns; the relay and the webhooks are tried until they answer. Dropping the future
    /// ends what was started.
    ///
    /// # Errors
    /// [`Error`] for the first number that cannot start; the others are ended.
    pub async fn start(config: &Config, store: &Store, metrics: &Arc<Metrics>) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            store: store.clone(),
            relay_url: config.relay_url.clone(),
            relay_tls: config.relay_tls.clone(),
            may_forget: may_forget(&config.store, config.durability),
            metrics: Arc::clone(metrics),
            cores: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            )),
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        let mut numbers = Vec::new();
        let mut api = Api::new(&config.source_url, api::Limits::default());
        for number in &config.numbers {
            let phone_number_id = number.phone_number_id.clone();
            let started = match Number::start(number.clone(), &surroundings, &mut tasks).await {
                Ok(started) => started,
                Err(source) => {
                    stop.cancel();
                    return Err(Error { phone_number_id, source });
                }
            };
            let tokens = number.tokens.iter().map(config::Secret::reveal);
            api = api.with_number(&phone_number_id, Arc::clone(&started), tokens);
            numbers.push(started);
        }
        Ok(Self {
            api: Arc::new(api),
            numbers,
            stop,
            tasks,
        })
    }

    /// Answers requests for the numbers.
    #[must_use]
    pub const fn api(&self) -> &Arc<Api<Number>> {
        &self.api
    }

    /// The numbers, in the order of the configuration.
    #[must_use]
    pub fn numbers(&self) -> &[Arc<Number>] {
        &self.numbers
    }

    /// Whether every number that is not deregistered is linked to the relay.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.numbers.iter().all(|number| number.is_linked() || number.is_deregistered())
    }

    /// Ends when the numbers cannot go on, for example because another process has taken over.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stop.clone().cancelled_owned()
    }

    /// Waits until nothing accepted is on its way to the relay any more, or the time is over: the rest waits in the store.
    pub async fn drain(&self, deadline: Instant) {
        let drained = async {
            for number in &self.numbers {
                while number.is_linked()
                    && number
                        .waiting()
                        .await
                        .is_ok_and(|waiting| waiting.outbound + waiting.unacknowledged > 0)
                {
                    tokio::time::sleep(DRAIN_POLL).await;
                }
            }
        };
        let _ = tokio::time::timeout_at(deadline, drained).await;
    }

    /// Ends the numbers. The store stays open. Nothing of them runs any more when this returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(STOP_TIMEOUT, async { while self.tasks.join_next().await.is_some() {} }).await;
        self.tasks.shutdown().await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What `/status` tells of numbers.
pub(crate) async fn status(numbers: &[Arc<Number>]) -> serde_json::Value {
    let mut told = Vec::new();
    for number in numbers {
        told.push(match number.status().await {
            Ok(status) => serde_json::to_value(status).unwrap_or_default(),
            Err(error) => serde_json::json!({ "phone_number_id": number.id(), "error": error.to_string() }),
        });
    }
    serde_json::json!({ "numbers": told })
}

/// What is flushed or replicated before it counts is not lost when process and store fail together; anything less may be.
const fn may_forget(store: &StoreLocation, durability: Durability) -> bool {
    match (store, durability) {
        (_, Durability::Fsync | Durability::Replicated(_)) | (StoreLocation::Embedded(_), Durability::Auto) => false,
        (_, Durability::Memory) | (StoreLocation::Redis(_), Durability::Auto) => true,
    }
}
