//! What the admin port of a pod tells: whether requests that come here are answered, and how the number is doing.
//!
//! Ready is a pod that serves the number, is about to, or reaches the one that does. A relay that is away makes no pod unready: messages are
//! accepted and wait. Neither does a store or an owner that is away for a moment: requests wait as well, and are answered; without a ready
//! pod clients would see refused connections instead.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use waxseal_crds::v1alpha1::SidecarProblem;

use super::{
    board::{Board, State},
    front::Front,
    ownership::View,
};
use crate::{
    api::admin::{Admin, Check},
    number::Number,
    serving,
};

/// For how long something that was well may be away: an owner that has died is replaced by then.
const GRACE: Duration = Duration::from_secs(15);

pub(super) struct PodDesk {
    board: Arc<Board>,
    front: Arc<Front<Number>>,
    registry: Mutex<Registry>,
    store: Mutex<Lately>,
    owner: Mutex<Lately>,
}

/// Whether something was well lately.
#[derive(Default)]
struct Lately(Option<Instant>);

impl Lately {
    /// Passes a good state on, and a bad one only if it lasts, or if there was never a good one.
    fn judge(&mut self, state: Result<(), String>, now: Instant) -> Result<(), String> {
        match state {
            Ok(()) => {
                self.0 = Some(now);
                Ok(())
            }
            Err(_) if self.0.is_some_and(|well| now.duration_since(well) < GRACE) => Ok(()),
            Err(reason) => Err(reason),
        }
    }
}

impl Admin for PodDesk {
    async fn checks(&self) -> Vec<Check> {
        let state = self.board.read();
        let leaving = match state.is_leaving {
            true => Err("the pod is being ended".to_owned()),
            false => Ok(()),
        };
        vec![
            check("running", leaving),
            check("configuration", configuration(&state)),
            check("store", judge(&self.store, store(&state).await)),
            check("number", self.number(&state).await),
        ]
    }

    fn metrics(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        waxseal_telemetry::metrics::encode(&registry).unwrap_or_default()
    }

    async fn status(&self) -> serde_json::Value {
        let state = self.board.read();
        let numbers: Vec<_> = state.number.iter().cloned().collect();
        let mut status = serving::status(&numbers).await;
        let owner = match &state.view {
            Some(View::Mine) => "this pod",
            Some(View::Suspended) => "this pod, if the store confirms it",
            Some(View::Other(..)) => "another pod",
            Some(View::Nobody) => "nobody",
            None => "unknown",
        };
        status["owner"] = owner.into();
        status["configuration"] = state.configuration.clone().into();
        status["problems"] = serde_json::to_value(state.problems()).unwrap_or_default();
        status
    }
}

impl PodDesk {
    pub(super) fn new(board: Arc<Board>, front: Arc<Front<Number>>, registry: Registry) -> Self {
        Self {
            board,
            front,
            registry: Mutex::new(registry),
            store: Mutex::default(),
            owner: Mutex::default(),
        }
    }

    async fn number(&self, state: &State) -> Result<(), String> {
        if let Some(problem) = &state.start_problem {
            return Err(problem.message.clone());
        }
        match state.view {
            Some(View::Mine) => judge(&self.owner, Ok(())),
            Some(View::Other(_, Some(address))) => {
                let answered = self.front.ask(address).await.map(drop);
                judge(
                    &self.owner,
                    answered.ok_or_else(|| "the pod that owns the number does not answer".to_owned()),
                )
            }
            Some(View::Suspended) => self.unknown("the store does not confirm who owns the number"),
            Some(View::Other(_, None)) => self.unknown("it is not known yet where the pod is that owns the number"),
            Some(View::Nobody) => self.unknown("nobody owns the number yet"),
            None => self.unknown("it is not known yet who owns the number"),
        }
    }

    fn unknown(&self, reason: &str) -> Result<(), String> {
        judge(&self.owner, Err(reason.to_owned()))
    }
}

/// A new configuration that cannot be used does not keep the old one from being served.
fn configuration(state: &State) -> Result<(), String> {
    if state.number_name.is_some() {
        return Ok(());
    }
    match state.files.first() {
        Some(SidecarProblem { message, .. }) => Err(message.clone()),
        None => Err("not read yet".to_owned()),
    }
}

async fn store(state: &State) -> Result<(), String> {
    match (&state.store, &state.store_problem) {
        (Some(store), _) => store.ping().await.map_err(|error| error.to_string()),
        (None, Some(problem)) => Err(problem.message.clone()),
        (None, None) => Err("not open yet".to_owned()),
    }
}

fn judge(lately: &Mutex<Lately>, state: Result<(), String>) -> Result<(), String> {
    lately.lock().unwrap_or_else(PoisonError::into_inner).judge(state, Instant::now())
}

fn check(name: &str, state: Result<(), String>) -> Check {
    Check {
        name: name.to_owned(),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_well_may_be_away_for_a_while_and_not_before() {
        let (mut lately, begun) = (Lately::default(), Instant::now());
        let away = || Err("away".to_owned());
        assert_eq!(lately.judge(away(), begun), away());
        assert_eq!(lately.judge(Ok(()), begun), Ok(()));
        assert_eq!(lately.judge(away(), begun + GRACE / 2), Ok(()));
        assert_eq!(lately.judge(away(), begun + GRACE), away());
        assert_eq!(lately.judge(Ok(()), begun + GRACE * 2), Ok(()));
        assert_eq!(lately.judge(away(), begun + GRACE * 2), Ok(()));
    }
}
