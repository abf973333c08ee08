//! `fields=`: which members an answer has.
//!
//! Purpose: reads what clients write (`a,b{c,d{e}}`, `a.limit(5){b}`, `a.fields(b,c)`, `a.b`) and chooses members by it. Pure.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::GraphError;

/// How many fields a request may name, at all depths together, and how deep.
const MAX_FIELDS: usize = 64;
const MAX_DEPTH: usize = 6;

/// A field that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) struct Field<'a> {
    /// Its name.
    pub(in crate::api) name: &'a str,
    /// Its members that are asked for; all of them when empty.
    pub(in crate::api) members: Vec<Self>,
    /// What else was said of it, as `name(value)`.
    pub(in crate::api) modifiers: Vec<(&'a str, &'a str)>,
}

impl Field<'_> {
    /// The value of a modifier.
    pub(in crate::api) fn modifier(&self, name: &str) -> Option<&str> {
        self.modifiers.iter().find_map(|(found, value)| (*found == name).then_some(*value))
    }
}

/// The members of a node that a request asks for.
pub(in crate::api) struct Asked<'a>(Vec<Field<'a>>);

impl<'a> Asked<'a> {
    /// What `fields` says, or else the default ones.
    ///
    /// # Errors
    /// 100 for what is no list of fields.
    pub(in crate::api) fn of(fields: Option<&'a str>, default: &[&'a str]) -> Result<Self, GraphError> {
        Ok(Self(match fields.map(str::trim).filter(|fields| !fields.is_empty()) {
            Some(fields) => parse(fields)?,
            None => default.iter().map(|name| plain(name)).collect(),
        }))
    }

    /// Whether a member is asked for: some are not made for nothing.
    pub(in crate::api) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|field| field.name == name)
    }

    /// What was said of a member, as `name.modifier(value)`.
    pub(in crate::api) fn modifier(&self, name: &str, modifier: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name)?.modifier(modifier)
    }

    /// Those members of a node; `id` always when it has one. A member that is `null` is one that such nodes have and this one has not: it is
    /// left out.
    ///
    /// # Errors
    /// 100 for what no node of this `kind` has.
    pub(in crate::api) fn choose<T: Serialize>(&self, node: &T, kind: &str) -> Result<Value, GraphError> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(node) else {
            return Ok(Value::Object(Map::new()));
        };
        let mut chosen = Map::new();
        for field in &self.0 {
            match members.get(field.name) {
                Some(Value::Null) => {}
                Some(value) => {
                    chosen.insert(field.name.to_owned(), choose(value.clone(), &field.members));
                }
                None if field.name == "id" => {}
                None => {
                    return Err(GraphError::invalid(format!(
                        "fields names a field that does not exist on node type {kind}."
                    )));
                }
            }
        }
        if let Some(id) = members.remove("id").filter(|id| !id.is_null()) {
            chosen.insert("id".to_owned(), id);
        }
        Ok(Value::Object(chosen))
    }
}

/// Reads a list of fields.
///
/// # Errors
/// 100 when it is none, or names too many.
pub(in crate::api) fn parse(fields: &str) -> Result<Vec<Field<'_>>, GraphError> {
    let mut count = 0;
    list(fields, 0, &mut count)
}

fn list<'a>(text: &'a str, depth: usize, count: &mut usize) -> Result<Vec<Field<'a>>, GraphError> {
    let mut fields = Vec::new();
    for part in split(text, ',')? {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        fields.push(field(part, depth, count)?);
    }
    Ok(fields)
}

fn field<'a>(text: &'a str, depth: usize, count: &mut usize) -> Result<Field<'a>, GraphError> {
    let wrong = || GraphError::invalid("fields is not a list of field names.");
    // Here, where every way of nesting comes through: braces, `.fields(…)` and dots.
    if depth > MAX_DEPTH {
        return Err(GraphError::invalid("fields is nested too deeply."));
    }
    *count += 1;
    if *count > MAX_FIELDS {
        return Err(GraphError::invalid("fields names more than 64 fields."));
    }
    let name_end = text.find(['.', '{', '(']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    let mut field = plain(name.trim());
    if field.name.is_empty() || !field.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(wrong());
    }
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let end = closing(inner, '}').ok_or_else(unbalanced)?;
            field.members.extend(list(&inner[..end], depth + 1, count)?);
            rest = inner[end + 1..].trim_start();
            continue;
        }
        let after = rest.strip_prefix('.').ok_or_else(wrong)?;
        let word_end = after.find(['.', '{', '(']).unwrap_or(after.len());
        let (word, more) = after.split_at(word_end);
        let word = word.trim();
        match more.strip_prefix('(') {
            Some(inner) => {
                let end = closing(inner, ')').ok_or_else(unbalanced)?;
                if word == "fields" {
                    field.members.extend(list(&inner[..end], depth + 1, count)?);
                } else {
                    field.modifiers.push((word, inner[..end].trim()));
                }
                rest = inner[end + 1..].trim_start();
            }
            None => {
                field.members.push(self::field(after.trim(), depth + 1, count)?);
                rest = "";
            }
        }
    }
    Ok(field)
}

