//! What a pod counts besides its number: closed lists of events, never who or what.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use waxseal_telemetry::metrics;

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
        Arc::new(Self {
            owner: metrics::new(registry, "owner", "Whether this pod serves the number"),
            reloads: metrics::new(registry, "reloads", "Configurations read after the first"),
            passed_on: metrics::new(registry, "requests_passed_on", "Requests passed on to the pod that owns the number"),
            gave_up: metrics::new(registry, "requests_without_owner", "Requests that waited for an owner in vain"),
            reports: metrics::new(registry, "status_reports", "Reports written into the status of the number"),
        })
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
