//! What a business sends.

use waxseal_content::{Contacts, Location, PhoneNumber, Text};

use super::{
    attachment::{Attachment, Header},
    template,
};
use crate::{id::Wamid, limits::Quota};

/// One message of the business to one consumer.
pub struct Outbound {
    /// The consumer.
    pub to: Addressee,
    /// What it says.
    pub body: OutboundBody,
    /// The message it answers.
    pub quoted: Option<Wamid>,
    /// Echoed in every status of this message; at most 512 characters.
    pub opaque_callback_data: Option<Text>,
    /// The message is for whoever has the identity key of this hash, and for nobody else.
    pub identity_key_hash: Option<Text>,
    /// Given when the business wants a repeated request to be one message.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// How a business names a consumer.
#[derive(Clone, PartialEq, Eq)]
pub enum Addressee {
    /// By phone number.
    Number(PhoneNumber),
    /// By business-scoped user id: known only while the consumer's conversation is.
    UserId(String),
}

/// What a message of the business says. What belongs to it but is not in the request (files, templates) is only named.
pub enum OutboundBody {
    /// Text, at most 4096 characters.
    Text {
        /// The text.
        body: Text,
        /// Whether the consumer's client may show a preview of the first link.
        preview_url: bool,
    },
    /// An emoji on a message; an empty one takes the reaction back.
    Reaction {
        /// The message reacted to.
        message: Wamid,
        /// One emoji or nothing.
        emoji: Text,
    },
    /// A file.
    Media(Box<Attachment>),
    /// A place.
    Location(Box<Location>),
    /// Address cards.
    Contacts(Contacts),
    /// Something to choose from or to press.
    Interactive(Box<Interactive>),
    /// A template, with what is to be filled in.
    Template(Box<template::Call>),
}

/// Something to choose from or to press.
pub struct Interactive {
    /// All of it but the header, which is empty here.
    pub content: waxseal_content::Interactive,
    /// What stands above the body.
    pub header: Option<Header>,
}

/// The `Idempotency-Key` of a request and what the request said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// SHA-256 of the header's value.
    pub key: [u8; 32],
    /// SHA-256 of what the request means; another fingerprint under the same key is [`super::Refusal::IdempotencyMismatch`].
    pub fingerprint: [u8; 32],
}

/// The message is durable and will be delivered, or reported as failed.
pub struct Accepted {
    /// Its id.
    pub wamid: Wamid,
    /// Templates: what becomes of it now.
    pub message_status: Option<MessageStatus>,
    /// What is left of the limits.
    pub quota: Quota,
}

/// What becomes of a template that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStatus {
    /// It goes out.
    Accepted,
    /// It waits until the quality of its template is known.
    HeldForQualityAssessment,
    /// Its template is paused.
    Paused,
}

impl MessageStatus {
    /// The Cloud API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::HeldForQualityAssessment => "held_for_quality_assessment",
            Self::Paused => "paused",
        }
    }
}
