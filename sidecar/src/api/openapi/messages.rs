//! `POST /{number}/messages`: every kind of message, with an example of each.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, list, object, of, text, text_of, word},
};

const SENDING: &str = "\
Answers once the message is durable; what becomes of it comes as statuses to the webhook. Messages of one consumer go in the order in which they \
were accepted.\n\n\
With `status: read` instead of a message, the consumer's message and those before it are marked read; `typing_indicator` shows the business \
as typing for up to 25 seconds.";
const KEY: &str =
    "Sent again with the same key within the retention time, the request is answered as it was the first time, and nothing is sent.";

pub(super) fn operations() -> Vec<Operation> {
    let accepted = json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": "15550123", "wa_id": "15550123"}],
        "messages": [{"id": "wamid.HBgLMTU1NTAxMjM"}],
    });
    let template = json!({
        "messaging_product": "whatsapp", "to": "15550123", "type": "template",
        "template": {"name": "order_sent", "language": {"code": "en_US"}, "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
        ]},
    });
    vec![
        Operation::post("/{phone_number_id}/messages", "sendMessage", "Send a message, or mark one read")
            .text(SENDING)
            .header(
                "Idempotency-Key",
                json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
                KEY,
            )
            .json(of("Send"), examples())
            .answers(
                json!({"anyOf": [of("Accepted"), of("Success")]}),
                [("accepted", accepted.clone()), ("marked read", json!({"success": true}))],
            ),
        Operation::post(
            "/{phone_number_id}/marketing_messages",
            "sendMarketingMessage",
            "Send a marketing template",
        )
        .json(of("Send"), [("template", template)])
        .answers(of("Accepted"), [("accepted", accepted)]),
    ]
}

fn message(kind: &str, body: &Value) -> Value {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "15550123", "type": kind, kind: body})
}

fn interactive(kind: &str, body: &str, action: &Value) -> Value {
    message("interactive", &json!({"type": kind, "body": {"text": body}, "action": action}))
}

