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

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page();
    assert!(page.contains("openapi.json"));
    for elsewhere in ["http://", "src=", "@import", "<link"] {
        let found = page.match_indices(elsewhere).count();
        assert_eq!(found, 0, "{elsewhere}");
    }
}
