//! What a message says, for people (lines of text) and for programs (JSON). Pure. File keys and places never appear in either.

use serde_json::{Map, Value, json};
use waxseal_consumer::{
    Act, Body, Choice, Header, Interactive, InteractiveReply, Location, Media, MediaKind, Order, Template, TemplateButtonKind, Text,
    choices,
};

/// The kind of a message as the Cloud API calls it.
pub(crate) const fn kind(body: &Body) -> &'static str {
    match body {
        Body::Text { .. } => "text",
        Body::Media(media) => media.kind.as_str(),
        Body::Location(_) => "location",
        Body::Contacts(_) => "contacts",
        Body::Reaction { .. } => "reaction",
        Body::Interactive(_) | Body::InteractiveReply(_) => "interactive",
        Body::Template(_) => "template",
        Body::ButtonReply(_) => "button",
        Body::Edit { .. } => "edit",
        Body::Revoke { .. } => "revoke",
        Body::RequestWelcome => "request_welcome",
        Body::Order(_) => "order",
        Body::NumberChanged { .. } => "number_changed",
        Body::Receipt { .. } | Body::Typing | Body::Unsupported => "unsupported",
    }
}

/// The files in a message: its own, or that of its header.
pub(crate) fn files(body: &Body) -> Option<&Media> {
    let header = match body {
        Body::Media(media) => return Some(media),
        Body::Interactive(interactive) => &interactive.header,
        Body::Template(template) => &template.header,
        _ => return None,
    };
    match header {
        Some(Header::Media(media)) => Some(media),
        _ => None,
    }
}

/// `type`, the member of that name, and what can be chosen.
pub(crate) fn json(body: &Body) -> Map<String, Value> {
    let kind = kind(body);
    let mut map = Map::new();
    map.insert("type".to_owned(), kind.into());
    let member = match body {
        Body::Text { .. } | Body::RequestWelcome | Body::Receipt { .. } | Body::Typing | Body::Unsupported => None,
        Body::Media(media) => Some(media_json(media)),
        Body::Location(location) => Some(location_json(location)),
        Body::Contacts(contacts) => Some(serde_json::from_str(contacts.cards_json.reveal()).unwrap_or(Value::Null)),
        Body::Reaction { message_id, emoji } => Some(json!({"message_id": super::hex_id(*message_id), "emoji": emoji.reveal()})),
        Body::Interactive(interactive) => Some(interactive_json(interactive)),
        Body::InteractiveReply(reply) => Some(reply_json(reply)),
        Body::Template(template) => Some(template_json(template)),
        Body::ButtonReply(reply) => Some(json!({"text": reply.text.reveal(), "payload": reply.payload.reveal()})),
        Body::Edit { message_id, text, caption } => {
            Some(json!({"message_id": super::hex_id(*message_id), "text": text.reveal(), "caption": caption}))
        }
        Body::Revoke { message_id } => Some(json!({"message_id": super::hex_id(*message_id)})),
        Body::Order(order) => Some(order_json(order)),
        Body::NumberChanged { number } => Some(json!({"number": number.reveal()})),
    };
    if let Some(member) = member {
        map.insert(kind.to_owned(), member);
    }
    let choices = choices(body);
    if !choices.is_empty() {
        map.insert("choices".to_owned(), choices.iter().zip(1..).map(choice_json).collect());
    }
    map
}

fn revealed(text: Option<&Text>) -> Option<&str> {
    text.map(Text::reveal)
}

fn media_json(media: &Media) -> Value {
    json!({
        "mime_type": media.mime_type.reveal(),
        "size_bytes": media.size_bytes,
        "sha256": hex::encode(media.sha256),
        "caption": revealed(media.caption.as_ref()),
        "filename": revealed(media.filename.as_ref()),
        "voice": media.voice,
        "animated": media.animated,
    })
}

fn location_json(location: &Location) -> Value {
    json!({
        "latitude": location.latitude,
        "longitude": location.longitude,
        "name": revealed(location.name.as_ref()),
        "address": revealed(location.address.as_ref()),
        "url": revealed(location.url.as_ref()),
    })
}

fn header_json(header: Option<&Header>) -> Value {
    match header {
        None => Value::Null,
        Some(Header::Text(text)) => json!({"type": "text", "text": text.reveal()}),
        Some(Header::Media(media)) => json!({"type": media.kind.as_str(), media.kind.as_str(): media_json(media)}),
        Some(Header::Location(location)) => json!({"type": "location", "location": location_json(location)}),
    }
}

