//! Members with members of their own.
//!
//! Purpose: a value of a request together with the path to it, so that every error names the member as its client wrote it
//! (`interactive.action.buttons[1].reply.title`). `null` is the same as absent. Names in paths are this port's, never the request's. Pure.

use std::borrow::Cow;

use serde_json::Value;
use waxseal_content::Text;

use crate::api::GraphError;

/// The largest member that is read as a tree, so that a request cannot make much more of itself in memory. What fits into it fits into an
/// envelope.
pub(super) const TREE_BYTES: usize = 64 << 10;

/// A value, and the way to it.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    path: Cow<'static, str>,
}

/// Reads a member's JSON as a tree.
///
/// # Errors
/// 100 if it is too large, too deep, or has numbers that are none.
pub(super) fn tree(json: &str, name: &str) -> Result<Value, GraphError> {
    if json.len() > TREE_BYTES {
        return Err(GraphError::invalid(format!("{name} must be at most {TREE_BYTES} bytes of JSON.")));
    }
    // The reader's own words may repeat the request.
    serde_json::from_str(json).map_err(|_| GraphError::invalid(format!("{name} is nested too deeply, or has a number out of range.")))
}

impl<'a> Node<'a> {
    /// The member `name` of a request.
    pub(super) fn new(value: &'a Value, name: &'static str) -> Self {
        Self {
            value: Some(value).filter(|value| !value.is_null()),
            path: Cow::Borrowed(name),
        }
    }

    /// How the member is called.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is nothing.
    pub(super) const fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// A member of this one; absent if this one is, or is no object.
    pub(super) fn get(&self, name: &str) -> Node<'a> {
        Node {
            value: self
                .value
                .and_then(Value::as_object)
                .and_then(|members| members.get(name))
                .filter(|value| !value.is_null()),
            path: Cow::Owned(format!("{}.{name}", self.path)),
        }
    }

    /// The same, if it is an object.
    pub(super) fn object(self) -> Result<Self, GraphError> {
        match self.value {
            Some(Value::Object(_)) => Ok(self),
            Some(_) => Err(GraphError::invalid(format!("{} must be a JSON object.", self.path))),
            None => Err(self.missing()),
        }
    }

    /// The items of a list that must be there and have at least `least` and at most `most` of them.
    pub(super) fn items(&self, least: usize, most: usize) -> Result<Vec<Node<'a>>, GraphError> {
        let items = match self.value {
            Some(Value::Array(items)) => items,
            Some(_) => return Err(GraphError::invalid(format!("{} must be a list.", self.path))),
            None => return Err(self.missing()),
        };
        if !(least..=most).contains(&items.len()) {
            return Err(GraphError::value(format!("{} must have {least} to {most} items.", self.path)));
        }
        let item = |(index, value): (usize, &'a Value)| Node {
            value: Some(value).filter(|value| !value.is_null()),
            path: Cow::Owned(format!("{}[{index}]", self.path)),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The same for a list that may be absent.
    pub(super) fn some_items(&self, most: usize) -> Result<Vec<Node<'a>>, GraphError> {
        if self.is_absent() { Ok(Vec::new()) } else { self.items(0, most) }
    }

    /// A text of at most `chars` characters; a whole number counts as its digits.
    pub(super) fn text(&self, chars: usize) -> Result<Option<Cow<'a, str>>, GraphError> {
        let text = match self.value {
            None => return Ok(None),
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Cow::Owned(number.to_string()),
            Some(_) => return Err(GraphError::invalid(format!("{} must be a string.", self.path))),
        };
        if text.len() > chars && text.chars().count() > chars {
            return Err(GraphError::invalid(format!(
                "{} must be at most {chars} characters long.",
                self.path
            )));
        }
        Ok(Some(text))
    }

    /// A text that must be there, and not be empty.
    pub(super) fn required(&self, chars: usize) -> Result<Cow<'a, str>, GraphError> {
        let text = self.text(chars)?.ok_or_else(|| self.missing())?;
        if text.is_empty() {
            return Err(GraphError::value(format!("{} must not be empty.", self.path)));
        }
        Ok(text)
    }

    /// A text that may be absent, which an empty one is, too.
    pub(super) fn content(&self, chars: usize) -> Result<Option<Text>, GraphError> {
        let text = self.text(chars)?.filter(|text| !text.is_empty());
        Ok(text.map(|text| Text::new(text.into_owned())))
    }

    /// A text that must be there, and not be empty.
    pub(super) fn required_content(&self, chars: usize) -> Result<Text, GraphError> {
        Ok(Text::new(self.required(chars)?.into_owned()))
    }

    /// One of the API's words, in lower case.
    pub(super) fn word(&self) -> Result<String, GraphError> {
        Ok(self.required(WORD_CHARS)?.to_ascii_lowercase())
    }

    /// True or false, also as words.
    pub(super) fn flag(&self) -> Result<Option<bool>, GraphError> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(GraphError::invalid(format!("{} must be true or false.", self.path))),
        }
    }

    /// A number that must be there, also as a text.
    pub(super) fn number(&self) -> Result<f64, GraphError> {
        let number = match self.value {
            None => return Err(self.missing()),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| GraphError::invalid(format!("{} must be a number.", self.path)))
    }

    /// A whole number that must be there, also as digits in a text.
    pub(super) fn integer(&self) -> Result<i64, GraphError> {
        let number = match self.value {
            None => return Err(self.missing()),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.ok_or_else(|| GraphError::invalid(format!("{} must be a whole number.", self.path)))
    }

    /// An address that a client may open.
    pub(super) fn link(&self, chars: usize) -> Result<Option<Text>, GraphError> {
        let Some(link) = self.text(chars)? else { return Ok(None) };
        let http = |scheme: &str| link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        let rest = ["https://", "http://"].into_iter().find(|scheme| http(scheme)).map_or(0, str::len);
        if rest == 0 || link.len() == rest || link.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return Err(GraphError::value(format!(
                "{} must be a URL that starts with https:// or http://.",
                self.path
            )));
        }
        Ok(Some(Text::new(link.into_owned())))
    }

    /// The member as JSON, for what is passed through; members that are `null` left out.
    pub(super) fn json(&self) -> Result<Text, GraphError> {
        let value = self.value.map(without_nulls).ok_or_else(|| self.missing())?;
        Ok(Text::new(value.to_string()))
    }

    /// That the member is missing.
    pub(super) fn missing(&self) -> GraphError {
        GraphError::missing(format!("{} is required.", self.path))
    }

    /// That the member's value is wrong in this way.
    pub(super) fn wrong(&self, rule: &str) -> GraphError {
        GraphError::value(format!("{} {rule}", self.path))
    }
}

/// Longer than any of the API's words.
const WORD_CHARS: usize = 64;

/// Trees are no deeper than the JSON reader lets them be.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().filter(|item| !item.is_null()).map(without_nulls).collect()),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}
