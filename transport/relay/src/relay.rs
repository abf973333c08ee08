//! Starting and stopping a relay.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use waxseal_protocol::proto::blobs_server::BlobsServer;
use waxseal_protocol::proto::directory_server::DirectoryServer;
use waxseal_protocol::proto::relay_server::RelayServer;
use waxseal_protocol::proto::reports_server::ReportsServer;
use waxseal_protocol::wire;

use crate::config::Config;
use crate::prompt::Prompt;
use crate::service::Service;
use crate::shared::{Shared, Stage};
use crate::store::{self, Store};
use crate::tls;
use crate::writer::{JOBS_WAITING, Job, Writer};

/// A relay that just ended in the same process may take this long to let go of its file.
const PATIENCE_WITH_PREDECESSOR: Duration = Duration::from_secs(5);
/// How long clients get to read the answers to what they submitted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);
/// How long a client may take to begin.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const STREAMS_PER_CONNECTION: u32 = 256;

/// The relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The files of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The state file cannot be used.
    #[error(transparent)]
    State(#[from] store::Error),
    /// The writer's thread cannot be started.
    #[error("cannot start the writer's thread: {0}")]
    Thread(#[source] io::Error),
}

/// The relay.
pub struct Relay;

impl Relay {
    /// Starts a relay: opens its state and listens. It is ready when this returns.
    ///
    /// # Errors
    /// When the state cannot be used or the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Running, Error> {
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let requires_client_certificates = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let tls = config.tls.clone().map(tls::Source::load).transpose()?;
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (jobs, waiting) = mpsc::channel(JOBS_WAITING);
        let (shared, writer) = load(config.clone(), jobs).await?;
        let writer = thread::Builder::new()
            .name("relay-writer".into())
            .spawn(move || writer.run(waiting))
            .map_err(Error::Thread)?;
        let (open, all_closed) = mpsc::channel(1);
        let service = Service::new(Arc::clone(&shared), open, requires_client_certificates);
        let stage = shared.stage.subscribe();
        let current = tls.as_ref().map(tls::Source::current);
        let server = match current {
            None => tokio::spawn(serve(TcpIncoming::from(listener).with_nodelay(Some(true)), service, stage)),
            Some(current) => tokio::spawn(serve(tls::incoming(listener, current), service, stage)),
        };
        let tls = tls.map(|tls| tokio::spawn(tls.watch()));
        let ticks = tokio::spawn(tick(Arc::clone(&shared)));
        Ok(Running {
            address,
            shared,
            all_closed,
            server,
            ticks,
            tls,
            writer: Some(writer),
        })
    }
}

/// Opens the state and reads it into memory, which may take a while.
async fn load(config: Config, jobs: mpsc::Sender<Job>) -> Result<(Arc<Shared>, Writer), Error> {
    let load = move || {
        let deadline = Instant::now() + PATIENCE_WITH_PREDECESSOR;
        let store = loop {
            match Store::open(&config.state_dir, config.limits.cache_bytes) {
                Err(store::Error::InUse) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                store => break store?,
            }
        };
        let shared = Arc::new(Shared::new(&config, store, jobs)?);
        let writer = Writer::new(Arc::clone(&shared))?;
        Ok((shared, writer))
    };
    match tokio::task::spawn_blocking(load).await {
        Ok(loaded) => loaded,
        Err(_) => Err(Error::State(store::Error::Damaged("anything"))),
    }
}

async fn serve<I, C>(incoming: I, service: Service, mut stage: watch::Receiver<Stage>)
where
    I: Stream<Item = io::Result<C>>,
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let directory = DirectoryServer::new(service.clone()).max_decoding_message_size(wire::MAX_DIRECTORY_BYTES);
    let reports = ReportsServer::new(service.clone()).max_decoding_message_size(wire::MAX_DIRECTORY_BYTES);
    let blobs = BlobsServer::new(service.clone()).max_decoding_message_size(wire::MAX_PART_FRAME_BYTES);
    let relay = RelayServer::new(service)
        .max_decoding_message_size(wire::MAX_FRAME_BYTES)
        .max_encoding_message_size(wire::MAX_FRAME_BYTES);
    let served = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(wire::MAX_METADATA_BYTES)
        .add_service(directory)
        .add_service(blobs)
        .add_service(reports)
        .add_service(relay)
        .serve_with_incoming_shutdown(
            incoming.map(|stream| stream.map(|stream| Prompt::new(stream, PREFACE_TIMEOUT))),
            async move {
                let _ = stage.wait_for(|stage| *stage != Stage::Running).await;
            },
        )
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the relay's server failed");
    }
}

