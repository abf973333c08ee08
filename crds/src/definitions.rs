//! The custom resource definitions as YAML, generated from the types.
//!
//! Pure. What schemars and kube make of the types is put into the shape that the API server and people like: whole numbers as whole numbers,
//! no format that the API server does not know, no generic text where an upstream type is quoted.

use kube::CustomResourceExt as _;
use serde_json::{Map, Value};

use crate::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

/// One definition.
pub struct Definition {
    /// `<plural>.waxseal.dev`, also the name of the file it is kept in.
    pub name: String,
    /// The definition.
    pub value: Value,
}

/// All definitions, in the order of their kinds.
#[must_use]
pub fn all() -> Vec<Definition> {
    [
        BusinessAccount::crd(),
        BusinessPhoneNumber::crd(),
        DataRegion::crd(),
        RetentionPolicy::crd(),
    ]
    .iter()
    .map(|crd| {
        let mut value = serde_json::to_value(crd).unwrap_or_default();
        tidy(&mut value);
        describe_conditions(&mut value);
        Definition {
            name: crd.metadata.name.clone().unwrap_or_default(),
            value,
        }
    })
    .collect()
}

impl Definition {
    /// As the file that is kept in the repository.
    ///
    /// # Errors
    /// Never for what [`all`] returns.
    pub fn yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        let yaml = serde_saphyr::to_string(&self.value)?;
        Ok(format!(
            "# Generated from crds/src/v1alpha1 by `cargo xtask gen`. Do not edit.\n{yaml}"
        ))
    }
}

/// Formats that the API server knows for numbers.
const FORMATS: [&str; 4] = ["int32", "int64", "float", "double"];

fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // Structural schemas name their fields; the API server prunes or refuses the others by itself.
            if members.contains_key("properties") || members.get("type").is_some_and(|kind| kind == "object") {
                members.retain(|name, value| name != "additionalProperties" || !value.is_boolean());
            }
            if members.get("type").is_some_and(|kind| kind == "integer" || kind == "number") {
                members.retain(|name, value| name != "format" || value.as_str().is_some_and(|format| FORMATS.contains(&format)));
            }
            // Paragraphs wrap where the reader's terminal does.
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text
                    .split("\n\n")
                    .map(|part| part.replace('\n', " "))
                    .collect::<Vec<_>>()
                    .join("\n\n");
            }
            // Absent is the only way of not being there.
            members.remove("nullable");
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => {
            if let Some(whole) = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0)
                && number.as_i64().is_none()
            {
                #[allow(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// The upstream texts of `metav1.Condition` are as long as the rest together.
const CONDITION: [(&str, &str); 6] = [
    ("lastTransitionTime", "When `status` last changed."),
    ("message", "What it means and what to do, for people."),
    ("observedGeneration", "The generation of the spec that the condition is about."),
    ("reason", "Why, in one word."),
    ("status", "True, False or Unknown."),
    ("type", "What the condition is about."),
];

fn describe_conditions(value: &mut Value) {
    let Value::Object(members) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(describe_conditions);
        }
        return;
    };
    if let Some(items) = members.get_mut("conditions").and_then(|conditions| conditions.get_mut("items")) {
        if let Some(items) = items.as_object_mut() {
            items.insert("description".to_owned(), "One condition.".into());
        }
        if let Some(properties) = items.get_mut("properties").and_then(Value::as_object_mut) {
            condition(properties);
        }
    }
    members.values_mut().for_each(describe_conditions);
}

/// Texts, and the bounds that Kubernetes itself sets.
fn condition(properties: &mut Map<String, Value>) {
    for (name, text) in CONDITION {
        if let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) {
            property.insert("description".to_owned(), text.into());
        }
    }
    let mut bound = |name: &str, key: &str, value: Value| {
        if let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) {
            property.insert(key.to_owned(), value);
        }
    };
    bound("message", "maxLength", 32768.into());
    bound("reason", "maxLength", 1024.into());
    bound("reason", "minLength", 1.into());
    bound("type", "maxLength", 316.into());
    bound("status", "enum", serde_json::json!(["True", "False", "Unknown"]));
    bound("observedGeneration", "minimum", 0.into());
    bound("observedGeneration", "maximum", 9_007_199_254_740_991_i64.into());
}
