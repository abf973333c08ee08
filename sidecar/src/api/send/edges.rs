//! The edges that messages come to, with an example of every kind of message.

use http::HeaderMap;
use utoipa::{
    OpenApi,
    openapi::{Object, ObjectBuilder, Type},
};

use super::{
    super::{GraphError, idempotency},
    Command, Edge,
    answer::{Accepted, Answered},
    parse,
    shape::Send,
};

#[derive(OpenApi)]
#[openapi(paths(message, marketing_message), tags((name = "Messages", description = "Sending, read marks, typing.")))]
pub(in crate::api) struct Described;

/// What a request may say beside its body.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
struct Once {
    #[param(rename = "Idempotency-Key", schema_with = key)]
    key: Option<String>,
}

fn key() -> Object {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]+$"));
    let key = key.min_length(Some(1)).max_length(Some(idempotency::MAX_BYTES));
    key.description(Some(
        "Sent again with the same key within the retention time, the request is answered as it was the first time, and nothing is sent.",
    ))
    .build()
}

/// Send a message, or mark one read.
///
/// Answers once the message is durable; what becomes of it comes as statuses to the webhook. Messages of one consumer go in the order in which
/// they were accepted.
///
/// With `status: read` instead of a message, the consumer's message and those before it are marked read; `typing_indicator` shows the business
/// as typing for up to 25 seconds.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/messages",
    operation_id = "sendMessage",
    params(Once),
    request_body(content = Send, examples(
        ("text" = (value = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "15550123", "type": "text",
            "text": {"body": "Hello from the business", "preview_url": false},
        }))),
        ("reply" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "text", "text": {"body": "Yes, until six."},
            "context": {"message_id": "wamid.HBgLMTU1NTAxMjM"}, "biz_opaque_callback_data": "order 17",
        }))),
        ("image by link" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "image",
            "image": {"link": "https://example.com/a.png", "caption": "As promised"},
        }))),
        ("document by id" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "document",
            "document": {"id": "1013859600285441", "filename": "bill.pdf"},
        }))),
        ("voice" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "audio", "audio": {"id": "1013859600285441", "voice": true},
        }))),
        ("sticker" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "sticker", "sticker": {"id": "1013859600285441"},
        }))),
        ("location" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "location",
            "location": {"latitude": 52.2297, "longitude": 21.0122, "name": "Office", "address": "Main street 1"},
        }))),
        ("contacts" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "contacts",
            "contacts": [{"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+15550123", "type": "WORK"}]}],
        }))),
        ("reaction" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "reaction",
            "reaction": {"message_id": "wamid.HBgLMTU1NTAxMjM", "emoji": "👍"},
        }))),
        ("buttons" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "interactive",
            "interactive": {"type": "button", "body": {"text": "Is ten o'clock all right?"}, "action": {"buttons": [
                {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}, {"type": "reply", "reply": {"id": "no", "title": "No"}},
            ]}},
        }))),
        ("list" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "interactive",
            "interactive": {"type": "list", "body": {"text": "When?"}, "action": {"button": "Choose", "sections": [
                {"title": "Today", "rows": [{"id": "10", "title": "Ten", "description": "in the morning"}]},
            ]}},
        }))),
        ("link button" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "interactive",
            "interactive": {"type": "cta_url", "body": {"text": "Your order"}, "action": {
                "name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com/17"},
            }},
        }))),
        ("location request" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "interactive",
            "interactive": {"type": "location_request_message", "body": {"text": "Where are you?"}, "action": {"name": "send_location"}},
        }))),
        ("flow" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "interactive",
            "interactive": {"type": "flow", "body": {"text": "Fill in"}, "action": {"name": "flow", "parameters": {
                "flow_message_version": "3", "flow_id": "123456", "flow_cta": "Start", "flow_token": "t-1", "flow_action": "navigate",
                "flow_action_payload": {"screen": "FIRST"},
            }}},
        }))),
        ("template" = (value = json!({
            "messaging_product": "whatsapp", "to": "15550123", "type": "template",
            "template": {"name": "order_sent", "language": {"code": "en_US"}, "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
            ]},
        }))),
        ("read and typing" = (value = json!({
            "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.HBgLMTU1NTAxMjM", "typing_indicator": {"type": "text"},
        })))
    )),
    responses((status = 200, body = Answered, examples(
        ("accepted" = (value = json!({
            "messaging_product": "whatsapp", "contacts": [{"input": "15550123", "wa_id": "15550123"}],
            "messages": [{"id": "wamid.HBgLMTU1NTAxMjM"}],
        }))),
        ("marked read" = (value = json!({"success": true})))
    )))
)]
pub(in crate::api) fn message(headers: &HeaderMap, body: &[u8]) -> Result<Command, GraphError> {
    parse(headers, body, Edge::Messages)
}

/// Send a marketing template.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/marketing_messages",
    operation_id = "sendMarketingMessage",
    params(Once),
    request_body(content = Send, examples(("template" = (value = json!({
        "messaging_product": "whatsapp", "to": "15550123", "type": "template",
        "template": {"name": "order_sent", "language": {"code": "en_US"}, "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
        ]},
    }))))),
    responses((status = 200, body = Accepted<'_>, examples(("accepted" = (value = json!({
        "messaging_product": "whatsapp", "contacts": [{"input": "15550123", "wa_id": "15550123"}],
        "messages": [{"id": "wamid.HBgLMTU1NTAxMjM"}],
    }))))))
)]
pub(in crate::api) fn marketing_message(headers: &HeaderMap, body: &[u8]) -> Result<Command, GraphError> {
    parse(headers, body, Edge::MarketingMessages)
}