fn interactive_json(interactive: &Interactive) -> Value {
    let reply = |reply: &waxseal_consumer::Reply| {
        json!({
            "id": reply.id.reveal(),
            "title": reply.title.reveal(),
            "description": revealed(reply.description.as_ref()),
        })
    };
    let sections: Vec<Value> = interactive
        .sections
        .iter()
        .map(|section| json!({"title": section.title.reveal(), "rows": section.rows.iter().map(reply).collect::<Vec<_>>()}))
        .collect();
    let action = interactive
        .action_json
        .as_ref()
        .and_then(|action| serde_json::from_str::<Value>(action.reveal()).ok());
    json!({
        "type": interactive.kind,
        "header": header_json(interactive.header.as_ref()),
        "body": revealed(interactive.body.as_ref()),
        "footer": revealed(interactive.footer.as_ref()),
        "buttons": interactive.replies.iter().map(reply).collect::<Vec<_>>(),
        "list_button": revealed(interactive.list_button.as_ref()),
        "sections": sections,
        "link": interactive.link.as_ref().map(|link| json!({"title": link.title.reveal(), "url": link.url.reveal()})),
        "action": action,
    })
}

fn reply_json(reply: &InteractiveReply) -> Value {
    let chosen = |kind: &str, reply: &waxseal_consumer::Reply| {
        json!({
            "type": kind,
            kind: {"id": reply.id.reveal(), "title": reply.title.reveal(), "description": revealed(reply.description.as_ref())},
        })
    };
    match reply {
        InteractiveReply::Button(reply) => chosen("button_reply", reply),
        InteractiveReply::List(reply) => chosen("list_reply", reply),
        InteractiveReply::Flow { response_json, name, body } => json!({
            "type": "nfm_reply",
            "nfm_reply": {
                "response_json": response_json.reveal(), "name": revealed(name.as_ref()), "body": revealed(body.as_ref()),
            },
        }),
    }
}

fn order_json(order: &Order) -> Value {
    let items: Vec<Value> = order
        .items
        .iter()
        .map(|item| {
            json!({
                "product_retailer_id": item.product_retailer_id.reveal(), "quantity": item.quantity,
                "item_price": item.price, "currency": item.currency.reveal(),
            })
        })
        .collect();
    json!({"catalog_id": order.catalog_id.reveal(), "text": revealed(order.text.as_ref()), "items": items})
}

fn template_json(template: &Template) -> Value {
    let buttons: Vec<Value> = template
        .buttons
        .iter()
        .map(|button| json!({"type": button_kind(button.kind), "text": button.text.reveal(), "value": button.value.reveal()}))
        .collect();
    json!({
        "name": template.name,
        "language": template.language,
        "header": header_json(template.header.as_ref()),
        "body": template.body.reveal(),
        "footer": revealed(template.footer.as_ref()),
        "buttons": buttons,
    })
}

const fn button_kind(kind: TemplateButtonKind) -> &'static str {
    match kind {
        TemplateButtonKind::QuickReply => "quick_reply",
        TemplateButtonKind::Url => "url",
        TemplateButtonKind::PhoneNumber => "phone_number",
        TemplateButtonKind::CopyCode => "copy_code",
        TemplateButtonKind::Flow => "flow",
        TemplateButtonKind::Other => "other",
    }
}

fn choice_json((choice, number): (&Choice, usize)) -> Value {
    let (act, value) = match &choice.act {
        Act::Answer(_) => ("answer", None),
        Act::Open(url) => ("open", Some(url.reveal())),
        Act::Call(number) => ("call", Some(number.reveal())),
        Act::Copy(code) => ("copy", Some(code.reveal())),
        Act::Locate => ("locate", None),
        Act::Flow => ("flow", None),
        Act::Nothing => ("nothing", None),
    };
    json!({
        "number": number,
        "section": revealed(choice.section.as_ref()),
        "title": choice.title.reveal(),
        "description": revealed(choice.description.as_ref()),
        "id": revealed(choice.id.as_ref()),
        "act": act,
        "value": value,
    })
}

