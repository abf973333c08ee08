//! The payload of a message, in types that cannot be printed, and its protobuf form.

use prost::Message as _;
use zeroize::Zeroizing;

use crate::{Body, Error, MessageId, PhoneNumber, Text, proto};

/// The version this build writes.
const VERSION: u32 = 1;

/// One message between a consumer and a business, with who and what for: binding sender, recipient and id inside the ciphertext is what
/// stops a relay from delivering an honest ciphertext in somebody else's name.
#[derive(Clone)]
pub struct Payload {
    /// Who wrote it.
    pub sender: PhoneNumber,
    /// To whom.
    pub recipient: PhoneNumber,
    /// Its id.
    pub message_id: MessageId,
    /// When, in Unix milliseconds by the sender's clock.
    pub sent_at_ms: u64,
    /// The profile name the sender shows.
    pub sender_name: Option<Text>,
    /// What it refers to.
    pub context: Option<Context>,
    /// What it says.
    pub body: Body,
    /// The bytes it was decoded from, so that what this build does not know survives being stored and passed on.
    wire: Option<Zeroizing<Vec<u8>>>,
}

/// What a message refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The quoted message.
    pub message_id: MessageId,
    /// Whether the recipient of this message wrote the quoted one.
    pub from_recipient: bool,
    /// Whether the message was forwarded.
    pub forwarded: bool,
}

impl Payload {
    /// A new message.
    #[must_use]
    pub const fn new(sender: PhoneNumber, recipient: PhoneNumber, message_id: MessageId, sent_at_ms: u64, body: Body) -> Self {
        Self {
            sender,
            recipient,
            message_id,
            sent_at_ms,
            sender_name: None,
            context: None,
            body,
            wire: None,
        }
    }

    /// With the profile name of the sender.
    #[must_use]
    pub fn named(mut self, name: Option<Text>) -> Self {
        self.sender_name = name;
        self.wire = None;
        self
    }

    /// With a reference to another message.
    #[must_use]
    pub fn in_context(mut self, context: Option<Context>) -> Self {
        self.context = context;
        self.wire = None;
        self
    }

