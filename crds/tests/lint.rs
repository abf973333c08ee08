//! What the API conventions ask of every field of every definition.

use serde_json::Value;
use waxseal_crds::definitions;

/// Collects what is wrong below one schema.
struct Lint {
    faults: Vec<String>,
    rules: usize,
}

impl Lint {
    fn fault(&mut self, path: &str, text: &str) {
        self.faults.push(format!("{path}: {text}"));
    }

    fn schema(&mut self, path: &str, schema: &Value, described: bool) {
        let has = |key: &str| schema.get(key).is_some();
        if described && schema["description"].as_str().is_none_or(|text| text.trim().len() < 5) {
            self.fault(path, "no description");
        }
        if has("nullable") {
            self.fault(path, "nullable: optional fields are absent, not null");
        }
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            self.rules += 1;
            if rule["message"].as_str().is_none_or(|text| text.len() < 20) {
                self.fault(path, "a rule without a message that says what is allowed");
            }
        }
        match schema["type"].as_str() {
            Some("string") => {
                if !has("maxLength") && !has("enum") && schema["format"] != "date-time" {
                    self.fault(path, "a text without maxLength");
                }
                if has("pattern") && !path.contains(".conditions") {
                    self.fault(path, "a pattern: its message says nothing to people; use a rule");
                }
            }
            Some("integer") => {
                if !has("minimum") || !has("maximum") {
                    self.fault(path, "a number without both bounds");
                }
                if !matches!(schema["format"].as_str(), Some("int32" | "int64")) {
                    self.fault(path, "an integer must be int32 or int64");
                }
                if schema["maximum"].as_i64().is_none() || schema["minimum"].as_i64().is_none() {
                    self.fault(path, "a bound that is no whole number");
                }
            }
            Some("number") => self.fault(path, "a floating-point number"),
            Some("boolean") => {}
            Some("array") => {
                if !has("maxItems") {
                    self.fault(path, "a list without maxItems");
                }
                if !has("x-kubernetes-list-type") {
                    self.fault(path, "a list without a list type");
                }
                self.schema(&format!("{path}[]"), &schema["items"], false);
            }
            Some("object") => {
                if let Some(values) = schema.get("additionalProperties") {
                    if !has("maxProperties") {
                        self.fault(path, "a map without maxProperties");
                    }
                    self.schema(&format!("{path}{{}}"), values, false);
                }
            }
            other => self.fault(path, &format!("type {other:?}")),
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if name.contains('_') || name.starts_with(char::is_uppercase) {
                self.fault(path, &format!("`{name}` is not camelCase"));
            }
            // The API server describes metadata itself.
            if !(path.matches('.').count() == 0 && name == "metadata") {
                self.schema(&format!("{path}.{name}"), property, true);
            }
        }
    }
}

#[test]
fn every_field_is_described_and_bounded() {
    let mut lint = Lint {
        faults: Vec::new(),
        rules: 0,
    };
    for definition in definitions::all() {
        let versions = definition.value["spec"]["versions"].as_array().unwrap();
        for version in versions {
            let schema = &version["schema"]["openAPIV3Schema"];
            lint.schema(definition.value["spec"]["names"]["kind"].as_str().unwrap(), schema, true);
        }
    }
    assert!(lint.faults.is_empty(), "{}", lint.faults.join("\n"));
    assert!(lint.rules > 30, "the rules are looked at: {}", lint.rules);
}

#[test]
fn every_kind_has_what_kubectl_needs() {
    let mut short = Vec::new();
    for definition in definitions::all() {
        let spec = &definition.value["spec"];
        let names = &spec["names"];
        assert_eq!(names["categories"], serde_json::json!(["waxseal"]), "{}", definition.name);
        short.extend(
            names["shortNames"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap().to_owned()),
        );
        for version in spec["versions"].as_array().unwrap() {
            assert!(
                version["subresources"]["status"].is_object(),
                "{}: status is a subresource",
                definition.name
            );
            let columns: Vec<_> = version["additionalPrinterColumns"].as_array().unwrap().iter().collect();
            let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
            assert!(names.contains(&"Ready"), "{names:?}");
            assert_eq!(names.last(), Some(&"Age"), "{names:?}");
            for column in columns
                .iter()
                .filter(|column| column["name"] == "Ready" || column["name"] == "Region")
            {
                assert!(
                    column["jsonPath"].as_str().unwrap().starts_with(".status."),
                    "health is read from the status"
                );
            }
        }
    }
    assert_eq!(short, ["wxba", "wxpn", "wxdr", "wxrp"], "short names are for ever");
}