/// What a person sees; several lines, where there is something to choose. Not yet harmless for a terminal.
pub(crate) fn text(body: &Body) -> String {
    let mut lines: Vec<String> = Vec::new();
    match body {
        Body::Text { body, .. } => lines.push(body.reveal().to_owned()),
        Body::Media(media) => lines.push(captioned(file(media), media.caption.as_ref())),
        Body::Location(location) => lines.push(place(location)),
        Body::Contacts(contacts) => lines.push(cards(contacts.cards_json.reveal())),
        Body::Reaction { emoji, .. } => lines.push(format!("[reacted {}]", emoji.reveal())),
        Body::Interactive(interactive) => {
            lines.extend(header(interactive.header.as_ref()));
            lines.extend(revealed(interactive.body.as_ref()).map(str::to_owned));
            lines.extend(revealed(interactive.footer.as_ref()).map(str::to_owned));
            if lines.is_empty() {
                lines.push(format!("[{}]", interactive.kind));
            }
        }
        Body::InteractiveReply(InteractiveReply::Button(reply) | InteractiveReply::List(reply)) => {
            lines.push(format!("[chose {}]", reply.title.reveal()));
        }
        Body::InteractiveReply(InteractiveReply::Flow { body, .. }) => {
            lines.push(
                format!("[form] {}", revealed(body.as_ref()).unwrap_or_default())
                    .trim_end()
                    .to_owned(),
            );
        }
        Body::Template(template) => {
            lines.extend(header(template.header.as_ref()));
            lines.push(template.body.reveal().to_owned());
            lines.extend(revealed(template.footer.as_ref()).map(str::to_owned));
        }
        Body::ButtonReply(reply) => lines.push(format!("[pressed {}]", reply.text.reveal())),
        Body::Edit { text, .. } => lines.push(format!("[edited] {}", text.reveal())),
        Body::Revoke { .. } => lines.push("[taken back]".to_owned()),
        Body::RequestWelcome => lines.push("[opened the conversation]".to_owned()),
        Body::Order(order) => lines.push(captioned(format!("[order of {} items]", order.items.len()), order.text.as_ref())),
        Body::NumberChanged { number } => lines.push(format!("[changed to {}]", number.reveal())),
        Body::Receipt { .. } | Body::Typing | Body::Unsupported => lines.push("(a kind of message this version cannot show)".to_owned()),
    }
    lines.extend(offers(body));
    lines.join("\n")
}

/// The numbered choices.
fn offers(body: &Body) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = None;
    for (choice, number) in choices(body).iter().zip(1..) {
        let of = choice.section.as_ref().map(Text::reveal);
        if of != section.as_deref() {
            section = of.map(str::to_owned);
            lines.extend(of.map(|title| format!("  {title}:")));
        }
        let description = revealed(choice.description.as_ref())
            .map(|text| format!(" - {text}"))
            .unwrap_or_default();
        let act = match &choice.act {
            Act::Answer(_) | Act::Nothing => String::new(),
            Act::Open(url) => format!(" ({})", url.reveal()),
            Act::Call(number) => format!(" (call {})", number.reveal()),
            Act::Copy(code) => format!(" (code {})", code.reveal()),
            Act::Locate => " (/location LAT LON)".to_owned(),
            Act::Flow => " (/form JSON)".to_owned(),
        };
        lines.push(format!("  {number}. {}{description}{act}", choice.title.reveal()));
    }
    lines
}

fn header(header: Option<&Header>) -> Option<String> {
    Some(match header? {
        Header::Text(text) => text.reveal().to_owned(),
        Header::Media(media) => file(media),
        Header::Location(location) => place(location),
    })
}

fn file(media: &Media) -> String {
    let kind = match media.kind {
        MediaKind::Audio if media.voice => "voice message",
        kind => kind.as_str(),
    };
    let name = media
        .filename
        .as_ref()
        .map(|name| format!(" {}", name.reveal()))
        .unwrap_or_default();
    format!("[{kind}{name} {}]", size(media.size_bytes))
}

fn captioned(file: String, caption: Option<&Text>) -> String {
    match caption {
        Some(caption) => format!("{file} {}", caption.reveal()),
        None => file,
    }
}

fn place(location: &Location) -> String {
    let mut text = format!("[location {}, {}]", location.latitude, location.longitude);
    for part in [&location.name, &location.address, &location.url].into_iter().flatten() {
        text.push(' ');
        text.push_str(part.reveal());
    }
    text
}

fn cards(json: &str) -> String {
    let cards: Value = serde_json::from_str(json).unwrap_or_default();
    let shown = cards.as_array().into_iter().flatten().map(|card| {
        let name = card["name"]["formatted_name"].as_str().unwrap_or("?");
        let phone = card["phones"][0]["phone"].as_str().unwrap_or_default();
        format!("[contact {name} {phone}]").replace(" ]", "]")
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() {
        "[contacts]".to_owned()
    } else {
        shown.join(" ")
    }
}

/// A size as people say it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
pub(crate) mod tests;
