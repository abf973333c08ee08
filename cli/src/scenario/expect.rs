//! What a consumer waits for, and whether something that happened is it. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use waxseal_consumer::{Body, MessageId, Text, choices};

use super::forms::Time;
use crate::consumer::show;

/// Something that happened to a consumer.
pub(super) enum Seen {
    Message { body: Body, quotes: Option<MessageId> },
    Reaction { emoji: String },
    Edited { text: String },
    Revoked,
    Typing,
}

impl Seen {
    /// On one line, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Message { body, .. } => {
                let text = show::text(body);
                format!("{}: {}", show::kind(body), text.replace('\n', " / "))
            }
            Self::Reaction { emoji } => format!("reaction: {emoji}"),
            Self::Edited { text } => format!("edited: {text}"),
            Self::Revoked => "taken back".to_owned(),
            Self::Typing => "typing".to_owned(),
        }
    }
}

/// How far the last message of ours has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    Sent,
    Delivered,
    Read,
    Played,
    Failed,
}

/// What is waited for, and for how long.
#[derive(Clone)]
pub(super) struct Expect {
    pub(super) within: Duration,
    pub(super) wanted: Wanted,
}

#[derive(Clone)]
pub(super) enum Wanted {
    Message(Box<Conditions>),
    /// `None`: any.
    Reaction(Option<String>),
    Edited(Option<String>),
    Revoked,
    Typing,
    Progress(Progress),
}

/// All of them have to hold.
#[derive(Clone, Default)]
pub(super) struct Conditions {
    kind: Option<String>,
    text: Option<String>,
    contains: Option<String>,
    matches: Option<Regex>,
    /// The titles of everything that is offered, in order.
    buttons: Option<Vec<String>>,
    /// One of them.
    offers: Option<String>,
    /// In reply to our last message.
    quotes: Option<bool>,
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExpectForm {
    r#type: Option<String>,
    text: Option<String>,
    contains: Option<String>,
    matches: Option<String>,
    buttons: Option<Vec<String>>,
    offers: Option<String>,
    quotes: Option<bool>,
    reaction: Option<String>,
    edited: Option<String>,
    revoked: Option<bool>,
    typing: Option<bool>,
    status: Option<Progress>,
    within: Option<Time>,
}

impl ExpectForm {
    /// A message with this in its text.
    pub(super) fn containing(text: String) -> Self {
        Self {
            contains: Some(text),
            ..Self::default()
        }
    }

    /// # Errors
    /// What does not fit together.
    pub(super) fn understand(self, within: Duration) -> Result<Expect, String> {
        let within = self.within.map_or(within, |time| time.0);
        let conditions = Conditions {
            matches: match &self.matches {
                Some(pattern) => Some(Regex::new(pattern).map_err(|error| format!("matches: {error}"))?),
                None => None,
            },
            kind: self.r#type,
            text: self.text,
            contains: self.contains,
            buttons: self.buttons,
            offers: self.offers,
            quotes: self.quotes,
        };
        let mut others = Vec::new();
        others.extend(
            self.reaction
                .map(|emoji| Wanted::Reaction(Some(emoji).filter(|emoji| emoji != "any"))),
        );
        others.extend(self.edited.map(|text| Wanted::Edited(Some(text).filter(|text| text != "any"))));
        others.extend(self.revoked.filter(|revoked| *revoked).map(|_| Wanted::Revoked));
        others.extend(self.typing.filter(|typing| *typing).map(|_| Wanted::Typing));
        others.extend(self.status.map(Wanted::Progress));
        let wanted = match (others.pop(), others.is_empty(), conditions.is_empty()) {
            (None, ..) => Wanted::Message(Box::new(conditions)),
            (Some(other), true, true) => other,
            _ => return Err("expect: either conditions of a message, or one of reaction, edited, revoked, typing and status".to_owned()),
        };
        Ok(Expect { within, wanted })
    }
}

impl Conditions {
    const fn is_empty(&self) -> bool {
        self.kind.is_none()
            && self.text.is_none()
            && self.contains.is_none()
            && self.matches.is_none()
            && self.buttons.is_none()
            && self.offers.is_none()
            && self.quotes.is_none()
    }

