//! The answer to a message that is accepted.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::shape::{Product, Success};
use crate::message::{self, Addressee};

/// A message is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted<'a> {
    messaging_product: Product,
    #[schema(inline)]
    contacts: [Contact; 1],
    #[schema(inline)]
    messages: [Sent<'a>; 1],
}

/// What the edge answers: a message is on its way, or one is marked read.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Answered {
    Accepted(Accepted<'static>),
    Read(Success),
}

/// Whom a message goes to.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Contact {
    /// As the request wrote it.
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Sent<'a> {
    /// `wamid.`, and what only this system can read.
    id: &'a str,
    /// Where templates are paced: `accepted`, or `held_for_quality_assessment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_status: Option<&'static str>,
}

/// Whom a message goes to, as the answer says it; made before the message is given away.
pub(in crate::api) fn contact(input: &str, to: &Addressee) -> Contact {
    let (wa_id, user_id) = match to {
        Addressee::Number(number) => (Some(number.wa_id().to_owned()), None),
        Addressee::UserId(user_id) => (None, Some(user_id.as_str().to_owned())),
    };
    Contact {
        input: input.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').collect(),
        wa_id,
        user_id,
    }
}

/// The answer to a send.
pub(in crate::api) fn accepted(contact: Contact, accepted: &message::Accepted) -> Vec<u8> {
    let answer = Accepted {
        messaging_product: Product::Whatsapp,
        contacts: [contact],
        messages: [Sent {
            id: accepted.wamid.as_str(),
            message_status: accepted.message_status.map(message::MessageStatus::as_str),
        }],
    };
    // Texts into memory always serialize.
    serde_json::to_vec(&answer).unwrap_or_default()
}
