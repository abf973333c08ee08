//! What happens to a consumer while it plays: taken note of, told, and read when it is time.

use tokio::time::{Instant, sleep_until};
use waxseal_consumer::{Body, Event, Incoming, MessageId, ReceiptKind};

use super::{INBOX, Player};
use crate::scenario::document::Reads;
use crate::scenario::expect::{Progress, Seen};

impl Player {
    /// Takes what happens until `look` finds what it wants or the time is over.
    pub(super) async fn until<T>(&mut self, deadline: Instant, mut look: impl FnMut(&mut Self) -> Option<T>) -> Result<Option<T>, String> {
        loop {
            if let Some(found) = look(self) {
                return Ok(Some(found));
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let wake = self.due.front().map_or(deadline, |(at, _)| (*at).min(deadline));
            tokio::select! {
                event = self.talk.consumer.next_event() => match event {
                    Some(event) => self.take(event).await?,
                    None => return Err("the consumer ended".to_owned()),
                },
                () = sleep_until(wake) => self.read_due().await,
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Connected { .. } => self.connected = true,
            Event::Disconnected { .. } => self.connected = false,
            Event::Drained => self.drained = true,
            Event::Stopped { reason } => return Err(format!("the consumer stopped: {}", reason.as_str())),
            Event::Message(message) if message.from == self.stage.business => self.message(message).await,
            Event::Reaction {
                from, emoji, reaction_id, ..
            } if from == self.stage.business => {
                self.unread.push(reaction_id);
                self.see(Seen::Reaction {
                    emoji: emoji.reveal().to_owned(),
                });
            }
            Event::Edited { from, text, .. } if from == self.stage.business => self.see(Seen::Edited {
                text: text.reveal().to_owned(),
            }),
            Event::Revoked { from, .. } if from == self.stage.business => self.see(Seen::Revoked),
            Event::Typing { from } if from == self.stage.business => self.see(Seen::Typing),
            Event::Sent { message_id, .. } => self.come(message_id, Progress::Sent),
            Event::Receipt { kind, message_ids, .. } => {
                let progress = match kind {
                    ReceiptKind::Delivered => Progress::Delivered,
                    ReceiptKind::Read => Progress::Read,
                    ReceiptKind::Played => Progress::Played,
                };
                for message_id in message_ids {
                    self.come(message_id, progress);
                }
            }
            Event::Failed { message_id, reason, .. } => {
                self.stage.report.hears(&self.label, &format!("failed: {}", reason.as_str()));
                self.progress.insert(message_id, Progress::Failed);
            }
            Event::IdentityChanged { .. } => self.stage.report.hears(&self.label, "the business has a new identity"),
            _ => {}
        }
        Ok(())
    }

    async fn message(&mut self, message: Incoming) {
        self.talk.arrived(&message);
        if matches!(&message.body, Body::Media(media) if media.voice) {
            self.last_voice = Some(message.message_id);
        }
        match self.reads {
            Reads::AtOnce => {
                // Closed: the next event says so.
                let _closed = self.talk.consumer.mark_read(&message.from, &[message.message_id]).await;
            }
            Reads::After(time) => {
                self.unread.push(message.message_id);
                self.due.push_back((Instant::now() + time, message.message_id));
            }
            Reads::Never => self.unread.push(message.message_id),
        }
        self.see(Seen::Message {
            quotes: message.context.map(|context| context.message_id),
            body: message.body,
        });
    }

    fn see(&mut self, seen: Seen) {
        self.stage.report.hears(&self.label, &seen.describe());
        if self.inbox.len() >= INBOX {
            self.inbox.pop_front();
        }
        self.inbox.push_back(seen);
    }

    fn come(&mut self, message_id: MessageId, to: Progress) {
        let progress = self.progress.entry(message_id).or_insert(to);
        if *progress == Progress::Failed || *progress < to {
            *progress = to;
        }
    }

    async fn read_due(&mut self) {
        let now = Instant::now();
        let mut ids = Vec::new();
        while let Some((at, id)) = self.due.front().copied()
            && at <= now
        {
            self.due.pop_front();
            ids.push(id);
        }
        if !ids.is_empty() {
            self.unread.retain(|id| !ids.contains(id));
            let _closed = self.talk.consumer.mark_read(&self.stage.business, &ids).await;
        }
    }
}
