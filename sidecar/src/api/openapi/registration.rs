//! Codes, PIN, registering.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, text, whole, word},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/{phone_number_id}/request_code", "requestCode", "Ask for a verification code")
            .json(
                of("CodeRequest"),
                [("by text message", json!({"code_method": "SMS", "language": "en_US"}))],
            )
            .succeeds(),
        Operation::post("/{phone_number_id}/verify_code", "verifyCode", "Give the verification code")
            .json(of("Code"), [("code", json!({"code": "123456"}))])
            .succeeds(),
        Operation::post("/{phone_number_id}/register", "register", "Register the number")
            .text("Ten times in 72 hours, deregistering included (133016).")
            .json(
                of("Register"),
                [("register", json!({"messaging_product": "whatsapp", "pin": "123456"}))],
            )
            .succeeds(),
        Operation::post("/{phone_number_id}/deregister", "deregister", "Deregister the number")
            .text("Nothing can be sent or received until it is registered again. History stays.")
            .maybe_json(json!({"type": "object"}), [("deregister", json!({}))])
            .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let six = || json!({"type": "string", "pattern": "^[0-9]{6}$"});
    vec![
        (
            "CodeRequest",
            object(2, [("code_method", word(&["SMS", "VOICE"])), ("language", text())]),
        ),
        ("Code", object(1, [("code", six())])),
        (
            "Register",
            object(
                2,
                [
                    ("messaging_product", json!({"const": "whatsapp"})),
                    ("pin", six()),
                    ("data_localization_region", text()),
                    ("meta_store_retention_minutes", whole(60, 60)),
                ],
            ),
        ),
    ]
}
