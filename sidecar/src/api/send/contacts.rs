//! Address cards.
//!
//! What a card may hold is open-ended, so cards are carried as they are; checked is what clients look into.

use utoipa::{
    PartialSchema as _,
    openapi::{ArrayBuilder, schema::Schema},
};
use waxseal_content::Contacts;

use super::{node::Node, shape::Card};
use crate::api::GraphError;

/// As many cards as the Cloud API takes.
const MOST_CARDS: usize = 257;
/// Phones, addresses and the like of one card, of each.
const MOST_EACH: usize = 50;
/// The longest text in a card, in characters.
pub(super) const TEXT_CHARS: usize = 1000;

const NAMES: [&str; 6] = ["formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"];
const LISTS: [(&str, &[&str]); 4] = [
    ("phones", &["phone", "type", "wa_id"]),
    ("emails", &["email", "type"]),
    ("urls", &["url", "type"]),
    ("addresses", &["street", "city", "state", "zip", "country", "country_code", "type"]),
];
const ORG: [&str; 3] = ["company", "department", "title"];

/// How `contacts` is described.
pub(super) fn cards() -> Schema {
    let cards = ArrayBuilder::new().items(Card::schema());
    cards.min_items(Some(1)).max_items(Some(MOST_CARDS)).into()
}

/// Reads `contacts`.
pub(super) fn parse(node: &Node<'_>) -> Result<Contacts, GraphError> {
    for card in node.items(1, MOST_CARDS)? {
        check(card)?;
    }
    Ok(Contacts { cards_json: node.json()? })
}

fn check(card: Node<'_>) -> Result<(), GraphError> {
    let card = card.object()?;
    let name = card.get("name").object()?;
    name.get("formatted_name").required(TEXT_CHARS)?;
    texts(&name, &NAMES)?;
    for (list, members) in LISTS {
        for item in card.get(list).some_items(MOST_EACH)? {
            texts(&item.object()?, members)?;
        }
    }
    let org = card.get("org");
    if !org.is_absent() {
        texts(&org.object()?, &ORG)?;
    }
    let birthday = card.get("birthday");
    match birthday.text(TEXT_CHARS)? {
        Some(date) if !is_date(&date) => Err(birthday.wrong("must be a date written as YYYY-MM-DD.")),
        _ => Ok(()),
    }
}

fn texts(node: &Node<'_>, members: &[&str]) -> Result<(), GraphError> {
    members.iter().try_for_each(|name| node.get(name).text(TEXT_CHARS).map(drop))
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |digits: usize, most: u32| {
        parts
            .next()
            .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
            .is_some_and(|number| (1..=most).contains(&number))
    };
    number(4, 9999) && number(2, 12) && number(2, 31) && parts.next().is_none()
}
