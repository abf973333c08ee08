//! `POST /{number}/messages`.
//!
//! Purpose: turns a request's JSON into a [`Command`] or into the error that says which member is wrong and why; writes the answers. Pure:
//! bytes in, values out. Errors never repeat what a member said.

mod answer;
mod contacts;
mod edges;
mod emoji;
mod interactive;
mod media;
mod node;
mod shape;
mod template;

use std::borrow::Cow;

use http::HeaderMap;
use serde::de::Deserialize;
use serde_json::Value;
use waxseal_content::Text;

use self::node::Node;
use super::{
    GraphError, idempotency,
    json::{Object, Raw, Scalar, members},
    recipient,
};
use crate::{
    id::Wamid,
    message::{Addressee, Outbound, OutboundBody},
};

pub(super) use self::{
    answer::{accepted, contact},
    edges::{Described, marketing_message, message},
};

/// The longest text, in characters.
const TEXT_CHARS: usize = 4096;
/// The longest `biz_opaque_callback_data`, in characters.
const OPAQUE_CHARS: usize = 512;
/// Longer than any hash of an identity key, in characters.
const HASH_CHARS: usize = 128;

/// What a request asks for.
pub(super) enum Command {
    /// Send a message.
    Send {
        /// The message.
        message: Box<Outbound>,
        /// `to` as the client wrote it, for the answer.
        input: String,
    },
    /// Mark a message as read.
    MarkRead {
        /// The message.
        message: Wamid,
        /// Whether to show that an answer is being written.
        typing: bool,
    },
}

members! {
    struct Request<'a> {
        messaging_product: Scalar<'a> = "messaging_product",
        recipient_type: Scalar<'a> = "recipient_type",
        to: Scalar<'a> = "to",
        recipient: Scalar<'a> = "recipient",
        kind: Scalar<'a> = "type",
        text: Object<TextMember<'a>> = "text",
        reaction: Object<ReactionMember<'a>> = "reaction",
        image: Raw<'a> = "image",
        audio: Raw<'a> = "audio",
        video: Raw<'a> = "video",
        document: Raw<'a> = "document",
        sticker: Raw<'a> = "sticker",
        location: Raw<'a> = "location",
        contacts: Raw<'a> = "contacts",
        interactive: Raw<'a> = "interactive",
        template: Raw<'a> = "template",
        context: Object<ContextMember<'a>> = "context",
        biz_opaque_callback_data: Scalar<'a> = "biz_opaque_callback_data",
        recipient_identity_key_hash: Scalar<'a> = "recipient_identity_key_hash",
        status: Scalar<'a> = "status",
        message_id: Scalar<'a> = "message_id",
        typing_indicator: Object<TypingMember<'a>> = "typing_indicator",
    }
}
members! {
    struct TextMember<'a> { body: Scalar<'a> = "body", preview_url: Scalar<'a> = "preview_url", }
}
members! {
    struct ReactionMember<'a> { message_id: Scalar<'a> = "message_id", emoji: Scalar<'a> = "emoji", }
}
members! {
    struct ContextMember<'a> { message_id: Scalar<'a> = "message_id", }
}
members! {
    struct TypingMember<'a> { kind: Scalar<'a> = "type", }
}

impl<'a> Request<'a> {
    /// The members that are named like types and have trees of their own.
    const fn typed(&self) -> Typed<'a> {
        [
            ("image", self.image),
            ("audio", self.audio),
            ("video", self.video),
            ("document", self.document),
            ("sticker", self.sticker),
            ("location", self.location),
            ("contacts", self.contacts),
            ("interactive", self.interactive),
            ("template", self.template),
        ]
    }
}

type Typed<'a> = [(&'static str, Raw<'a>); 9];

/// Which of the number's edges a request came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// `messages`: everything.
    Messages,
    /// `marketing_messages`: templates.
    MarketingMessages,
}

