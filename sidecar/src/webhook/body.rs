//! The bodies of webhooks.
//!
//! Purpose: one event, one body: the documented envelope with its members in a fixed order, as [`super::ascii`] writes it. `contacts` with
//! `wa_id` and `user_id` stands in every one: clients drop an update without it and answer 200. The bytes are made once and kept with the
//! event; attempts never serialize anew. Pure.

mod error;
mod member;
mod notice;

use serde::Serialize;
use waxseal_content::{PhoneNumber, Text};
use zeroize::Zeroizing;

use self::{error::Error, member::Message};
use super::ascii;
use crate::message::{FailureReason, InboundMessage, NumberFacts, Status, StatusUpdate};

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
        let consumer = Consumer {
            number: &message.from,
            user_id: &message.user_id,
            name: message.profile_name.as_ref(),
            identity_key_hash: message.identity_key_hash.as_deref(),
        };
        self.write(&consumer, Some([Message::new(message)]), None)
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
            Status::Played => ("played", None),
            Status::Failed(reason) => ("failed", Some([error::of(reason)])),
        };
        let member = StatusMember {
            id: update.wamid.as_str(),
            status,
            timestamp: update.timestamp_s.to_string(),
            recipient_id: update.recipient.wa_id(),
            recipient_user_id: &update.user_id,
            recipient_identity_key_hash: update.identity_key_hash.as_deref(),
            biz_opaque_callback_data: update.opaque_callback_data.as_ref().map(Text::reveal),
            errors,
        };
        let consumer = Consumer {
            number: &update.recipient,
            user_id: &update.user_id,
            name: None,
            identity_key_hash: None,
        };
        self.write(&consumer, None, Some([member]))
    }

    fn write(
        &self,
        consumer: &Consumer<'_>,
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
                                name: consumer.name.map_or(consumer.number.wa_id(), Text::reveal),
                            },
                            wa_id: consumer.number.wa_id(),
                            user_id: consumer.user_id,
                            identity_key_hash: consumer.identity_key_hash,
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

/// Whom an event is about.
struct Consumer<'a> {
    number: &'a PhoneNumber,
    user_id: &'a str,
    name: Option<&'a Text>,
    identity_key_hash: Option<&'a str>,
}

/// Why a message failed, in words.
pub(crate) fn details(reason: FailureReason) -> &'static str {
    error::of(reason).details()
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
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_key_hash: Option<&'a str>,
}

#[derive(Serialize)]
struct Profile<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct StatusMember<'a> {
    id: &'a str,
    status: &'static str,
    timestamp: String,
    recipient_id: &'a str,
    recipient_user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_identity_key_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
}

#[cfg(test)]
mod tests;
