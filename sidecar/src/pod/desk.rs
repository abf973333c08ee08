//! What the admin port of a pod tells: whether requests that come here are answered, and how the number is doing.
//!
//! Ready is a pod that serves the number, is about to, or reaches the one that does. A relay that is away makes no pod unready: messages are
//! accepted and wait.

use std::sync::{Arc, Mutex, PoisonError};

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

pub(super) struct PodDesk {
    pub(super) board: Arc<Board>,
    pub(super) front: Arc<Front<Number>>,
    pub(super) registry: Mutex<Registry>,
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
            check("store", store(&state).await),
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
    async fn number(&self, state: &State) -> Result<(), String> {
        if let Some(problem) = &state.start_problem {
            return Err(problem.message.clone());
        }
        match state.view {
            Some(View::Mine) => Ok(()),
            Some(View::Suspended) => Err("the store does not confirm who owns the number".to_owned()),
            Some(View::Other(_, Some(address))) => match self.front.ask(address).await {
                Some(_) => Ok(()),
                None => Err("the pod that owns the number does not answer".to_owned()),
            },
            Some(View::Other(_, None)) => Err("it is not known yet where the pod is that owns the number".to_owned()),
            Some(View::Nobody) => Err("nobody owns the number yet".to_owned()),
            None => Err("it is not known yet who owns the number".to_owned()),
        }
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

fn check(name: &str, state: Result<(), String>) -> Check {
    Check {
        name: name.to_owned(),
        state,
    }
}
