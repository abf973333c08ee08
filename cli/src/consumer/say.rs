//! What to say, as scripts and scenarios write it: one form for JSON and YAML, with `type` as the Cloud API calls it. Pure.

use std::path::PathBuf;

use serde::Deserialize;
use waxseal_consumer::{
    ButtonReply, InteractiveReply, Location, MediaKind, MessageId, Order, OrderItem, PhoneNumber, Reply, Text, kind_of, mime_type_of,
};

use super::parse_id;

/// Something to say, and what it quotes.
#[derive(Clone, PartialEq)]
pub(crate) struct Say {
    pub(crate) what: What,
    /// The message it is in reply to.
    pub(crate) reply_to: Option<Quoted>,
}

/// A message to refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quoted {
    /// The last that came in.
    Last,
    Id(MessageId),
}

/// Something to say. An absent message means the last one that fits.
#[derive(Clone, PartialEq)]
pub(crate) enum What {
    Text(Text),
    File(File),
    Location(Location),
    /// A JSON array of cards.
    Contacts(Text),
    Reaction {
        message_id: Option<MessageId>,
        emoji: Text,
    },
    /// Presses or chooses what a message offers.
    Choose {
        message_id: Option<MessageId>,
        pick: Pick,
    },
    /// What a form gave.
    Flow {
        message_id: Option<MessageId>,
        reply: InteractiveReply,
    },
    /// A choice that no message needs to have offered.
    Reply(InteractiveReply),
    Button(ButtonReply),
    Edit {
        message_id: Option<MessageId>,
        text: Text,
        caption: Option<bool>,
    },
    Revoke {
        message_id: Option<MessageId>,
    },
    Welcome,
    Order(Box<Order>),
    NumberChanged(PhoneNumber),
}

/// A file to send.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) kind: MediaKind,
    pub(crate) path: PathBuf,
    pub(crate) caption: Option<String>,
    pub(crate) filename: Option<String>,
    pub(crate) mime_type: Option<String>,
    pub(crate) voice: bool,
    pub(crate) animated: bool,
}

/// Which of the things that a message offers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    /// By its place, from 1.
    Number(usize),
    Title(String),
    Id(String),
}

/// Every member there is; which of them mean something depends on the type.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    pub(crate) r#type: Option<String>,
    text: Option<String>,
    file: Option<PathBuf>,
    caption: Option<Caption>,
    filename: Option<String>,
    mime_type: Option<String>,
    voice: Option<bool>,
    animated: Option<bool>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    name: Option<String>,
    address: Option<String>,
    url: Option<String>,
    contacts: Option<serde_json::Value>,
    phone: Option<String>,
    emoji: Option<String>,
    message_id: Option<String>,
    choice: Option<usize>,
    title: Option<String>,
    id: Option<String>,
    description: Option<String>,
    payload: Option<String>,
    response: Option<serde_json::Value>,
    body: Option<String>,
    catalog_id: Option<String>,
    items: Option<Vec<Item>>,
    number: Option<String>,
    reply_to: Option<String>,
}

/// One line of an order, named as the Cloud API names it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    product_retailer_id: String,
    quantity: u32,
    item_price: f64,
    currency: String,
}

/// The caption of a file, or (`edit`) whether a caption is meant.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Caption {
    Meant(bool),
    Text(String),
}

/// What `type` may say, for error texts.
pub(crate) const TYPES: &str = "text, image, video, audio, voice, document, sticker, file, location, contacts, reaction, choose, flow_reply, \
     button_reply, list_reply, button, edit, revoke, request_welcome, order or number_changed";

impl Fields {
    /// A plain text.
    pub(crate) fn text(text: String) -> Self {
        Self {
            text: Some(text),
            ..Self::default()
        }
    }

    /// What the members mean.
    ///
    /// # Errors
    /// What is missing or too much; never repeats what a member says.
    pub(crate) fn understand(mut self) -> Result<Say, String> {
        let reply_to = match self.reply_to.take().as_deref() {
            None => None,
            Some("last") => Some(Quoted::Last),
            Some(id) => Some(Quoted::Id(parse_id(id).ok_or("reply_to: an id has 32 hex digits, or say last")?)),
        };
        let name = self.r#type.take().unwrap_or_else(|| self.guess().to_owned());
        let what = self.what(&name)?;
        if let Some(left) = self.left() {
            return Err(format!("{left}: {name} does not take this"));
        }
        Ok(Say { what, reply_to })
    }

