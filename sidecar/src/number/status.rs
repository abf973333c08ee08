//! How a number is doing: counts and times, never who or what.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use waxseal_sealing::Class;
use waxseal_store::EntryId;

use super::{Number, accept};
use crate::{
    conversation::record::{Event, Job},
    id::LANES,
    moment::Moment,
};

/// What `/status` tells of a number.
#[derive(Serialize)]
pub struct Status {
    /// The id of the number.
    pub phone_number_id: String,
    /// The business number.
    pub phone_number: String,
    /// Its name.
    pub display_name: String,
    /// Whether it is linked to the relay.
    pub linked: bool,
    /// Whether it is to be linked: `false` once the business has deregistered it.
    pub registered: bool,
    /// Whether its webhook is verified; `null` without a webhook.
    pub webhook_verified: Option<bool>,
    /// Messages accepted and not encrypted yet.
    pub waiting_outbound: u64,
    /// Envelopes the relay has not accepted yet.
    pub unacknowledged: u64,
    /// Events the business has not acknowledged yet.
    pub waiting_webhooks: u64,
    /// Consumers there is a session with.
    pub sessions: u64,
    /// Age of the oldest message or event that waits; `null` when nothing waits.
    pub oldest_message_age_seconds: Option<u64>,
    /// When the next stored value expires; `null` when nothing is stored.
    pub next_expiry_seconds: Option<u64>,
    /// How long anything about a consumer is kept.
    pub retention_seconds: u64,
    /// SHA-256 of the number's identity key.
    pub identity_fingerprint: String,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages accepted and not encrypted yet.
    pub outbound: u64,
    /// Envelopes the relay has not accepted yet.
    pub unacknowledged: u64,
    /// Events the business has not acknowledged yet.
    pub webhooks: u64,
}

impl Number {
    /// Counts what waits; costs less than the whole [`Self::status`].
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn waiting(&self) -> Result<Waiting, waxseal_store::Error> {
        let names = &self.shared.names;
        let mut waiting = Waiting::default();
        for lane in 0..LANES {
            waiting.outbound += self.store.queue_len(&names.accepted(lane)).await?;
            waiting.unacknowledged += self.store.queue_len(&names.outbox(lane)).await?;
            waiting.webhooks += self.store.queue_len(&names.events(lane)).await?;
        }
        Ok(waiting)
    }

    /// Reads the state of the number.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn status(&self) -> Result<Status, waxseal_store::Error> {
        let names = &self.shared.names;
        let now = Moment::of(SystemTime::now());
        let waiting = self.waiting().await?;
        let mut oldest_ms = None::<u64>;
        for lane in 0..LANES {
            let (accepted, events) = (names.accepted(lane), names.events(lane));
            if let Some((_, sealed)) = self.store.range(&accepted, EntryId::ZERO, 1).await?.pop() {
                let job: Option<Job> = self.shared.open(Class::Message, &accepted, &sealed);
                oldest_ms = older(oldest_ms, job.as_ref().and_then(accept::sent_at_ms));
            }
            if let Some((_, sealed)) = self.store.range(&events, EntryId::ZERO, 1).await?.pop() {
                let event: Option<Event> = self.shared.open(Class::Webhook, &events, &sealed);
                oldest_ms = older(oldest_ms, event.and_then(|event| event.about).map(|about| about.made_at_ms));
            }
        }
        let sessions = self.store.census(&names.peers()).await?;
        let all = self.store.census(&names.namespace().key("")).await?;
        Ok(Status {
            phone_number_id: self.facts.phone_number_id.clone(),
            phone_number: self.facts.phone_number.clone(),
            display_name: self.facts.display_name.clone(),
            linked: self.is_linked(),
            registered: !self.is_deregistered(),
            webhook_verified: self.webhook_verified(),
            waiting_outbound: waiting.outbound,
            unacknowledged: waiting.unacknowledged,
            waiting_webhooks: waiting.webhooks,
            sessions: sessions.keys,
            oldest_message_age_seconds: oldest_ms.map(|ms| now.ms.saturating_sub(ms) / 1000),
            next_expiry_seconds: all.soonest_expiry.as_ref().map(Duration::as_secs),
            retention_seconds: self.shared.retention.as_secs(),
            identity_fingerprint: self.fingerprint(),
        })
    }
}

fn older(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