    fn hold(&self, body: &Body, quotes: Option<MessageId>, last_sent: Option<MessageId>) -> bool {
        let shown = show::text(body);
        let titles = || choices(body).into_iter().map(|choice| choice.title).collect::<Vec<Text>>();
        let holds = |condition: Option<bool>| condition.unwrap_or(true);
        holds(self.kind.as_ref().map(|kind| kind == show::kind(body)))
            && holds(self.text.as_ref().map(|text| *text == shown))
            && holds(self.contains.as_ref().map(|text| shown.contains(text)))
            && holds(self.matches.as_ref().map(|pattern| pattern.is_match(&shown)))
            && holds(
                self.buttons
                    .as_ref()
                    .map(|wanted| titles().iter().map(Text::reveal).eq(wanted.iter().map(String::as_str))),
            )
            && holds(
                self.offers
                    .as_ref()
                    .map(|wanted| titles().iter().any(|title| title.reveal() == wanted)),
            )
            && holds(self.quotes.map(|wanted| wanted == (quotes.is_some() && quotes == last_sent)))
    }
}

impl Expect {
    /// Whether this is it. Progress is not seen but kept; see [`Wanted::Progress`].
    pub(super) fn is_met_by(&self, seen: &Seen, last_sent: Option<MessageId>) -> bool {
        match (&self.wanted, seen) {
            (Wanted::Message(conditions), Seen::Message { body, quotes }) => conditions.hold(body, *quotes, last_sent),
            (Wanted::Reaction(wanted), Seen::Reaction { emoji }) => wanted.as_ref().is_none_or(|wanted| wanted == emoji),
            (Wanted::Edited(wanted), Seen::Edited { text }) => wanted.as_ref().is_none_or(|wanted| wanted == text),
            (Wanted::Revoked, Seen::Revoked) | (Wanted::Typing, Seen::Typing) => true,
            _ => false,
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match &self.wanted {
            Wanted::Reaction(Some(emoji)) => format!("a reaction {emoji}"),
            Wanted::Reaction(None) => "a reaction".to_owned(),
            Wanted::Edited(Some(text)) => format!("an edit to \"{text}\""),
            Wanted::Edited(None) => "an edit".to_owned(),
            Wanted::Revoked => "a message taken back".to_owned(),
            Wanted::Typing => "the business typing".to_owned(),
            Wanted::Progress(progress) => format!("the last message to be {progress:?}").to_lowercase(),
            Wanted::Message(conditions) => {
                let mut text = match &conditions.kind {
                    Some(kind) => format!("a message of type {kind}"),
                    None => "a message".to_owned(),
                };
                let mut say = |part: String| {
                    let _infallible = write!(text, " {part}");
                };
                if let Some(wanted) = &conditions.text {
                    say(format!("that is \"{wanted}\""));
                }
                if let Some(wanted) = &conditions.contains {
                    say(format!("that contains \"{wanted}\""));
                }
                if let Some(wanted) = &conditions.matches {
                    say(format!("that matches /{wanted}/"));
                }
                if let Some(wanted) = &conditions.buttons {
                    say(format!("with {}", wanted.join(", ")));
                }
                if let Some(wanted) = &conditions.offers {
                    say(format!("that offers {wanted}"));
                }
                if let Some(wanted) = conditions.quotes {
                    say(if wanted {
                        "in reply to the last".to_owned()
                    } else {
                        "in reply to nothing".to_owned()
                    });
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::show::tests::interactive;

    fn expect(json: &str) -> Expect {
        let form: ExpectForm = serde_json::from_str(json).unwrap();
        form.understand(Duration::from_secs(1)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn message(body: Body) -> Seen {
        Seen::Message { body, quotes: None }
    }

    fn text(text: &str) -> Seen {
        message(Body::Text {
            body: text.into(),
            preview_url: false,
        })
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let order = || text("Order 17 is ready");
        for json in [
            "{}",
            r#"{"type":"text"}"#,
            r#"{"contains":"ready"}"#,
            r#"{"matches":"^Order \\d+ is"}"#,
            r#"{"text":"Order 17 is ready","contains":"17","type":"text"}"#,
            r#"{"quotes":false}"#,
        ] {
            assert!(expect(json).is_met_by(&order(), None), "{json}");
        }
        for json in [
            r#"{"type":"image"}"#,
            r#"{"contains":"ready","type":"image"}"#,
            r#"{"text":"Order 17"}"#,
            r#"{"matches":"^ready"}"#,
            r#"{"offers":"Small"}"#,
            r#"{"quotes":true}"#,
            r#"{"reaction":"any"}"#,
            r#"{"typing":true}"#,
        ] {
            assert!(!expect(json).is_met_by(&order(), None), "{json}");
        }
    }

    #[test]
    fn buttons_replies_and_the_rest() {
        let buttons = message(Body::Interactive(Box::new(interactive())));
        assert!(expect(r#"{"type":"interactive","buttons":["Small","Large"]}"#).is_met_by(&buttons, None));
        assert!(!expect(r#"{"buttons":["Small"]}"#).is_met_by(&buttons, None));
        assert!(expect(r#"{"offers":"Large","contains":"Which one?"}"#).is_met_by(&buttons, None));
        let id = MessageId::new([1; 16]);
        let reply = Seen::Message {
            body: Body::RequestWelcome,
            quotes: Some(id),
        };
        assert!(expect(r#"{"quotes":true}"#).is_met_by(&reply, Some(id)));
        assert!(!expect(r#"{"quotes":true}"#).is_met_by(&reply, None));
        let reaction = Seen::Reaction { emoji: "👍".to_owned() };
        assert!(expect(r#"{"reaction":"any"}"#).is_met_by(&reaction, None));
        assert!(expect(r#"{"reaction":"👍"}"#).is_met_by(&reaction, None));
        assert!(!expect(r#"{"reaction":"🎉"}"#).is_met_by(&reaction, None));
        assert!(expect(r#"{"typing":true}"#).is_met_by(&Seen::Typing, None));
        assert!(expect(r#"{"revoked":true}"#).is_met_by(&Seen::Revoked, None));
        assert!(expect(r#"{"edited":"any"}"#).is_met_by(&Seen::Edited { text: "x".to_owned() }, None));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for json in [
            r#"{"typing":true,"contains":"x"}"#,
            r#"{"typing":true,"status":"read"}"#,
            r#"{"matches":"("}"#,
        ] {
            let form: ExpectForm = serde_json::from_str(json).unwrap();
            assert!(form.understand(Duration::ZERO).is_err(), "{json}");
        }
        assert_eq!(
            expect(r#"{"type":"text","contains":"x"}"#).describe(),
            "a message of type text that contains \"x\""
        );
        assert_eq!(expect(r#"{"status":"read"}"#).describe(), "the last message to be read");
    }
}
