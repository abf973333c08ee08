//! What the screen shows, made of events. Pure: the same events give the same screen.

use std::collections::HashMap;

use std::path::{Path, PathBuf};

use waxseal_consumer::{Body, Direction, Down, Entry, Event, Failure, MessageId, PhoneNumber, ReceiptKind, Status, Stop, Text};

use super::wrap::clean;
use crate::consumer::show;

/// Messages and notices on the screen; the log has more.
const KEPT: usize = 2_000;
/// How long somebody is shown as typing.
const TYPING_MS: u64 = 25_000;

/// One conversation on the screen.
pub(super) struct Model {
    pub(super) peer: PhoneNumber,
    /// The name that the peer showed last.
    pub(super) peer_name: Option<String>,
    pub(super) items: Vec<Item>,
    /// From a message to its place in `items`.
    places: HashMap<MessageId, usize>,
    pub(super) link: Link,
    typing_until_ms: u64,
    /// Incoming, not marked read yet, in order of arrival.
    unread: Vec<MessageId>,
}

/// The connection as a person wants to know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    Connecting,
    Connected,
    Reconnecting(Down),
    Stopped(Stop),
}

/// Something in the list.
pub(super) enum Item {
    Message(Box<Message>),
    Notice(String),
}

/// A message in the list.
pub(super) struct Message {
    pub(super) id: MessageId,
    body: Body,
    /// What is shown of the body, harmless for a terminal.
    pub(super) text: String,
    /// The beginning of the message it answers.
    pub(super) quoted: Option<String>,
    pub(super) edited: bool,
    /// Where its file was saved.
    pub(super) file: Option<PathBuf>,
    /// Columns and rows of its picture, where the terminal shows it.
    pub(super) picture: Option<(u16, u16)>,
    pub(super) at_ms: u64,
    /// `None`: from the peer.
    pub(super) status: Option<Status>,
    /// Of the peer, and ours.
    pub(super) reactions: [Option<String>; 2],
}

impl Model {
    pub(super) fn new(peer: PhoneNumber) -> Self {
        Self {
            peer,
            peer_name: None,
            items: Vec::new(),
            places: HashMap::new(),
            link: Link::Connecting,
            typing_until_ms: 0,
            unread: Vec::new(),
        }
    }

    /// Begins with what was said before.
    pub(super) fn load(&mut self, history: Vec<Entry>) {
        for entry in history {
            let (status, read) = match entry.direction {
                Direction::Outgoing(status) => (Some(status), true),
                Direction::Incoming { read } => (None, read),
            };
            if status.is_none() {
                self.named(entry.sender_name.as_ref().map(Text::reveal));
                if !read {
                    self.unread.push(entry.message_id);
                }
            }
            match entry.body {
                Body::Reaction { message_id, emoji } => self.react(message_id, emoji.reveal(), status.is_some()),
                body => {
                    let quoted = entry.context.map(|context| context.message_id);
                    self.add(entry.message_id, body, quoted, entry.at_ms, status);
                    if entry.edited
                        && let Some(message) = self.message(entry.message_id)
                    {
                        message.edited = true;
                    }
                }
            }
        }
    }

    /// A message of ours is stored and on its way.
    pub(super) fn queued(&mut self, id: MessageId, body: Body, quoted: Option<MessageId>, now_ms: u64) {
        match body {
            Body::Reaction { message_id, emoji } => self.react(message_id, emoji.reveal(), true),
            Body::Edit { message_id, text, caption } => self.edit(message_id, &text, caption, true),
            Body::Revoke { message_id } => self.revoke(message_id, true),
            body => self.add(id, body, quoted, now_ms, Some(Status::Pending)),
        }
    }

    /// A message says something else now. Only who wrote it can have done so.
    fn edit(&mut self, id: MessageId, text: &Text, caption: bool, ours: bool) {
        let Some(message) = self.message(id).filter(|message| message.status.is_some() == ours) else {
            return;
        };
        match &mut message.body {
            Body::Text { body, .. } if !caption => *body = text.clone(),
            Body::Media(media) if caption => media.caption = Some(text.clone()),
            _ => return,
        }
        message.edited = true;
        message.text = clean(&show::text(&message.body));
    }

    /// A message was taken back.
    fn revoke(&mut self, id: MessageId, ours: bool) {
        if let Some(message) = self.message(id).filter(|message| message.status.is_some() == ours) {
            message.body = Body::Revoke { message_id: id };
            message.text = clean(&show::text(&message.body));
            message.edited = false;
            message.file = None;
            message.picture = None;
        }
    }

    /// The file of a message is here.
    pub(super) fn saved(&mut self, id: MessageId, path: &Path) {
        if let Some(message) = self.message(id) {
            message.file = Some(path.to_owned());
        }
    }

    /// A reaction of ours, or of the peer.
    pub(super) fn react(&mut self, to: MessageId, emoji: &str, ours: bool) {
        if let Some(message) = self.message(to) {
            let emoji = clean(emoji).replace('\n', "");
            message.reactions[usize::from(ours)] = (!emoji.is_empty()).then_some(emoji);
        }
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.items.push(Item::Notice(text.into()));
        self.trim();
    }

