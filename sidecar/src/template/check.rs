//! Checks the components of a template as the business registers it, and reads what they say.
//!
//! Clients cannot read a template back whose variables have no examples, so absent ones are filled in. What passes is stored in capitals, as
//! the Cloud API shows it, whichever way it was written.

use serde_json::{Map, Value, json};
use waxseal_content::MediaKind;

use super::{
    Category,
    definition::{Action, Button, Definition, Header, ParameterFormat},
    pattern::{Pattern, Variable},
    words,
};

mod buttons;
mod examples;

/// The longest header, body, footer and name, in characters.
const HEADER_CHARS: usize = 60;
const BODY_CHARS: usize = 1024;
const FOOTER_CHARS: usize = 60;
/// The longest that a message may wait for its consumer, if its template says so.
pub(crate) const MOST_TTL_SECONDS: i64 = 2_592_000;
pub(crate) const NAME_CHARS: usize = 512;
/// What one template may take in the store.
const COMPONENTS_BYTES: usize = 12 * 1024;
const EXPIRATION_MINUTES: std::ops::RangeInclusive<i64> = 1..=90;

/// What is wrong with a template, as the business is told. Names the component and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

fn fault<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault(text.into()))
}

/// A template whose components are in order.
pub struct Checked {
    /// In the form clients read.
    pub components: Vec<Value>,
    /// How variables are written.
    pub parameter_format: ParameterFormat,
    /// What they say.
    pub definition: Definition,
}

/// Checks a name.
///
/// # Errors
/// [`Fault`].
pub fn name(name: &str) -> Result<(), Fault> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > NAME_CHARS || !name.bytes().all(word) {
        return fault(format!("name must be 1 to {NAME_CHARS} lower-case letters, digits and _."));
    }
    Ok(())
}

