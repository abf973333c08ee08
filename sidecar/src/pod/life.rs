//! From a pod's start to its end.
//!
//! Purpose: brings three things in line whenever one of them changes: what the files say, who owns the number, and the number at work in this
//! process. What may get better is waited for and told, never a reason to exit: files that are not right yet, a store or an API server that
//! does not answer, a number that does not start.
//!
//! [`tenure`] is the time with one store; in between there is none. May touch everything of the pod; decides nothing about ownership.

mod tenure;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use waxseal_crds::v1alpha1::{ProblemReason, SidecarProblem};
use waxseal_store::Store;

use self::tenure::{Ended, Tenure};
use super::{
    board::Board,
    config::Plan,
    front::Front,
    metrics::Metrics,
    ownership::{machine::Instance, record::Author, record::Seal},
    reload::Loaded,
};
use crate::{config::Config, custody, number::Number, serving};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Everything that outlives a configuration.
pub struct Life {
    /// The process.
    pub me: Instance,
    /// The name of the pod.
    pub pod: String,
    /// Where other pods reach the API port.
    pub address: std::net::SocketAddr,
    /// The API port.
    pub front: Arc<Front<Number>>,
    /// What is known.
    pub board: Arc<Board>,
    /// Counts of the number.
    pub number_metrics: Arc<crate::metrics::Metrics>,
    /// Counts of the pod.
    pub metrics: Arc<Metrics>,
    /// What the files say.
    pub loaded: watch::Receiver<Loaded>,
    /// Told to end.
    pub terminate: CancellationToken,
}

impl Life {
    /// Lives until told to end. The number has been stopped and given back when this returns.
    pub async fn run(mut self) {
        while let Some(plan) = self.plan().await {
            let Some(store) = self.open(&plan).await else { continue };
            self.board.write(|state| state.store = Some(store.clone()));
            let ended = match self.seal(&plan).await {
                Some(seal) => Box::pin(Tenure::new(&mut self, plan, store.clone(), seal).run()).await,
                None => Ended::Otherwise,
            };
            self.board.write(|state| {
                (state.store, state.view, state.number) = (None, None, None);
            });
            store.close().await;
            if ended == Ended::Terminated {
                return;
            }
        }
    }

    /// The configuration, once there is one that can be used; `None` when told to end.
    async fn plan(&mut self) -> Option<Arc<Plan>> {
        loop {
            if self.terminate.is_cancelled() {
                return None;
            }
            let loaded = self.loaded.borrow_and_update().clone();
            self.show(&loaded);
            if let Some(plan) = loaded.plan {
                return Some(plan);
            }
            tokio::select! {
                () = self.terminate.cancelled() => return None,
                changed = self.loaded.changed() => changed.ok()?,
            }
        }
    }

    fn show(&self, loaded: &Loaded) {
        self.board.write(|state| {
            state.files.clone_from(&loaded.problems);
            if let Some(plan) = &loaded.plan {
                state.number_name = Some((plan.declared.namespace.clone(), plan.declared.name.clone()));
            }
        });
    }

    /// Opens the store; `None` when the configuration has changed meanwhile, or when told to end.
    async fn open(&mut self, plan: &Arc<Plan>) -> Option<Store> {
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = tokio::select! {
                () = self.interrupted(plan) => return None,
                opened = serving::open_store(&plan.config) => opened,
            };
            let error = match opened {
                Ok(store) => {
                    self.board.write(|state| state.store_problem = None);
                    return Some(store);
                }
                Err(error) => error,
            };
            tracing::warn!(%error, "the store cannot be used; trying again");
            let message = format!("the Redis of the region '{}': {error}", plan.declared.region);
            self.board.write(|state| {
                state.store_problem = Some(SidecarProblem {
                    reason: ProblemReason::RedisUnavailable,
                    message,
                });
            });
            tokio::select! {
                () = self.interrupted(plan) => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What addresses of other pods are believed by; nothing when the number has no keys yet. Shows early whether the keys can be had: a pod
    /// that could not take over must not look as if it could.
    async fn seal(&mut self, plan: &Arc<Plan>) -> Option<Option<Seal>> {
        let mut pause = FIRST_PAUSE;
        loop {
            let read = tokio::select! {
                () = self.interrupted(plan) => return None,
                read = read_seal(&plan.config) => read,
            };
            match read {
                Ok(seal) => {
                    self.board.write(|state| state.start_problem = None);
                    return Some(seal);
                }
                Err(error) => {
                    tracing::warn!(%error, "the number's keys cannot be read; trying again");
                    self.board.write(|state| state.start_problem = Some(keys_problem(&error)));
                }
            }
            tokio::select! {
                () = self.interrupted(plan) => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Ends when told to end, or when another configuration is to be used.
    async fn interrupted(&mut self, plan: &Arc<Plan>) {
        loop {
            tokio::select! {
                () = self.terminate.cancelled() => return,
                changed = self.loaded.changed() => {
                    let loaded = self.loaded.borrow_and_update().clone();
                    self.show(&loaded);
                    if changed.is_err() || loaded.plan.is_none_or(|now| !Arc::ptr_eq(&now, plan)) {
                        return;
                    }
                }
            }
        }
    }

    fn author(&self, plan: &Plan) -> Author {
        Author {
            instance: self.me,
            pod: self.pod.clone(),
            address: self.address,
            phone_number_id: plan.declared.phone_number_id.clone(),
        }
    }
}

async fn read_seal(config: &Config) -> Result<Option<Seal>, custody::Error> {
    let Some(number) = config.numbers.first() else { return Ok(None) };
    let keys = custody::read(number.custody.keeper().as_mut()).await?;
    Ok(keys.as_ref().map(Seal::of))
}

fn keys_problem(error: &custody::Error) -> SidecarProblem {
    SidecarProblem {
        reason: ProblemReason::KeysUnavailable,
        message: error.to_string(),
    }
}
