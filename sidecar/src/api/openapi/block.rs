//! Blocked users.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{list, object, of, page, text, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let users = json!({"messaging_product": "whatsapp", "block_users": [{"user": "15550123"}]});
    let done = |name: &str| json!({"messaging_product": "whatsapp", "block_users": {name: [{"input": "15550123", "wa_id": "15550123"}]}});
    vec![
        Operation::get("/{phone_number_id}/block_users", "listBlockedUsers", "List the blocked users")
            .query("limit", whole(1, 1000), "How many at a time.")
            .query("after", text(), "From where to go on.")
            .query("before", text(), "Up to where.")
            .answers(
                page(&of("BlockedUser")),
                [(
                    "users",
                    json!({"data": [{"messaging_product": "whatsapp", "input": "15550123", "wa_id": "15550123"}]}),
                )],
            ),
        Operation::post("/{phone_number_id}/block_users", "blockUsers", "Block users")
            .text(
                "Only who wrote within the last 24 hours. Where some could not be blocked, HTTP 400 with both lists and an error (139100).",
            )
            .json(of("BlockUsers"), [("block", users.clone())])
            .answers(of("BlockedUsers"), [("blocked", done("added_users"))]),
        Operation::delete("/{phone_number_id}/block_users", "unblockUsers", "Unblock users")
            .json(of("BlockUsers"), [("unblock", users)])
            .answers(of("BlockedUsers"), [("unblocked", done("removed_users"))]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let user = || {
        object(
            0,
            [
                ("input", text()),
                ("wa_id", text()),
                ("user_id", text()),
                ("messaging_product", text()),
            ],
        )
    };
    let failed = object(0, [("input", text()), ("errors", list(&json!({"type": "object"})))]);
    let whom = object(0, [("user", text()), ("user_id", text())]);
    let lists = object(
        0,
        [
            ("added_users", list(&user())),
            ("removed_users", list(&user())),
            ("failed_users", list(&failed)),
        ],
    );
    vec![
        ("BlockedUser", user()),
        (
            "BlockUsers",
            object(
                2,
                [
                    ("messaging_product", json!({"const": "whatsapp"})),
                    ("block_users", json!({"type": "array", "minItems": 1, "items": whom})),
                ],
            ),
        ),
        ("BlockedUsers", object(1, [("block_users", lists), ("messaging_product", text())])),
    ]
}
