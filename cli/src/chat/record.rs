//! The JSON form of events. Names and members are an interface: scripts rely on them; `--help` documents them.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use waxseal_consumer::{Body, Event, Incoming, Media, MessageId, ReceiptKind, Text};

use crate::consumer::{hex_id as id, show};

/// One line of output.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Record<'a> {
    Connected {
        queued: u64,
        timestamp_ms: u64,
    },
    Disconnected {
        reason: &'a str,
        retry_in_ms: u64,
    },
    Drained,
    Message {
        id: String,
        from: &'a str,
        name: Option<&'a str>,
        text: Option<&'a str>,
        context_id: Option<String>,
        timestamp_ms: u64,
        sent_at_ms: u64,
        /// `type` and the member of that name.
        #[serde(flatten)]
        body: Map<String, Value>,
    },
    Reaction {
        id: String,
        from: &'a str,
        message_id: String,
        emoji: &'a str,
        timestamp_ms: u64,
    },
    Edited {
        id: String,
        from: &'a str,
        message_id: String,
        text: &'a str,
        caption: bool,
        timestamp_ms: u64,
    },
    Revoked {
        id: String,
        from: &'a str,
        message_id: String,
        timestamp_ms: u64,
    },
    Saved {
        id: String,
        path: &'a Path,
        size_bytes: u64,
        sha256: String,
    },
    NotSaved {
        id: String,
        message: &'a str,
    },
    Queued {
        id: String,
        to: &'a str,
        text: Option<&'a str>,
        #[serde(flatten)]
        body: Map<String, Value>,
    },
    Sent {
        id: String,
        to: &'a str,
        text: Option<&'a str>,
    },
    Delivered {
        id: String,
        from: &'a str,
    },
    Read {
        id: String,
        from: &'a str,
    },
    Played {
        id: String,
        from: &'a str,
    },
    Failed {
        id: String,
        to: &'a str,
        text: Option<&'a str>,
        reason: &'a str,
    },
    Typing {
        from: &'a str,
    },
    IdentityChanged {
        peer: &'a str,
    },
    SafetyNumber {
        peer: &'a str,
        safety_number: Option<&'a str>,
    },
    /// Something was chosen that sends nothing.
    Shown {
        message: &'a str,
    },
    Reported {
        to: &'a str,
        counted: bool,
    },
    Error {
        message: &'a str,
    },
}

impl<'a> Record<'a> {
    /// The records of an event; `text_of` knows what we sent.
    pub(super) fn of(event: &'a Event, text_of: impl Fn(MessageId) -> Option<&'a str>) -> Vec<Self> {
        match event {
            Event::Connected { queued } => vec![Self::Connected {
                queued: *queued,
                timestamp_ms: super::now_ms(),
            }],
            Event::Disconnected { reason, retry_in } => vec![Self::Disconnected {
                reason: reason.as_str(),
                retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            }],
            Event::Drained => vec![Self::Drained],
            Event::Message(message) => vec![Self::message(message)],
            Event::Reaction {
                from,
                message_id,
                emoji,
                reaction_id,
                ..
            } => vec![Self::Reaction {
                id: id(*reaction_id),
                from: from.reveal(),
                message_id: id(*message_id),
                emoji: emoji.reveal(),
                timestamp_ms: super::now_ms(),
            }],
            Event::Edited {
                from,
                message_id,
                text,
                caption,
                edit_id,
                ..
            } => vec![Self::Edited {
                id: id(*edit_id),
                from: from.reveal(),
                message_id: id(*message_id),
                text: text.reveal(),
                caption: *caption,
                timestamp_ms: super::now_ms(),
            }],
            Event::Revoked {
                from,
                message_id,
                revoke_id,
                ..
            } => vec![Self::Revoked {
                id: id(*revoke_id),
                from: from.reveal(),
                message_id: id(*message_id),
                timestamp_ms: super::now_ms(),
            }],
            Event::Sent { to, message_id } => vec![Self::Sent {
                id: id(*message_id),
                to: to.reveal(),
                text: text_of(*message_id),
            }],
            Event::Receipt { from, kind, message_ids } => {
                let from = from.reveal();
                let receipt = |message: &MessageId| match kind {
                    ReceiptKind::Delivered => Self::Delivered { id: id(*message), from },
                    ReceiptKind::Read => Self::Read { id: id(*message), from },
                    ReceiptKind::Played => Self::Played { id: id(*message), from },
                };
                message_ids.iter().map(receipt).collect()
            }
            Event::Typing { from } => vec![Self::Typing { from: from.reveal() }],
            Event::Failed { to, message_id, reason } => {
                vec![Self::Failed {
                    id: id(*message_id),
                    to: to.reveal(),
                    text: text_of(*message_id),
                    reason: reason.as_str(),
                }]
            }
            Event::IdentityChanged { peer } => vec![Self::IdentityChanged { peer: peer.reveal() }],
            Event::Stopped { reason } => vec![Self::Error {
                message: super::stopped(*reason),
            }],
        }
    }

