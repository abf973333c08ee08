//! The phone number node.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, object, of, text, word},
};

const FIELDS: &str =
    "The members to answer with, separated by commas; members of members in braces. `id` is always there, an unknown one is an error.";

pub(super) fn operations() -> Vec<Operation> {
    let node = json!({
        "verified_name": "Sample Business",
        "code_verification_status": "VERIFIED",
        "display_phone_number": "+15550100",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "webhook_configuration": {"application": "https://example.com/hook"},
        "id": "106540352242922",
    });
    vec![
        Operation::get("/{phone_number_id}", "getPhoneNumber", "What the number is and how it is doing")
            .query(
                "fields",
                json!({"type": "string", "examples": ["status,throughput,health_status"]}),
                FIELDS,
            )
            .answers(of("PhoneNumber"), [("default fields", node)]),
        Operation::post(
            "/{phone_number_id}",
            "updatePhoneNumber",
            "Set the PIN, or where the number's events go",
        )
        .json(
            of("PhoneNumberUpdate"),
            [
                ("PIN", json!({"pin": "123456"})),
                (
                    "webhook",
                    json!({"webhook_configuration": {"override_callback_uri": "https://example.com/hook", "verify_token": "secret"}}),
                ),
                (
                    "webhook of the account again",
                    json!({"webhook_configuration": {"override_callback_uri": ""}}),
                ),
            ],
        )
        .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let can = || word(&["AVAILABLE", "LIMITED", "BLOCKED"]);
    let entity = object(
        3,
        [
            ("entity_type", text()),
            ("id", text()),
            ("can_send_message", can()),
            ("errors", json!({"type": "array"})),
        ],
    );
    let node = object(
        1,
        [
            ("id", text()),
            ("verified_name", text()),
            ("display_phone_number", text()),
            ("status", text()),
            ("quality_rating", word(&["GREEN", "YELLOW", "RED", "UNKNOWN", "NA"])),
            ("throughput", object(0, [("level", text())])),
            ("platform_type", text()),
            ("code_verification_status", text()),
            ("account_mode", text()),
            ("name_status", text()),
            ("is_pin_enabled", flag()),
            ("is_official_business_account", flag()),
            ("country_code", text()),
            ("country_dial_code", text()),
            ("whatsapp_business_manager_messaging_limit", text()),
            ("conversational_automation", json!({"type": "object"})),
            (
                "webhook_configuration",
                object(
                    0,
                    [
                        ("phone_number", text()),
                        ("whatsapp_business_account", text()),
                        ("application", text()),
                    ],
                ),
            ),
            (
                "health_status",
                object(
                    0,
                    [("can_send_message", can()), ("entities", json!({"type": "array", "items": entity}))],
                ),
            ),
        ],
    );
    let target = object(
        0,
        [
            ("override_callback_uri", json!({"type": "string", "maxLength": 200})),
            ("verify_token", text()),
        ],
    );
    let update = object(
        0,
        [
            ("pin", json!({"type": "string", "pattern": "^[0-9]{6}$"})),
            ("webhook_configuration", target),
        ],
    );
    vec![("PhoneNumber", node), ("PhoneNumberUpdate", update)]
}
