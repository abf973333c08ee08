//! The operator as a whole: the admin port, the definitions, the election, the controllers, and an orderly end.

use std::{sync::Arc, time::Duration};

use kube::{Client, Config};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    admin::{self, Admin, Latch, Readiness, Refresh},
    cache::Kept,
    context::{Context, Queue, Queues},
    controllers::{self, Inbox},
    crds,
    declared::Declared,
    lease,
    metrics::{Counts, Metrics},
    number::reconcile::is_paused,
    options::Options,
    watch::Pending,
};

/// How long giving the lease back may take.
const RELEASE_MAX: Duration = Duration::from_secs(5);
/// How long the API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an open connection may be silent. Longer than a watch is.
const READ_TIMEOUT: Duration = Duration::from_secs(330);

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The admin port cannot be served.
    #[error("failed to serve the admin port")]
    Admin(#[source] admin::Error),
    /// Another operator is the leader now, or may be.
    #[error("lost the lease; another operator may be the leader now")]
    LeaseLost,
}

/// A client as the operator needs it: without retries of its own, which could last for minutes within one request, and never silent for ever.
///
/// # Errors
/// When the configuration makes no sense, for example because of a certificate.
pub fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    Client::try_from(config)
}

/// Runs until `stop`, or until the lease is lost.
///
/// # Errors
/// [`Error`]. The process has to end then: another operator may be at work.
pub async fn run(client: Client, options: Options, stop: CancellationToken) -> Result<(), Error> {
    let mut registry = waxseal_telemetry::metrics::registry(env!("CARGO_PKG_VERSION"));
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::default();
    let definitions = readiness.latch("crds", "the custom resource definitions");
    let caches = readiness.latch("caches", "the first list of everything");
    let running = readiness.latch("running", "the start");
    running.open();
    let (numbers, numbers_inbox) = Queue::new();
    let (accounts, accounts_inbox) = Queue::new();
    let (regions, regions_inbox) = Queue::new();
    let (policies, policies_inbox) = Queue::new();
    let queues = Queues {
        numbers,
        accounts,
        regions,
        policies,
    };
    let inbox = Inbox {
        numbers: numbers_inbox,
        accounts: accounts_inbox,
        regions: regions_inbox,
        policies: policies_inbox,
    };
    let instance = options
        .election
        .as_ref()
        .map_or_else(|| "waxseal-operator".to_owned(), |election| election.identity.clone());
    let context = Arc::new(Context::new(client, options, metrics, queues, instance));
    let end = CancellationToken::new();
    let _end = end.clone().drop_guard();
    if let Some(address) = context.options.admin_listen {
        let admin = Admin {
            readiness,
            registry: Arc::new(registry),
            refresh: refresh(&context),
        };
        let address = admin::serve(address, admin, end).await.map_err(Error::Admin)?;
        info!(%address, "the admin port is served");
    }
    if !crds::wait(&context.client, &definitions, &context.metrics, &stop).await {
        return Ok(());
    }
    let Some(election) = context.options.election.clone() else {
        context.metrics.set_leader(true);
        work(&context, inbox, &caches, &running, &stop).await;
        return Ok(());
    };
    // A standby waits for nothing but the leader to go.
    caches.open();
    let remote = lease::Remote::new(context.client.clone(), &election);
    let Some(mut leader) = lease::campaign(remote, &election, &stop).await else {
        return Ok(());
    };
    context.metrics.set_leader(true);
    caches.close("the first list of everything");
    let stopped = {
        let work = work(&context, inbox, &caches, &running, &stop);
        tokio::select! {
            biased;
            () = leader.keep() => false,
            () = work => true,
        }
    };
    context.metrics.set_leader(false);
    if !stopped {
        error!("lost the lease; ending at once");
        return Err(Error::LeaseLost);
    }
    match timeout(RELEASE_MAX, leader.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the lease was not given back; it expires"),
        Err(_) => warn!("the lease was not given back in time; it expires"),
    }
    Ok(())
}

/// Watches and reconciles until `stop`.
async fn work(context: &Arc<Context>, inbox: Inbox, caches: &Latch, running: &Latch, stop: &CancellationToken) {
    let pending = Pending::default();
    let _watches = controllers::start_watches(context, &pending);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = pending.none() => break,
            // `/readyz` names what is missing, for example because of a right that was not given.
            () = sleep(Duration::from_secs(1)) => caches.close(&pending.text()),
        }
    }
    caches.open();
    info!(numbers = context.numbers.all().len(), "has seen everything; reconciling");
    let stopping = async {
        stop.cancelled().await;
        running.close("the end");
    };
    tokio::join!(controllers::run(context, inbox, stop), stopping);
}

/// Counts what is counted only when somebody asks.
fn refresh(context: &Arc<Context>) -> Refresh {
    let context = Arc::clone(context);
    Arc::new(move || {
        let metrics = &context.metrics;
        let numbers = context.numbers.all();
        let paused = numbers
            .iter()
            .filter(|kept| kept.readable().is_some_and(|number| is_paused(number)));
        metrics.set_paused(i64::try_from(paused.count()).unwrap_or(i64::MAX));
        metrics.set_objects("BusinessPhoneNumber", count(&numbers));
        metrics.set_objects("BusinessAccount", count(&context.accounts.all()));
        metrics.set_objects("DataRegion", count(&context.regions.all()));
        metrics.set_objects("RetentionPolicy", count(&context.policies.all()));
        for (kind, seen) in &context.last_seen {
            metrics.set_silence(kind, seen.elapsed());
        }
    })
}

fn count<K: Declared>(objects: &[Arc<Kept<K>>]) -> Counts {
    let mut counts = Counts::default();
    for kept in objects {
        let Some(object) = kept.readable() else {
            counts.undecodable += 1;
            continue;
        };
        let conditions = object.current().map_or(&[][..], K::conditions);
        let ready = conditions.iter().find(|condition| condition.type_ == crate::conditions::READY);
        match ready.map(|ready| ready.status.as_str()) {
            Some("True") => counts.ready += 1,
            Some("False") => counts.not_ready += 1,
            _ => counts.unknown += 1,
        }
    }
    counts
}
