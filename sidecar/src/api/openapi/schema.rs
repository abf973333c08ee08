//! Shapes that several areas share, and short forms to write them with.

use serde_json::{Value, json};

/// Refers to a schema by name.
pub(super) fn of(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A text.
pub(super) fn text() -> Value {
    json!({"type": "string"})
}

/// A text of at most so many characters.
pub(super) fn text_of(most: u32) -> Value {
    json!({"type": "string", "maxLength": most})
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// True or false.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A whole number.
pub(super) fn whole(from: i64, to: i64) -> Value {
    json!({"type": "integer", "minimum": from, "maximum": to})
}

/// A list.
pub(super) fn list(item: &Value) -> Value {
    json!({"type": "array", "items": item})
}

/// An object with these members, the first `required` of which must be there. Others are passed over.
pub(super) fn object<const N: usize>(required: usize, members: [(&str, Value); N]) -> Value {
    let names: Vec<&str> = members.iter().take(required).map(|(name, _)| *name).collect();
    let mut object = json!({"type": "object", "required": names});
    object["properties"] = members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    object
}

/// A page of a list.
pub(super) fn page(item: &Value) -> Value {
    object(1, [("data", list(item)), ("paging", of("Paging"))])
}
