//! Messages to choose from: `interactive`.

use std::collections::HashSet;

use utoipa::openapi::Object;
use waxseal_content::{Interactive as Content, Link, MediaKind, Reply, Section, Text};

use super::{
    media::{self, LINK_CHARS},
    node::Node,
};
use crate::{
    api::{GraphError, shape::one_of},
    message::{Header, Interactive},
};

/// The longest body, in characters ...
const BODY_CHARS: usize = 1024;
/// ... and that of a list.
pub(super) const LIST_BODY_CHARS: usize = 4096;
pub(super) const HEADER_CHARS: usize = 60;
pub(super) const FOOTER_CHARS: usize = 60;
/// The longest text on a button, in characters.
const BUTTON_CHARS: usize = 20;
const BUTTON_ID_CHARS: usize = 256;
const MOST_BUTTONS: usize = 3;
const MOST_SECTIONS: usize = 10;
/// Over all sections.
const MOST_ROWS: usize = 10;
const ROW_ID_CHARS: usize = 200;
const TITLE_CHARS: usize = 24;
const DESCRIPTION_CHARS: usize = 72;
/// The longest text on the button that opens a flow, in characters.
const FLOW_BUTTON_CHARS: usize = 30;
/// The longest name or id of a flow, in characters.
const FLOW_CHARS: usize = 200;

/// What each type is made of.
struct Kind {
    word: &'static str,
    /// The name that `action` gives itself, where it does.
    action: Option<&'static str>,
    headers: Headers,
}

#[derive(PartialEq)]
enum Headers {
    None,
    Text,
    All,
}

const KINDS: [Kind; 12] = [
    Kind::new("button", None, Headers::All),
    Kind::new("list", None, Headers::Text),
    Kind::new("cta_url", Some("cta_url"), Headers::All),
    Kind::new("location_request_message", Some("send_location"), Headers::None),
    Kind::new("flow", Some("flow"), Headers::All),
    Kind::new("carousel", None, Headers::None),
    Kind::new("call_permission_request", Some("call_permission_request"), Headers::None),
    Kind::new("voice_call", Some("voice_call"), Headers::All),
    Kind::new("request_contact_info", Some("request_contact_info"), Headers::All),
    Kind::new("address_message", Some("address_message"), Headers::All),
    Kind::new("order_details", Some("review_and_pay"), Headers::All),
    Kind::new("order_status", Some("review_order"), Headers::All),
];

const PASSED_THROUGH: [&str; 7] = [
    "carousel",
    "call_permission_request",
    "voice_call",
    "request_contact_info",
    "address_message",
    "order_details",
    "order_status",
];
const OF_CATALOGUES: [&str; 3] = ["product", "product_list", "catalog_message"];

impl Kind {
    const fn new(word: &'static str, action: Option<&'static str>, headers: Headers) -> Self {
        Self { word, action, headers }
    }
}

/// How `interactive.type` is described.
pub(super) fn kinds() -> Object {
    one_of(&KINDS.map(|kind| kind.word))
}

/// Reads `interactive`.
pub(super) fn parse(node: Node<'_>) -> Result<Interactive, GraphError> {
    let node = node.object()?;
    let kind = kind(&node.get("type"))?;
    let action = node.get("action").object()?;
    let name = action.get("name");
    if let (Some(expected), Some(said)) = (kind.action, name.text(FLOW_CHARS)?)
        && !said.eq_ignore_ascii_case(expected)
    {
        return Err(name.wrong(&format!("must be \"{expected}\" for interactive.type \"{}\".", kind.word)));
    }
    let body_chars = if kind.word == "list" { LIST_BODY_CHARS } else { BODY_CHARS };
    let mut content = Content {
        kind: kind.word.to_owned(),
        header: None,
        body: body(node.get("body"), kind, body_chars)?,
        footer: footer(&node.get("footer"))?,
        replies: Vec::new(),
        list_button: None,
        sections: Vec::new(),
        link: None,
        action_json: None,
    };
    match kind.word {
        "button" => content.replies = buttons(&action.get("buttons"))?,
        "list" => {
            content.list_button = Some(action.get("button").required_content(BUTTON_CHARS)?);
            content.sections = sections(&action.get("sections"))?;
        }
        "cta_url" => content.link = Some(link(action.get("parameters"))?),
        "location_request_message" => {}
        "flow" => {
            flow(action.get("parameters"))?;
            content.action_json = Some(action.json()?);
        }
        _ => content.action_json = Some(action.json()?),
    }
    Ok(Interactive {
        content,
        header: header(node.get("header"), kind)?,
    })
}

