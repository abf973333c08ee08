//! Planning webhook events: those that happen, those that are given up, those that are tried again after all.

use bytes::Bytes;
use rand::RngCore as _;
use waxseal_sealing::Class;
use waxseal_store::Op;
use zeroize::Zeroizing;

use super::{
    input::{Event, GivenUp, Requeued},
    plan::Plan,
    record::{self, About, DeadLetter, Kind},
    turn::Appended,
};
use crate::{
    id::{self, PeerIndex},
    webhook::route::MESSAGES,
};

impl Plan<'_> {
    /// Appends a webhook event for a message of a consumer.
    pub(super) fn event(&mut self, peer: &PeerIndex, body: serde_json::Result<Zeroizing<Vec<u8>>>) {
        self.event_about(peer, self.about(Kind::Message), body);
    }

    /// Appends a webhook event.
    pub(super) fn event_about(&mut self, peer: &PeerIndex, about: About, body: serde_json::Result<Zeroizing<Vec<u8>>>) {
        match body {
            Ok(mut body) => self.tell(peer, about, std::mem::take(&mut *body).into()),
            // Strings and numbers always serialise.
            Err(_) => tracing::error!("a webhook body could not be written"),
        }
    }

    /// An event of this kind that happens now.
    pub(super) fn about(&self, kind: Kind) -> About {
        About {
            made_at_ms: self.now.ms,
            kind: kind.into(),
            ..About::default()
        }
    }

    /// Appends a webhook event, if the business wants it.
    pub(super) fn tell(&mut self, peer: &PeerIndex, about: About, body: Bytes) {
        let field = Some(about.field.as_str()).filter(|field| !field.is_empty());
        if !self.shared().wants(field.unwrap_or(MESSAGES)) {
            self.counts.unsubscribed += 1;
            return;
        }
        let mut event_id = [0; 16];
        self.rng.fill_bytes(&mut event_id);
        self.append(Event {
            peer: *peer,
            event_id,
            window_end_ms: self.shared().window_end_ms(about.made_at_ms, self.now),
            body,
            about,
        });
    }

    /// An event that was not delivered within its window: what is left of its retention it rests as a dead letter. Under No Storage nothing
    /// is left, and the business is told that it has missed something.
    pub(super) fn bury(&mut self, given_up: &GivenUp) {
        let (queue, event) = (self.names().events(self.core.lane), &given_up.event);
        self.ops.push(Op::Remove { queue, id: given_up.entry });
        let made_at_ms = self.made_at_ms(event);
        if let Some(ttl) = self.shared().afterlife(made_at_ms, self.now) {
            let letter = DeadLetter {
                event: Some(stored(event)),
                died_at_ms: self.now.ms,
                attempts: given_up.attempts,
                last_error: given_up.last_error.clone(),
            };
            let queue = self.names().dead_letters(self.core.lane);
            if let Some(value) = self.seal(Class::Webhook, &queue, &letter) {
                self.ops.push(Op::Append { queue, value, ttl });
                self.appended.push(Appended::DeadLetter);
                self.counts.dead_letters += 1;
            }
            return;
        }
        self.counts.dropped_events += 1;
        if self.shared().no_storage() && event.about.kind() == Kind::Message {
            let body = self.shared().bodies.undelivered();
            self.event_about(&id::NOBODY, self.about(Kind::Errors), body);
        }
    }

    /// A dead letter is tried again, as the same event: same bytes, same id, a window of its own within what is left of its retention.
    pub(super) fn requeue(&mut self, requeued: &Requeued) {
        let queue = self.names().dead_letters(self.core.lane);
        self.ops.push(Op::Remove { queue, id: requeued.entry });
        let made_at_ms = self.made_at_ms(&requeued.event);
        let mut event = requeued.event.clone();
        event.window_end_ms = self.shared().window_end_ms(made_at_ms, self.now);
        self.append(event);
    }

    fn append(&mut self, event: Event) {
        let queue = self.names().events(self.core.lane);
        let age_ms = self.now.ms.saturating_sub(self.made_at_ms(&event));
        let left_ms = self.shared().retention_ms().saturating_sub(age_ms).max(1000);
        let ttl = std::time::Duration::from_millis(left_ms).min(self.shared().retention);
        if let Some(value) = self.seal(Class::Webhook, &queue, &stored(&event)) {
            self.ops.push(Op::Append { queue, value, ttl });
            self.appended.push(Appended::Event(event));
        }
    }

    /// When an event happened; those that do not say it (of an earlier version) had their first window then.
    fn made_at_ms(&self, event: &Event) -> u64 {
        if event.about.made_at_ms > 0 {
            return event.about.made_at_ms;
        }
        let window_ms = u64::try_from(self.shared().webhook_window.min(self.shared().retention).as_millis()).unwrap_or(u64::MAX);
        event.window_end_ms.saturating_sub(window_ms)
    }
}

fn stored(event: &Event) -> record::Event {
    record::Event {
        event_id: event.event_id.to_vec(),
        peer: event.peer.to_vec(),
        window_end_ms: event.window_end_ms,
        body: event.body.to_vec(),
        about: Some(event.about.clone()),
    }
}