    /// The protobuf form. A payload that was decoded gives back exactly the bytes it came from, unknown fields included.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        if let Some(wire) = &self.wire {
            return wire.clone();
        }
        let message = proto::Payload {
            version: VERSION,
            sender: self.sender.reveal().to_owned(),
            recipient: self.recipient.reveal().to_owned(),
            message_id: self.message_id.as_bytes().to_vec(),
            sent_at_ms: self.sent_at_ms,
            sender_name: self.sender_name.as_ref().map(Text::to_plain).unwrap_or_default(),
            context: self.context.map(|context| proto::Context {
                message_id: context.message_id.as_bytes().to_vec(),
                from_recipient: context.from_recipient,
                forwarded: context.forwarded,
            }),
            body: self.body.to_proto(),
        };
        Zeroizing::new(message.encode_to_vec())
    }

    /// Reads the protobuf form.
    ///
    /// # Errors
    /// [`Error`] for anything that is no payload; never says what was in it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let message = proto::Payload::decode(bytes).map_err(|_| Error::Decode)?;
        if message.version != VERSION {
            return Err(Error::Version(message.version));
        }
        let context = match message.context {
            None => None,
            Some(context) => Some(Context {
                message_id: MessageId::from_slice(&context.message_id).ok_or(Error::Member("context.message_id"))?,
                from_recipient: context.from_recipient,
                forwarded: context.forwarded,
            }),
        };
        Ok(Self {
            sender: PhoneNumber::parse(&message.sender).map_err(|_| Error::Member("sender"))?,
            recipient: PhoneNumber::parse(&message.recipient).map_err(|_| Error::Member("recipient"))?,
            message_id: MessageId::from_slice(&message.message_id).ok_or(Error::Member("message_id"))?,
            sent_at_ms: message.sent_at_ms,
            sender_name: (!message.sender_name.is_empty()).then(|| Text::new(message.sender_name)),
            context,
            body: Body::from_proto(message.body)?,
            wire: Some(Zeroizing::new(bytes.to_vec())),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Blob, BlobId, ButtonReply, Contacts, FileSecret, Header, Interactive, InteractiveReply, Link, Location, Media, MediaKind, Order,
        OrderItem, ReceiptKind, Reply, Section, Template, TemplateButton, TemplateButtonKind,
    };

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    fn same(a: &Payload, b: &Payload) -> bool {
        a.sender == b.sender
            && a.recipient == b.recipient
            && a.message_id == b.message_id
            && a.sent_at_ms == b.sent_at_ms
            && a.sender_name == b.sender_name
            && a.context == b.context
            && a.body == b.body
    }

    fn media(flag: bool, text: &str, id: [u8; 16]) -> Media {
        Media {
            kind: if flag { MediaKind::Audio } else { MediaKind::Document },
            blob: Blob {
                id: BlobId::new(id),
                key: FileSecret::new([id[0]; 32]),
            },
            sha256: [id[1]; 32],
            size_bytes: u64::from(id[2]),
            mime_type: Text::from("audio/ogg"),
            caption: (!text.is_empty()).then(|| text.into()),
            filename: (!text.is_empty()).then(|| text.into()),
            voice: flag,
            animated: !flag,
        }
    }

    fn reply(text: &str) -> Reply {
        Reply {
            id: text.into(),
            title: text.into(),
            description: (!text.is_empty()).then(|| text.into()),
        }
    }

    fn interactive(flag: bool, text: &str, id: [u8; 16]) -> Interactive {
        Interactive {
            kind: "list".to_owned(),
            header: flag.then(|| Header::Media(media(flag, text, id))),
            body: (!text.is_empty()).then(|| text.into()),
            footer: None,
            replies: vec![reply(text)],
            list_button: None,
            sections: vec![Section {
                title: text.into(),
                rows: vec![reply(text), reply("b")],
            }],
            link: flag.then(|| Link {
                title: text.into(),
                url: text.into(),
            }),
            action_json: (!text.is_empty()).then(|| text.into()),
        }
    }

    /// Content has no `Debug`, which proptest wants of what it generates; so plain values are generated and turned into content here.
    fn body(kind: u8, flag: bool, text: &str, ids: &[[u8; 16]]) -> Body {
        let option = || (!text.is_empty()).then(|| Text::from(text));
        match kind % 16 {
            0 => Body::Text {
                body: text.into(),
                preview_url: flag,
            },
            1 => Body::Reaction {
                message_id: MessageId::new(ids[0]),
                emoji: text.into(),
            },
            2 => Body::Receipt {
                kind: if flag { ReceiptKind::Played } else { ReceiptKind::Delivered },
                message_ids: ids.iter().copied().map(MessageId::new).collect(),
            },
            3 => Body::Media(media(flag, text, ids[0])),
            4 => Body::Location(Location {
                latitude: f64::from(ids[0][0]) / 3.0,
                longitude: -f64::from(ids[0][1]) / 2.0,
                name: option(),
                address: None,
                url: option(),
            }),
            5 => Body::Contacts(Contacts { cards_json: text.into() }),
            6 => Body::Interactive(Box::new(interactive(flag, text, ids[0]))),
            7 if flag => Body::InteractiveReply(InteractiveReply::List(reply(text))),
            7 => Body::InteractiveReply(InteractiveReply::Flow {
                response_json: text.into(),
                name: option(),
                body: None,
            }),
            8 => Body::Template(Box::new(Template {
                name: "order".to_owned(),
                language: "en_US".to_owned(),
                header: flag.then(|| Header::Text(text.into())),
                body: text.into(),
                footer: option(),
                buttons: vec![TemplateButton {
                    kind: TemplateButtonKind::Url,
                    text: text.into(),
                    value: text.into(),
                }],
            })),
            9 => Body::ButtonReply(ButtonReply {
                text: text.into(),
                payload: text.into(),
            }),
            10 => Body::Edit {
                message_id: MessageId::new(ids[0]),
                text: text.into(),
                caption: flag,
            },
            11 => Body::Revoke {
                message_id: MessageId::new(ids[0]),
            },
            12 => Body::RequestWelcome,
            13 => Body::Order(Box::new(Order {
                catalog_id: text.into(),
                text: option(),
                items: vec![OrderItem {
                    product_retailer_id: text.into(),
                    quantity: u32::from(ids[0][0]) + 1,
                    price: f64::from(ids[0][1]) / 4.0,
                    currency: "EUR".into(),
                }],
            })),
            14 => Body::NumberChanged {
                number: number("+15550199"),
            },
            _ => Body::Typing,
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            kind: u8, flag: bool, text: String, ids in prop::collection::vec(any::<[u8; 16]>(), 1..20), name: String, at: u64, context: bool,
        ) {
            let context = context.then_some(Context { message_id: MessageId::new(ids[0]), from_recipient: flag, forwarded: !flag });
            let name = (!name.is_empty()).then(|| Text::new(name));
            let payload = Payload::new(number("+15550123"), number("+15550100"), MessageId::new(ids[0]), at, body(kind, flag, &text, &ids))
                .named(name)
                .in_context(context);
            let bytes = payload.encode();
            let decoded = Payload::decode(&bytes).unwrap();
            prop_assert!(same(&payload, &decoded));
            let again = decoded.encode();
            prop_assert_eq!(again.as_slice(), bytes.as_slice());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Payload::decode(&bytes);
        }
    }

    #[test]
    fn unknown_fields_and_bodies_survive() {
        let known = Payload::new(number("+15550123"), number("+15550100"), MessageId::new([7; 16]), 42, Body::Typing).encode();
        // Field 63 (a body of the future), length-delimited, and field 200, varint.
        let mut bytes = known.to_vec();
        bytes.extend_from_slice(&[0xfa, 0x03, 2, b'h', b'i', 0xc0, 0x0c, 9]);
        let decoded = Payload::decode(&bytes).unwrap();
        assert!(decoded.body == Body::Typing);
        assert_eq!(decoded.encode().as_slice(), bytes.as_slice());
    }

    #[test]
    fn a_body_of_the_future_is_unsupported_not_an_error() {
        let mut message = proto::Payload {
            version: 1,
            sender: "+15550123".into(),
            recipient: "+15550100".into(),
            message_id: vec![1; 16],
            ..Default::default()
        }
        .encode_to_vec();
        message.extend_from_slice(&[0xfa, 0x03, 2, b'h', b'i']);
        assert!(Payload::decode(&message).unwrap().body == Body::Unsupported);
    }
}
