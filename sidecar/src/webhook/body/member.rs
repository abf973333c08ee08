//! A consumer's message as its webhook says it: members by name and order as the Cloud API's samples have them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer};
use serde_json::Value;
use waxseal_content::{InteractiveReply, Location, MediaKind, Order, Reply, Text};

use super::error::{self, Error};
use crate::message::{InboundBody, InboundMedia, InboundMessage};

/// What clients expect of a flow that says nothing else.
const FLOW_BODY: &str = "Sent";
const FLOW_NAME: &str = "flow";
/// What clients expect of a document that has no name.
const DOCUMENT_NAME: &str = "Untitled";
/// How deep a card is nested at most. With the envelope around it that stays below what readers take: 64 levels in some.
const CARD_DEPTH: usize = 32;

#[derive(Serialize)]
pub(super) struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context<'a>>,
    from: &'a str,
    from_user_id: &'a str,
    id: &'a str,
    timestamp: String,
    #[serde(flatten)]
    said: Said<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Error; 1]>,
    r#type: &'static str,
}

/// The member that is named like the type.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a> {
    Text(TextMember<'a>),
    Reaction(ReactionMember<'a>),
    Image(MediaMember<'a>),
    Audio(MediaMember<'a>),
    Video(MediaMember<'a>),
    Document(MediaMember<'a>),
    Sticker(MediaMember<'a>),
    Location(LocationMember<'a>),
    Contacts(Value),
    Button(ButtonMember<'a>),
    Interactive(InteractiveMember<'a>),
    Edit(EditMember<'a>),
    Revoke(RevokeMember<'a>),
    Order(OrderMember<'a>),
    #[serde(untagged)]
    System {
        system: SystemMember<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<IdentityMember<'a>>,
    },
    #[serde(untagged)]
    Nothing {},
}

#[derive(Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forwarded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct SystemMember<'a> {
    body: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct OrderMember<'a> {
    catalog_id: &'a str,
    text: &'a str,
    product_items: Vec<OrderItemMember<'a>>,
}

#[derive(Serialize)]
struct OrderItemMember<'a> {
    product_retailer_id: &'a str,
    quantity: u32,
    item_price: f64,
    currency: &'a str,
}

#[derive(Serialize)]
struct IdentityMember<'a> {
    // Nothing waits for the business to acknowledge it.
    acknowledged: bool,
    created_timestamp: String,
    hash: &'a str,
}

#[derive(Serialize)]
struct TextMember<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct ReactionMember<'a> {
    message_id: &'a str,
    // As the Cloud API does it: a reaction taken back has no emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
}

#[derive(Serialize)]
struct MediaMember<'a> {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    caption: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    mime_type: &'a str,
    sha256: String,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    animated: Option<bool>,
}

#[derive(Serialize)]
struct LocationMember<'a> {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    name: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    address: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    url: Option<&'a Text>,
}

#[derive(Serialize)]
struct ButtonMember<'a> {
    payload: &'a str,
    text: &'a str,
}

/// What was chosen: the type names the member here, too.
#[derive(Serialize)]
#[serde(tag = "type")]
enum InteractiveMember<'a> {
    #[serde(rename = "button_reply")]
    Button { button_reply: Choice<'a> },
    #[serde(rename = "list_reply")]
    List { list_reply: Choice<'a> },
    #[serde(rename = "nfm_reply")]
    Flow { nfm_reply: FlowReply<'a> },
}

#[derive(Serialize)]
struct Choice<'a> {
    id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reveal")]
    description: Option<&'a Text>,
}

#[derive(Serialize)]
struct FlowReply<'a> {
    response_json: &'a str,
    body: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct EditMember<'a> {
    original_message_id: &'a str,
    message: Edited<'a>,
}

#[derive(Serialize)]
struct Edited<'a> {
    text: TextMember<'a>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct RevokeMember<'a> {
    original_message_id: &'a str,
}

#[allow(clippy::ref_option, reason = "serde hands over references")]
fn reveal<S: Serializer>(text: &Option<&Text>, serializer: S) -> Result<S::Ok, S::Error> {
    text.map(Text::reveal).serialize(serializer)
}

impl<'a> Message<'a> {
    pub(super) fn new(message: &'a InboundMessage) -> Self {
        let (said, r#type) = said(message);
        let errors = match (&message.body, r#type) {
            (InboundBody::MediaTooLarge, _) => Some([error::MEDIA_TOO_LARGE]),
            (_, UNSUPPORTED) => Some([error::UNSUPPORTED]),
            _ => None,
        };
        Self {
            context: message.context.as_ref().map(|context| Context {
                forwarded: context.forwarded,
                from: context.quoted.as_ref().map(|quoted| quoted.from.wa_id()),
                id: context.quoted.as_ref().map(|quoted| quoted.wamid.as_str()),
            }),
            from: message.from.wa_id(),
            from_user_id: &message.user_id,
            id: message.wamid.as_str(),
            timestamp: message.timestamp_s.to_string(),
            said,
            errors,
            r#type,
        }
    }
}

const UNSUPPORTED: &str = "unsupported";

fn said(message: &InboundMessage) -> (Said<'_>, &'static str) {
    match &message.body {
        InboundBody::Text(body) => (Said::Text(TextMember { body: body.reveal() }), "text"),
        InboundBody::Reaction { message, emoji } => {
            let member = ReactionMember {
                message_id: message.as_str(),
                emoji: Some(emoji.reveal()).filter(|emoji| !emoji.is_empty()),
            };
            (Said::Reaction(member), "reaction")
        }
        InboundBody::Media(media) => (said_of_media(media), media.kind.as_str()),
        InboundBody::Location(location) => (Said::Location(said_of_location(location)), "location"),
        InboundBody::Contacts(contacts) => match serde_json::from_str(contacts.cards_json.reveal()) {
            Ok(Value::Array(cards)) if !cards.is_empty() && cards.iter().all(is_card) => (Said::Contacts(Value::Array(cards)), "contacts"),
            // A consumer may write what it likes; receivers look into what it says.
            _ => (Said::Nothing {}, UNSUPPORTED),
        },
        InboundBody::Button(reply) => {
            let member = ButtonMember {
                payload: reply.payload.reveal(),
                text: reply.text.reveal(),
            };
            (Said::Button(member), "button")
        }
        InboundBody::Interactive(reply) => (Said::Interactive(said_of_reply(reply)), "interactive"),
        InboundBody::Edit { original, text } => {
            let member = EditMember {
                original_message_id: original.as_str(),
                message: Edited {
                    text: TextMember { body: text.reveal() },
                    r#type: "text",
                },
            };
            (Said::Edit(member), "edit")
        }
        InboundBody::Revoke { original } => {
            let member = RevokeMember {
                original_message_id: original.as_str(),
            };
            (Said::Revoke(member), "revoke")
        }
        InboundBody::IdentityChanged { hash, at_s } => {
            let member = Said::System {
                system: SystemMember {
                    body: "The security code of this consumer has changed.",
                    identity: Some(hash),
                    customer: Some(message.from.wa_id()),
                    wa_id: None,
                    user_id: None,
                    r#type: "customer_identity_changed",
                },
                identity: Some(IdentityMember {
                    acknowledged: false,
                    created_timestamp: at_s.to_string(),
                    hash,
                }),
            };
            (member, "system")
        }
        InboundBody::NumberChanged { to, user_id } => {
            let member = Said::System {
                system: SystemMember {
                    body: "This consumer has changed to another phone number.",
                    identity: None,
                    customer: None,
                    wa_id: Some(to.wa_id()),
                    user_id: Some(user_id),
                    r#type: "user_changed_number",
                },
                identity: None,
            };
            (member, "system")
        }
        InboundBody::Order(order) => (Said::Order(said_of_order(order)), "order"),
        InboundBody::RequestWelcome => (Said::Nothing {}, "request_welcome"),
        InboundBody::MediaTooLarge | InboundBody::Unsupported => (Said::Nothing {}, UNSUPPORTED),
    }
}

fn is_card(card: &Value) -> bool {
    fn is_shallow(value: &Value, levels: usize) -> bool {
        match value {
            Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
            Value::Object(members) => levels > 0 && members.values().all(|member| is_shallow(member, levels - 1)),
            _ => true,
        }
    }
    card.is_object() && is_shallow(card, CARD_DEPTH)
}

fn said_of_media(media: &InboundMedia) -> Said<'_> {
    let member = MediaMember {
        caption: media.caption.as_ref(),
        // Documents have it, always, and nothing else does.
        filename: (media.kind == MediaKind::Document).then(|| media.filename.as_ref().map_or(DOCUMENT_NAME, Text::reveal)),
        mime_type: media.mime_type.reveal(),
        sha256: BASE64_STANDARD.encode(media.sha256),
        id: &media.id,
        url: media.url.as_deref(),
        voice: (media.kind == MediaKind::Audio).then_some(media.voice),
        animated: (media.kind == MediaKind::Sticker).then_some(media.animated),
    };
    match media.kind {
        MediaKind::Image => Said::Image(member),
        MediaKind::Audio => Said::Audio(member),
        MediaKind::Video => Said::Video(member),
        MediaKind::Document => Said::Document(member),
        MediaKind::Sticker => Said::Sticker(member),
    }
}

fn said_of_location(location: &Location) -> LocationMember<'_> {
    LocationMember {
        latitude: location.latitude,
        longitude: location.longitude,
        name: location.name.as_ref(),
        address: location.address.as_ref(),
        url: location.url.as_ref(),
    }
}

fn said_of_order(order: &Order) -> OrderMember<'_> {
    let items = order.items.iter().map(|item| OrderItemMember {
        product_retailer_id: item.product_retailer_id.reveal(),
        quantity: item.quantity,
        item_price: item.price,
        currency: item.currency.reveal(),
    });
    OrderMember {
        catalog_id: order.catalog_id.reveal(),
        text: order.text.as_ref().map_or("", Text::reveal),
        product_items: items.collect(),
    }
}

fn said_of_reply(reply: &InteractiveReply) -> InteractiveMember<'_> {
    match reply {
        InteractiveReply::Button(reply) => InteractiveMember::Button {
            button_reply: Choice {
                // A button has no description.
                description: None,
                ..choice(reply)
            },
        },
        InteractiveReply::List(reply) => InteractiveMember::List { list_reply: choice(reply) },
        InteractiveReply::Flow { response_json, name, body } => InteractiveMember::Flow {
            nfm_reply: FlowReply {
                response_json: response_json.reveal(),
                body: body.as_ref().map_or(FLOW_BODY, Text::reveal),
                name: name.as_ref().map_or(FLOW_NAME, Text::reveal),
            },
        },
    }
}

fn choice(reply: &Reply) -> Choice<'_> {
    Choice {
        id: reply.id.reveal(),
        title: reply.title.reveal(),
        description: reply.description.as_ref(),
    }
}