    fn message(message: &'a Incoming) -> Self {
        Self::Message {
            id: id(message.message_id),
            from: message.from.reveal(),
            name: message.sender_name.as_ref().map(Text::reveal),
            text: message.text().map(Text::reveal),
            context_id: message.context.map(|context| id(context.message_id)),
            timestamp_ms: message.received_at_ms,
            sent_at_ms: message.sent_at_ms,
            body: show::json(&message.body),
        }
    }

    /// A message of ours is stored and on its way.
    pub(super) fn queued(message_id: MessageId, to: &'a str, body: &'a Body) -> Self {
        Self::Queued {
            id: id(message_id),
            to,
            text: text(body),
            body: show::json(body),
        }
    }

    /// A file was fetched.
    pub(super) fn saved(message_id: MessageId, media: &Media, path: &'a Path) -> Self {
        Self::Saved {
            id: id(message_id),
            path,
            size_bytes: media.size_bytes,
            sha256: hex::encode(media.sha256),
        }
    }

    /// The line, without its end.
    pub(super) fn to_line(&self) -> String {
        crate::terminal::json_line(self)
    }
}

/// The text of a message of text.
pub(super) fn text(body: &Body) -> Option<&str> {
    match body {
        Body::Text { body, .. } => Some(body.reveal()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waxseal_consumer::{Context, Down, Failure, PhoneNumber, Stop};

    use super::*;

    fn lines(event: &Event) -> Vec<String> {
        Record::of(event, |_| Some("hi")).iter().map(Record::to_line).collect()
    }

    #[test]
    fn the_interface_of_scripts() {
        let peer = || PhoneNumber::parse("+15550100").unwrap();
        let message_id = MessageId::new([1; 16]);
        let hex = "01".repeat(16);
        let message = Event::Message(Incoming {
            from: peer(),
            message_id,
            body: Body::Text {
                body: "é \"x\"\n".into(),
                preview_url: false,
            },
            sent_at_ms: 7,
            received_at_ms: 9,
            sender_name: Some("Shop".into()),
            context: Some(Context {
                message_id: MessageId::new([2; 16]),
                from_recipient: true,
                forwarded: false,
            }),
        });
        let context = "02".repeat(16);
        assert_eq!(
            lines(&message),
            [format!(
                r#"{{"event":"message","id":"{hex}","from":"+15550100","name":"Shop","text":"é \"x\"\n","context_id":"{context}","timestamp_ms":9,"sent_at_ms":7,"type":"text"}}"#
            )]
        );
        let sent = lines(&Event::Sent { to: peer(), message_id });
        assert_eq!(sent, [format!(r#"{{"event":"sent","id":"{hex}","to":"+15550100","text":"hi"}}"#)]);
        let read = Event::Receipt {
            from: peer(),
            kind: ReceiptKind::Read,
            message_ids: vec![message_id, MessageId::new([2; 16])],
        };
        assert_eq!(
            lines(&read),
            [
                format!(r#"{{"event":"read","id":"{hex}","from":"+15550100"}}"#),
                format!(r#"{{"event":"read","id":"{context}","from":"+15550100"}}"#)
            ]
        );
        let failed = lines(&Event::Failed {
            to: peer(),
            message_id,
            reason: Failure::UnknownNumber,
        });
        assert_eq!(
            failed,
            [format!(
                r#"{{"event":"failed","id":"{hex}","to":"+15550100","text":"hi","reason":"unknown_number"}}"#
            )]
        );
        assert_eq!(lines(&Event::Drained), [r#"{"event":"drained"}"#]);
        assert_eq!(
            lines(&Event::IdentityChanged { peer: peer() }),
            [r#"{"event":"identity_changed","peer":"+15550100"}"#]
        );
        let down = Event::Disconnected {
            reason: Down::Unreachable,
            retry_in: Duration::from_millis(250),
        };
        assert_eq!(
            lines(&down),
            [r#"{"event":"disconnected","reason":"unreachable","retry_in_ms":250}"#]
        );
        assert!(
            lines(&Event::Stopped { reason: Stop::Displaced })[0]
                .starts_with(r#"{"event":"error","message":"this number was opened elsewhere"#)
        );
        let safety = Record::SafetyNumber {
            peer: "+15550100",
            safety_number: None,
        };
        assert_eq!(
            safety.to_line(),
            r#"{"event":"safety_number","peer":"+15550100","safety_number":null}"#
        );
    }
}
