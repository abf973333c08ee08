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

/// What every area needs.
pub(super) fn common() -> Vec<(&'static str, Value)> {
    let error = object(
        4,
        [
            ("message", text()),
            ("type", text()),
            ("code", json!({"type": "integer", "examples": [100, 131_008]})),
            ("fbtrace_id", text()),
            ("error_subcode", json!({"type": "integer"})),
            ("error_data", object(0, [("messaging_product", text()), ("details", text())])),
            ("is_transient", flag()),
            ("error_user_title", text()),
            ("error_user_msg", text()),
        ],
    );
    let cursors = object(0, [("before", text()), ("after", text())]);
    vec![
        ("Error", object(1, [("error", error)])),
        ("Success", object(1, [("success", json!({"const": true}))])),
        ("Paging", object(0, [("cursors", cursors), ("next", text()), ("previous", text())])),
    ]
}
