//! What the operator runs with.

use std::{net::SocketAddr, time::Duration};

use crate::{lease, settings::Settings};

/// What the operator runs with.
#[derive(Clone, Debug)]
pub struct Options {
    /// What decides how objects are built.
    pub settings: Settings,
    /// The namespaces that are looked after; all when empty.
    pub watch_namespaces: Vec<String>,
    /// Where to serve the admin port, if at all.
    pub admin_listen: Option<SocketAddr>,
    /// Work only as the leader.
    pub election: Option<lease::Settings>,
    /// How many numbers are worked on at a time.
    pub concurrency: u16,
    /// How often every object is looked at even if nothing happened.
    pub resync: Duration,
    /// How many numbers are given a new image at a time.
    pub rollout_concurrency: usize,
    /// How long things that happen to one object are gathered before it is looked at.
    pub debounce: Duration,
    /// How long one reconciliation may take.
    pub reconcile_deadline: Duration,
    /// How long reconciliations that run may take to end when the operator stops.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            watch_namespaces: Vec::new(),
            admin_listen: None,
            election: None,
            concurrency: 8,
            resync: Duration::from_secs(600),
            rollout_concurrency: 5,
            debounce: Duration::from_millis(200),
            reconcile_deadline: Duration::from_secs(60),
            drain: Duration::from_secs(20),
        }
    }
}

impl Options {
    /// What each watch of a namespaced kind covers: one namespace, or (`None`) all.
    #[must_use]
    pub fn scopes(&self) -> Vec<Option<String>> {
        if self.watch_namespaces.is_empty() {
            vec![None]
        } else {
            self.watch_namespaces.iter().cloned().map(Some).collect()
        }
    }
}
