//! What a pod knows of itself: read by the admin port and by whoever reports to the API server, written by [`super::life`].

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use waxseal_crds::v1alpha1::SidecarProblem;
use waxseal_store::Store;

use super::ownership::View;
use crate::number::Number;

/// The state of a pod at one moment.
#[derive(Clone, Default)]
pub struct State {
    /// Namespace and name of the BusinessPhoneNumber, as the last good configuration says.
    pub number_name: Option<(String, String)>,
    /// The digest of the configuration in use.
    pub configuration: Option<String>,
    /// What is wrong with the present files.
    pub files: Vec<SidecarProblem>,
    /// What keeps the store from being used.
    pub store_problem: Option<SidecarProblem>,
    /// What keeps the number from being started.
    pub start_problem: Option<SidecarProblem>,
    /// The store, once it is open.
    pub store: Option<Store>,
    /// Who owns the number; unknown without a store.
    pub view: Option<View>,
    /// The number, while it is at work here.
    pub number: Option<Arc<Number>>,
    /// Whether the pod is being ended.
    pub is_leaving: bool,
}

impl State {
    /// What it lacks, most important first.
    #[must_use]
    pub fn problems(&self) -> Vec<SidecarProblem> {
        let single = self.store_problem.iter().chain(&self.start_problem);
        self.files.iter().chain(single).cloned().collect()
    }
}

/// Holds the state.
pub struct Board {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Board {
    /// The state now.
    #[must_use]
    pub fn read(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    pub fn write(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_replace(());
    }

    /// Tells of changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}
