//! What may be counted: closed lists of kinds and outcomes, never the name of an object.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;
use waxseal_telemetry::metrics;

/// The part of the operator that reconciles one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the kind it reconciles")]
pub enum Controller {
    Number,
    Account,
    Region,
    Policy,
}

impl Controller {
    /// As a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Account => "account",
            Self::Region => "region",
            Self::Policy => "policy",
        }
    }
}

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All is as declared.
    Success,
    /// Something has to happen first: a roll-out slot, a pod that ends.
    Waiting,
    /// The declaration has to be changed.
    Stalled,
    /// The object is paused.
    Paused,
    /// It failed and is tried again.
    Error,
}

impl Outcome {
    /// As a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Error => "error",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconciled {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    controller: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByController {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Objects {
    kind: &'static str,
    ready: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Crd {
    crd: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: String,
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Watched {
    kind: String,
}

/// The operator's metrics; all their names begin with `waxseal_operator_`.
#[derive(Clone)]
pub struct Metrics {
    reconciled: Family<Reconciled, Counter>,
    seconds: Family<ByController, Histogram, fn() -> Histogram>,
    inflight: Family<ByController, Gauge>,
    errors: Family<Failed, Counter>,
    objects: Family<Objects, Gauge>,
    paused: Gauge,
    leader: Gauge,
    crd_missing: Family<Crd, Gauge>,
    writes: Family<Write, Counter>,
    silence: Family<Watched, Gauge>,
    undecodable: Family<Watched, Gauge>,
}

impl Metrics {
    /// Registers everything, with a line of help each.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("operator");
        Self {
            reconciled: metrics::new(registry, "reconcile", "Reconciliations, by outcome"),
            seconds: metrics::with(
                registry,
                "reconcile_seconds",
                "How long a reconciliation takes",
                Family::new_with_constructor(metrics::seconds),
            ),
            inflight: metrics::new(registry, "reconcile_inflight", "Reconciliations that run"),
            errors: metrics::new(registry, "reconcile_errors", "Reconciliations that failed, by reason"),
            objects: metrics::new(registry, "objects", "Objects declared, by whether they are ready"),
            paused: metrics::new(registry, "paused_objects", "Objects whose reconciliation is paused"),
            leader: metrics::new(registry, "leader", "Whether this operator is the leader"),
            crd_missing: metrics::new(registry, "crd_missing", "Whether a custom resource definition is not there"),
            writes: metrics::new(registry, "writes", "Writes to the API server"),
            silence: metrics::new(registry, "watch_silence_seconds", "How long ago the last event of a watch was"),
            undecodable: metrics::new(registry, "undecodable_objects", "Objects that cannot be read"),
        }
    }

    /// A reconciliation begins. The answer is handed back to [`Self::ended`].
    #[must_use]
    pub fn begun(&self, controller: Controller) -> Running<'_> {
        self.inflight.get_or_create(&ByController::of(controller)).inc();
        Running {
            metrics: self,
            controller,
            since: Instant::now(),
        }
    }

    /// A reconciliation failed.
    pub fn failed(&self, controller: Controller, reason: &'static str) {
        let controller = controller.as_str();
        self.errors.get_or_create(&Failed { controller, reason }).inc();
    }

    /// The API server was asked to write.
    pub fn wrote(&self, kind: &str, verb: &'static str) {
        self.writes
            .get_or_create(&Write {
                kind: kind.to_owned(),
                verb,
            })
            .inc();
    }

    /// Whether this operator is the leader.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(i64::from(leader));
    }

    /// Whether a definition is not there.
    pub fn set_crd_missing(&self, crd: &'static str, missing: bool) {
        self.crd_missing.get_or_create(&Crd { crd }).set(i64::from(missing));
    }

    /// How many objects of a kind there are.
    pub fn set_objects(&self, kind: &'static str, counts: Counts) {
        for (ready, count) in [("True", counts.ready), ("False", counts.not_ready), ("Unknown", counts.unknown)] {
            self.objects.get_or_create(&Objects { kind, ready }).set(count);
        }
        self.undecodable
            .get_or_create(&Watched { kind: kind.to_owned() })
            .set(counts.undecodable);
    }

    /// How many objects are paused.
    pub fn set_paused(&self, count: i64) {
        self.paused.set(count);
    }

    /// How long ago the last event of a watch was.
    pub fn set_silence(&self, kind: &str, silence: Duration) {
        let seconds = i64::try_from(silence.as_secs()).unwrap_or(i64::MAX);
        self.silence.get_or_create(&Watched { kind: kind.to_owned() }).set(seconds);
    }
}

/// How many objects of one kind are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With `Ready=True`.
    pub ready: i64,
    /// With `Ready=False`.
    pub not_ready: i64,
    /// Without a word about it.
    pub unknown: i64,
    /// That cannot be read.
    pub undecodable: i64,
}

/// A reconciliation that runs; counts when it ends, however it ends.
pub struct Running<'m> {
    metrics: &'m Metrics,
    controller: Controller,
    since: Instant,
}

impl Running<'_> {
    /// The reconciliation ended like this.
    pub fn ended(self, result: Outcome) {
        let (controller, result) = (self.controller.as_str(), result.as_str());
        self.metrics.reconciled.get_or_create(&Reconciled { controller, result }).inc();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let controller = ByController::of(self.controller);
        self.metrics.inflight.get_or_create(&controller).dec();
        self.metrics
            .seconds
            .get_or_create(&controller)
            .observe(self.since.elapsed().as_secs_f64());
    }
}

impl ByController {
    fn of(controller: Controller) -> Self {
        Self {
            controller: controller.as_str(),
        }
    }
}

/// When something last happened, to be read from elsewhere.
pub struct LastSeen {
    origin: Instant,
    millis: AtomicU64,
}

impl Default for LastSeen {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            millis: AtomicU64::new(0),
        }
    }
}

impl LastSeen {
    /// It happens now.
    pub fn touch(&self) {
        let millis = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// How long ago that was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.origin
            .elapsed()
            .saturating_sub(Duration::from_millis(self.millis.load(Ordering::Relaxed)))
    }
}
