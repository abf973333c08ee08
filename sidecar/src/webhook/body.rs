//! The bodies of webhooks.
//!
//! Purpose: one event, one body: the documented envelope with its members in a fixed order, as [`super::ascii`] writes it. `contacts` with
//! `wa_id` and `user_id` stands in every one: clients drop an update without it and answer 200. The bytes are made once and kept with the
//! event; attempts never serialize anew. Pure.

mod notice;

use serde::Serialize;
use waxseal_content::{PhoneNumber, Text};
use zeroize::Zeroizing;

use super::ascii;
use crate::message::{FailureReason, InboundBody, InboundMessage, NumberFacts, Status, StatusUpdate};

/// What is the same in every body of one number.
pub struct Account {
    waba_id: String,
    display_phone_number: String,
    phone_number_id: String,
}

impl Account {
    /// As the number's facts say.
    #[must_use]
    pub fn new(facts: &NumberFacts) -> Self {
        Self {
            waba_id: facts.waba_id.clone(),
            display_phone_number: facts.phone_number.trim_start_matches('+').to_owned(),
            phone_number_id: facts.phone_number_id.clone(),
        }
    }

    /// The body for a consumer's message.
    ///
    /// # Errors
    /// None in practice: see [`ascii::to_vec`].
    pub fn message(&self, message: &InboundMessage) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let mut member = Message {
            context: message.context.as_ref().map(|context| Context {
                from: context.from.wa_id(),
                id: context.wamid.as_str(),
            }),
            from: message.from.wa_id(),
            from_user_id: &message.user_id,
            id: message.wamid.as_str(),
            timestamp: message.timestamp_s.to_string(),
            text: None,
            reaction: None,
            errors: None,
            r#type: "unsupported",
        };
        match &message.body {
            InboundBody::Text(body) => {
                member.text = Some(TextMember { body: body.reveal() });
                member.r#type = "text";
            }
            InboundBody::Reaction { message, emoji } => {
                member.reaction = Some(ReactionMember {
                    message_id: message.as_str(),
                    // As the Cloud API does it: a reaction taken back has no emoji.
                    emoji: Some(emoji.reveal()).filter(|emoji| !emoji.is_empty()),
                });
                member.r#type = "reaction";
            }
            InboundBody::Unsupported => member.errors = Some([UNSUPPORTED]),
        }
        self.write(&message.from, &message.user_id, message.profile_name.as_ref(), Some([member]), None)
    }

    /// The body for what became of a message.
    ///
    /// # Errors
    /// None in practice: see [`ascii::to_vec`].
    pub fn status(&self, update: &StatusUpdate) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let (status, errors) = match update.status {
            Status::Sent => ("sent", None),
            Status::Delivered => ("delivered", None),
            Status::Read => ("read", None),
            Status::Failed(reason) => ("failed", Some([error(reason)])),
        };
        let member = StatusMember {
            id: update.wamid.as_str(),
            status,
            timestamp: update.timestamp_s.to_string(),
            recipient_id: update.recipient.wa_id(),
            recipient_user_id: &update.user_id,
            biz_opaque_callback_data: update.opaque_callback_data.as_ref().map(Text::reveal),
            errors,
        };
        self.write(&update.recipient, &update.user_id, None, None, Some([member]))
    }

    fn write(
        &self,
        consumer: &PhoneNumber,
        user_id: &str,
        name: Option<&Text>,
        messages: Option<[Message<'_>; 1]>,
        statuses: Option<[StatusMember<'_>; 1]>,
    ) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        ascii::to_vec(&Envelope {
            object: "whatsapp_business_account",
            entry: [Entry {
                id: &self.waba_id,
                changes: [Change {
                    value: Value {
                        messaging_product: "whatsapp",
                        metadata: Metadata {
                            display_phone_number: &self.display_phone_number,
                            phone_number_id: &self.phone_number_id,
                        },
                        contacts: [Contact {
                            // Without a name the number stands in for it, as clients expect the member.
                            profile: Profile {
                                name: name.map_or(consumer.wa_id(), Text::reveal),
                            },
                            wa_id: consumer.wa_id(),
                            user_id,
                        }],
                        messages,
                        statuses,
                    },
                    field: "messages",
                }],
            }],
        })
    }
}

const UNSUPPORTED: Error = Error {
    code: 131_051,
    title: "Unsupported message type",
    message: "Unsupported message type",
    error_data: ErrorData {
        details: "Message type is not currently supported",
    },
    href: HREF,
};

const HREF: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

fn error(reason: FailureReason) -> Error {
    let undeliverable = (131_026, "Message undeliverable");
    let ((code, title), details) = match reason {
        FailureReason::UnknownRecipient => (undeliverable, "The transport knows no consumer of this phone number."),
        FailureReason::NoKeys => (undeliverable, "The consumer has published no keys to encrypt the message to."),
        FailureReason::CouldNotDecrypt => (
            undeliverable,
            "The consumer could not decrypt the message, however often it was encrypted anew.",
        ),
        FailureReason::DecryptionWindowOver => (
            (131_036, "Message could not be decrypted in time"),
            "The consumer could not decrypt the message, and nothing is kept of it to encrypt it anew: this number stores no messages.",
        ),
        FailureReason::Expired => (
            undeliverable,
            "The message expired: it could not be delivered within the retention time.",
        ),
        FailureReason::RelayRefused => (undeliverable, "The transport refused the message."),
        FailureReason::PairRateLimited => (
            (131_056, "(Business Account, Consumer Account) pair rate limit hit"),
            "Too many messages from this phone number to this consumer in a short time.",
        ),
        FailureReason::Internal => (
            (131_000, "Something went wrong"),
            "A fault of the sidecar kept the message from being sent.",
        ),
    };
    Error {
        code,
        title,
        message: title,
        error_data: ErrorData { details },
        href: HREF,
    }
}

/// Why a message failed, in words.
pub(crate) fn details(reason: FailureReason) -> &'static str {
    error(reason).error_data.details
}

#[derive(Serialize)]
struct Envelope<'a> {
    object: &'static str,
    entry: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    changes: [Change<'a>; 1],
}

#[derive(Serialize)]
struct Change<'a> {
    value: Value<'a>,
    field: &'static str,
}

#[derive(Serialize)]
struct Value<'a> {
    messaging_product: &'static str,
    metadata: Metadata<'a>,
    contacts: [Contact<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[Message<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<[StatusMember<'a>; 1]>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    display_phone_number: &'a str,
    phone_number_id: &'a str,
}

#[derive(Serialize)]
struct Contact<'a> {
    profile: Profile<'a>,
    wa_id: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
struct Profile<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context<'a>>,
    from: &'a str,
    from_user_id: &'a str,
    id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextMember<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<ReactionMember<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Context<'a> {
    from: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct TextMember<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct ReactionMember<'a> {
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
}

#[derive(Serialize)]
struct StatusMember<'a> {
    id: &'a str,
    status: &'static str,
    timestamp: String,
    recipient_id: &'a str,
    recipient_user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
}

#[derive(Serialize)]
struct Error {
    code: u32,
    title: &'static str,
    message: &'static str,
    error_data: ErrorData,
    href: &'static str,
}

#[derive(Serialize)]
struct ErrorData {
    details: &'static str,
}

#[cfg(test)]
mod tests;
