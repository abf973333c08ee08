//! The process of `waxseal up`: opens the store, starts the numbers, serves both ports, and ends in good order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use waxseal_store::Store;

use crate::{
    api::{
        self,
        admin::{Admin, Check},
    },
    config::Config,
    faults::Faults,
    metrics::Metrics,
    number::Number,
    serving::{self, Serving},
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
    #[error(transparent)]
    Number(#[from] serving::Error),
}

/// How long answers of the admin port may take once the rest has ended.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A sidecar, before it runs.
pub struct Sidecar;

/// A running sidecar.
pub struct Running {
    /// Where the Cloud API port listens.
    pub api: SocketAddr,
    /// Where the admin port listens.
    pub admin: SocketAddr,
    serving: Serving,
    store: Store,
    /// No new requests.
    closing: CancellationToken,
    server: JoinSet<()>,
    /// No more questions about the state.
    ended: CancellationToken,
    admin_server: JoinSet<()>,
}

impl Sidecar {
    /// Starts serving. Ports are bound and lanes claimed when this returns; the relay and the webhooks are tried until they answer.
    ///
    /// # Errors
    /// [`Error`], with what to do about it.
    pub async fn start(mut config: Config) -> Result<Running, Error> {
        waxseal_signal::self_test().map_err(Error::SelfTest)?;
        let (api_listener, api) = listen(config.api_listen).await?;
        let url = own_url(api, config.api_certificate.is_some());
        for number in &mut config.numbers {
            number.surface.media.own_url.get_or_insert_with(|| url.clone());
        }
        let (admin_listener, admin) = listen(config.admin_listen).await?;
        let store = serving::open_store(&config).await?;
        let mut registry = waxseal_telemetry::metrics::registry(env!("CARGO_PKG_VERSION"));
        let metrics = Metrics::register(registry.sub_registry_with_prefix("sidecar"));
        let serving = Serving::start(&config, &store, &metrics).await?;
        let (closing, ended) = (CancellationToken::new(), CancellationToken::new());
        let (mut server, mut admin_server) = (JoinSet::new(), JoinSet::new());
        let (_unchanged, certificate) = watch::channel(config.api_certificate.clone());
        server.spawn(api::serve_secured(
            api_listener,
            certificate,
            Arc::clone(serving.api()),
            closing.clone(),
        ));
        let desk = Arc::new(Desk {
            numbers: serving.numbers().to_vec(),
            store: store.clone(),
            registry: Mutex::new(registry),
        });
        let admin_ended = ended.clone();
        admin_server.spawn(async move {
            if let Err(error) = api::admin::serve(admin_listener, desk, admin_ended).await {
                tracing::error!(%error, "the admin port ended");
            }
        });
        Ok(Running {
            api,
            admin,
            serving,
            store,
            closing,
            server,
            ended,
            admin_server,
        })
    }
}

impl Running {
    /// Whether every number that is not deregistered is linked to the relay.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.serving.is_linked()
    }

    /// Ends when the sidecar cannot go on, for example because another process has taken over its numbers.
    pub async fn stopped(&self) {
        self.serving.stopped().await;
    }

    /// Ends in good order: no new requests, those under way are answered, what is accepted gets `grace` to reach the relay, the rest waits in
    /// the store.
    pub async fn shutdown(mut self, grace: Duration) {
        self.closing.cancel();
        let deadline = Instant::now() + grace;
        let _ = tokio::time::timeout_at(deadline, async { while self.server.join_next().await.is_some() {} }).await;
        self.serving.drain(deadline).await;
        self.ended.cancel();
        self.serving.stop().await;
        self.server.shutdown().await;
        let answered = async { while self.admin_server.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ADMIN_TIMEOUT, answered).await;
        self.admin_server.shutdown().await;
        self.store.close().await;
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
            let state = if number.is_linked() || number.is_deregistered() {
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
        serving::status(&self.numbers).await
    }

    fn faults(&self) -> Option<&Faults> {
        self.numbers.iter().find_map(|number| number.surface().faults.as_ref())
    }
}

/// The address of the API port for who knows no better one.
fn own_url(mut api: SocketAddr, secured: bool) -> String {
    if api.ip().is_unspecified() {
        api.set_ip(match api {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{}://{api}", if secured { "https" } else { "http" })
}

/// Binds a port, and says which it is.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    bound.await.map_err(|source| Error::Listen { address, source })
}
