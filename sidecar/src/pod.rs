//! A number's life in a pod of a cluster.
//!
//! Purpose: everything between the container's start and its end that is not the number itself. What is where:
//! * [`files`], [`config`], [`reload`]: what the operator and the business's Secrets say, mounted as files, now and when it changes.
//! * [`ownership`]: which of the number's pods serves it.
//! * [`front`]: the API port, open all the time, whoever owns the number.
//! * [`life`]: brings files, ownership and the number in line.
//! * [`board`], [`report`], [`metrics`]: what is known of all that, and who is told.
//!
//! May touch: its mounts, its ports, the number's store, its object's status. Must not: look into what passes by.

pub mod board;
pub mod config;
mod desk;
pub mod files;
pub mod front;
pub mod life;
pub mod metrics;
pub mod ownership;
pub mod reload;
pub mod report;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use waxseal_crds::v1alpha1::SidecarProblem;

use self::{
    board::Board,
    config::{Place, Purpose},
    desk::PodDesk,
    front::{Bounds, Front},
    life::Life,
    metrics::Metrics,
    ownership::machine::Instance,
    reload::{Custody, Loaded, Source},
    report::{ApiServer, Reporter},
};
use crate::{
    Erased,
    api::{self, Limits, tls::Certificate},
    config::CustodyLocation,
    custody::{self, Cause},
    number::Number,
    sidecar::listen,
};

/// A pod has ended this long after it was told to, whatever hangs: before the kubelet ends it.
const END: Duration = Duration::from_secs(24);
/// How long answers may take after everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Between looks at files that are not there yet, when a number is erased.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Where what a pod needs is.
pub struct Mounts {
    /// The configuration.
    pub config: PathBuf,
    /// The folder with the entries of Secrets.
    pub secrets: PathBuf,
    /// Keeps the keys in this file instead of the Secret: for running outside a cluster.
    pub custody_file: Option<PathBuf>,
}

/// How a pod is run.
pub struct Options {
    /// Where what it needs is.
    pub mounts: Mounts,
    /// Where the Cloud API port listens.
    pub api_listen: SocketAddr,
    /// Where the admin port listens.
    pub admin_listen: SocketAddr,
    /// The name of the pod.
    pub pod_name: String,
    /// Where other pods reach it.
    pub pod_ip: Option<IpAddr>,
    /// Whether the state is reported into the status of the number.
    pub reports: bool,
    /// Namespace and name of the number, to report to while the configuration cannot be read.
    pub number: Option<(String, String)>,
    /// Where the source of this build can be had.
    pub source_url: String,
}

/// Why a pod cannot run, and never will as it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build is broken, or a port is taken.
    #[error(transparent)]
    Sidecar(#[from] crate::Error),
    /// This is no pod with a ServiceAccount.
    #[error(
        "the API server cannot be reached from here: {0}; run it in a pod with its ServiceAccount token mounted, or with --custody-file and --report none"
    )]
    Kubernetes(#[source] Cause),
    /// The configuration cannot be used, and there is no time to wait for a better one.
    #[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; "))]
    Configuration(Vec<SidecarProblem>),
}

/// Runs until told to end. Ends in good order within half a minute.
///
/// # Errors
/// [`Error`]; nothing that may get better is one.
pub async fn run(options: Options, terminate: CancellationToken) -> Result<(), Error> {
    waxseal_signal::self_test().map_err(crate::Error::SelfTest)?;
    let (api_listener, api) = listen(options.api_listen).await?;
    let (admin_listener, admin) = listen(options.admin_listen).await?;
    tracing::info!(%api, %admin, pod = options.pod_name, "listening");
    let client = match options.reports || options.mounts.custody_file.is_none() {
        true => Some(custody::secret::client().map_err(Error::Kubernetes)?),
        false => None,
    };
    let mut registry = waxseal_telemetry::metrics::registry(env!("CARGO_PKG_VERSION"));
    let number_metrics = crate::metrics::Metrics::register(registry.sub_registry_with_prefix("sidecar"));
    let metrics = Metrics::register(registry.sub_registry_with_prefix("sidecar_pod"));
    let me = Instance(rand::random());
    let board = Arc::new(Board::default());
    let front = Arc::new(Front::new(me, Limits::default(), Bounds::default(), Arc::clone(&metrics)));
    let desk = Arc::new(PodDesk::new(Arc::clone(&board), Arc::clone(&front), registry));
    let source = source(&options, client.clone());
    let (publish, loaded) = watch::channel(Loaded::default());

    let ended = CancellationToken::new();
    let mut helpers = JoinSet::new();
    helpers.spawn(reload::watch(source, publish, Arc::clone(&metrics)));
    let admin_ended = ended.clone();
    helpers.spawn(async move {
        if let Err(error) = api::admin::serve(admin_listener, desk, admin_ended).await {
            tracing::error!(%error, "the admin port ended");
        }
    });
    if let Some(client) = client.filter(|_| options.reports) {
        let reporter = Reporter {
            desk: ApiServer(client),
            board: Arc::clone(&board),
            pod: options.pod_name.clone(),
            fallback: options.number.clone(),
            metrics: Arc::clone(&metrics),
        };
        helpers.spawn(reporter.run());
    }
    let closing = CancellationToken::new();
    let mut server = JoinSet::new();
    let (secure, certificate) = watch::channel(None);
    helpers.spawn(show_certificate(loaded.clone(), secure, Arc::clone(&front)));
    server.spawn(api::serve_secured(api_listener, certificate, Arc::clone(&front), closing.clone()));
    let life = Life {
        me,
        pod: options.pod_name,
        address: SocketAddr::new(options.pod_ip.unwrap_or_else(|| reachable(api.ip())), api.port()),
        front,
        board,
        number_metrics,
        metrics,
        loaded,
        terminate: terminate.clone(),
    };

    let mut living = Box::pin(life.run());
    tokio::select! {
        () = &mut living => {}
        () = terminate.cancelled() => {
            tracing::info!("told to end");
            if tokio::time::timeout(END - LAST_ANSWERS, &mut living).await.is_err() {
                tracing::error!("the number did not stop in time");
            }
        }
    }
    drop(living);
    closing.cancel();
    let deadline = Instant::now() + LAST_ANSWERS;
    let _ = timeout_at(deadline, async { while server.join_next().await.is_some() {} }).await;
    ended.cancel();
    helpers.shutdown().await;
    tracing::info!("ended");
    Ok(())
}