/// Reads a request.
///
/// # Errors
/// The Graph error to answer with.
pub(super) fn parse(headers: &HeaderMap, body: &[u8], edge: Edge) -> Result<Command, GraphError> {
    let request = read(headers, body)?;
    let typed = request.typed();
    match required(request.messaging_product, "messaging_product")? {
        product if product.eq_ignore_ascii_case("whatsapp") => {}
        _ => return Err(GraphError::invalid("messaging_product must be \"whatsapp\".")),
    }
    if let Some(status) = text(request.status, "status")? {
        if edge == Edge::MarketingMessages {
            return Err(GraphError::invalid(
                "status is for the messages edge; marketing_messages takes templates.",
            ));
        }
        return mark_read(&status, request.message_id, request.typing_indicator);
    }
    match text(request.recipient_type, "recipient_type")?.as_deref() {
        None => {}
        Some(kind) if kind.eq_ignore_ascii_case("individual") => {}
        Some(kind) if kind.eq_ignore_ascii_case("group") => {
            return Err(GraphError::invalid(
                "recipient_type \"group\" is not served: a message goes to one consumer, \"individual\".",
            ));
        }
        Some(_) => return Err(GraphError::invalid("recipient_type must be \"individual\".")),
    }
    let (to, input) = addressee(request.to, request.recipient)?;
    let (body, said, quoted) = match text(request.kind, "type")?.as_deref() {
        Some(kind) if edge == Edge::MarketingMessages && !kind.eq_ignore_ascii_case("template") => {
            return Err(GraphError::invalid("type must be \"template\" at marketing_messages."));
        }
        None if edge == Edge::Messages => (text_body(request.text)?, Value::Null, quoted(request.context)?),
        Some(kind) if kind.eq_ignore_ascii_case("text") => (text_body(request.text)?, Value::Null, quoted(request.context)?),
        Some(kind) if kind.eq_ignore_ascii_case("reaction") => (reaction_body(request.reaction)?, Value::Null, None),
        kind => {
            let (body, said) = typed_body(kind.unwrap_or("template"), typed)?;
            (body, said, quoted(request.context)?)
        }
    };
    let identity_key_hash = bounded(
        text(request.recipient_identity_key_hash, "recipient_identity_key_hash")?,
        HASH_CHARS,
        "recipient_identity_key_hash",
    )?;
    if identity_key_hash.as_ref().is_some_and(|hash| hash.is_empty()) {
        return Err(GraphError::value("recipient_identity_key_hash must not be empty."));
    }
    let opaque = bounded(
        text(request.biz_opaque_callback_data, "biz_opaque_callback_data")?,
        OPAQUE_CHARS,
        "biz_opaque_callback_data",
    )?;
    let mut message = Outbound {
        to,
        body,
        quoted,
        opaque_callback_data: opaque.filter(|data| !data.is_empty()).map(|data| Text::new(data.into_owned())),
        identity_key_hash: identity_key_hash.map(|hash| Text::new(hash.into_owned())),
        idempotency_key: None,
    };
    message.idempotency_key = idempotency::key(headers, &message, &said)?;
    Ok(Command::Send {
        message: Box::new(message),
        input,
    })
}

fn read<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Request<'a>, GraphError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(GraphError::invalid("The request body is empty; it must be a JSON object."));
    }
    let encoding = headers.get(http::header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(GraphError::invalid("Content-Encoding is not served for requests; send plain JSON."));
    }
    let malformed = |error: &serde_json::Error| {
        // The reader's own words may repeat the request.
        GraphError::invalid(format!(
            "The request body is not valid JSON in UTF-8 (line {}, column {}).",
            error.line(),
            error.column()
        ))
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let object = Object::<Request<'a>>::deserialize(&mut reader).map_err(|error| malformed(&error))?;
    reader.end().map_err(|error| malformed(&error))?;
    match object {
        Object::Is(request) => Ok(request),
        Object::Absent | Object::Other => Err(GraphError::invalid("The request body must be a JSON object.")),
    }
}

fn mark_read(status: &str, message_id: Scalar<'_>, typing: Object<TypingMember<'_>>) -> Result<Command, GraphError> {
    if !status.eq_ignore_ascii_case("read") {
        return Err(GraphError::invalid("status must be \"read\"."));
    }
    let message = wamid(message_id, "message_id")?;
    let typing = match object(typing, "typing_indicator")? {
        None => false,
        Some(indicator) => match required(indicator.kind, "typing_indicator.type")? {
            kind if kind.eq_ignore_ascii_case("text") => true,
            _ => return Err(GraphError::invalid("typing_indicator.type must be \"text\".")),
        },
    };
    Ok(Command::MarkRead { message, typing })
}

fn addressee(to: Scalar<'_>, recipient: Scalar<'_>) -> Result<(Addressee, String), GraphError> {
    if let Some(to) = text(to, "to")? {
        return Ok((Addressee::Number(recipient::parse(&to)?), to.into_owned()));
    }
    match text(recipient, "recipient")? {
        Some(user_id) => Ok((Addressee::UserId(recipient::user_id(&user_id)?), user_id.into_owned())),
        None => Err(GraphError::missing("to or recipient is required.")),
    }
}