    pub(super) fn apply(&mut self, event: Event, now_ms: u64) {
        match event {
            Event::Connected { .. } => self.link = Link::Connected,
            Event::Disconnected { reason, .. } => self.link = Link::Reconnecting(reason),
            Event::Drained => {}
            Event::Stopped { reason } => {
                self.link = Link::Stopped(reason);
                self.notice(super::stopped(reason));
            }
            Event::Message(message) if message.from == self.peer => {
                self.typing_until_ms = 0;
                self.named(message.sender_name.as_ref().map(Text::reveal));
                self.unread.push(message.message_id);
                let quoted = message.context.map(|context| context.message_id);
                self.add(message.message_id, message.body, quoted, message.received_at_ms, None);
            }
            Event::Message(message) => {
                self.notice(format!(
                    "a message from {0} arrived: chat with --to {0} to read it",
                    message.from.reveal()
                ));
            }
            Event::Reaction {
                from,
                message_id,
                emoji,
                reaction_id,
                ..
            } => {
                if from == self.peer {
                    self.typing_until_ms = 0;
                    self.unread.push(reaction_id);
                    self.react(message_id, emoji.reveal(), false);
                }
            }
            Event::Edited {
                from,
                message_id,
                text,
                caption,
                edit_id,
                ..
            } => {
                if from == self.peer {
                    self.unread.push(edit_id);
                    self.edit(message_id, &text, caption, false);
                }
            }
            Event::Revoked {
                from,
                message_id,
                revoke_id,
                ..
            } => {
                if from == self.peer {
                    self.unread.push(revoke_id);
                    self.revoke(message_id, false);
                }
            }
            Event::Sent { to, message_id } => self.advance(&to, message_id, Status::Sent),
            Event::Receipt { from, kind, message_ids } => {
                let status = match kind {
                    ReceiptKind::Delivered => Status::Delivered,
                    ReceiptKind::Read => Status::Read,
                    ReceiptKind::Played => Status::Played,
                };
                for message_id in message_ids {
                    self.advance(&from, message_id, status);
                }
            }
            Event::Failed { to, message_id, reason } => {
                self.advance(&to, message_id, Status::Failed);
                if to == self.peer {
                    self.notice(failure(reason));
                }
            }
            Event::Typing { from } => {
                if from == self.peer {
                    self.typing_until_ms = now_ms.saturating_add(TYPING_MS);
                }
            }
            Event::IdentityChanged { peer } => {
                if peer == self.peer {
                    self.notice("the safety number has changed: the other side re-installed, or is somebody else; /safety shows it");
                }
            }
        }
    }

    /// The terminal can show the file of a message.
    pub(super) fn pictured(&mut self, id: MessageId, cells: (u16, u16)) {
        if let Some(message) = self.message(id) {
            message.picture = Some(cells);
        }
    }

    pub(super) const fn is_typing(&self, now_ms: u64) -> bool {
        now_ms < self.typing_until_ms
    }

    /// What was shown and is not marked read yet; it counts as marked from now on.
    pub(super) fn take_unread(&mut self) -> Vec<MessageId> {
        std::mem::take(&mut self.unread)
    }

    /// Ours that the relay does not have.
    pub(super) fn pending(&self) -> usize {
        let pending = |item: &&Item| matches!(item, Item::Message(message) if message.status == Some(Status::Pending));
        self.items.iter().filter(pending).count()
    }

    /// The peer's name as far as it is known, else its number.
    pub(super) fn peer_label(&self) -> &str {
        self.peer_name.as_deref().unwrap_or_else(|| self.peer.reveal())
    }

    fn named(&mut self, name: Option<&str>) {
        if let Some(name) = name {
            self.peer_name = Some(clean(name).replace('\n', " "));
        }
    }

    fn add(&mut self, id: MessageId, body: Body, quoted: Option<MessageId>, at_ms: u64, status: Option<Status>) {
        if self.places.contains_key(&id) {
            return;
        }
        let quoted = quoted.map(|quoted| match self.message(quoted) {
            Some(message) => message.text.lines().next().unwrap_or_default().to_owned(),
            None => "(an earlier message)".to_owned(),
        });
        self.places.insert(id, self.items.len());
        self.items.push(Item::Message(Box::new(Message {
            id,
            text: clean(&show::text(&body)),
            body,
            quoted,
            edited: false,
            file: None,
            picture: None,
            at_ms,
            status,
            reactions: [None, None],
        })));
        self.trim();
    }

    /// Ticks never go backwards, whatever order the events come in.
    fn advance(&mut self, peer: &PhoneNumber, id: MessageId, to: Status) {
        if *peer != self.peer {
            return;
        }
        if let Some(message) = self.message(id)
            && let Some(status) = &mut message.status
        {
            *status = to.max(*status);
        }
    }

    fn message(&mut self, id: MessageId) -> Option<&mut Message> {
        match self.items.get_mut(*self.places.get(&id)?)? {
            Item::Message(message) => Some(message),
            Item::Notice(_) => None,
        }
    }

    /// Forgets the oldest half once there are twice as many as are kept: seldom, so that the places are seldom counted anew.
    fn trim(&mut self) {
        if self.items.len() < 2 * KEPT {
            return;
        }
        self.items.drain(..KEPT);
        let messages = self.items.iter().enumerate().filter_map(|(place, item)| match item {
            Item::Message(message) => Some((message.id, place)),
            Item::Notice(_) => None,
        });
        self.places = messages.collect();
    }
}

fn failure(reason: Failure) -> String {
    format!("not sent: {}", super::advice(reason))
}

#[cfg(test)]
mod tests;
