//! `GET /{number}`.
//!
//! Purpose: the phone number node and its `fields=`. A field the Cloud API knows and this system has nothing for is left out, as Graph does;
//! one that nobody knows is an error. Pure.

use serde_json::{Map, Value, json};

use super::GraphError;
use crate::message::NumberFacts;

/// What a request without `fields` gets, beside `id`.
const DEFAULT: [&str; 7] = [
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "webhook_configuration",
];

/// Fields of the Cloud API for which there is no value here.
const WITHOUT_VALUE: [&str; 11] = [
    "certificate",
    "conversational_automation",
    "eligibility_for_api_business_global_search",
    "last_onboarded_time",
    "new_certificate",
    "new_display_name",
    "new_name_status",
    "quality_score",
    "search_visibility",
    "username",
    "whatsapp_business_manager_messaging_limit",
];

/// How deep and long a list of fields may be.
const MAX_FIELDS: usize = 64;

/// The node's members that `fields` (the decoded value of the query parameter) asks for.
///
/// # Errors
/// 100 for a field that no phone number has.
pub(super) fn read(facts: &NumberFacts, fields: Option<&str>) -> Result<Vec<u8>, GraphError> {
    let mut node = Map::new();
    match fields.map(str::trim).filter(|fields| !fields.is_empty()) {
        None => {
            for name in DEFAULT {
                if let Some(value) = value(facts, name) {
                    node.insert(name.to_owned(), value);
                }
            }
        }
        Some(fields) => {
            let asked = split(fields)?;
            if asked.len() > MAX_FIELDS {
                return Err(GraphError::invalid("fields names more than 64 fields."));
            }
            for (name, members) in asked {
                match value(facts, name) {
                    Some(value) => {
                        node.insert(name.to_owned(), select(value, members)?);
                    }
                    None if WITHOUT_VALUE.contains(&name) => {}
                    None => {
                        return Err(GraphError::invalid(
                            "fields names a field that does not exist on node type WhatsAppBusinessPhoneNumber.",
                        ));
                    }
                }
            }
        }
    }
    node.insert("id".to_owned(), Value::from(facts.phone_number_id.as_str()));
    // Strings, numbers and booleans always serialize.
    Ok(serde_json::to_vec(&node).unwrap_or_default())
}

fn value(facts: &NumberFacts, name: &str) -> Option<Value> {
    let digits = facts.phone_number.trim_start_matches('+');
    Some(match name {
        "id" => json!(facts.phone_number_id),
        "account_mode" => json!("LIVE"),
        "code_verification_status" => json!("VERIFIED"),
        "country_code" => json!(crate::message::country::of(digits)?),
        "country_dial_code" => json!(crate::message::country::calling_code(digits)?),
        "display_phone_number" => json!(facts.phone_number),
        "health_status" => health(facts),
        "is_official_business_account" | "is_on_biz_app" | "is_preverified_number" => json!(false),
        "is_pin_enabled" => json!(facts.pin_enabled),
        "name_status" => json!("APPROVED"),
        "platform_type" => json!("CLOUD_API"),
        "quality_rating" => json!("GREEN"),
        "status" => json!(if facts.connected { "CONNECTED" } else { "DISCONNECTED" }),
        "throughput" => json!({"level": "STANDARD"}),
        "verified_name" => json!(facts.display_name),
        "webhook_configuration" => {
            let mut configuration = Map::new();
            if let Some(url) = &facts.webhook_url {
                configuration.insert("application".to_owned(), json!(url));
            }
            Value::Object(configuration)
        }
        _ => return None,
    })
}

fn health(facts: &NumberFacts) -> Value {
    let can = if facts.connected { "AVAILABLE" } else { "BLOCKED" };
    json!({
        "can_send_message": can,
        "entities": [
            {"entity_type": "PHONE_NUMBER", "id": facts.phone_number_id, "can_send_message": can},
            {"entity_type": "WABA", "id": facts.waba_id, "can_send_message": "AVAILABLE"},
        ],
    })
}

/// Splits `a,b{c,d},e` into names and what stands in their braces.
fn split(fields: &str) -> Result<Vec<(&str, Option<&str>)>, GraphError> {
    let unbalanced = || GraphError::invalid("fields has braces that do not match.");
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, byte) in fields.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1).ok_or_else(unbalanced)?,
            b',' if depth == 0 => {
                parts.push(&fields[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(unbalanced());
    }
    parts.push(&fields[start..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    Ok(parts
        .map(|part| match part.split_once('{') {
            Some((name, members)) => (name.trim(), members.strip_suffix('}')),
            None => (part, None),
        })
        .collect())
}

/// Keeps the named members of an object, `id` always among them if it has one.
fn select(value: Value, members: Option<&str>) -> Result<Value, GraphError> {
    let (Value::Object(mut object), Some(members)) = (value.clone(), members) else {
        return Ok(value);
    };
    let asked = split(members)?;
    object.retain(|name, _| name == "id" || asked.iter().any(|(asked, _)| asked == name));
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> NumberFacts {
        NumberFacts {
            phone_number: "+15550100".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            app_id: "670843887433847".to_owned(),
            display_name: "Sample \"Shop\"".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: Some("https://example.com/hook".to_owned()),
        }
    }

    fn node(fields: Option<&str>) -> Result<Value, u32> {
        let read = read(&facts(), fields).map_err(|error| error.code)?;
        Ok(serde_json::from_slice(&read).unwrap())
    }

    #[test]
    fn without_fields_the_documented_ones() {
        let expected = json!({
            "verified_name": "Sample \"Shop\"", "code_verification_status": "VERIFIED", "display_phone_number": "+15550100",
            "quality_rating": "GREEN", "platform_type": "CLOUD_API", "throughput": {"level": "STANDARD"},
            "webhook_configuration": {"application": "https://example.com/hook"}, "id": "106540352242922",
        });
        assert_eq!(node(None), Ok(expected.clone()));
        assert_eq!(node(Some(" ")), Ok(expected));
    }

    #[test]
    fn fields_are_chosen_and_id_is_always_there() {
        assert_eq!(
            node(Some(
                "status, throughput{level},webhook_configuration{phone_number},quality_score,country_code,country_dial_code"
            )),
            Ok(json!({
                "status": "CONNECTED", "throughput": {"level": "STANDARD"}, "webhook_configuration": {}, "country_code": "US",
                "country_dial_code": "1", "id": "106540352242922",
            }))
        );
        assert_eq!(
            node(Some("health_status")).unwrap()["health_status"]["can_send_message"],
            "AVAILABLE"
        );
    }

    #[test]
    fn unknown_fields_and_braces_are_refused() {
        for fields in ["nonsense", "id,{", "id}", "status{", &"id,".repeat(65)] {
            assert_eq!(node(Some(fields)), Err(100), "{fields}");
        }
    }
}
