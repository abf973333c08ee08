//! What is true of every operation, and of how the port writes.
//!
//! Purpose: completes what the areas describe (ids in paths, refusals, tags) and takes out what serialisers of schemas say of absent members.

use serde_json::{Map, Value, json};

/// Statuses of refusals.
const REFUSALS: [(&str, &str); 9] = [
    ("400", "Refused for what it says: `code` tells why."),
    ("401", "No token, or one of nobody (190)."),
    ("403", "A token of another number (10, 200)."),
    ("404", "There is no such template or file."),
    ("408", "The request took too long to arrive."),
    ("409", "Another request came with this `Idempotency-Key`."),
    ("413", "The body is too large."),
    ("500", "Something is wrong here."),
    ("503", "Nothing was done; try again after `Retry-After` seconds."),
];

/// An operation as its area describes it, made whole.
pub(super) fn complete(path: &str, tag: &str, operation: &mut Value) {
    operation["tags"] = json!([tag]);
    // Sentences in the code, headings on the page.
    if let Some(summary) = operation["summary"].as_str() {
        operation["summary"] = summary.trim_end_matches('.').replace('\n', " ").into();
    }
    let named = path.split(['{', '}']).skip(1).step_by(2).map(in_path);
    let parameters: Vec<Value> = named
        .chain(operation["parameters"].as_array().into_iter().flatten().cloned())
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into_iter().map(told).collect();
    }
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response["description"] == "" {
            response["description"] = match status.as_str() {
                "206" => "The part that `Range` asks for.",
                _ => "Done.",
            }
            .into();
        }
    }
    for (status, text) in REFUSALS {
        operation["responses"][status] =
            json!({"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    }
}

/// What is said of a parameter stands beside it, not in its schema.
fn told(mut parameter: Value) -> Value {
    if parameter["description"].is_null()
        && let Some(text) = parameter["schema"].as_object_mut().and_then(|schema| schema.remove("description"))
    {
        parameter["description"] = text;
    }
    parameter
}

/// Members are left out rather than `null`: an optional type is described as the type itself. What stands beside a type is said beside it.
pub(super) fn plain(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(plain),
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_mut_slice() {
                    let one = one.take();
                    members.insert("type".to_owned(), one);
                }
            }
            unwrap(members, "oneOf");
            unwrap(members, "allOf");
            members.values_mut().for_each(plain);
        }
        _ => {}
    }
}

/// One schema and `null`, or one schema and a comment, is that schema.
fn unwrap(members: &mut Map<String, Value>, kind: &str) {
    let Some(Value::Array(mut schemas)) = members.remove(kind) else {
        return;
    };
    schemas.retain(|schema| *schema != json!({"type": "null"}));
    let is_comment =
        |schema: &Value| schema.as_object().is_some_and(|schema| schema.keys().eq(["description", "type"])) && schema["type"] == "object";
    if let Some(at) = schemas.iter().position(is_comment).filter(|_| kind == "allOf") {
        members.insert("description".to_owned(), schemas.remove(at)["description"].take());
    }
    match schemas.as_mut_slice() {
        [Value::Object(one)] => {
            for (name, value) in std::mem::take(one) {
                members.entry(name).or_insert(value);
            }
        }
        _ => {
            members.insert(kind.to_owned(), schemas.into());
        }
    }
}

/// A page of what has a name says the name.
pub(super) fn refer(schemas: &mut Map<String, Value>) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for (name, schema) in schemas {
        let element = name
            .strip_prefix("Page_")
            .filter(|element| names.iter().any(|name| name == element));
        if let Some(element) = element {
            schema["properties"]["data"]["items"] = json!({"$ref": format!("#/components/schemas/{element}")});
        }
    }
}

fn in_path(name: &str) -> Value {
    let (schema, text) = match name {
        "phone_number_id" => (digits("106540352242922"), "The id of the phone number."),
        "account_id" => (digits("102290129340398"), "The id of the WhatsApp Business Account."),
        "app_id" => (digits("670843887433847"), "The id of the app."),
        "media_id" => (digits("1013859600285441"), "The id of a file."),
        "template_id" => (digits("1407680676729941"), "The id of a template."),
        "flow_id" => (digits("594425479261596"), "The id of a flow."),
        "upload_id" => (
            json!({"type": "string", "pattern": "^upload:[A-Za-z0-9_-]{1,1000}$", "examples": ["upload:AbCdEf"]}),
            "The id of a session.",
        ),
        "history_id" => (digits("1407680676729942"), "The id of an entry of the history."),
        "code" => (
            json!({"type": "string", "pattern": "^[A-Za-z0-9]{1,32}$", "examples": ["WAXSEAL1234567"]}),
            "The code.",
        ),
        _ => (json!({"type": "string", "minLength": 1}), ""),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema, "description": text})
}

fn digits(example: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9]{1,20}$", "examples": [example]})
}
