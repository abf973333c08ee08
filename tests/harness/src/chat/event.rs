//! The lines of `waxseal chat --json`.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The relay is reached.
    Connected,
    /// The relay is lost; it is tried again.
    Disconnected,
    /// Everything that waited at the relay has arrived.
    Drained,
    /// A message arrived.
    Message,
    /// A reaction arrived.
    Reaction,
    /// Our message is stored on our side.
    Queued,
    /// Our message is at the relay.
    Sent,
    /// Our message is at the business.
    Delivered,
    /// The business has read our message.
    Read,
    /// The other side has listened to our message.
    Played,
    /// A message was edited.
    Edited,
    /// A message was taken back.
    Revoked,
    /// The file of a message is here; its `path` says where.
    Saved,
    /// The file of a message could not be fetched.
    NotSaved,
    /// Something was chosen that sends nothing.
    Shown,
    /// The business was reported.
    Reported,
    /// Something that was typed cannot be done.
    Error,
    /// Our message will not arrive.
    Failed,
    /// The business is typing.
    Typing,
    /// The business has another identity.
    IdentityChanged,
    /// The safety number, as asked for.
    SafetyNumber,
    /// Something else.
    Other(String),
}

/// One line.
#[derive(Clone)]
pub struct Event {
    /// What it tells.
    pub kind: Kind,
    /// The message it is about.
    pub id: Option<String>,
    /// The text of a message, ours or theirs.
    pub text: Option<String>,
    /// The whole line.
    pub json: Value,
}

impl Event {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no JSON object with an `event`. The line itself is not repeated.
    pub fn parse(line: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(line).context("not JSON")?;
        let word = json["event"].as_str().context("no event")?;
        let kind = match word {
            "connected" => Kind::Connected,
            "disconnected" => Kind::Disconnected,
            "drained" => Kind::Drained,
            "message" => Kind::Message,
            "reaction" => Kind::Reaction,
            "queued" => Kind::Queued,
            "sent" => Kind::Sent,
            "delivered" => Kind::Delivered,
            "read" => Kind::Read,
            "played" => Kind::Played,
            "edited" => Kind::Edited,
            "revoked" => Kind::Revoked,
            "saved" => Kind::Saved,
            "not_saved" => Kind::NotSaved,
            "shown" => Kind::Shown,
            "reported" => Kind::Reported,
            "error" => Kind::Error,
            "failed" => Kind::Failed,
            "typing" => Kind::Typing,
            "identity_changed" => Kind::IdentityChanged,
            "safety_number" => Kind::SafetyNumber,
            other => Kind::Other(other.to_owned()),
        };
        let id = json["id"].as_str().map(str::to_owned);
        let text = json["text"].as_str().map(str::to_owned);
        Ok(Self { kind, id, text, json })
    }
}

impl Event {
    /// The kind of a message as the Cloud API calls it: `text`, `image`, `interactive`...
    #[must_use]
    pub fn message_type(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    /// The member of a message that its type names; null of a text.
    #[must_use]
    pub fn member(&self) -> &Value {
        &self.json[self.message_type()]
    }
}

/// The texts of the messages among these events, in order.
#[must_use]
pub fn texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter(|event| event.kind == Kind::Message)
        .filter_map(|event| event.text.clone())
        .collect()
}