/// The body of a type that has a tree of its own, and the tree.
fn typed_body(kind: &str, typed: Typed<'_>) -> Result<(OutboundBody, Value), GraphError> {
    let Some((name, raw)) = typed.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)) else {
        return Err(GraphError::unsupported_type(match kind.eq_ignore_ascii_case("pin") {
            true => "type \"pin\" is for groups, which are not served.",
            false => "type is no type of message that the Cloud API has.",
        }));
    };
    let Some(json) = raw.0 else {
        return Err(GraphError::missing(format!("{name} is required for type \"{name}\".")));
    };
    let said = match node::tree(json, name)? {
        // whatsapp-api-js writes the cards as JSON within a text.
        Value::String(cards) if name == "contacts" => node::tree(&cards, name)?,
        said => said,
    };
    let node = Node::new(&said, name);
    let body = match (name, media::kind(name)) {
        (_, Some(kind)) => OutboundBody::Media(Box::new(media::attachment(node, kind)?)),
        ("location", _) => OutboundBody::Location(Box::new(media::location(node)?)),
        ("contacts", _) => OutboundBody::Contacts(contacts::parse(&node)?),
        ("interactive", _) => OutboundBody::Interactive(Box::new(interactive::parse(node)?)),
        _ => OutboundBody::Template(Box::new(template::parse(node)?)),
    };
    Ok((body, said))
}

fn text_body(member: Object<TextMember<'_>>) -> Result<OutboundBody, GraphError> {
    let Some(member) = object(member, "text")? else {
        return Err(GraphError::missing(
            "text is required for type \"text\", which is also the type if none is given.",
        ));
    };
    let body = required(member.body, "text.body")?;
    if body.is_empty() {
        return Err(GraphError::value("text.body must not be empty."));
    }
    let body = bounded(Some(body), TEXT_CHARS, "text.body")?.unwrap_or_default();
    let preview_url = match member.preview_url.into_flag() {
        Ok(flag) => flag.unwrap_or(false),
        Err(()) => return Err(GraphError::invalid("text.preview_url must be true or false.")),
    };
    Ok(OutboundBody::Text {
        body: Text::new(body.into_owned()),
        preview_url,
    })
}

fn reaction_body(member: Object<ReactionMember<'_>>) -> Result<OutboundBody, GraphError> {
    let Some(member) = object(member, "reaction")? else {
        return Err(GraphError::missing("reaction is required for type \"reaction\"."));
    };
    let message = wamid(member.message_id, "reaction.message_id")?;
    let emoji = required(member.emoji, "reaction.emoji")?;
    if !emoji.is_empty() && !emoji::is_one(&emoji) {
        return Err(GraphError::value(
            "reaction.emoji must be one emoji, or empty to take the reaction back.",
        ));
    }
    Ok(OutboundBody::Reaction {
        message,
        emoji: Text::new(emoji.into_owned()),
    })
}

fn quoted(member: Object<ContextMember<'_>>) -> Result<Option<Wamid>, GraphError> {
    match object(member, "context")? {
        None => Ok(None),
        Some(context) if matches!(context.message_id, Scalar::Absent) => Ok(None),
        Some(context) => wamid(context.message_id, "context.message_id").map(Some),
    }
}

fn wamid(value: Scalar<'_>, name: &'static str) -> Result<Wamid, GraphError> {
    Wamid::parse(&required(value, name)?).map_err(|_| {
        GraphError::value(format!(
            "{name} is no message id of this phone number: such ids start with \"wamid.\"."
        ))
    })
}

fn text<'a>(value: Scalar<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, GraphError> {
    value
        .into_text()
        .map_err(|()| GraphError::invalid(format!("{name} must be a string.")))
}

fn required<'a>(value: Scalar<'a>, name: &'static str) -> Result<Cow<'a, str>, GraphError> {
    text(value, name)?.ok_or_else(|| GraphError::missing(format!("{name} is required.")))
}

fn object<T>(value: Object<T>, name: &'static str) -> Result<Option<T>, GraphError> {
    match value {
        Object::Absent => Ok(None),
        Object::Is(members) => Ok(Some(members)),
        Object::Other => Err(GraphError::invalid(format!("{name} must be a JSON object."))),
    }
}

fn bounded<'a>(value: Option<Cow<'a, str>>, chars: usize, name: &'static str) -> Result<Option<Cow<'a, str>>, GraphError> {
    match value {
        // Characters are never more than bytes, and most texts are short enough for that to settle it.
        Some(text) if text.len() > chars && text.chars().count() > chars => {
            Err(GraphError::invalid(format!("{name} must be at most {chars} characters long.")))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests;