fn examples() -> [(&'static str, Value); 16] {
    let mut reply = message("text", &json!({"body": "Yes, until six."}));
    reply["context"] = json!({"message_id": "wamid.HBgLMTU1NTAxMjM"});
    reply["biz_opaque_callback_data"] = json!("order 17");
    let buttons = json!({"buttons": [
        {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}, {"type": "reply", "reply": {"id": "no", "title": "No"}},
    ]});
    let rows = json!({"button": "Choose", "sections": [{"title": "Today", "rows": [{"id": "10", "title": "Ten", "description": "in the morning"}]}]});
    let link = json!({"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com/17"}});
    let flow = json!({"name": "flow", "parameters": {
        "flow_message_version": "3", "flow_id": "123456", "flow_cta": "Start", "flow_token": "t-1", "flow_action": "navigate",
        "flow_action_payload": {"screen": "FIRST"},
    }});
    [
        (
            "text",
            message("text", &json!({"body": "Hello from the business", "preview_url": false})),
        ),
        ("reply", reply),
        (
            "image by link",
            message("image", &json!({"link": "https://example.com/a.png", "caption": "As promised"})),
        ),
        (
            "document by id",
            message("document", &json!({"id": "1013859600285441", "filename": "bill.pdf"})),
        ),
        ("voice", message("audio", &json!({"id": "1013859600285441", "voice": true}))),
        ("sticker", message("sticker", &json!({"id": "1013859600285441"}))),
        (
            "location",
            message(
                "location",
                &json!({"latitude": 52.2297, "longitude": 21.0122, "name": "Office", "address": "Main street 1"}),
            ),
        ),
        (
            "contacts",
            message(
                "contacts",
                &json!([{"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+15550123", "type": "WORK"}]}]),
            ),
        ),
        (
            "reaction",
            message("reaction", &json!({"message_id": "wamid.HBgLMTU1NTAxMjM", "emoji": "👍"})),
        ),
        ("buttons", interactive("button", "Is ten o'clock all right?", &buttons)),
        ("list", interactive("list", "When?", &rows)),
        ("link button", interactive("cta_url", "Your order", &link)),
        (
            "location request",
            interactive("location_request_message", "Where are you?", &json!({"name": "send_location"})),
        ),
        ("flow", interactive("flow", "Fill in", &flow)),
        (
            "template",
            message(
                "template",
                &json!({"name": "order_sent", "language": {"code": "en_US"}, "components": [
                    {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
                ]}),
            ),
        ),
        (
            "read and typing",
            json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.HBgLMTU1NTAxMjM", "typing_indicator": {"type": "text"}}),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let degrees = |most: i32| json!({"type": "number", "minimum": -most, "maximum": most});
    let file = |more: Vec<(&str, Value)>| {
        let mut schema = object(
            0,
            [
                ("id", json!({"type": "string", "description": "Of a file that was uploaded."})),
                (
                    "link",
                    json!({"type": "string", "format": "uri", "description": "From which it is fetched instead."}),
                ),
            ],
        );
        for (name, member) in more {
            schema["properties"][name] = member;
        }
        schema["anyOf"] = json!([{"required": ["id"]}, {"required": ["link"]}]);
        schema
    };
    let caption = ("caption", text_of(1024));
    let kinds = [
        "text",
        "image",
        "audio",
        "video",
        "document",
        "sticker",
        "location",
        "contacts",
        "reaction",
        "interactive",
        "template",
    ];
    let send = object(
        1,
        [
            ("messaging_product", json!({"const": "whatsapp"})),
            ("recipient_type", word(&["individual"])),
            (
                "to",
                json!({"type": "string", "description": "The consumer's number with its calling code; `+`, spaces and hyphens may be there."}),
            ),
            (
                "recipient",
                json!({"type": "string", "description": "The consumer's `user_id` instead; `to` wins."}),
            ),
            ("type", json!({"type": "string", "enum": kinds, "default": "text"})),
            ("context", object(1, [("message_id", text())])),
            (
                "biz_opaque_callback_data",
                json!({"type": "string", "maxLength": 512, "description": "Comes back in the statuses."}),
            ),
            (
                "recipient_identity_key_hash",
                json!({"type": "string", "description": "Deliver only while this is the consumer's identity."}),
            ),
            ("text", of("TextMessage")),
            ("image", file(vec![caption.clone()])),
            ("audio", file(vec![("voice", flag())])),
            ("video", file(vec![caption.clone()])),
            ("document", file(vec![caption, ("filename", text_of(240))])),
            ("sticker", file(Vec::new())),
            (
                "location",
                object(
                    2,
                    [
                        ("latitude", degrees(90)),
                        ("longitude", degrees(180)),
                        ("name", text()),
                        ("address", text()),
                    ],
                ),
            ),
            ("contacts", json!({"type": "array", "minItems": 1, "items": of("Card")})),
            (
                "reaction",
                object(
                    2,
                    [
                        ("message_id", text()),
                        ("emoji", json!({"type": "string", "description": "Empty takes it back."})),
                    ],
                ),
            ),
            ("interactive", of("Interactive")),
            ("template", of("TemplateMessage")),
            ("status", word(&["read"])),
            ("message_id", text()),
            ("typing_indicator", object(1, [("type", word(&["text"]))])),
        ],
    );
    let named = |name: &str| object(1, [(name, text())]);
    let card = object(
        1,
        [
            (
                "name",
                object(1, [("formatted_name", text()), ("first_name", text()), ("last_name", text())]),
            ),
            ("phones", list(&named("phone"))),
            ("emails", list(&named("email"))),
            ("urls", list(&named("url"))),
            ("addresses", list(&json!({"type": "object"}))),
            ("org", json!({"type": "object"})),
            ("birthday", json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})),
        ],
    );
    let interactive_kinds = [
        "button",
        "list",
        "cta_url",
        "location_request_message",
        "flow",
        "product",
        "product_list",
        "catalog_message",
        "carousel",
        "request_contact_info",
        "address_message",
        "call_permission_request",
        "voice_call",
    ];
    let interactive = object(
        2,
        [
            ("type", word(&interactive_kinds)),
            ("action", json!({"type": "object"})),
            ("body", object(1, [("text", text_of(4096))])),
            (
                "header",
                object(1, [("type", word(&["text", "image", "video", "document"])), ("text", text_of(60))]),
            ),
            ("footer", object(1, [("text", text_of(60))])),
        ],
    );
    let parameter = json!({"type": "object", "properties": {"type": text(), "text": text(), "parameter_name": text()}});
    let component = object(
        1,
        [
            (
                "type",
                json!({"type": "string", "description": "`header`, `body` or `button`, in any case."}),
            ),
            ("sub_type", text()),
            ("index", json!({"type": ["integer", "string"]})),
            ("parameters", list(&parameter)),
        ],
    );
    let template = object(
        2,
        [
            ("name", text_of(512)),
            ("language", object(1, [("code", text())])),
            ("components", list(&component)),
        ],
    );
    let accepted = object(
        3,
        [
            ("messaging_product", json!({"const": "whatsapp"})),
            (
                "contacts",
                list(&object(1, [("input", text()), ("wa_id", text()), ("user_id", text())])),
            ),
            (
                "messages",
                list(&object(
                    1,
                    [
                        ("id", json!({"type": "string", "pattern": "^wamid\\."})),
                        ("message_status", text()),
                    ],
                )),
            ),
        ],
    );
    vec![
        ("Send", send),
        (
            "TextMessage",
            object(
                1,
                [
                    ("body", json!({"type": "string", "minLength": 1, "maxLength": 4096})),
                    ("preview_url", flag()),
                ],
            ),
        ),
        ("Card", card),
        ("Interactive", interactive),
        ("TemplateMessage", template),
        ("Accepted", accepted),
    ]
}
