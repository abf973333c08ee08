//! What may be observed: counts, sizes and durations. No label and no value tells whose.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use waxseal_protocol::proto::SpamReason;
use waxseal_telemetry::metrics;

use crate::writer::Verdicts;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) accepted: Counter,
    duplicates: Counter,
    rejected: Family<VerdictLabel, Counter>,
    pub(crate) delivered: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) expired: Counter,
    pub(crate) queued_envelopes: Gauge,
    pub(crate) queued_bytes: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) accounts: Gauge,
    pub(crate) bundles: Counter,
    pub(crate) bundles_refused: Counter,
    pub(crate) keys_low: Counter,
    pub(crate) blobs_stored: Counter,
    pub(crate) blob_bytes_stored: Counter,
    blobs_refused: Family<ReasonLabel, Counter>,
    spam_reports: Family<ReasonLabel, Counter>,
    pub(crate) blobs_served: Counter,
    pub(crate) blob_bytes_served: Counter,
    pub(crate) blobs_expired: Counter,
    pub(crate) kept_blobs: Gauge,
    pub(crate) kept_blob_bytes: Gauge,
    group_envelopes: Histogram,
    commit_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = metrics::registry(env!("CARGO_PKG_VERSION"));
        let relay = registry.sub_registry_with_prefix("relay");
        Self {
            accepted: metrics::new(relay, "envelopes_accepted", "Envelopes that became durable"),
            duplicates: metrics::new(relay, "envelopes_duplicate", "Envelopes submitted again under an accepted id"),
            rejected: metrics::new(relay, "envelopes_rejected", "Envelopes refused, by verdict"),
            delivered: metrics::new(
                relay,
                "envelopes_delivered",
                "Envelopes sent to their recipient, again after a reconnect",
            ),
            acknowledged: metrics::new(
                relay,
                "envelopes_acknowledged",
                "Envelopes forgotten because their recipient has them",
            ),
            expired: metrics::new(relay, "envelopes_expired", "Envelopes forgotten because their time was over"),
            queued_envelopes: metrics::new(relay, "queued_envelopes", "Envelopes waiting for their recipients"),
            queued_bytes: metrics::new(relay, "queued_bytes", "Bytes waiting for their recipients"),
            connections: metrics::new(relay, "connections", "Open message streams"),
            accounts: metrics::new(relay, "accounts", "Registered numbers"),
            bundles: metrics::new(relay, "bundles", "Pre-key bundles handed out"),
            bundles_refused: metrics::new(
                relay,
                "bundles_refused",
                "Pre-key bundles refused because one was asked for too often",
            ),
            keys_low: metrics::new(relay, "keys_low", "Times an owner was told that its one-time keys run low"),
            spam_reports: metrics::new(relay, "spam_reports", "Spam reports that counted, by reason"),
            group_envelopes: metrics::with(
                relay,
                "group_envelopes",
                "Envelopes in one commit",
                Histogram::new(exponential_buckets(1.0, 4.0, 7)),
            ),
            commit_seconds: metrics::with(
                relay,
                "commit_seconds",
                "How long applying and committing a group takes",
                metrics::seconds(),
            ),
            blobs_stored: metrics::new(relay, "blobs_stored", "Blobs that became durable"),
            blob_bytes_stored: metrics::new(relay, "blob_bytes_stored", "Bytes of blobs that became durable"),
            blobs_refused: metrics::new(relay, "blobs_refused", "Uploads that were refused or cut off, by reason"),
            blobs_served: metrics::new(relay, "blobs_served", "Downloads of blobs that began"),
            blob_bytes_served: metrics::new(relay, "blob_bytes_served", "Bytes of blobs sent"),
            blobs_expired: metrics::new(relay, "blobs_expired", "Blobs forgotten because their time was over"),
            kept_blobs: metrics::new(relay, "kept_blobs", "Blobs kept, uploads under way included"),
            kept_blob_bytes: metrics::new(
                relay,
                "kept_blob_bytes",
                "Bytes of blobs kept, uploads under way included; a blob counts as 64 KiB at least",
            ),
            registry,
        }
    }

    /// In the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        metrics::encode(&self.registry).unwrap_or_default()
    }

    pub(crate) fn submitted(&self, verdicts: &Verdicts) {
        self.accepted.inc_by(verdicts.accepted);
        self.duplicates.inc_by(verdicts.duplicate);
        let rejected = [
            ("unknown_recipient", verdicts.unknown_recipient),
            ("too_large", verdicts.too_large),
            ("queue_full", verdicts.queue_full),
            ("malformed", verdicts.malformed),
        ];
        for (verdict, count) in rejected {
            if count > 0 {
                self.rejected.get_or_create(&VerdictLabel { verdict }).inc_by(count);
            }
        }
    }

    pub(crate) fn reported(&self, reason: SpamReason) {
        let reason = match reason {
            SpamReason::NotRequested => "not_requested",
            SpamReason::NoLongerWanted => "no_longer_wanted",
            SpamReason::Spam => "spam",
            SpamReason::Offensive => "offensive",
            SpamReason::Fraud => "fraud",
            SpamReason::Unspecified | SpamReason::Other => "other",
        };
        self.spam_reports.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn blob_refused(&self, reason: &'static str) {
        self.blobs_refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn committed(&self, envelopes: usize, took: Duration) {
        #[allow(clippy::cast_precision_loss, reason = "a few thousand at most")]
        self.group_envelopes.observe(envelopes as f64);
        self.commit_seconds.observe(took.as_secs_f64());
    }
}
