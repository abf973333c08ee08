//! Watches the mounted files, and tells when they say something else.
//!
//! May touch: the two mounts, for reading. What is told is a whole configuration or what is wrong with the new one; the last good one stays.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::watch;
use waxseal_crds::{
    pod::PodConfig,
    v1alpha1::{ProblemReason, SidecarProblem},
};

use super::{
    config::{self, Place, Plan, Purpose},
    files::{self, Digest, Files},
    metrics::Metrics,
};
use crate::{config::CustodyLocation, media::Objects, serving};

/// How often the files are looked at. The kubelet itself takes up to a minute to bring a change.
const POLL: Duration = Duration::from_secs(2);

/// What the files say.
#[derive(Clone, Default)]
pub struct Loaded {
    /// The last configuration that could be used.
    pub plan: Option<Arc<Plan>>,
    /// What is wrong with the present files.
    pub problems: Vec<SidecarProblem>,
}

/// How keys are kept, given what is declared.
pub type Custody = Arc<dyn Fn(&PodConfig) -> CustodyLocation + Send + Sync>;

/// Where files are, and what belongs to a configuration besides them.
#[derive(Clone)]
pub struct Source {
    /// The configuration.
    pub config: PathBuf,
    /// The folder with the entries of Secrets.
    pub secrets: PathBuf,
    /// What the files do not say.
    pub place: Arc<Place>,
    /// How keys are kept.
    pub custody: Custody,
}

impl Source {
    /// Reads the files.
    ///
    /// # Errors
    /// The problem, if they are there and cannot be read.
    pub async fn read(&self) -> Result<Files, SidecarProblem> {
        let (config, secrets) = (self.config.clone(), self.secrets.clone());
        let read = tokio::task::spawn_blocking(move || files::read(&config, &secrets));
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        read.map_err(|error| invalid(error.to_string()))
    }

    /// Makes a configuration of files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn plan(&self, files: &Files, purpose: Purpose) -> Result<Plan, Vec<SidecarProblem>> {
        let plan = config::plan(files, &self.place, purpose, |declared| (self.custody)(declared))?;
        // Texts of these errors name fields and reasons; a webhook's address may be told.
        serving::check(&plan.config).map_err(|error| vec![invalid(error.to_string())])?;
        if purpose == Purpose::Serve {
            // A folder that this pod does not mount yet, because the region has just got one: the next pod will, and this one goes on as it is.
            for location in plan
                .config
                .numbers
                .iter()
                .filter_map(|number| number.surface.media.location.as_ref())
            {
                Objects::open(location).map_err(|error| vec![invalid(error.to_string())])?;
            }
        }
        Ok(plan)
    }
}

fn invalid(message: String) -> SidecarProblem {
    SidecarProblem {
        reason: ProblemReason::ConfigurationInvalid,
        message,
    }
}

/// Reads the files, and again and again. Ends when nobody listens any more.
pub async fn watch(source: Source, loaded: watch::Sender<Loaded>, metrics: Arc<Metrics>) {
    let mut last: Option<Result<Digest, Vec<SidecarProblem>>> = None;
    loop {
        let read = source.read().await;
        let key = read.as_ref().map(Files::digest).map_err(|problem| vec![problem.clone()]);
        if last.as_ref() != Some(&key) {
            let plan = read
                .map_err(|problem| vec![problem])
                .and_then(|files| source.plan(&files, Purpose::Serve));
            if last.is_some() {
                metrics.reloaded(plan.is_ok());
            }
            tell(&plan);
            loaded.send_modify(|loaded| match plan {
                Ok(plan) => {
                    loaded.plan = Some(Arc::new(plan));
                    loaded.problems.clear();
                }
                Err(problems) => loaded.problems = problems,
            });
            last = Some(key);
        }
        tokio::select! {
            () = loaded.closed() => return,
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn tell(plan: &Result<Plan, Vec<SidecarProblem>>) {
    match plan {
        Ok(plan) => tracing::info!(configuration = %plan.declared.digest, "the configuration was read"),
        Err(problems) => {
            for problem in problems {
                tracing::error!(reason = problem.reason.as_str(), problem = %problem.message, "the configuration cannot be used");
            }
        }
    }
}
