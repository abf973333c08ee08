//! `template`: a name, a language, and what is to be filled in.
//!
//! Here only the shape is read; whether the values fit the template, [`crate::template::fill`] knows.

use waxseal_content::MediaKind;

use super::{media, node::Node};
use crate::{
    api::GraphError,
    template::{Call, Card, Component, Parameter, Part, Value},
};

pub(super) const NAME_CHARS: usize = 512;
const LANGUAGE_CHARS: usize = 35;
/// The longest text that any place of a template takes, in characters.
const TEXT_CHARS: usize = 32_768;
const PAYLOAD_CHARS: usize = 2000;
const CODE_CHARS: usize = 64;
const MOST_COMPONENTS: usize = 32;
const MOST_PARAMETERS: usize = 256;
const MOST_CARDS: usize = 10;

/// Reads `template`.
pub(super) fn parse(node: Node<'_>) -> Result<Call, GraphError> {
    let node = node.object()?;
    Ok(Call {
        name: node.get("name").required(NAME_CHARS)?.into_owned(),
        language: node.get("language").object()?.get("code").required(LANGUAGE_CHARS)?.into_owned(),
        components: components(&node.get("components"), true)?,
    })
}

fn components(node: &Node<'_>, cards_allowed: bool) -> Result<Vec<Component>, GraphError> {
    node.some_items(MOST_COMPONENTS)?
        .into_iter()
        .map(|component| self::component(component, cards_allowed))
        .collect()
}

fn component(node: Node<'_>, cards_allowed: bool) -> Result<Component, GraphError> {
    let node = node.object()?;
    let part = match node.get("type").word()?.as_str() {
        "header" => Part::Header,
        "body" => Part::Body,
        "button" => Part::Button {
            sub_type: node.get("sub_type").word()?,
            index: index(&node.get("index"))?,
        },
        "limited_time_offer" => Part::LimitedTimeOffer,
        // Cards have no cards.
        "carousel" if cards_allowed => Part::Carousel(cards(&node.get("cards"))?),
        other => Part::Other(other.to_owned()),
    };
    Ok(Component {
        part,
        parameters: node
            .get("parameters")
            .some_items(MOST_PARAMETERS)?
            .into_iter()
            .map(parameter)
            .collect::<Result<_, _>>()?,
    })
}

fn cards(node: &Node<'_>) -> Result<Vec<Card>, GraphError> {
    let card = |node: Node<'_>| {
        let node = node.object()?;
        Ok(Card {
            index: index(&node.get("card_index"))?,
            components: components(&node.get("components"), false)?,
        })
    };
    node.items(1, MOST_CARDS)?.into_iter().map(card).collect()
}

fn index(node: &Node<'_>) -> Result<u32, GraphError> {
    u32::try_from(node.integer()?)
        .ok()
        .filter(|index| *index < 100)
        .ok_or_else(|| node.wrong("must be a place counted from 0."))
}

fn parameter(node: Node<'_>) -> Result<Parameter, GraphError> {
    let node = node.object()?;
    let word = node.get("type").word()?;
    let value = match word.as_str() {
        "text" => Value::Text(node.get("text").required_content(TEXT_CHARS)?),
        "currency" => {
            let currency = node.get("currency").object()?;
            Value::Currency {
                fallback: currency.get("fallback_value").required_content(TEXT_CHARS)?,
                code: currency.get("code").required(CODE_CHARS)?.into_owned(),
                amount_1000: currency.get("amount_1000").integer()?,
            }
        }
        "date_time" => Value::DateTime {
            fallback: node.get("date_time").object()?.get("fallback_value").required_content(TEXT_CHARS)?,
        },
        "location" => Value::Location(Box::new(media::location(node.get("location"))?)),
        "payload" => Value::Payload(node.get("payload").required_content(PAYLOAD_CHARS)?),
        "coupon_code" => Value::CouponCode(node.get("coupon_code").required_content(CODE_CHARS)?),
        "limited_time_offer" => {
            let ends = node.get("limited_time_offer").object()?.get("expiration_time_ms");
            Value::ExpiresAt(ends.integer()?)
        }
        "action" => Value::Action(node.get("action").object()?.json()?),
        other => match media::kind(other) {
            Some(kind @ (MediaKind::Image | MediaKind::Video | MediaKind::Document)) => {
                Value::Media(Box::new(media::bare(node.get(kind.as_str()), kind)?))
            }
            _ => Value::Other(word),
        },
    };
    let name = node.get("parameter_name").text(NAME_CHARS)?;
    Ok(Parameter {
        name: name.map(std::borrow::Cow::into_owned),
        value,
    })
}