fn kind(node: &Node<'_>) -> Result<&'static Kind, GraphError> {
    let word = node.word()?;
    if let Some(word) = OF_CATALOGUES.into_iter().find(|known| *known == word) {
        return Err(node.wrong(&format!("\"{word}\" needs a catalogue, and this phone number has none.")));
    }
    KINDS
        .iter()
        .find(|kind| kind.word == word)
        .ok_or_else(|| GraphError::invalid(format!("{} is no type of interactive message that the Cloud API has.", node.path())))
}

/// What is passed through need not say anything.
fn body(node: Node<'_>, kind: &Kind, chars: usize) -> Result<Option<Text>, GraphError> {
    if node.is_absent() && PASSED_THROUGH.contains(&kind.word) {
        return Ok(None);
    }
    node.object()?.get("text").required_content(chars).map(Some)
}

fn footer(node: &Node<'_>) -> Result<Option<Text>, GraphError> {
    if node.is_absent() {
        return Ok(None);
    }
    node.clone().object()?.get("text").content(FOOTER_CHARS)
}

fn header(node: Node<'_>, kind: &Kind) -> Result<Option<Header>, GraphError> {
    if node.is_absent() {
        return Ok(None);
    }
    let node = node.object()?;
    let r#type = node.get("type");
    let word = r#type.word()?;
    let allowed = match kind.headers {
        Headers::None => {
            return Err(GraphError::invalid(format!(
                "{} is not served for interactive.type \"{}\".",
                node.path(),
                kind.word
            )));
        }
        Headers::Text => word == "text",
        Headers::All => true,
    };
    if !allowed {
        return Err(r#type.wrong(&format!("must be \"text\" for interactive.type \"{}\".", kind.word)));
    }
    Ok(Some(match (word.as_str(), media::kind(&word)) {
        ("text", _) => Header::Text(node.get("text").required_content(HEADER_CHARS)?),
        (_, Some(kind @ (MediaKind::Image | MediaKind::Video | MediaKind::Document))) => {
            Header::Media(Box::new(media::bare(node.get(kind.as_str()), kind)?))
        }
        _ => {
            return Err(GraphError::invalid(format!(
                "{} must be \"text\", \"image\", \"video\" or \"document\".",
                r#type.path()
            )));
        }
    }))
}

fn buttons(node: &Node<'_>) -> Result<Vec<Reply>, GraphError> {
    let mut ids = HashSet::new();
    let mut replies = Vec::new();
    for button in node.items(1, MOST_BUTTONS)? {
        let button = button.object()?;
        let r#type = button.get("type");
        if !r#type.is_absent() && r#type.word()? != "reply" {
            return Err(GraphError::invalid(format!("{} must be \"reply\".", r#type.path())));
        }
        let reply = button.get("reply").object()?;
        let id = reply.get("id");
        let said = id.required(BUTTON_ID_CHARS)?;
        replies.push(Reply {
            id: Text::from(&*said),
            title: reply.get("title").required_content(BUTTON_CHARS)?,
            description: None,
        });
        if !ids.insert(said) {
            return Err(id.wrong("is the id of another button of this message, too."));
        }
    }
    Ok(replies)
}

fn sections(node: &Node<'_>) -> Result<Vec<Section>, GraphError> {
    let mut ids = HashSet::new();
    let mut sections = Vec::new();
    let items = node.items(1, MOST_SECTIONS)?;
    let several = items.len() > 1;
    for section in items {
        let section = section.object()?;
        let title = section.get("title");
        let title = if several {
            title.required_content(TITLE_CHARS)?
        } else {
            title.content(TITLE_CHARS)?.unwrap_or_else(|| Text::from(""))
        };
        let mut rows = Vec::new();
        for row in section.get("rows").items(1, MOST_ROWS)? {
            let row = row.object()?;
            let id = row.get("id");
            let said = id.required(ROW_ID_CHARS)?;
            rows.push(Reply {
                id: Text::from(&*said),
                title: row.get("title").required_content(TITLE_CHARS)?,
                description: row.get("description").content(DESCRIPTION_CHARS)?,
            });
            if !ids.insert(said) {
                return Err(id.wrong("is the id of another row of this message, too."));
            }
        }
        sections.push(Section { title, rows });
    }
    if ids.len() > MOST_ROWS {
        return Err(node.wrong(&format!("must have at most {MOST_ROWS} rows in all.")));
    }
    Ok(sections)
}

fn link(node: Node<'_>) -> Result<Link, GraphError> {
    let parameters = node.object()?;
    let url = parameters.get("url");
    Ok(Link {
        title: parameters.get("display_text").required_content(BUTTON_CHARS)?,
        url: url.link(LINK_CHARS)?.ok_or_else(|| url.missing())?,
    })
}

fn flow(node: Node<'_>) -> Result<(), GraphError> {
    let parameters = node.object()?;
    parameters.get("flow_cta").required(FLOW_BUTTON_CHARS)?;
    parameters.get("flow_message_version").required(FLOW_CHARS)?;
    match (
        parameters.get("flow_id").text(FLOW_CHARS)?,
        parameters.get("flow_name").text(FLOW_CHARS)?,
    ) {
        (None, None) => Err(GraphError::missing(format!(
            "{}.flow_id or {0}.flow_name is required.",
            parameters.path()
        ))),
        (Some(_), Some(_)) => Err(GraphError::invalid(format!(
            "{} must have flow_id or flow_name, not both.",
            parameters.path()
        ))),
        _ => Ok(()),
    }
}
