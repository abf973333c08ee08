//! The process: opens the store, starts the numbers, serves both ports, and ends in good order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use waxseal_store::{Durability, Options, Store};

use crate::{
    api::{
        self, Api,
        admin::{Admin, Check},
    },
    config::{self, Config, StoreLocation},
    metrics::Metrics,
    number::{self, Number, Surroundings},
};

/// Why a sidecar could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build would break sessions that move between machines.
    #[error(transparent)]
    SelfTest(waxseal_signal::Error),
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(#[from] waxseal_store::Error),
    /// A port cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// A number cannot be served.
    #[error("number {phone_number_id}: {source}")]
    Number {
        /// Its id.
        phone_number_id: String,
        /// The cause.
        source: number::Error,
    },
}

/// A sidecar, before it runs.
pub struct Sidecar;

/// A running sidecar.
pub struct Running {
    /// Where the Cloud API port listens.
    pub api: SocketAddr,
    /// Where the admin port listens.
    pub admin: SocketAddr,
    numbers: Vec<Arc<Number>>,
    store: Store,
    /// No new requests.
    closing: CancellationToken,
    /// No more work.
    stop: CancellationToken,
    servers: JoinSet<()>,
    tasks: JoinSet<()>,
}

impl Sidecar {
    /// Starts serving. Ports are bound and lanes claimed when this returns; the relay and the webhooks are tried until they answer.
    ///
    /// # Errors
    /// [`Error`], with what to do about it.
    pub async fn start(config: Config) -> Result<Running, Error> {
        waxseal_signal::self_test().map_err(Error::SelfTest)?;
        let api_listener = listen(config.api_listen).await?;
        let admin_listener = listen(config.admin_listen).await?;
        let may_forget = may_forget(&config.store, config.durability);
        let options = Options {
            durability: config.durability,
            ..Options::default()
        };
        let store = match &config.store {
            StoreLocation::Embedded(path) => Store::open_embedded(path, options).await?,
            StoreLocation::Redis(url) => Store::open_redis(url.reveal(), options).await?,
        };
        let mut registry = waxseal_telemetry::metrics::registry(env!("CARGO_PKG_VERSION"));
        let metrics = Metrics::register(registry.sub_registry_with_prefix("sidecar"));
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            store: store.clone(),
            relay_url: config.relay_url.clone(),
            relay_tls: config.relay_tls.clone(),
            may_forget,
            metrics,
            cores: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            )),
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        let mut numbers = Vec::new();
        let mut api = Api::new(&config.source_url, api::Limits::default());
        for number in config.numbers {
            let phone_number_id = number.phone_number_id.clone();
            let tokens: Vec<_> = number.tokens.clone();
            let started = Number::start(number, &surroundings, &mut tasks).await;
            let started = started.map_err(|source| Error::Number {
                phone_number_id: phone_number_id.clone(),
                source,
            })?;
            api = api.with_number(&phone_number_id, Arc::clone(&started), tokens.iter().map(config::Secret::reveal));
            numbers.push(started);
        }
        let closing = CancellationToken::new();
        let mut servers = JoinSet::new();
        let addresses = (
            local(&api_listener, config.api_listen)?,
            local(&admin_listener, config.admin_listen)?,
        );
        let api = Arc::new(api);
        servers.spawn(api::serve(api_listener, api, closing.clone()));
        let desk = Arc::new(Desk {
            numbers: numbers.clone(),
            store: store.clone(),
            registry: Mutex::new(registry),
        });
        let admin_stop = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = api::admin::serve(admin_listener, desk, admin_stop).await {
                tracing::error!(%error, "the admin port ended");
            }
        });
        Ok(Running {
            api: addresses.0,
            admin: addresses.1,
            numbers,
            store,
            closing,
            stop,
            servers,
            tasks,
        })
    }
}

impl Running {
    /// Whether every number is linked to the relay.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.numbers.iter().all(|number| number.is_linked())
    }

    /// Ends when the sidecar cannot go on, for example because another process has taken over its numbers.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ends in good order: no new requests, those under way are answered, what is accepted gets `grace` to reach the relay, the rest waits in
    /// the store.
    pub async fn shutdown(mut self, grace: Duration) {
        self.closing.cancel();
        let deadline = tokio::time::Instant::now() + grace;
        let _ = tokio::time::timeout_at(deadline, async { while self.servers.join_next().await.is_some() {} }).await;
        let _ = tokio::time::timeout_at(deadline, self.drained()).await;
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), async { while self.tasks.join_next().await.is_some() {} }).await;
        self.tasks.shutdown().await;
        self.servers.shutdown().await;
        drop(self.numbers);
        self.store.close().await;
    }

    /// Waits until nothing accepted is on its way to the relay any more.
    async fn drained(&self) {
        for number in &self.numbers {
            while number.is_linked()
                && number
                    .status()
                    .await
                    .is_ok_and(|status| status.waiting_outbound + status.unacknowledged > 0)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// What the admin port tells.
struct Desk {
    numbers: Vec<Arc<Number>>,
    store: Store,
    registry: Mutex<Registry>,
}

impl Admin for Desk {
    async fn checks(&self) -> Vec<Check> {
        let store = self.store.ping().await.map_err(|error| error.to_string());
        let mut checks = vec![Check {
            name: "store".to_owned(),
            state: store,
        }];
        for number in &self.numbers {
            let state = if number.is_linked() {
                Ok(())
            } else {
                Err("not linked to the relay".to_owned())
            };
            checks.push(Check {
                name: format!("relay/{}", number.id()),
                state,
            });
        }
        checks
    }

    fn metrics(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        waxseal_telemetry::metrics::encode(&registry).unwrap_or_default()
    }

    async fn status(&self) -> serde_json::Value {
        let mut numbers = Vec::new();
        for number in &self.numbers {
            numbers.push(match number.status().await {
                Ok(status) => serde_json::to_value(status).unwrap_or_default(),
                Err(error) => serde_json::json!({ "phone_number_id": number.id(), "error": error.to_string() }),
            });
        }
        serde_json::json!({ "numbers": numbers })
    }
}

/// What is flushed or replicated before it counts is not lost when process and store fail together; anything less may be.
const fn may_forget(store: &StoreLocation, durability: Durability) -> bool {
    match (store, durability) {
        (_, Durability::Fsync | Durability::Replicated(_)) | (StoreLocation::Embedded(_), Durability::Auto) => false,
        (_, Durability::Memory) | (StoreLocation::Redis(_), Durability::Auto) => true,
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|source| Error::Listen { address, source })
}
