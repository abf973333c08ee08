//! What a request says, member by member.
//!
//! Purpose: the tolerances clients need (`null` is absent, `"true"` is true, unknown members are passed over) and the errors that name a member
//! and its rule, never its value. Pure.

use serde::de::{
    DeserializeOwned,
    value::{Error, StrDeserializer},
};
use serde_json::{Map, Value};

use super::super::GraphError;

/// What a request says.
pub(in crate::api) struct Arguments(Map<String, Value>);

impl Arguments {
    /// Takes the members over; those that are `null` are absent.
    pub(in crate::api) fn new(mut members: Map<String, Value>) -> Self {
        members.retain(|_, value| !value.is_null());
        Self(members)
    }

    /// Whether nothing was said.
    pub(in crate::api) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a member is there.
    pub(in crate::api) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member as it is.
    pub(in crate::api) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Every member.
    pub(in crate::api) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A text; a whole number counts as its digits.
    pub(in crate::api) fn text(&self, name: &str) -> Result<Option<String>, GraphError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(Some(number.to_string())),
            Some(_) => Err(GraphError::invalid(format!("{name} must be a string."))),
        }
    }

    /// A text of at most so many characters.
    pub(in crate::api) fn bounded(&self, name: &str, chars: usize) -> Result<Option<String>, GraphError> {
        let text = self.text(name)?;
        if text.as_ref().is_some_and(|text| text.chars().count() > chars) {
            return Err(GraphError::invalid(format!("{name} must be at most {chars} characters long.")));
        }
        Ok(text)
    }

    /// A text that must be there.
    pub(in crate::api) fn required(&self, name: &str) -> Result<String, GraphError> {
        self.text(name)?.ok_or_else(|| GraphError::missing(format!("{name} is required.")))
    }

    /// True or false, also as words.
    pub(in crate::api) fn flag(&self, name: &str) -> Result<Option<bool>, GraphError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") || word == "1" => Ok(Some(true)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") || word == "0" => Ok(Some(false)),
            Some(_) => Err(GraphError::invalid(format!("{name} must be true or false."))),
        }
    }

    /// A whole number, also as digits in a text.
    pub(in crate::api) fn number(&self, name: &str) -> Result<Option<i64>, GraphError> {
        let wrong = || GraphError::invalid(format!("{name} must be a whole number."));
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => number.as_i64().map(Some).ok_or_else(wrong),
            Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// An object; one written as JSON in a text (in a form or a query) counts.
    pub(in crate::api) fn object(&self, name: &str) -> Result<Option<Self>, GraphError> {
        let wrong = || GraphError::invalid(format!("{name} must be a JSON object."));
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self::new(members.clone()))),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(members)) => Ok(Some(Self::new(members))),
                _ => Err(wrong()),
            },
            Some(_) => Err(wrong()),
        }
    }

    /// A list; one written as JSON in a text counts.
    pub(in crate::api) fn list(&self, name: &str) -> Result<Option<Vec<Value>>, GraphError> {
        let wrong = || GraphError::invalid(format!("{name} must be a JSON array."));
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list.clone())),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Array(list)) => Ok(Some(list)),
                _ => Err(wrong()),
            },
            Some(_) => Err(wrong()),
        }
    }

    /// `messaging_product` must be `whatsapp` where it is said at all.
    pub(in crate::api) fn whatsapp(&self) -> Result<(), GraphError> {
        match self.text("messaging_product")? {
            Some(product) if !product.eq_ignore_ascii_case("whatsapp") => {
                Err(GraphError::invalid("messaging_product must be \"whatsapp\"."))
            }
            _ => Ok(()),
        }
    }
}

/// The word of a closed list that a text is, in whatever case it is written.
pub(in crate::api) fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    exact(&text.to_ascii_uppercase())
}

/// The word of a closed list that a text is.
pub(in crate::api) fn exact<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(text)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: Value) -> Arguments {
        match value {
            Value::Object(members) => Arguments::new(members),
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn members_are_read_as_clients_write_them() {
        let said = arguments(json!({"a": "x", "n": 7, "t": "true", "f": false, "z": null, "o": "{\"b\":1}", "l": [1], "d": "42"}));
        assert_eq!(said.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(said.text("n").unwrap().as_deref(), Some("7"));
        assert_eq!(said.flag("t").unwrap(), Some(true));
        assert_eq!(said.flag("f").unwrap(), Some(false));
        assert!(!said.has("z") && said.text("z").unwrap().is_none());
        assert_eq!(said.object("o").unwrap().unwrap().number("b").unwrap(), Some(1));
        assert_eq!(said.list("l").unwrap().unwrap().len(), 1);
        assert_eq!(said.number("d").unwrap(), Some(42));
    }

    #[test]
    fn errors_name_the_member_and_not_its_value() {
        let said = arguments(json!({"a": {"secret": 1}, "t": "maybe", "long": "12345"}));
        for error in [
            said.text("a").unwrap_err(),
            said.flag("t").unwrap_err(),
            said.list("a").unwrap_err(),
            said.number("t").unwrap_err(),
            said.bounded("long", 4).unwrap_err(),
        ] {
            assert_eq!(error.code, 100);
        }
        assert_eq!(said.required("none").unwrap_err().code, 131_008);
    }
}
