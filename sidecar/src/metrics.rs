//! What may be counted: closed lists of events, never who or what. One set for a sidecar, whatever the number of numbers it serves.

mod counts;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use waxseal_telemetry::metrics;

pub use self::counts::{Counts, refused};

/// One label from a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    kind: &'static str,
}

/// What waits for webhooks, of all numbers together.
#[derive(Default)]
pub struct Backlog {
    /// Events.
    pub waiting: Gauge,
    /// Dead letters.
    pub dead: Gauge,
    /// How long the first event has waited.
    pub oldest_age_seconds: Gauge,
    numbers: Mutex<BTreeMap<Box<str>, [i64; 3]>>,
}

impl Backlog {
    /// What waits for the webhook of a number now; `None` when the number is not served any more.
    pub fn set(&self, phone_number_id: &str, counts: Option<[i64; 3]>) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        match counts {
            Some(counts) => drop(numbers.insert(phone_number_id.into(), counts)),
            None => drop(numbers.remove(phone_number_id)),
        }
        self.waiting.set(numbers.values().map(|[waiting, ..]| waiting).sum());
        self.dead.set(numbers.values().map(|[_, dead, _]| dead).sum());
        self.oldest_age_seconds
            .set(numbers.values().map(|[.., age]| *age).max().unwrap_or(0));
    }
}

/// The sidecar's metrics.
pub struct Metrics {
    /// Messages of the business made durable.
    pub accepted: Counter,
    /// Messages of the business refused because of the state of this sidecar.
    pub refused: Counter,
    /// Messages encrypted.
    pub encrypted: Counter,
    /// Messages decrypted.
    pub decrypted: Counter,
    /// Envelopes that could not be used, by cause.
    pub envelopes_refused: Family<Kind, Counter>,
    /// Retry receipts sent, and messages encrypted anew on request.
    pub retries: Family<Kind, Counter>,
    /// Identity keys that changed.
    pub identity_changes: Counter,
    /// Statuses reported, by kind.
    pub statuses: Family<Kind, Counter>,
    /// Attempts to post a webhook, by outcome.
    pub webhook_attempts: Family<Kind, Counter>,
    /// Webhook events whose window ended before the business took them.
    pub webhooks_given_up: Counter,
    /// What became of webhook events that were not delivered within their window, or that nobody wanted.
    pub webhooks_lost: Family<Kind, Counter>,
    /// Webhook events and dead letters in the store, and how long the first event has waited.
    pub backlog: Backlog,
    /// Stored values that did not open.
    pub unopened: Counter,
    /// Commits of lanes, and how long they took.
    pub commit_seconds: Histogram,
    /// From a request to its durable acceptance.
    pub accept_seconds: Histogram,
    /// Times a lane found that the store had lost commits.
    pub rollbacks: Counter,
    /// Numbers linked to the relay.
    pub linked: Gauge,
    /// What was done with files, by kind.
    pub media: Family<Kind, Counter>,
    /// Bytes of files that were moved, by kind.
    pub media_bytes: Family<Kind, Counter>,
}

const REFUSED: [&str; 4] = ["duplicate", "malformed", "undecryptable", "misaddressed"];
const STATUSES: [&str; 5] = ["sent", "delivered", "read", "failed", "played"];

impl Metrics {
    /// Registers everything, with a line of help each.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        Arc::new(Self {
            accepted: metrics::new(registry, "messages_accepted", "Messages of the business made durable"),
            refused: metrics::new(
                registry,
                "messages_refused",
                "Messages refused because state could not be made durable",
            ),
            encrypted: metrics::new(registry, "messages_encrypted", "Messages encrypted"),
            decrypted: metrics::new(registry, "messages_decrypted", "Messages decrypted"),
            envelopes_refused: metrics::new(registry, "envelopes_refused", "Envelopes of consumers that could not be used"),
            retries: metrics::new(registry, "retries", "Messages asked for again, and encrypted again on request"),
            identity_changes: metrics::new(registry, "identity_changes", "Identity keys of consumers that changed"),
            statuses: metrics::new(registry, "statuses", "Statuses reported to the business"),
            webhook_attempts: metrics::new(registry, "webhook_attempts", "Attempts to post a webhook"),
            webhooks_given_up: metrics::new(registry, "webhooks_given_up", "Webhook events whose retry window ended"),
            backlog: Backlog {
                waiting: metrics::new(
                    registry,
                    "webhook_events_waiting",
                    "Webhook events that the business has not taken yet",
                ),
                dead: metrics::new(registry, "webhook_dead_letters", "Webhook events that rest as dead letters"),
                oldest_age_seconds: metrics::new(
                    registry,
                    "webhook_oldest_event_age_seconds",
                    "How long the oldest waiting webhook event has waited",
                ),
                ..Backlog::default()
            },
            webhooks_lost: metrics::new(
                registry,
                "webhook_events_undelivered",
                "Webhook events that became dead letters, were dropped, or had no subscriber",
            ),
            unopened: metrics::new(registry, "store_values_unopened", "Stored values that did not open"),
            commit_seconds: metrics::with(registry, "lane_commit_seconds", "Duration of a lane's commit", metrics::seconds()),
            accept_seconds: metrics::with(registry, "accept_seconds", "From request to durable acceptance", metrics::seconds()),
            rollbacks: metrics::new(registry, "store_rollbacks", "Times the store was found to have lost commits"),
            linked: metrics::new(registry, "numbers_linked", "Numbers linked to the relay"),
            media: metrics::new(
                registry,
                "media_files",
                "Files received, kept, fetched from links, opened, passed to the relay, deleted, or found broken",
            ),
            media_bytes: metrics::new(registry, "media_bytes", "Bytes of files that were moved"),
        })
    }

    /// Adds up a durable turn.
    pub fn count(&self, counts: &Counts) {
        self.encrypted.inc_by(counts.encrypted);
        self.decrypted.inc_by(counts.decrypted);
        self.identity_changes.inc_by(counts.identity_changes);
        add(&self.retries, "asked", counts.retries_asked);
        add(&self.retries, "answered", counts.retries_answered);
        for (kind, count) in REFUSED.into_iter().zip(counts.refused) {
            add(&self.envelopes_refused, kind, count);
        }
        add(&self.webhooks_lost, "dead_letter", counts.dead_letters);
        add(&self.webhooks_lost, "dropped", counts.dropped_events);
        add(&self.webhooks_lost, "unsubscribed", counts.unsubscribed);
        for (kind, count) in STATUSES.into_iter().zip(counts.statuses) {
            add(&self.statuses, kind, count);
        }
    }

    /// Counts something that was done with a file.
    pub fn media(&self, kind: &'static str, bytes: u64) {
        add(&self.media, kind, 1);
        add(&self.media_bytes, kind, bytes);
    }

    /// Counts one attempt to post a webhook.
    pub fn webhook_attempt(&self, delivered: bool) {
        add(&self.webhook_attempts, if delivered { "delivered" } else { "failed" }, 1);
    }
}

fn add(family: &Family<Kind, Counter>, kind: &'static str, count: u64) {
    if count > 0 {
        family.get_or_create(&Kind { kind }).inc_by(count);
    }
}
