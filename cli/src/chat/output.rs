//! Where the line tool writes: JSON or plain lines on standard output, notices of the plain form on standard error.

use std::collections::HashMap;

use waxseal_consumer::{Body, Event, Incoming, MessageId, ReceiptKind};

use super::record::{self, Record};
use crate::consumer::save::Saved;
use crate::consumer::{hex_id, show};
use crate::terminal;

/// Writes events, and knows the texts it saw leave.
pub(super) struct Output {
    json: bool,
    texts: HashMap<MessageId, String>,
    /// The plain form says once that the relay is away.
    away: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            texts: HashMap::new(),
            away: false,
        }
    }

    /// A message of ours is stored and on its way.
    pub(super) fn queued(&mut self, message_id: MessageId, to: &str, body: &Body) {
        if self.json {
            terminal::say(&Record::queued(message_id, to, body).to_line());
        }
        let text = match record::text(body) {
            Some(text) => Some(text.to_owned()),
            None if self.json => None,
            None => Some(show::text(body)),
        };
        if let Some(text) = text {
            self.texts.insert(message_id, text);
        }
    }

    /// A file was fetched, or could not be.
    pub(super) fn saved(&self, saved: &Saved) {
        let line = match (&saved.outcome, self.json) {
            (Ok(path), true) => Record::saved(saved.message_id, &saved.media, path).to_line(),
            (Ok(path), false) => format!("saved {}", path.display()),
            (Err(message), true) => Record::NotSaved {
                id: hex_id(saved.message_id),
                message,
            }
            .to_line(),
            (Err(message), false) => format!("not saved: {message}"),
        };
        if self.json {
            terminal::say(&line);
        } else {
            terminal::complain(&line);
        }
    }

    /// Something was done that sends no message.
    pub(super) fn shown(&self, message: &str) {
        if self.json {
            terminal::say(&Record::Shown { message }.to_line());
        } else {
            terminal::complain(message);
        }
    }

    pub(super) fn reported(&self, to: &str, counted: bool) {
        if self.json {
            terminal::say(&Record::Reported { to, counted }.to_line());
        } else {
            terminal::complain(reported(counted));
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if self.json {
            for record in Record::of(event, |id| self.texts.get(&id).map(String::as_str)) {
                terminal::say(&record.to_line());
            }
        } else {
            self.plain(event);
        }
        match event {
            // Its last event with a text.
            Event::Sent { message_id, .. } | Event::Failed { message_id, .. } => drop(self.texts.remove(message_id)),
            _ => {}
        }
    }

    pub(super) fn error(&self, message: &str) {
        if self.json {
            terminal::say(&Record::Error { message }.to_line());
        } else {
            terminal::complain(&format!("error: {message}"));
        }
    }

    pub(super) fn safety_number(&self, peer: &str, safety_number: Option<&str>) {
        if self.json {
            terminal::say(&Record::SafetyNumber { peer, safety_number }.to_line());
        } else {
            terminal::say(&safety_number.map_or_else(|| NO_SAFETY_NUMBER.to_owned(), groups));
        }
    }

    fn plain(&mut self, event: &Event) {
        match event {
            Event::Message(message) => terminal::say(&line(message)),
            Event::Reaction { from, emoji, .. } => {
                terminal::say(&format!("{} reacted: {}", from.reveal(), terminal::harmless(emoji.reveal())));
            }
            Event::Edited { from, text, .. } => {
                terminal::say(&format!(
                    "{} edited a message: {}",
                    from.reveal(),
                    terminal::harmless(text.reveal())
                ));
            }
            Event::Revoked { from, .. } => terminal::say(&format!("{} took a message back", from.reveal())),
            Event::Failed { message_id, reason, .. } => {
                let text = self.texts.get(message_id).map(|text| terminal::harmless(text)).unwrap_or_default();
                terminal::complain(&format!("not sent: {text} ({})", super::advice(*reason)));
            }
            Event::Sent { message_id, .. } => {
                if let Some(text) = self.texts.get(message_id) {
                    terminal::complain(&format!("✓ {}", terminal::harmless(text)));
                }
            }
            Event::Receipt { kind, message_ids, .. } => {
                let word = match kind {
                    ReceiptKind::Delivered => "delivered",
                    ReceiptKind::Read => "read",
                    ReceiptKind::Played => "played",
                };
                terminal::complain(&format!("✓✓ {} {word}", message_ids.len()));
            }
            Event::IdentityChanged { peer } => terminal::complain(&format!("the safety number with {} has changed", peer.reveal())),
            Event::Disconnected { .. } if !self.away => {
                self.away = true;
                terminal::complain("no connection to the relay yet; trying again");
            }
            Event::Connected { .. } => self.away = false,
            Event::Stopped { reason } => terminal::complain(&format!("error: {}", super::stopped(*reason))),
            Event::Disconnected { .. } | Event::Drained | Event::Typing { .. } => {}
        }
    }
}

/// Before the first message there is nothing to compare.
pub(super) const NO_SAFETY_NUMBER: &str = "there is no safety number before the first message";

/// What a report came to.
pub(super) const fn reported(counted: bool) -> &'static str {
    if counted {
        "reported"
    } else {
        "reported before; it counts once a day"
    }
}

/// `name: text`, on one line.
fn line(message: &Incoming) -> String {
    let name = message
        .sender_name
        .as_ref()
        .map_or_else(|| message.from.reveal().to_owned(), |name| terminal::harmless(name.reveal()));
    format!("{name}: {}", terminal::harmless(&show::text(&message.body)))
}

/// The 60 digits in twelve groups of five, four to a line.
pub(super) fn groups(digits: &str) -> String {
    let groups: Vec<String> = digits
        .as_bytes()
        .chunks(5)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.chunks(4).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_numbers_are_grouped() {
        let digits: String = (0..60).map(|n| char::from(b'0' + u8::try_from(n % 10).unwrap())).collect();
        assert_eq!(
            groups(&digits),
            "01234 56789 01234 56789\n01234 56789 01234 56789\n01234 56789 01234 56789"
        );
    }

    #[test]
    fn plain_lines_cannot_steer_the_terminal() {
        let from = waxseal_consumer::PhoneNumber::parse("+15550100").unwrap();
        let message = |text: Option<&str>, name: Option<&str>| Incoming {
            from: from.clone(),
            message_id: MessageId::new([0; 16]),
            body: text.map_or(Body::Unsupported, |text| Body::Text {
                body: text.into(),
                preview_url: false,
            }),
            sent_at_ms: 0,
            received_at_ms: 0,
            sender_name: name.map(Into::into),
            context: None,
        };
        assert_eq!(
            line(&message(Some("a\x1b[2Jb\nc"), Some("Sh\x07op"))),
            "Sh\u{fffd}op: a\u{fffd}[2Jb c"
        );
        assert_eq!(
            line(&message(None, None)),
            "+15550100: (a kind of message this version cannot show)"
        );
    }
}
