//! Examples of variables and files: those given must fit, and absent ones are filled in.

use serde_json::{Map, Value, json};

use super::{Fault, example, fault};
use crate::template::pattern::{Pattern, Variable};

/// Those of a header's or body's text.
pub(super) fn of_text(members: &mut Map<String, Value>, part: &str, pattern: &Pattern) -> Result<(), Fault> {
    let variables = pattern.variables();
    if variables.is_empty() {
        // Clients take the first example there is for one of a variable.
        members.remove("example");
        return Ok(());
    }
    let plain = format!("{}_text", part.to_ascii_lowercase());
    let named = format!("{plain}_named_params");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|variable| match variable {
            Variable::Name(name) => Some(name.as_str()),
            Variable::Position(_) => None,
        })
        .collect();
    let given = members
        .get("example")
        .and_then(|example| example.get(if names.is_empty() { &plain } else { &named }));
    let Some(given) = given else {
        let examples = match names.is_empty() {
            false => {
                let examples: Vec<Value> = names.iter().map(|name| json!({"param_name": name, "example": example()})).collect();
                json!({ named: examples })
            }
            true => {
                let examples: Vec<Value> = variables.iter().map(|_| example()).collect();
                json!({ plain: if part == "BODY" { json!([examples]) } else { json!(examples) } })
            }
        };
        members.insert("example".to_owned(), examples);
        return Ok(());
    };
    let fits = if names.is_empty() {
        let list = match given.as_array().and_then(|list| list.first()) {
            Some(Value::Array(inner)) => Some(inner),
            _ => given.as_array(),
        };
        list.is_some_and(|list| list.len() == variables.len() && list.iter().all(Value::is_string))
    } else {
        given.as_array().is_some_and(|list| {
            let named = |name: &&str| list.iter().any(|item| item["param_name"] == **name && item["example"].is_string());
            list.len() == names.len() && names.iter().all(named)
        })
    };
    if fits {
        Ok(())
    } else {
        fault(format!("{part}: example must have one example for each variable of the text."))
    }
}

/// That of a header's file.
pub(super) fn of_media(members: &mut Map<String, Value>) -> Result<(), Fault> {
    match members.get("example") {
        None => {
            members.insert("example".to_owned(), json!({"header_handle": [example()]}));
            Ok(())
        }
        Some(example) => match example["header_handle"].as_array().or(example["header_url"].as_array()) {
            Some(list) if list.len() == 1 && list[0].is_string() => Ok(()),
            _ => fault("HEADER: example.header_handle must be an array of one handle."),
        },
    }
}
