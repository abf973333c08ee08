//! Conversational automation, and what is kept as the business says it.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, list, object, of, page, text_of},
};

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
        .json(of("Automation"), [("automation", said)])
        .succeeds(),
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
        (
            "Commerce",
            object(
                0,
                [("is_catalog_visible", flag()), ("is_cart_enabled", flag()), ("id", text_of(20))],
            ),
        ),
    ]
}
