//! Conversational automation, and what is kept as the business says it.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, list, object, of, page, text_of},
};

/// Of a pair that nobody has the other half of.
const FLOW_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyJ/6sIpur4P3+tkR9nIX\nIEELgN4ekpoZbZ3U045WaqglnXDuUIVBfAk3IFYyl/x9PmMnc10YsadtCC7c94yX\n9WLHoDmncIhyLE1CvKAIpImfQ5gsqqxtvUa3G/yX9H8+ixo7Lck4Uy0D+tlcHud4\n4uHrb6IwQ3h6+uYap8aboqvm3y6L3aWUXqF3dpq06pTqbi7XMk73BEmOYMQ+Dqqo\nszNG2TVWoQY+ApwbN9sy6s0GjDWzjgOFByYdApfB6Vh0e1y6ZOVAuMRgFZxozEK7\nfQBuQ97qfkotiLtl2RK5GqsD4QV/dfNrzte9NjslHEvvR/Lu+7CnvL9Rn6Bo7zVR\nzwIDAQAB\n-----END PUBLIC KEY-----";

pub(super) fn operations() -> Vec<Operation> {
    let said = json!({
        "enable_welcome_message": true,
        "prompts": ["Opening hours?"],
        "commands": [{"command_name": "help", "command_description": "What can be asked"}],
    });
    vec![
        Operation::post(
            "/{phone_number_id}/conversational_automation",
            "updateAutomation",
            "Welcome message, prompts, commands",
        )
        .text("Read back with `fields=conversational_automation` of the number.")
        .json(of("Automation"), [("automation", said.clone())])
        .succeeds(),
        Operation::get("/{phone_number_id}/conversational_automation", "getAutomation", "Read them")
            .answers(of("Automation"), [("automation", said)]),
        Operation::get(
            "/{phone_number_id}/whatsapp_commerce_settings",
            "getCommerceSettings",
            "Read the commerce settings",
        )
        .answers(
            page(&of("Commerce")),
            [(
                "settings",
                json!({"data": [{"id": "106540352242922", "is_catalog_visible": true, "is_cart_enabled": false}]}),
            )],
        ),
        Operation::post(
            "/{phone_number_id}/whatsapp_commerce_settings",
            "updateCommerceSettings",
            "Change the commerce settings",
        )
        .json(
            of("Commerce"),
            [("settings", json!({"is_catalog_visible": true, "is_cart_enabled": false}))],
        )
        .succeeds(),
        Operation::get("/{phone_number_id}/username", "getUsername", "Read the username").answers(
            of("Username"),
            [("username", json!({"username": "sample.shop", "status": "approved"}))],
        ),
        Operation::post("/{phone_number_id}/username", "setUsername", "Choose a username")
            .json(of("UsernameWrite"), [("username", json!({"username": "sample.shop"}))])
            .answers(of("Username"), [("chosen", json!({"status": "approved"}))]),
        Operation::delete("/{phone_number_id}/username", "deleteUsername", "Give the username up").succeeds(),
        Operation::get(
            "/{phone_number_id}/username_suggestions",
            "getUsernameSuggestions",
            "Read the reserved usernames",
        )
        .answers(
            page(&json!({"type": "object"})),
            [("none", json!({"data": [{"username_suggestions": []}]}))],
        ),
        Operation::get(
            "/{phone_number_id}/business_compliance_info",
            "getCompliance",
            "Read the compliance information",
        )
        .answers(
            page(&json!({"type": "object"})),
            [("information", json!({"data": [{"entity_name": "Sample"}]}))],
        ),
        Operation::post(
            "/{phone_number_id}/business_compliance_info",
            "setCompliance",
            "Keep compliance information",
        )
        .text("Up to 16 KiB of anything; it is given back as it was said.")
        .json(
            json!({"type": "object", "minProperties": 1}),
            [("information", json!({"entity_name": "Sample"}))],
        )
        .succeeds(),
        Operation::get(
            "/{phone_number_id}/official_business_account",
            "getOfficial",
            "Whether the mark was asked for",
        )
        .answers(json!({"type": "object"}), [("not yet", json!({"oba_status": "NOT_STARTED"}))]),
        Operation::post(
            "/{phone_number_id}/official_business_account",
            "askOfficial",
            "Keep a request for the mark",
        )
        .json(
            json!({"type": "object", "minProperties": 1}),
            [("request", json!({"business_website_url": "https://example.com"}))],
        )
        .succeeds(),
        Operation::get(
            "/{phone_number_id}/whatsapp_business_encryption",
            "getFlowKey",
            "Read the public key of flows",
        )
        .answers(page(&json!({"type": "object"})), [("none", json!({"data": []}))]),
        Operation::post(
            "/{phone_number_id}/whatsapp_business_encryption",
            "setFlowKey",
            "Keep the public key of flows",
        )
        .json(of("FlowKey"), [("a key", json!({"business_public_key": FLOW_KEY}))])
        .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let command = object(2, [("command_name", text_of(32)), ("command_description", text_of(256))]);
    vec![
        (
            "Automation",
            object(
                0,
                [
                    ("enable_welcome_message", flag()),
                    ("prompts", list(&text_of(80))),
                    ("commands", list(&command)),
                ],
            ),
        ),
        ("Username", object(0, [("username", text_of(35)), ("status", text_of(20))])),
        ("UsernameWrite", object(1, [("username", text_of(35))])),
        ("FlowKey", object(1, [("business_public_key", text_of(4096))])),
        (
            "Commerce",
            object(
                0,
                [("is_catalog_visible", flag()), ("is_cart_enabled", flag()), ("id", text_of(20))],
            ),
        ),
    ]
}
