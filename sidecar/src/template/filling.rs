//! Fills a template in.

use std::{collections::HashMap, time::Duration};

use waxseal_content::{TemplateButton, TemplateButtonKind, Text};

use super::{
    definition::{self, Action, Category, Entry, Status},
    error::{Error, Place},
    pattern::{Pattern, Variable},
};
use crate::message::{
    Header,
    template::{Call, Component, Parameter, Part, Value},
};

/// The longest header and body once filled in, in characters, and a body that stands alone.
const HEADER_CHARS: usize = 60;
const BODY_CHARS: usize = 1024;
const BODY_ALONE_CHARS: usize = 32_768;
/// The longest address, code and payload.
const URL_CHARS: usize = 2000;
const CODE_CHARS: usize = 15;
const PAYLOAD_CHARS: usize = 256;
/// Codes are worthless soon.
const AUTHENTICATION_LIFETIME: Duration = Duration::from_secs(600);

/// A template, filled in. Its file, if it has one, is only named.
pub struct Filled {
    /// Its name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// What it is for.
    pub category: Category,
    /// Above the body.
    pub header: Option<Header>,
    /// The message itself.
    pub body: Text,
    /// Below the body.
    pub footer: Option<Text>,
    /// What can be pressed.
    pub buttons: Vec<TemplateButton>,
    /// After which time it is not worth delivering any more; `None` for as long as any message.
    pub worth: Option<Duration>,
}

/// Fills a template in.
///
/// # Errors
/// [`Error`], as soon as something does not fit.
pub(super) fn fill(entry: &Entry, call: &Call) -> Result<Filled, Error> {
    match entry.status {
        Status::Approved => {}
        Status::Paused => return Err(Error::Paused),
        Status::Disabled => return Err(Error::Disabled),
        Status::Pending | Status::Rejected | Status::Archived => return Err(Error::NotApproved),
    }
    let definition = &entry.definition;
    let given = Given::of(call)?;
    let header = match &definition.header {
        None => match given.header {
            [] => None,
            given => {
                return Err(Error::Count {
                    part: Place::Header,
                    given: given.len(),
                    expected: 0,
                });
            }
        },
        Some(header) => Some(fill_header(header, given.header)?),
    };
    let body = fill_text(&definition.body, given.body, Place::Body)?;
    let limit = if definition.body_only { BODY_ALONE_CHARS } else { BODY_CHARS };
    within(&body, limit, Place::Body)?;
    if entry.category == Category::Authentication {
        let code = given.body.iter().filter_map(text_of).next().unwrap_or_default();
        within(code, CODE_CHARS, Place::Body)?;
    }
    let mut buttons = Vec::with_capacity(definition.buttons.len());
    for (index, button) in definition.buttons.iter().enumerate() {
        let (kind, value) = press(index, &button.action, &button.text, given.buttons.get(&index))?;
        buttons.push(TemplateButton {
            kind,
            text: Text::from(button.text.as_str()),
            value: Text::new(value),
        });
    }
    if let Some(index) = given.buttons.keys().filter(|index| **index >= definition.buttons.len()).min() {
        return Err(Error::UnknownButton(*index));
    }
    Ok(Filled {
        name: entry.name.clone(),
        language: entry.language.clone(),
        category: entry.category,
        header,
        body: Text::new(body),
        footer: definition.footer.as_deref().map(Text::from),
        buttons,
        worth: time_to_live(entry),
    })
}

fn time_to_live(entry: &Entry) -> Option<Duration> {
    match (entry.message_send_ttl_seconds, entry.category) {
        (Some(seconds), _) => u64::try_from(seconds).ok().map(Duration::from_secs),
        (None, Category::Authentication) => Some(AUTHENTICATION_LIFETIME),
        (None, Category::Marketing | Category::Utility) => None,
    }
}

/// The parameters of a call by what they are for.
struct Given<'a> {
    header: &'a [Parameter],
    body: &'a [Parameter],
    buttons: HashMap<usize, (&'a str, &'a [Parameter])>,
}

impl<'a> Given<'a> {
    fn of(call: &'a Call) -> Result<Self, Error> {
        let (mut header, mut body, mut buttons) = (None, None, HashMap::new());
        for Component { part, parameters } in &call.components {
            let parameters = parameters.as_slice();
            let (before, place) = match part {
                Part::Header => (header.replace(parameters).is_some(), Place::Header),
                Part::Body => (body.replace(parameters).is_some(), Place::Body),
                Part::Button { sub_type, index } => {
                    let index = usize::try_from(*index).unwrap_or(usize::MAX);
                    let before = buttons.insert(index, (sub_type.as_str(), parameters));
                    (before.is_some(), Place::Button(index))
                }
                Part::LimitedTimeOffer | Part::Carousel(_) | Part::Other(_) => return Err(Error::UnknownComponent),
            };
            if before {
                return Err(Error::Twice(place));
            }
        }
        Ok(Self {
            header: header.unwrap_or_default(),
            body: body.unwrap_or_default(),
            buttons,
        })
    }
}

fn fill_header(header: &definition::Header, given: &[Parameter]) -> Result<Header, Error> {
    let mismatch = |expected| Error::Format {
        part: Place::Header,
        expected,
    };
    let one = |expected| match given {
        [one] => Ok(&one.value),
        [] => Err(mismatch(expected)),
        given => Err(Error::Count {
            part: Place::Header,
            given: given.len(),
            expected: 1,
        }),
    };
    match header {
        definition::Header::Text(pattern) => {
            let text = fill_text(pattern, given, Place::Header)?;
            within(&text, HEADER_CHARS, Place::Header)?;
            Ok(Header::Text(Text::new(text)))
        }
        definition::Header::Media(kind) => match one(kind.as_str())? {
            Value::Media(attachment) if attachment.kind == *kind => Ok(Header::Media(attachment.clone())),
            _ => Err(mismatch(kind.as_str())),
        },
        definition::Header::Location => match one("location")? {
            Value::Location(location) => Ok(Header::Location(location.clone())),
            _ => Err(mismatch("location")),
        },
    }
}

