use super::*;

/// Every `$ref` of a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.push(reference.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in &found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(
            found.iter().any(|reference| reference.ends_with(&format!("/{name}"))),
            "{name} is used nowhere"
        );
    }
}

#[test]
fn every_operation_can_be_found_and_read() {
    let document = document();
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let named = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{named}: its id is another's"
            );
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{named}");
            let good = operation["responses"]["200"]["content"].as_object();
            assert!(good.is_some_and(|content| !content.is_empty()), "{named} answers nothing");
            let body = &operation["requestBody"]["content"]["application/json"];
            assert!(
                body.is_null() || body["examples"].as_object().is_some_and(|examples| !examples.is_empty()),
                "{named} has no example"
            );
        }
    }
}

/// What of a value is otherwise than its schema says.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    if let Some(of) = schema["oneOf"].as_array() {
        let each: Vec<_> = of.iter().map(|schema| faults(document, schema, value, at)).collect();
        return each.iter().min_by_key(|faults| faults.len()).cloned().unwrap();
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |named: &Value| named == kind || (named == "number" && kind == "integer");
    let is_of_kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(is_kind),
        named => is_kind(named),
    };
    let mut found = Vec::new();
    let mut must = |holds: bool, rule: &str| {
        if !holds {
            found.push(format!("{at}: {rule}"));
        }
    };
    must(is_of_kind, "type");
    must(schema["enum"].as_array().is_none_or(|words| words.contains(value)), "enum");
    let most = |name: &str| {
        schema[name]
            .as_u64()
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usize::MAX)
    };
    must(
        value.as_str().is_none_or(|text| text.chars().count() <= most("maxLength")),
        "maxLength",
    );
    must(value.as_array().is_none_or(|list| list.len() <= most("maxItems")), "maxItems");
    let number = |name: &str| schema[name].as_f64();
    must(
        value.as_f64().zip(number("minimum")).is_none_or(|(value, least)| value >= least),
        "minimum",
    );
    must(
        value.as_f64().zip(number("maximum")).is_none_or(|(value, most)| value <= most),
        "maximum",
    );
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{at}[{index}]")));
    }
    let members = value.as_object();
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        if members.is_some_and(|members| !members.contains_key(name)) {
            found.push(format!("{at}.{name}: required"));
        }
    }
    // What has no members that are described may have any.
    if let Some(described) = schema["properties"].as_object() {
        for (name, value) in members.into_iter().flatten() {
            match described.get(name) {
                Some(schema) => found.extend(faults(document, schema, value, &format!("{at}.{name}"))),
                None => found.push(format!("{at}.{name}: not described")),
            }
        }
    }
    found
}

#[test]
fn every_example_is_what_is_described() {
    let document = document();
    let mut found = Vec::new();
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for content in [&operation["requestBody"], &operation["responses"]["200"]] {
                let content = &content["content"]["application/json"];
                for (name, example) in content["examples"].as_object().into_iter().flatten() {
                    count += 1;
                    let at = format!("{method} {path}, {name}");
                    found.extend(faults(&document, &content["schema"], &example["value"], &at));
                }
            }
        }
    }
    assert!(count > 100, "{count}");
    assert!(found.is_empty(), "{}", found.join("\n"));
    // What is wrong is found.
    let schema = &document["paths"]["/{phone_number_id}/settings"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let wrong = json!({"storage_configuration": {"status": "NOWHERE", "retention_minutes": "60"}, "colour": 1, "calling": {}});
    let wrong = faults(&document, schema, &wrong, "");
    assert_eq!(wrong.len(), 5, "{wrong:?}");
}

#[test]
fn a_name_stands_for_one_schema() {
    let mut known = Map::new();
    for area in areas() {
        let mut area = serde_json::to_value(area).unwrap();
        for (name, schema) in area["components"]["schemas"].as_object_mut().into_iter().flatten() {
            let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(first, schema, "{name} is the name of two types");
        }
    }
    assert!(known.len() > 50);
}

#[test]
fn what_schemas_say_of_absent_members_is_left_out() {
    let reference = json!({"$ref": "#/components/schemas/A"});
    for (written, read) in [
        (
            json!({"type": ["string", "null"], "maxLength": 3}),
            json!({"type": "string", "maxLength": 3}),
        ),
        (json!({"type": ["integer", "string"]}), json!({"type": ["integer", "string"]})),
        (json!({"oneOf": [{"type": "null"}, reference]}), reference.clone()),
        (
            json!({"oneOf": [{"type": "null"}, reference], "description": "What."}),
            json!({"$ref": "#/components/schemas/A", "description": "What."}),
        ),
        (
            json!({"allOf": [{"type": "string", "description": "Any."}, {"type": "object", "description": "This."}]}),
            json!({"type": "string", "description": "This."}),
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "object"}]}),
            json!({"oneOf": [{"type": "string"}, {"type": "object"}]}),
        ),
    ] {
        let mut plain = json!({"properties": {"a": written}});
        common::plain(&mut plain);
        assert_eq!(plain["properties"]["a"], read);
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page();
    assert!(page.contains("openapi.json"));
    for elsewhere in ["http://", "src=", "@import", "<link"] {
        let found = page.match_indices(elsewhere).count();
        assert_eq!(found, 0, "{elsewhere}");
    }
}
