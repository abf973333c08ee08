//! Storage and identity checks.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, object, of, text, word},
};

pub(super) fn operations() -> Vec<Operation> {
    let kept = json!({
        "storage_configuration": {"status": "DEFAULT"},
        "user_identity_change": {"enable_identity_key_check": false},
    });
    vec![
        Operation::get("/{phone_number_id}/settings", "getSettings", "Storage and identity checks")
            .answers(of("Settings"), [("default", kept)]),
        Operation::post("/{phone_number_id}/settings", "updateSettings", "Change storage or identity checks")
            .text("Storage can be changed only while the number is deregistered, as at Meta.")
            .json(
                of("SettingsUpdate"),
                [
                    (
                        "identity check",
                        json!({"user_identity_change": {"enable_identity_key_check": true}}),
                    ),
                    (
                        "no storage",
                        json!({"storage_configuration": {"status": "NO_STORAGE_ENABLED", "retention_minutes": 60}}),
                    ),
                    (
                        "in one country",
                        json!({"storage_configuration": {"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "DE"}}),
                    ),
                ],
            )
            .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let statuses = [
        "DEFAULT",
        "IN_COUNTRY_STORAGE_ENABLED",
        "IN_COUNTRY_STORAGE_DISABLED",
        "NO_STORAGE_ENABLED",
        "NO_STORAGE_DISABLED",
    ];
    let storage = || {
        object(
            1,
            [
                ("status", word(&statuses)),
                ("data_localization_region", json!({"type": ["string", "null"]})),
                ("retention_minutes", json!({"type": ["integer", "null"]})),
            ],
        )
    };
    let identity = || object(0, [("enable_identity_key_check", flag())]);
    let settings = object(
        0,
        [
            ("id", text()),
            ("storage_configuration", storage()),
            ("user_identity_change", identity()),
        ],
    );
    let update = object(0, [("storage_configuration", storage()), ("user_identity_change", identity())]);
    vec![("Settings", settings), ("SettingsUpdate", update)]
}