/// Checks a language code: two or three letters, and a region where there is one.
///
/// # Errors
/// [`Fault`].
pub fn language(code: &str) -> Result<(), Fault> {
    let (primary, region) = match code.split_once('_') {
        Some((primary, region)) => (primary, Some(region)),
        None => (code, None),
    };
    let is_primary = (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = region.is_none_or(|region| (2..=4).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_primary || !is_region {
        return fault("language must be a language code such as en or en_US.");
    }
    Ok(())
}

/// Checks a time to live, in seconds, against what the category allows. -1 is as long as anything is kept.
///
/// # Errors
/// [`Fault`].
pub fn time_to_live(category: Category, seconds: i64) -> Result<(), Fault> {
    let (low, high) = match category {
        Category::Authentication => (30, 900),
        Category::Utility => (30, 43_200),
        Category::Marketing => (43_200, MOST_TTL_SECONDS),
    };
    if seconds != -1 && !(low..=high).contains(&seconds) {
        return fault(format!(
            "message_send_ttl_seconds must be {low} to {high} for category {}, or -1.",
            category.as_str()
        ));
    }
    Ok(())
}

/// Checks components. `format`: as the business said it, if it did.
///
/// # Errors
/// [`Fault`].
pub fn components(category: Category, language: &str, format: Option<ParameterFormat>, components: &[Value]) -> Result<Checked, Fault> {
    if components.iter().map(|component| component.to_string().len()).sum::<usize>() > COMPONENTS_BYTES {
        return fault(format!("components must not be longer than {COMPONENTS_BYTES} bytes."));
    }
    let mut reader = Reader {
        category,
        language,
        format,
        definition: Definition::default(),
        seen: Vec::new(),
        written: Vec::new(),
    };
    for component in components {
        reader.component(component)?;
    }
    if !reader.seen.contains(&"BODY") {
        return fault("components: a BODY is required.");
    }
    reader.definition.body_only = reader.seen == ["BODY"];
    if category == Category::Authentication {
        let codes = reader
            .definition
            .buttons
            .iter()
            .filter(|button| button.action == Action::OneTimeCode);
        if codes.count() != 1 || reader.definition.buttons.len() != 1 || reader.definition.header.is_some() {
            return fault("components: an AUTHENTICATION template has a BODY, at most a FOOTER, and BUTTONS with exactly one OTP button.");
        }
    }
    // As read from above to below.
    let order = |component: &Value| ORDER.iter().position(|kind| component["type"] == *kind);
    reader.written.sort_by_key(order);
    Ok(Checked {
        components: reader.written,
        parameter_format: reader.format.unwrap_or(ParameterFormat::Positional),
        definition: reader.definition,
    })
}

const ORDER: [&str; 4] = ["HEADER", "BODY", "FOOTER", "BUTTONS"];

struct Reader<'a> {
    category: Category,
    language: &'a str,
    format: Option<ParameterFormat>,
    definition: Definition,
    seen: Vec<&'static str>,
    written: Vec<Value>,
}

impl Reader<'_> {
    fn component(&mut self, component: &Value) -> Result<(), Fault> {
        let Some(members) = component.as_object() else {
            return fault("components must be objects.");
        };
        let kind = word(members, "type").unwrap_or_default();
        let Some(kind) = ORDER.into_iter().find(|known| *known == kind) else {
            return fault(match kind.as_str() {
                "CAROUSEL" | "LIMITED_TIME_OFFER" | "CALL_PERMISSION_REQUEST" => {
                    format!("components: type {kind} is not served; HEADER, BODY, FOOTER and BUTTONS are.")
                }
                _ => "components: type must be HEADER, BODY, FOOTER or BUTTONS.".to_owned(),
            });
        };
        if self.seen.contains(&kind) {
            return fault(format!("components: there may be only one {kind}."));
        }
        self.seen.push(kind);
        let mut members = members.clone();
        members.retain(|_, value| !value.is_null());
        members.insert("type".to_owned(), kind.into());
        match kind {
            "HEADER" => self.header(&mut members)?,
            "BODY" => self.body(&mut members)?,
            "FOOTER" => self.footer(&members)?,
            _ => self.buttons(&mut members)?,
        }
        self.written.push(Value::Object(members));
        Ok(())
    }

    fn header(&mut self, members: &mut Map<String, Value>) -> Result<(), Fault> {
        let format = word(members, "format").unwrap_or_else(|| "TEXT".to_owned());
        let header = match format.as_str() {
            "TEXT" => {
                let pattern = self.pattern(members, "HEADER", HEADER_CHARS)?;
                if pattern.variables().len() > 1 {
                    return fault("HEADER: text may have one variable at most.");
                }
                examples::of_text(members, "HEADER", &pattern)?;
                Header::Text(pattern)
            }
            "IMAGE" => Header::Media(MediaKind::Image),
            "VIDEO" => Header::Media(MediaKind::Video),
            "DOCUMENT" => Header::Media(MediaKind::Document),
            "LOCATION" => Header::Location,
            _ => return fault("HEADER: format must be TEXT, IMAGE, VIDEO, DOCUMENT or LOCATION."),
        };
        if matches!(header, Header::Media(_)) {
            examples::of_media(members)?;
        }
        members.insert("format".to_owned(), format.into());
        self.definition.header = Some(header);
        Ok(())
    }

    fn body(&mut self, members: &mut Map<String, Value>) -> Result<(), Fault> {
        if self.category == Category::Authentication {
            let recommended = match members.get("add_security_recommendation") {
                None => false,
                Some(Value::Bool(flag)) => *flag,
                Some(_) => return fault("BODY: add_security_recommendation must be true or false."),
            };
            if members.contains_key("text") {
                return fault("BODY: the text of an AUTHENTICATION template is fixed; leave text out.");
            }
            // Clients tell by this member what kind of body they read.
            members.insert("add_security_recommendation".to_owned(), recommended.into());
            let words = words::of(self.language);
            let text = format!("{}{}", words.code, if recommended { words.recommendation } else { "" });
            self.definition.body = Pattern::parse(&text).map_err(|_| Fault("BODY cannot be written in this language.".to_owned()))?;
            return Ok(());
        }
        let pattern = self.pattern(members, "BODY", BODY_CHARS)?;
        examples::of_text(members, "BODY", &pattern)?;
        self.definition.body = pattern;
        Ok(())
    }

    fn footer(&mut self, members: &Map<String, Value>) -> Result<(), Fault> {
        if self.category == Category::Authentication {
            let minutes = members.get("code_expiration_minutes").and_then(Value::as_i64);
            let Some(minutes) = minutes.filter(|minutes| EXPIRATION_MINUTES.contains(minutes)) else {
                return fault("FOOTER: code_expiration_minutes must be 1 to 90.");
            };
            let [before, after] = words::of(self.language).expires;
            self.definition.footer = Some(format!("{before}{minutes}{after}"));
            return Ok(());
        }
        let text = text(members, "FOOTER", "text", FOOTER_CHARS)?;
        if Pattern::parse(text).map_or(true, |pattern| !pattern.variables().is_empty()) {
            return fault("FOOTER: text must not have variables.");
        }
        self.definition.footer = Some(text.to_owned());
        Ok(())
    }

    fn buttons(&mut self, members: &mut Map<String, Value>) -> Result<(), Fault> {
        let Some(Value::Array(given)) = members.get("buttons") else {
            return fault("BUTTONS: buttons must be an array.");
        };
        let mut written = Vec::with_capacity(given.len());
        for button in given {
            let Some(button) = button.as_object() else {
                return fault("BUTTONS: each button must be an object.");
            };
            let mut button = button.clone();
            button.retain(|_, value| !value.is_null());
            let read: Button = buttons::read(&mut button, self.category, words::of(self.language))?;
            self.definition.buttons.push(read);
            written.push(Value::Object(button));
        }
        buttons::together(&self.definition.buttons)?;
        members.insert("buttons".to_owned(), written.into());
        Ok(())
    }

    /// A text with variables, all texts of one template in the same format.
    fn pattern(&mut self, members: &Map<String, Value>, part: &str, chars: usize) -> Result<Pattern, Fault> {
        let text = text(members, part, "text", chars)?;
        let pattern = Pattern::parse(text).map_err(|invalid| Fault(format!("{part}: text {invalid}.")))?;
        let format = match pattern.variables().first() {
            None => return Ok(pattern),
            Some(Variable::Position(_)) => ParameterFormat::Positional,
            Some(Variable::Name(_)) => ParameterFormat::Named,
        };
        match self.format.replace(format) {
            Some(said) if said != format => fault(format!(
                "{part}: text has {} variables, but parameter_format or another component is {}.",
                format.as_str(),
                said.as_str()
            )),
            _ => Ok(pattern),
        }
    }
}

/// A text that must be there and not be too long.
fn text<'a>(members: &'a Map<String, Value>, part: &str, name: &str, chars: usize) -> Result<&'a str, Fault> {
    match members.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= chars => Ok(text),
        Some(Value::String(_)) => fault(format!("{part}: {name} must be 1 to {chars} characters long.")),
        Some(_) => fault(format!("{part}: {name} must be a string.")),
        None => fault(format!("{part}: {name} is required.")),
    }
}

/// A word in capitals.
fn word(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(str::to_ascii_uppercase)
}

/// An example for a variable that has none.
fn example() -> Value {
    json!("example")
}
