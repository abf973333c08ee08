//! From the outbox to the connection: stored envelopes, in order, a bounded number at a time, each until the relay has judged it.

use std::collections::hash_map::Entry;
use std::time::Duration;

use tokio::time::Instant;
use waxseal_content::EnvelopeId;

use super::{Actor, Turn, link};
use crate::engine::Verdict;
use crate::state::{keys as names, rows};
use crate::{Error, Failure};

/// Envelopes on their way to the relay at a time.
const IN_FLIGHT: usize = 1_024;
const PAGE: usize = 64;
/// How long to leave a recipient alone whose queue at the relay is full.
const FULL_PAUSE: Duration = Duration::from_secs(2);

impl Actor {
    pub(super) fn outcome(&mut self, turn: &mut Turn, id: EnvelopeId, outcome: link::Outcome) -> Result<(), Error> {
        let Some(key) = self.in_flight.remove(&id) else { return Ok(()) };
        let verdict = match outcome {
            link::Outcome::Accepted => Verdict::Accepted,
            link::Outcome::UnknownRecipient => Verdict::Failed(Failure::UnknownNumber),
            link::Outcome::TooLarge => Verdict::Failed(Failure::TooLarge),
            link::Outcome::Malformed => Verdict::Failed(Failure::Refused),
            link::Outcome::QueueFull => {
                // It stays in the outbox; after the pause the outbox is walked from the start.
                self.pause_until = Some(Instant::now() + FULL_PAUSE);
                self.cursor = None;
                return Ok(());
            }
        };
        self.engine.outcome(&mut turn.step, &key, verdict)
    }

    /// Hands stored envelopes to the connection, in order, a bounded number at a time.
    pub(super) fn pump(&mut self) -> Result<(), Error> {
        let Some(online) = &self.online else { return Ok(()) };
        while self.pause_until.is_none() && self.in_flight.len() < IN_FLIGHT {
            let page = self.engine.store().page(names::OUTBOX, self.cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            self.cursor = Some(last.clone());
            let mut envelopes = Vec::with_capacity(page.len());
            for (key, value) in page {
                let row = <rows::Envelope as prost::Message>::decode(value.as_slice()).map_err(|_| Error::Corrupt)?;
                let id = EnvelopeId::from_slice(&row.id).ok_or(Error::Corrupt)?;
                if let Entry::Vacant(place) = self.in_flight.entry(id) {
                    place.insert(key);
                    envelopes.push(link::envelope(row));
                }
            }
            if !envelopes.is_empty() {
                online.submit(envelopes);
            }
        }
        Ok(())
    }
}
