//! What a pod counts besides its number: closed lists of events, never who or what.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// One label from a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The pod's metrics.
#[derive(Default)]
pub struct Metrics {
    /// Whether this pod serves the number.
    pub owner: Gauge,
    reloads: Family<Outcome, Counter>,
    passed_on: Family<Outcome, Counter>,
    gave_up: Counter,
    reports: Family<Outcome, Counter>,
}

impl Metrics {
    /// Registers everything, with a line of help each.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register("owner", "Whether this pod serves the number", metrics.owner.clone());
        registry.register("reloads", "Configurations read after the first", metrics.reloads.clone());
        registry.register(
            "requests_passed_on",
            "Requests passed on to the pod that owns the number",
            metrics.passed_on.clone(),
        );
        registry.register(
            "requests_without_owner",
            "Requests that waited for an owner in vain",
            metrics.gave_up.clone(),
        );
        registry.register(
            "status_reports",
            "Reports written into the status of the number",
            metrics.reports.clone(),
        );
        Arc::new(metrics)
    }

    /// Counts a changed configuration.
    pub fn reloaded(&self, is_valid: bool) {
        let outcome = if is_valid { "used" } else { "refused" };
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a request that was passed on.
    pub fn passed_on(&self, outcome: &'static str) {
        self.passed_on.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a request that waited in vain.
    pub fn gave_up(&self) {
        self.gave_up.inc();
    }

    /// Counts a report.
    pub fn reported(&self, is_written: bool) {
        let outcome = if is_written { "written" } else { "failed" };
        self.reports.get_or_create(&Outcome { outcome }).inc();
    }
}