fn text_of(parameter: &Parameter) -> Option<&str> {
    match &parameter.value {
        Value::Text(text) | Value::Currency { fallback: text, .. } | Value::DateTime { fallback: text } => Some(text.reveal()),
        _ => None,
    }
}

fn fill_text(pattern: &Pattern, given: &[Parameter], part: Place) -> Result<String, Error> {
    let variables = pattern.variables();
    if variables.len() != given.len() {
        return Err(Error::Count {
            part,
            given: given.len(),
            expected: variables.len(),
        });
    }
    let mut values = HashMap::with_capacity(given.len());
    for (at, parameter) in (1..).zip(given) {
        let text = text_of(parameter).ok_or(Error::Format { part, expected: "text" })?;
        if !is_plain(text) {
            return Err(Error::Characters(part));
        }
        let variable = match (variables.first(), &parameter.name) {
            (Some(Variable::Name(_)), Some(name)) => Variable::Name(name.clone()),
            (Some(Variable::Name(_)), None) => {
                return Err(Error::Format {
                    part,
                    expected: "parameters with a parameter_name",
                });
            }
            _ => Variable::Position(at),
        };
        values.insert(variable, text);
    }
    pattern.fill(|variable| values.get(variable).copied()).ok_or(Error::Name(part))
}

/// Line breaks and rows of spaces would let a parameter pass for more than it is.
fn is_plain(text: &str) -> bool {
    !text.contains(['\n', '\r', '\t']) && !text.contains("     ")
}

fn within(text: &str, limit: usize, part: Place) -> Result<(), Error> {
    match text.len() > limit && text.chars().count() > limit {
        true => Err(Error::TooLong { part, limit }),
        false => Ok(()),
    }
}

/// What pressing a button does in this message.
fn press(index: usize, action: &Action, label: &str, given: Option<&(&str, &[Parameter])>) -> Result<(TemplateButtonKind, String), Error> {
    let part = Place::Button(index);
    let (kind, takes): (_, &[&str]) = match action {
        Action::QuickReply => (TemplateButtonKind::QuickReply, &["quick_reply"]),
        Action::Url(pattern) if pattern.variables().is_empty() => (TemplateButtonKind::Url, &[]),
        Action::Url(_) => (TemplateButtonKind::Url, &["url"]),
        Action::CouponCode => (TemplateButtonKind::CopyCode, &["copy_code"]),
        // As the Cloud API names it, and as what it is.
        Action::OneTimeCode => (TemplateButtonKind::CopyCode, &["url", "copy_code", "otp"]),
        Action::Flow(_) => (TemplateButtonKind::Flow, &["flow"]),
        Action::PhoneNumber(_) => (TemplateButtonKind::PhoneNumber, &[]),
        Action::Other => (TemplateButtonKind::Other, &[]),
    };
    let parameter = match given {
        None | Some((_, [])) => None,
        Some((sub_type, _)) if !takes.contains(sub_type) => return Err(Error::UnknownButton(index)),
        Some((_, [one])) => Some(&one.value),
        Some((_, more)) => {
            return Err(Error::Count {
                part,
                given: more.len(),
                expected: 1,
            });
        }
    };
    let expected = |expected| Error::Format { part, expected };
    let bounded = |text: &Text, limit: usize| within(text.reveal(), limit, part).map(|()| text.reveal().to_owned());
    let value = match (action, parameter) {
        (Action::QuickReply, None) => label.to_owned(),
        (Action::QuickReply, Some(Value::Payload(payload) | Value::Text(payload))) => bounded(payload, PAYLOAD_CHARS)?,
        (Action::QuickReply, Some(_)) => return Err(expected("payload")),
        (Action::Url(pattern), None) => pattern.fill(|_| None).ok_or(Error::ButtonParameter(index))?,
        (Action::Url(pattern), Some(Value::Text(suffix))) => {
            let url = pattern.fill(|_| Some(suffix.reveal())).ok_or(Error::ButtonParameter(index))?;
            within(&url, URL_CHARS, part)?;
            if !is_plain(&url) {
                return Err(Error::Characters(part));
            }
            url
        }
        (Action::Url(_), Some(_)) => return Err(expected("text")),
        (Action::CouponCode | Action::OneTimeCode, None) => return Err(Error::ButtonParameter(index)),
        (Action::CouponCode | Action::OneTimeCode, Some(Value::CouponCode(code) | Value::Text(code))) => bounded(code, CODE_CHARS)?,
        (Action::CouponCode, Some(_)) => return Err(expected("coupon_code")),
        (Action::OneTimeCode, Some(_)) => return Err(expected("text")),
        (Action::Flow(flow), None) => flow.to_string(),
        (Action::Flow(flow), Some(Value::Action(said))) => with_action(flow.clone(), said),
        (Action::Flow(_), Some(_)) => return Err(expected("action")),
        (Action::PhoneNumber(number), _) => number.clone(),
        (Action::Other, _) => String::new(),
    };
    Ok((kind, value))
}

/// A flow with what this message says of it.
fn with_action(mut flow: serde_json::Value, said: &Text) -> String {
    let said: serde_json::Value = serde_json::from_str(said.reveal()).unwrap_or_default();
    for name in ["flow_token", "flow_action_data"] {
        if !said[name].is_null() {
            flow[name] = said[name].clone();
        }
    }
    flow.to_string()
}
