//! What a message says: every kind of message there is, and its protobuf form.

use crate::{
    ButtonReply, Error, Interactive, InteractiveReply, Media, MessageId, Order, PhoneNumber, Template, Text,
    proto::{self, payload::Body as Wire},
};

/// Most message ids one receipt may carry; a reader refuses more, so that a receipt stays cheap to handle.
const MAX_RECEIPT_IDS: usize = 256;

/// What a message says.
#[derive(Clone, PartialEq)]
pub enum Body {
    /// Plain text.
    Text {
        /// The text.
        body: Text,
        /// Whether a link in it may be shown with a preview.
        preview_url: bool,
    },
    /// A file.
    Media(Media),
    /// A place.
    Location(Location),
    /// Address cards.
    Contacts(Contacts),
    /// A reaction to a message; an empty emoji takes it back.
    Reaction {
        /// The message reacted to.
        message_id: MessageId,
        /// The emoji.
        emoji: Text,
    },
    /// Something to choose from or to press.
    Interactive(Box<Interactive>),
    /// What was chosen.
    InteractiveReply(InteractiveReply),
    /// A template, filled in.
    Template(Box<Template>),
    /// A quick reply of a template was pressed.
    ButtonReply(ButtonReply),
    /// A message of the sender now says something else.
    Edit {
        /// The message.
        message_id: MessageId,
        /// What it says now.
        text: Text,
        /// Whether that is the caption of its media.
        caption: bool,
    },
    /// The sender takes a message back.
    Revoke {
        /// The message.
        message_id: MessageId,
    },
    /// The consumer opened the conversation and has not written yet.
    RequestWelcome,
    /// Wares of a catalogue are ordered.
    Order(Box<Order>),
    /// Said from the old number: the sender writes from this one from now on.
    NumberChanged {
        /// The new number.
        number: PhoneNumber,
    },
    /// Messages arrived, or were read or played.
    Receipt {
        /// Which of them.
        kind: ReceiptKind,
        /// The messages.
        message_ids: Vec<MessageId>,
    },
    /// The sender is typing.
    Typing,
    /// Something a newer build wrote; its bytes are kept.
    Unsupported,
}

/// What a receipt tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptKind {
    /// The messages are on the device.
    Delivered,
    /// The messages were shown.
    Read,
    /// The voice messages were listened to.
    Played,
}

/// A place.
#[derive(Clone, PartialEq)]
pub struct Location {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// What is there.
    pub name: Option<Text>,
    /// Its postal address.
    pub address: Option<Text>,
    /// A page about it.
    pub url: Option<Text>,
}

/// Address cards.
#[derive(Clone, PartialEq, Eq)]
pub struct Contacts {
    /// A JSON array of cards in the Cloud API's form. What a card may hold is open-ended, and neither end looks into it further than it must
    /// to show it.
    pub cards_json: Text,
}

impl Body {
    pub(crate) fn to_proto(&self) -> Option<Wire> {
        let id = |message_id: &MessageId| message_id.as_bytes().to_vec();
        Some(match self {
            Self::Text { body, preview_url } => Wire::Text(proto::Text {
                body: body.to_plain(),
                preview_url: *preview_url,
            }),
            Self::Media(media) => Wire::Media(media.to_proto()),
            Self::Location(location) => Wire::Location(location.to_proto()),
            Self::Contacts(contacts) => Wire::Contacts(proto::Contacts {
                cards_json: contacts.cards_json.to_plain(),
            }),
            Self::Reaction { message_id, emoji } => Wire::Reaction(proto::Reaction {
                message_id: id(message_id),
                emoji: emoji.to_plain(),
            }),
            Self::Interactive(interactive) => Wire::Interactive(interactive.to_proto()),
            Self::InteractiveReply(reply) => Wire::InteractiveReply(reply.to_proto()),
            Self::Template(template) => Wire::Template(template.to_proto()),
            Self::ButtonReply(reply) => Wire::ButtonReply(proto::ButtonReply {
                text: reply.text.to_plain(),
                payload: reply.payload.to_plain(),
            }),
            Self::Edit { message_id, text, caption } => Wire::Edit(proto::Edit {
                message_id: id(message_id),
                text: text.to_plain(),
                caption: *caption,
            }),
            Self::Revoke { message_id } => Wire::Revoke(proto::Revoke {
                message_id: id(message_id),
            }),
            Self::RequestWelcome => Wire::RequestWelcome(proto::RequestWelcome {}),
            Self::Order(order) => Wire::Order(order.to_proto()),
            Self::NumberChanged { number } => Wire::NumberChanged(proto::NumberChanged {
                number: number.reveal().to_owned(),
            }),
            Self::Receipt { kind, message_ids } => Wire::Receipt(proto::Receipt {
                kind: match kind {
                    ReceiptKind::Delivered => proto::receipt::Kind::Delivered,
                    ReceiptKind::Read => proto::receipt::Kind::Read,
                    ReceiptKind::Played => proto::receipt::Kind::Played,
                }
                .into(),
                message_ids: message_ids.iter().map(id).collect(),
            }),
            Self::Typing => Wire::Typing(proto::Typing {}),
            Self::Unsupported => return None,
        })
    }

