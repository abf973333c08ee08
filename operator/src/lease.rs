//! Which of several operators works: leader election on one `Lease`.
//!
//! The rules are in [`election`], which is pure; here they meet the API server. A holder's lease counts as expired by *our* clock, measured
//! from the moment we last saw it change: what the holder wrote about the time is never compared with our own, so clocks may differ. Every
//! write carries the `resourceVersion` that was read, so of two candidates one is refused. A leader that cannot renew in time is no leader:
//! [`Leader::keep`] returns, and the process has to end before another one may begin.

mod election;

use std::{future::Future, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use election::{Action, Election};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the lease is and how it is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// Who we are; different for every process that ever was.
    pub identity: String,
    /// How it is kept.
    pub timing: Timing,
}

/// How a lease is kept.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a lease that is not renewed keeps others out.
    pub lease: Duration,
    /// How long a leader that cannot renew goes on. Shorter than [`Self::lease`]: it has stopped before another begins.
    pub renew_deadline: Duration,
    /// The pause between attempts.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Why a request about the lease came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote in between.
    #[error("somebody else wrote the lease first")]
    Conflict,
    /// The API server refused or did not answer.
    #[error("the API server could not be asked about the lease: {0}")]
    Request(#[source] Box<kube::Error>),
    /// No answer in time.
    #[error("the API server did not answer about the lease in time")]
    Timeout,
}

/// Where leases are kept. The API server; in tests, something that fails on demand.
pub trait Leases: Send + Sync {
    /// The lease as it is, if there is one.
    fn get(&self) -> impl Future<Output = Result<Option<Lease>, Error>> + Send;
    /// Makes the lease. [`Error::Conflict`] when there is one.
    fn create(&self, lease: Lease) -> impl Future<Output = Result<Lease, Error>> + Send;
    /// Replaces the version that `lease` names. [`Error::Conflict`] when that is not the current one.
    fn replace(&self, lease: Lease) -> impl Future<Output = Result<Lease, Error>> + Send;
}

/// The Lease of a name at the API server.
pub struct Remote {
    api: Api<Lease>,
    name: String,
}

impl Remote {
    /// `client` should not retry on its own: a late answer is worth less than the next attempt.
    #[must_use]
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            name: settings.name.clone(),
        }
    }
}

impl Leases for Remote {
    async fn get(&self) -> Result<Option<Lease>, Error> {
        bounded(self.api.get_opt(&self.name)).await
    }

    async fn create(&self, mut lease: Lease) -> Result<Lease, Error> {
        lease.metadata.name = Some(self.name.clone());
        bounded(self.api.create(&PostParams::default(), &lease)).await
    }

    async fn replace(&self, lease: Lease) -> Result<Lease, Error> {
        bounded(self.api.replace(&self.name, &PostParams::default(), &lease)).await
    }
}

async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => Err(Error::Conflict),
        Ok(Err(error)) => Err(Error::Request(Box::new(error))),
        Err(_) => Err(Error::Timeout),
    }
}

/// Waits until we are the leader. `None` when `stop` came first.
pub async fn campaign<L: Leases>(leases: L, settings: &Settings, stop: &CancellationToken) -> Option<Leader<L>> {
    let mut leader = Leader {
        leases,
        timing: settings.timing,
        election: Election::new(settings.identity.clone(), settings.timing),
        current: None,
    };
    let mut complained = false;
    loop {
        let attempt = stop.run_until_cancelled(leader.attempt()).await?;
        match attempt {
            Ok(true) => {
                info!(identity = settings.identity, "is the leader");
                return Some(leader);
            }
            Ok(false) => complained = false,
            // Once for each outage: a candidate that waits for the API server would write it for ever.
            Err(error) if !complained => {
                warn!(%error, "cannot take part in the election of a leader");
                complained = true;
            }
            Err(error) => debug!(%error, "cannot take part in the election of a leader"),
        }
        stop.run_until_cancelled(sleep(settings.timing.retry)).await?;
    }
}

/// The one that works.
pub struct Leader<L> {
    leases: L,
    timing: Timing,
    election: Election,
    /// The lease as we last wrote or read it.
    current: Option<Lease>,
}

impl<L: Leases> Leader<L> {
    /// Renews until the leadership is lost; returns then, not later than [`Timing::renew_deadline`] after the last renewal began.
    pub async fn keep(&mut self) {
        while let Some(deadline) = self.election.deadline() {
            if deadline <= Instant::now() {
                break;
            }
            let pause = self.timing.retry.min(deadline.saturating_duration_since(Instant::now()));
            sleep(pause).await;
            match timeout_at(deadline, self.attempt()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(error)) => debug!(%error, "the lease was not renewed"),
                Err(_) => break,
            }
        }
        warn!("is not the leader any more");
    }

    /// Gives the lease back, so that another candidate need not wait for it to expire.
    ///
    /// # Errors
    /// When the API server does not take it; it expires by itself then.
    pub async fn release(mut self) -> Result<(), Error> {
        for _ in 0..2 {
            let Some(lease) = self.current.take() else { break };
            let Some(released) = self.election.released(&lease, Timestamp::now()) else {
                break;
            };
            match self.leases.replace(released).await {
                Ok(_) => {
                    info!("gave the lease back");
                    return Ok(());
                }
                // A renewal whose answer was lost: look once more.
                Err(Error::Conflict) => self.current = self.leases.get().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One attempt to become or stay the leader. Whether we are.
    async fn attempt(&mut self) -> Result<bool, Error> {
        // As the leader we know the lease and save the reading; a conflict tells when we are wrong.
        if self.current.is_none() || self.election.deadline().is_none() {
            self.current = self.leases.get().await?;
        }
        let begun = Instant::now();
        let written = match self.election.next(begun, Timestamp::now(), self.current.as_ref()) {
            Action::Wait => return Ok(false),
            Action::Create(lease) => self.leases.create(lease).await,
            Action::Replace(lease) => self.leases.replace(lease).await,
        };
        match written {
            Ok(lease) => {
                self.election.written(begun, &lease);
                self.current = Some(lease);
                Ok(true)
            }
            Err(error) => {
                self.current = None;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
