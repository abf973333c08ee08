//! A template that is to be sent: what the business asks for. What comes of it is in [`crate::template`].

use std::borrow::Cow;

use waxseal_content::{Location, Text};

use super::attachment::Attachment;

/// A template that is to be sent, as the business asks for it.
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its language, for example `en_US`.
    pub language: String,
    /// What is to be filled in, in the order of the request.
    pub components: Vec<Component>,
}

/// What is to be filled into one part of a template.
pub struct Component {
    /// Which part.
    pub part: Part,
    /// The values, in the order of the request.
    pub parameters: Vec<Parameter>,
}

/// A part of a template.
pub enum Part {
    /// What stands above the body.
    Header,
    /// The message itself.
    Body,
    /// One of the buttons.
    Button {
        /// Which kind it should be: the Cloud API's word, in lower case.
        sub_type: String,
        /// Which of the buttons, counted from 0.
        index: u32,
    },
    /// An offer that ends.
    LimitedTimeOffer,
    /// Cards side by side, each with parts of its own.
    Carousel(Vec<Card>),
    /// A part that the Cloud API does not know either: its word, in lower case.
    Other(String),
}

/// One card of a carousel.
pub struct Card {
    /// Which of the cards, counted from 0.
    pub index: u32,
    /// What is to be filled in.
    pub components: Vec<Component>,
}

/// One value to be filled in.
pub struct Parameter {
    /// The name of its place, in templates that name them.
    pub name: Option<String>,
    /// The value.
    pub value: Value,
}

/// What is filled in.
pub enum Value {
    /// Text.
    Text(Text),
    /// An amount of money: what is shown where it cannot be written in the consumer's way.
    Currency {
        /// That text.
        fallback: Text,
        /// The currency's three letters.
        code: String,
        /// The amount, times 1000.
        amount_1000: i64,
    },
    /// A time, as it is to be shown.
    DateTime {
        /// That text.
        fallback: Text,
    },
    /// A file.
    Media(Box<Attachment>),
    /// A place.
    Location(Box<Location>),
    /// What a quick reply gives back.
    Payload(Text),
    /// A code to be copied.
    CouponCode(Text),
    /// When an offer ends, Unix milliseconds.
    ExpiresAt(i64),
    /// What a button does, as the business wrote it (JSON).
    Action(Text),
    /// A value of another type: the Cloud API's word, in lower case.
    Other(String),
}

/// Why a template cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template refused with {code}: {details}")]
pub struct Fault {
    /// The Cloud API's code: 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069.
    pub code: u32,
    /// What is wrong. Names members and rules, never values.
    pub details: Cow<'static, str>,
}
