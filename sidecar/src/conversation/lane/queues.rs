//! What waits in the store besides accepted messages: envelopes for the relay, events for the business, messages with a deadline.

use tokio::time::Instant;
use waxseal_content::{EnvelopeId, MessageId, PhoneNumber, Text};
use waxseal_sealing::Class;
use waxseal_store::EntryId;

use super::{DEADLINE_CHECK, Emit, End, Lane, PAGE, Post, RETRY_MOST, now_ms};
use crate::{
    conversation::{
        input::{Event, GivenUp},
        outbound,
        record::{Event as StoredEvent, Outgoing},
        turn::Waiting,
    },
    webhook::line::{self, PeerTag},
};

impl Lane {
    /// Reads the outbox: everything the relay has not answered for is sent again, as it is stored, if there is a link.
    pub(super) async fn resend_outbox(&mut self) -> Result<(), End> {
        let queue = self.outfit.shared.names.outbox(self.core.lane);
        let mut after = EntryId::ZERO;
        loop {
            let entries = self.range(&queue, after).await?;
            let last_page = entries.len() < PAGE;
            let mut envelopes = Vec::with_capacity(entries.len());
            for (entry, sealed) in entries {
                after = entry;
                let stored: Option<Outgoing> = self.outfit.shared.open(Class::Message, &queue, &sealed);
                let Some(stored) = stored else { continue };
                let (Some(envelope_id), Ok(to)) = (EnvelopeId::from_slice(&stored.envelope_id), PhoneNumber::parse(&stored.to)) else {
                    continue;
                };
                if stored.expires_at_ms <= now_ms() {
                    self.input.lapsed.push(envelope_id);
                } else {
                    envelopes.push(outbound::envelope(&stored, now_ms()));
                }
                let waiting = Waiting {
                    entry,
                    to,
                    tracked: stored.tracked,
                    opaque: stored.opaque.map(Text::new),
                };
                self.core.recall(envelope_id, waiting);
            }
            self.emit(Emit::Submit(envelopes));
            if last_page {
                return Ok(());
            }
        }
    }

    pub(super) fn emit(&self, emit: Emit) {
        let empty = match &emit {
            Emit::Submit(envelopes) => envelopes.is_empty(),
            Emit::Acknowledge(sequences) => sequences.is_empty(),
        };
        if let (false, Some(link)) = (empty, &self.link) {
            // A link that is gone loses nothing: envelopes are in the outbox, and the relay delivers again what was not acknowledged.
            let _ = link.send(emit);
        }
    }

    pub(super) async fn work_line(&mut self) {
        if self.line_rests_until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        self.line_rests_until = None;
        loop {
            // Without an endpoint windows end all the same.
            let is_ready = self.outfit.poster.is_ready();
            while let Some(step) = if is_ready {
                self.line.step(now_ms())
            } else {
                self.line.overdue(now_ms())
            } {
                match step {
                    line::Step::Attempt { id, payload, .. } => {
                        if let Some(lane) = self.sender.upgrade() {
                            self.outfit.poster.post(id, payload, lane);
                        }
                    }
                    line::Step::GiveUp { id, payload } => self.give_up(id, payload),
                }
            }
            let Some(after) = self.line.read() else { return };
            let queue = self.outfit.shared.names.events(self.core.lane);
            match self.outfit.store.range(&queue, after, PAGE).await {
                Ok(entries) => {
                    let more = entries.len() == PAGE;
                    let mut page = Vec::with_capacity(entries.len());
                    for (id, sealed) in entries {
                        match self
                            .outfit
                            .shared
                            .open::<StoredEvent>(Class::Webhook, &queue, &sealed)
                            .and_then(|event| entry(id, event))
                        {
                            Some(entry) => page.push(entry),
                            None => self.input.finished.push(id),
                        }
                    }
                    self.line.page(page, more, now_ms());
                }
                Err(_) => {
                    self.line.unreadable();
                    self.line_rests_until = Some(Instant::now() + RETRY_MOST);
                    return;
                }
            }
        }
    }

    /// The window of an event has ended.
    pub(super) fn give_up(&mut self, entry: EntryId, post: Post) {
        self.outfit.shared.metrics.webhooks_given_up.inc();
        let (attempts, last_error) = self.outfit.poster.given_up(&post.event_id).unwrap_or_default();
        self.input.given_up.push(GivenUp {
            entry,
            event: Event {
                peer: post.peer,
                event_id: post.event_id,
                window_end_ms: now_ms(),
                body: post.body,
                about: post.about,
            },
            attempts,
            last_error,
        });
    }

    pub(super) async fn check_deadlines(&mut self) {
        let now = Instant::now();
        if now < self.next_deadline_check {
            return;
        }
        self.next_deadline_check = now + DEADLINE_CHECK;
        self.core.forget_expired(now_ms());
        // Whoever owned the number before may have accepted something while this lane was claimed, and woke another.
        self.more_jobs = true;
        let agenda = self.outfit.shared.names.deadlines(self.core.lane);
        // What cannot be read now is read at the next check.
        if let Ok(due) = self.outfit.store.due(&agenda, now_ms(), PAGE).await {
            if due.len() == PAGE {
                self.next_deadline_check = now;
            }
            self.input
                .expired
                .extend(due.iter().filter_map(|(member, _)| MessageId::from_slice(member)));
        }
    }
}

fn entry(id: EntryId, event: StoredEvent) -> Option<line::Entry<EntryId, Post>> {
    let peer = event.peer.try_into().ok()?;
    Some(line::Entry {
        id,
        peer: PeerTag(peer),
        until_ms: event.window_end_ms,
        payload: Post {
            event_id: event.event_id.try_into().ok()?,
            body: event.body.into(),
            peer,
            about: event.about.unwrap_or_default(),
        },
    })
}