/// Erases the number: at the relay, in the store, and its keys. Waits within the deadline for files that are not there yet.
///
/// # Errors
/// When there is no usable configuration in time, or no cluster to keep keys in.
pub async fn erase(mounts: &Mounts, deadline: Duration) -> Result<Vec<Erased>, Error> {
    let client = match mounts.custody_file {
        Some(_) => None,
        None => Some(custody::secret::client().map_err(Error::Kubernetes)?),
    };
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let source = Source {
        config: mounts.config.clone(),
        secrets: mounts.secrets.clone(),
        place: Arc::new(Place {
            api_listen: nowhere,
            admin_listen: nowhere,
            source_url: String::new(),
        }),
        custody: custody_of(mounts.custody_file.clone(), client),
    };
    let until = Instant::now() + deadline;
    loop {
        let files = source.read().await.map_err(|problem| vec![problem]);
        match files.and_then(|files| source.plan(&files, Purpose::Erase)) {
            Ok(plan) => return Ok(crate::erase(&plan.config, until.saturating_duration_since(Instant::now())).await),
            Err(problems) if Instant::now() + LOOK_AGAIN >= until => return Err(Error::Configuration(problems)),
            Err(problems) => {
                for problem in problems {
                    tracing::warn!(reason = problem.reason.as_str(), problem = %problem.message, "the configuration cannot be used; looking again");
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Has the API port show the certificate of the last configuration that could be used.
async fn show_certificate(mut loaded: watch::Receiver<Loaded>, port: watch::Sender<Option<Certificate>>, front: Arc<Front<Number>>) {
    loop {
        let plan = loaded.borrow_and_update().plan.clone();
        if let Some(plan) = plan {
            let certificate = plan.config.api_certificate.clone();
            let leaf = |certificate: &Option<Certificate>| certificate.as_ref().map(|certificate| certificate.leaf().clone());
            if leaf(&certificate) != leaf(&port.borrow()) {
                tracing::info!(
                    secured = certificate.is_some(),
                    "new connections to the API port get another certificate"
                );
            }
            front.set_certificate(certificate.as_ref());
            port.send_replace(certificate);
        }
        if loaded.changed().await.is_err() {
            return;
        }
    }
}

fn source(options: &Options, client: Option<kube::Client>) -> Source {
    Source {
        config: options.mounts.config.clone(),
        secrets: options.mounts.secrets.clone(),
        place: Arc::new(Place {
            api_listen: options.api_listen,
            admin_listen: options.admin_listen,
            source_url: options.source_url.clone(),
        }),
        custody: custody_of(options.mounts.custody_file.clone(), client),
    }
}

fn custody_of(file: Option<PathBuf>, client: Option<kube::Client>) -> Custody {
    Arc::new(move |declared| match (&file, &client) {
        (None, Some(client)) => CustodyLocation::Secret {
            client: client.clone(),
            namespace: declared.namespace.clone(),
            name: declared.keys_secret.clone(),
        },
        (file, _) => CustodyLocation::File(file.clone().unwrap_or_default()),
    })
}

/// Where a port is reached by whoever is on this machine too.
const fn reachable(listening: IpAddr) -> IpAddr {
    if listening.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        listening
    }
}