    pub(crate) fn from_proto(body: Option<Wire>) -> Result<Self, Error> {
        let id = |bytes: &[u8], member| MessageId::from_slice(bytes).ok_or(Error::Member(member));
        Ok(match body {
            None => Self::Unsupported,
            Some(Wire::Text(text)) => Self::Text {
                body: Text::new(text.body),
                preview_url: text.preview_url,
            },
            Some(Wire::Media(media)) => Self::Media(Media::from_proto(media)?),
            Some(Wire::Location(location)) => Self::Location(Location::from_proto(location)?),
            Some(Wire::Contacts(contacts)) => Self::Contacts(Contacts {
                cards_json: Text::new(contacts.cards_json),
            }),
            Some(Wire::Reaction(reaction)) => Self::Reaction {
                message_id: id(&reaction.message_id, "reaction.message_id")?,
                emoji: Text::new(reaction.emoji),
            },
            Some(Wire::Interactive(interactive)) => Self::Interactive(Box::new(Interactive::from_proto(interactive)?)),
            Some(Wire::InteractiveReply(reply)) => Self::InteractiveReply(InteractiveReply::from_proto(reply)?),
            Some(Wire::Template(template)) => Self::Template(Box::new(Template::from_proto(template)?)),
            Some(Wire::ButtonReply(reply)) => Self::ButtonReply(ButtonReply {
                text: Text::new(reply.text),
                payload: Text::new(reply.payload),
            }),
            Some(Wire::Edit(edit)) => Self::Edit {
                message_id: id(&edit.message_id, "edit.message_id")?,
                text: Text::new(edit.text),
                caption: edit.caption,
            },
            Some(Wire::Revoke(revoke)) => Self::Revoke {
                message_id: id(&revoke.message_id, "revoke.message_id")?,
            },
            Some(Wire::RequestWelcome(_)) => Self::RequestWelcome,
            Some(Wire::Order(order)) => Self::Order(Box::new(Order::from_proto(order)?)),
            Some(Wire::NumberChanged(changed)) => Self::NumberChanged {
                number: PhoneNumber::parse(&changed.number).map_err(|_| Error::Member("number_changed.number"))?,
            },
            Some(Wire::Receipt(receipt)) => {
                let kind = match receipt.kind() {
                    proto::receipt::Kind::Delivered => ReceiptKind::Delivered,
                    proto::receipt::Kind::Read => ReceiptKind::Read,
                    proto::receipt::Kind::Played => ReceiptKind::Played,
                    proto::receipt::Kind::Unspecified => return Err(Error::Member("receipt.kind")),
                };
                if receipt.message_ids.is_empty() || receipt.message_ids.len() > MAX_RECEIPT_IDS {
                    return Err(Error::Member("receipt.message_ids"));
                }
                let ids = receipt.message_ids.iter().map(|bytes| id(bytes, "receipt.message_ids"));
                Self::Receipt {
                    kind,
                    message_ids: ids.collect::<Result<_, _>>()?,
                }
            }
            Some(Wire::Typing(_)) => Self::Typing,
        })
    }
}

impl Location {
    pub(crate) fn to_proto(&self) -> proto::Location {
        proto::Location {
            latitude: self.latitude,
            longitude: self.longitude,
            name: plain(self.name.as_ref()),
            address: plain(self.address.as_ref()),
            url: plain(self.url.as_ref()),
        }
    }

    pub(crate) fn from_proto(location: proto::Location) -> Result<Self, Error> {
        let proto::Location {
            latitude,
            longitude,
            name,
            address,
            url,
        } = location;
        // Also refuses what is no number at all.
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(Error::Member("location"));
        }
        Ok(Self {
            latitude,
            longitude,
            name: some(name),
            address: some(address),
            url: some(url),
        })
    }
}

/// An absent text is an empty one on the wire.
pub(crate) fn plain(text: Option<&Text>) -> String {
    text.map(Text::to_plain).unwrap_or_default()
}

/// An empty text on the wire is an absent one.
pub(crate) fn some(text: String) -> Option<Text> {
    (!text.is_empty()).then(|| Text::new(text))
}