/// Makes the writer look around when nothing else does, and removes files that nothing needs any more.
async fn tick(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(mpsc::error::TrySendError::Closed(_)) = shared.jobs.try_send(Job::Tick) {
            return;
        }
        if shared.blobs.has_garbage() {
            let shared = Arc::clone(&shared);
            let _ = tokio::task::spawn_blocking(move || shared.blobs.remove_garbage()).await;
        }
        shared.report_blobs();
    }
}

/// A running relay. Dropping it stops it at once; nothing that was acknowledged is lost either way.
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    all_closed: mpsc::Receiver<std::convert::Infallible>,
    server: JoinHandle<()>,
    ticks: JoinHandle<()>,
    tls: Option<JoinHandle<()>>,
    writer: Option<thread::JoinHandle<()>>,
}

/// How a relay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Registered numbers.
    pub accounts: u64,
    /// Open message streams.
    pub connections: u64,
    /// Envelopes waiting for their recipients.
    pub queued_envelopes: u64,
    /// Bytes waiting for their recipients.
    pub queued_bytes: u64,
    /// Envelopes that became durable since the start.
    pub accepted: u64,
    /// Envelopes sent to their recipients since the start.
    pub delivered: u64,
    /// Envelopes forgotten since the start because their recipients have them.
    pub acknowledged: u64,
    /// Envelopes forgotten since the start because their time was over.
    pub expired: u64,
    /// Blobs kept, uploads under way included.
    pub blobs: u64,
    /// What they count as; a blob counts as 64 KiB at least.
    pub blob_bytes: u64,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// How it is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let metrics = &self.shared.metrics;
        let gauge = |value: i64| u64::try_from(value).unwrap_or(0);
        Stats {
            accounts: gauge(metrics.accounts.get()),
            connections: gauge(metrics.connections.get()),
            queued_envelopes: gauge(metrics.queued_envelopes.get()),
            queued_bytes: gauge(metrics.queued_bytes.get()),
            accepted: metrics.accepted.get(),
            delivered: metrics.delivered.get(),
            acknowledged: metrics.acknowledged.get(),
            expired: metrics.expired.get(),
            blobs: self.shared.blobs.room.totals().0,
            blob_bytes: self.shared.blobs.room.totals().1,
        }
    }

    /// Its metrics in the OpenMetrics text format.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.shared.metrics.text()
    }

    /// What reads its metrics, for a server that outlives the borrow.
    pub fn metrics_reader(&self) -> impl Fn() -> String + Clone + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.metrics.text()
    }

    /// Waits until the relay cannot go on because its state file failed.
    pub async fn failed(&self) {
        let mut stage = self.shared.stage.subscribe();
        let _ = stage.wait_for(|stage| *stage == Stage::Ended).await;
    }

    /// Stops in good order: answers what is under way, closes the streams, writes everything down.
    pub async fn shutdown(mut self) {
        self.shared.enter(Stage::Stopping);
        let drained = async {
            // Streams hold a sender and send nothing.
            while self.all_closed.recv().await.is_some() {}
            let _ = (&mut self.server).await;
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("some clients did not take their answers in time");
        }
        // Behind everything that waits.
        let _ = self.shared.jobs.send(Job::Stop).await;
        if let Some(writer) = self.writer.take() {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
        let shared = Arc::clone(&self.shared);
        let _ = tokio::task::spawn_blocking(move || shared.blobs.remove_garbage()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ends the streams and makes the server let go of its port and its connections.
        self.shared.enter(Stage::Ended);
        self.ticks.abort();
        if let Some(tls) = &self.tls {
            tls.abort();
        }
        if let Some(writer) = self.writer.take() {
            // When there is no room for it, the writer is awake and sees the stage.
            let _ = self.shared.jobs.try_send(Job::Stop);
            let _ = writer.join();
        }
    }
}
