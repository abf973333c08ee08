//! The payload of a message, in types that cannot be printed, and its protobuf form.

use prost::Message as _;
use zeroize::Zeroizing;

use crate::{Error, MessageId, PhoneNumber, Text, proto};

/// The version this build writes.
const VERSION: u32 = 1;

/// Most message ids one receipt may carry; a reader refuses more, so that a receipt stays cheap to handle.
const MAX_RECEIPT_IDS: usize = 256;

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

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Plain text.
    Text {
        /// The text.
        body: Text,
        /// Whether a link in it may be shown with a preview.
        preview_url: bool,
    },
    /// A reaction to a message; an empty emoji takes it back.
    Reaction {
        /// The message reacted to.
        message_id: MessageId,
        /// The emoji.
        emoji: Text,
    },
    /// Messages arrived, or were read.
    Receipt {
        /// Which of the two.
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

impl Body {
    fn to_proto(&self) -> Option<proto::payload::Body> {
        use proto::payload::Body as Wire;
        match self {
            Self::Text { body, preview_url } => Some(Wire::Text(proto::Text {
                body: body.to_plain(),
                preview_url: *preview_url,
            })),
            Self::Reaction { message_id, emoji } => Some(Wire::Reaction(proto::Reaction {
                message_id: message_id.as_bytes().to_vec(),
                emoji: emoji.to_plain(),
            })),
            Self::Receipt { kind, message_ids } => Some(Wire::Receipt(proto::Receipt {
                kind: match kind {
                    ReceiptKind::Delivered => proto::receipt::Kind::Delivered,
                    ReceiptKind::Read => proto::receipt::Kind::Read,
                }
                .into(),
                message_ids: message_ids.iter().map(|id| id.as_bytes().to_vec()).collect(),
            })),
            Self::Typing => Some(Wire::Typing(proto::Typing {})),
            Self::Unsupported => None,
        }
    }

    fn from_proto(body: Option<proto::payload::Body>) -> Result<Self, Error> {
        use proto::payload::Body as Wire;
        Ok(match body {
            None => Self::Unsupported,
            Some(Wire::Text(text)) => Self::Text {
                body: Text::new(text.body),
                preview_url: text.preview_url,
            },
            Some(Wire::Reaction(reaction)) => Self::Reaction {
                message_id: MessageId::from_slice(&reaction.message_id).ok_or(Error::Member("reaction.message_id"))?,
                emoji: Text::new(reaction.emoji),
            },
            Some(Wire::Receipt(receipt)) => {
                let kind = match receipt.kind() {
                    proto::receipt::Kind::Delivered => ReceiptKind::Delivered,
                    proto::receipt::Kind::Read => ReceiptKind::Read,
                    proto::receipt::Kind::Unspecified => return Err(Error::Member("receipt.kind")),
                };
                if receipt.message_ids.is_empty() || receipt.message_ids.len() > MAX_RECEIPT_IDS {
                    return Err(Error::Member("receipt.message_ids"));
                }
                let ids = receipt
                    .message_ids
                    .iter()
                    .map(|id| MessageId::from_slice(id).ok_or(Error::Member("receipt.message_ids")));
                Self::Receipt {
                    kind,
                    message_ids: ids.collect::<Result<_, _>>()?,
                }
            }
            Some(Wire::Typing(_)) => Self::Typing,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    /// Content has no `Debug`, which proptest wants of what it generates; so plain values are generated and turned into content here.
    fn body(kind: u8, flag: bool, text: &str, ids: &[[u8; 16]]) -> Body {
        match kind % 4 {
            0 => Body::Text {
                body: text.into(),
                preview_url: flag,
            },
            1 => Body::Reaction {
                message_id: MessageId::new(ids[0]),
                emoji: text.into(),
            },
            2 => Body::Receipt {
                kind: if flag { ReceiptKind::Read } else { ReceiptKind::Delivered },
                message_ids: ids.iter().copied().map(MessageId::new).collect(),
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
