//! The port against its description: whatever is described is served, and takes the examples that it is described with.

use serde_json::Value;

use super::world::{APP, ID, WABA, World};

/// Where an operation is, of this number; `None` for what there is none of.
fn target(path: &str, template: &str) -> Option<String> {
    let path = path
        .replace("{phone_number_id}", ID)
        .replace("{account_id}", WABA)
        .replace("{app_id}", APP)
        .replace("{template_id}", template)
        .replace("{code}", "WAXSEAL1234567");
    (!path.contains('{')).then(|| format!("/v23.0{path}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_taken() {
    let world = World::start().await;
    let document: Value = serde_json::from_slice(&waxseal_sidecar::api::openapi::json()).unwrap();
    let mut asked = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
            for (name, example) in examples.into_iter().flatten() {
                asked.push((method.to_uppercase(), path, name, &example["value"]));
            }
        }
    }
    assert!(asked.len() > 50);
    // A template has to be there to be changed; what ends the registration comes last.
    asked.sort_by_key(|(_, path, ..)| (path.ends_with("register"), !path.ends_with("/message_templates")));
    let mut template = String::new();
    let mut faults = Vec::new();
    for (method, path, name, body) in asked {
        let Some(target) = target(path, &template) else { continue };
        let answer = world.call(&method, &target, Some(body)).await;
        if path.ends_with("/message_templates") && template.is_empty() {
            template = answer.body["id"].as_str().unwrap_or_default().to_owned();
        }
        // Refused is only what names something that is not there, or what is declared elsewhere: never a member.
        let (status, code) = answer.error();
        if answer.details().contains("names no media of this phone number") {
            continue;
        }
        if status >= 500 || matches!(code, 100 | 2500 | 131_008 | 131_051) {
            faults.push(format!("{method} {path}, {name}: {status} {}", answer.body));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