const fn plain(name: &str) -> Field<'_> {
    Field {
        name,
        members: Vec::new(),
        modifiers: Vec::new(),
    }
}

fn unbalanced() -> GraphError {
    GraphError::invalid("fields has braces that do not match.")
}

/// Splits where nothing is open.
fn split(text: &str, at: char) -> Result<Vec<&str>, GraphError> {
    let (mut parts, mut open, mut start) = (Vec::new(), Vec::new(), 0);
    for (index, char) in text.char_indices() {
        match char {
            '{' => open.push('}'),
            '(' => open.push(')'),
            '}' | ')' if open.pop() != Some(char) => return Err(unbalanced()),
            _ if char == at && open.is_empty() => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        return Err(unbalanced());
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Where what was opened before the text is closed.
fn closing(text: &str, with: char) -> Option<usize> {
    let mut open = vec![with];
    for (index, char) in text.char_indices() {
        match char {
            '{' => open.push('}'),
            '(' => open.push(')'),
            '}' | ')' => {
                if open.pop() != Some(char) {
                    return None;
                }
                if open.is_empty() {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Keeps the members asked for, `id` always; of a list, those of each element. A list under `data` is looked into.
fn choose(value: Value, members: &[Field<'_>]) -> Value {
    if members.is_empty() {
        return value;
    }
    match value {
        Value::Object(mut object) => {
            let is_list = object.get("data").is_some_and(Value::is_array) && !members.iter().any(|member| member.name == "data");
            if is_list {
                let data = object.remove("data").unwrap_or_default();
                object.insert("data".to_owned(), choose(data, members));
                return Value::Object(object);
            }
            let chosen = object.into_iter().filter_map(|(name, value)| {
                let member = members.iter().find(|member| member.name == name);
                match member {
                    Some(member) => Some((name, choose(value, &member.members))),
                    None if name == "id" => Some((name, value)),
                    None => None,
                }
            });
            Value::Object(chosen.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(|value| choose(value, members)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &str) -> Result<Value, u32> {
        let mut whole = json!({
            "id": "9", "none": null, "a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}, "id": "7"}, "l": {"data": [{"x": 1, "y": 2}, {"x": 3}], "paging": {}},
        });
        let asked = Asked::of(Some(fields), &["a"]).map_err(|error| error.code)?;
        assert_eq!(asked.has("q"), fields.starts_with('q'));
        if let Some(format) = asked.modifier("q", "format") {
            whole["q"] = format.into();
        }
        asked.choose(&whole, "Thing").map_err(|error| error.code)
    }

    #[test]
    fn every_way_clients_ask() {
        for (fields, expected) in [
            ("", json!({"a": 1, "id": "9"})),
            (" a , none, id", json!({"a": 1, "id": "9"})),
            ("b{c}", json!({"b": {"c": 2, "id": "7"}, "id": "9"})),
            ("b{d{e},c},a", json!({"a": 1, "b": {"c": 2, "d": {"e": 3}, "id": "7"}, "id": "9"})),
            ("b.fields(c)", json!({"b": {"c": 2, "id": "7"}, "id": "9"})),
            ("b.d.e", json!({"b": {"d": {"e": 3}, "id": "7"}, "id": "9"})),
            ("b.limit(3){d{f}}", json!({"b": {"d": {"f": 4}, "id": "7"}, "id": "9"})),
            (
                "l.limit(2){x}",
                json!({"l": {"data": [{"x": 1}, {"x": 3}], "paging": {}}, "id": "9"}),
            ),
            ("q.format(PNG)", json!({"q": "PNG", "id": "9"})),
            ("a{x}", json!({"a": 1, "id": "9"})),
        ] {
            assert_eq!(read(fields), Ok(expected), "{fields}");
        }
    }

    #[test]
    fn what_is_no_list_of_fields_is_refused() {
        let deep = format!("{}a{}", "b{".repeat(9), "}".repeat(9));
        let many = "a,".repeat(65);
        for fields in [
            "zzz",
            "a,{",
            "a}",
            "b{",
            "b{c",
            "b(c",
            "b{c)",
            "b{c}}",
            "b c",
            "b.",
            "é",
            "(a)",
            deep.as_str(),
            many.as_str(),
        ] {
            assert_eq!(read(fields), Err(100), "{fields}");
        }
    }

    /// As long as a request's head may be: each dot used to take a frame of the stack.
    #[test]
    fn dots_nest_no_deeper_than_braces() {
        assert!(read("b.d.e").is_ok());
        for fields in [
            ".b".repeat(32_000),
            ".fields(b".repeat(7_000),
            ".x(1)".repeat(12_000) + &".b".repeat(9),
        ] {
            assert_eq!(read(&format!("b{fields}")), Err(100));
        }
        let wide = vec!["b.d.e"; 22].join(",");
        assert_eq!(read(&wide), Err(100), "what dots name counts");
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_client_writes_panics(fields in "[ab{}().,é ]{0,40}") {
            let _ = read(&fields);
        }
    }
}