    /// The type where it is not said.
    const fn guess(&self) -> &'static str {
        if self.file.is_some() {
            "file"
        } else if self.latitude.is_some() {
            "location"
        } else if self.contacts.is_some() || self.phone.is_some() {
            "contacts"
        } else if self.emoji.is_some() {
            "reaction"
        } else if self.choice.is_some() {
            "choose"
        } else {
            "text"
        }
    }

    fn what(&mut self, name: &str) -> Result<What, String> {
        let kind = match name {
            "image" => Some(MediaKind::Image),
            "video" => Some(MediaKind::Video),
            "audio" | "voice" => Some(MediaKind::Audio),
            "document" => Some(MediaKind::Document),
            "sticker" => Some(MediaKind::Sticker),
            _ => None,
        };
        if kind.is_some() || name == "file" {
            return self.file(name, kind);
        }
        let missing = |member: &str| format!("{name} wants {member}");
        Ok(match name {
            "text" => What::Text(Text::new(self.text.take().ok_or_else(|| missing("text"))?)),
            "location" => What::Location(Location {
                latitude: self.latitude.take().ok_or_else(|| missing("latitude"))?,
                longitude: self.longitude.take().ok_or_else(|| missing("longitude"))?,
                name: self.name.take().map(Text::new),
                address: self.address.take().map(Text::new),
                url: self.url.take().map(Text::new),
            }),
            "contacts" => self.contacts()?,
            "reaction" => What::Reaction {
                message_id: self.message_id()?,
                emoji: Text::new(self.emoji.take().ok_or_else(|| missing("emoji (empty takes the reaction back)"))?),
            },
            "choose" => What::Choose {
                message_id: self.message_id()?,
                pick: match (self.choice.take(), self.title.take(), self.id.take()) {
                    (Some(number), None, None) => Pick::Number(number),
                    (None, Some(title), None) => Pick::Title(title),
                    (None, None, Some(id)) => Pick::Id(id),
                    _ => return Err(missing("one of choice (its number), title and id")),
                },
            },
            "flow_reply" => What::Flow {
                message_id: self.message_id()?,
                reply: InteractiveReply::Flow {
                    response_json: Text::new(self.response.take().ok_or_else(|| missing("response"))?.to_string()),
                    name: Some(Text::new(self.name.take().unwrap_or_else(|| "flow".to_owned()))),
                    body: Some(Text::new(self.body.take().unwrap_or_else(|| "Sent".to_owned()))),
                },
            },
            "button_reply" => What::Reply(InteractiveReply::Button(self.reply(name)?)),
            "list_reply" => What::Reply(InteractiveReply::List(self.reply(name)?)),
            "button" => What::Button(ButtonReply {
                text: Text::new(self.text.take().ok_or_else(|| missing("text"))?),
                payload: Text::new(self.payload.take().ok_or_else(|| missing("payload"))?),
            }),
            "edit" => What::Edit {
                message_id: self.message_id()?,
                text: Text::new(self.text.take().ok_or_else(|| missing("text"))?),
                caption: match self.caption.take() {
                    None => None,
                    Some(Caption::Meant(meant)) => Some(meant),
                    Some(Caption::Text(_)) => return Err("caption: true when text is a caption".to_owned()),
                },
            },
            "revoke" => What::Revoke {
                message_id: self.message_id()?,
            },
            "request_welcome" => What::Welcome,
            "order" => What::Order(Box::new(self.order()?)),
            "number_changed" => {
                let number = self.number.take().ok_or_else(|| missing("number"))?;
                What::NumberChanged(PhoneNumber::parse(&number).map_err(|error| format!("number: {error}"))?)
            }
            _ => return Err(format!("type: one of {TYPES}")),
        })
    }

    fn file(&mut self, name: &str, kind: Option<MediaKind>) -> Result<What, String> {
        let path = self.file.take().ok_or_else(|| format!("{name} wants file"))?;
        let mime_type = self.mime_type.take();
        let told = mime_type.as_deref().or_else(|| mime_type_of(&path)).unwrap_or_default();
        let kind = kind.unwrap_or_else(|| kind_of(told));
        let caption = match self.caption.take() {
            Some(Caption::Meant(_)) => return Err("caption: a text".to_owned()),
            Some(Caption::Text(_)) if matches!(kind, MediaKind::Audio | MediaKind::Sticker) => {
                return Err(format!("caption: {name} has none"));
            }
            Some(Caption::Text(text)) => Some(text),
            None => None,
        };
        Ok(What::File(File {
            kind,
            path,
            caption,
            filename: self.filename.take(),
            mime_type,
            voice: self.voice.take().unwrap_or(name == "voice") && kind == MediaKind::Audio,
            animated: self.animated.take().unwrap_or(false) && kind == MediaKind::Sticker,
        }))
    }

    fn contacts(&mut self) -> Result<What, String> {
        let cards = match (self.contacts.take(), self.name.take(), self.phone.take()) {
            (Some(cards), None, None) => cards,
            (None, Some(name), Some(phone)) => card(&name, &phone),
            _ => return Err("contacts wants contacts (cards as the Cloud API has them), or name and phone".to_owned()),
        };
        if !cards
            .as_array()
            .is_some_and(|cards| !cards.is_empty() && cards.iter().all(serde_json::Value::is_object))
        {
            return Err("contacts: a list of cards".to_owned());
        }
        Ok(What::Contacts(Text::new(cards.to_string())))
    }

    fn order(&mut self) -> Result<Order, String> {
        let (Some(catalog_id), Some(items)) = (self.catalog_id.take(), self.items.take().filter(|items| !items.is_empty())) else {
            return Err("order wants catalog_id and items".to_owned());
        };
        let items = items.into_iter().map(|item| OrderItem {
            product_retailer_id: Text::new(item.product_retailer_id),
            quantity: item.quantity,
            price: item.item_price,
            currency: Text::new(item.currency),
        });
        Ok(Order {
            catalog_id: Text::new(catalog_id),
            text: self.text.take().map(Text::new),
            items: items.collect(),
        })
    }

    fn reply(&mut self, name: &str) -> Result<Reply, String> {
        match (self.id.take(), self.title.take()) {
            (Some(id), Some(title)) => Ok(Reply {
                id: Text::new(id),
                title: Text::new(title),
                description: self.description.take().map(Text::new),
            }),
            _ => Err(format!("{name} wants id and title")),
        }
    }

    fn message_id(&mut self) -> Result<Option<MessageId>, String> {
        match self.message_id.take() {
            None => Ok(None),
            Some(id) => match parse_id(&id) {
                Some(id) => Ok(Some(id)),
                None => Err("message_id: an id has 32 hex digits".to_owned()),
            },
        }
    }

    /// A member that nobody took.
    const fn left(&self) -> Option<&'static str> {
        let left = [
            (self.text.is_some(), "text"),
            (self.file.is_some(), "file"),
            (self.caption.is_some(), "caption"),
            (self.filename.is_some(), "filename"),
            (self.mime_type.is_some(), "mime_type"),
            (self.voice.is_some(), "voice"),
            (self.animated.is_some(), "animated"),
            (self.latitude.is_some(), "latitude"),
            (self.longitude.is_some(), "longitude"),
            (self.name.is_some(), "name"),
            (self.address.is_some(), "address"),
            (self.url.is_some(), "url"),
            (self.contacts.is_some(), "contacts"),
            (self.phone.is_some(), "phone"),
            (self.emoji.is_some(), "emoji"),
            (self.message_id.is_some(), "message_id"),
            (self.choice.is_some(), "choice"),
            (self.title.is_some(), "title"),
            (self.id.is_some(), "id"),
            (self.description.is_some(), "description"),
            (self.payload.is_some(), "payload"),
            (self.response.is_some(), "response"),
            (self.body.is_some(), "body"),
            (self.catalog_id.is_some(), "catalog_id"),
            (self.items.is_some(), "items"),
            (self.number.is_some(), "number"),
        ];
        let mut at = 0;
        while at < left.len() {
            if left[at].0 {
                return Some(left[at].1);
            }
            at += 1;
        }
        None
    }
}

/// The address card of one number.
pub(crate) fn card(name: &str, phone: &str) -> serde_json::Value {
    let first = name.split_whitespace().next().unwrap_or(name);
    serde_json::json!([{
        "name": {"formatted_name": name, "first_name": first},
        "phones": [{"phone": phone, "type": "CELL"}],
    }])
}

#[cfg(test)]
mod tests;
