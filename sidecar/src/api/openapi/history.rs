//! What became of messages, and events again.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, list, object, of, page, text, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let event = json!({"delivery_status": "DELIVERED", "timestamp": 1_700_000_000, "webhook_update_state": "DELIVERED"});
    let event_id = "evt_00112233445566778899aabbccddeeff";
    let letter = json!({"id": event_id, "field": "messages", "kind": "message", "timestamp": 1_700_000_000, "attempts": 12});
    let entry = json!({"id": "1407680676729942", "message_id": "wamid.HBgLMTU1NTAxMjM", "events": {"data": [event]}});
    vec![
        Operation::get("/{phone_number_id}/message_history", "getHistory", "What became of messages")
            .query("message_id", text(), "Of this message only.")
            .query("limit", whole(1, 1000), "How many at a time.")
            .query("after", text(), "From where to go on.")
            .answers(page(&of("History")), [("history", json!({"data": [entry.clone()]}))]),
        Operation::get("/{history_id}", "getHistoryEntry", "What became of one message").answers(of("History"), [("entry", entry)]),
        Operation::get("/{history_id}/events", "getHistoryEvents", "The events of one message")
            .query("status_filter", text(), "Of this status only.")
            .answers(
                page(&of("HistoryEdge")),
                [("events", json!({"data": [{"cursor": "14076806767299423", "node": event}]}))],
            ),
        Operation::get(
            "/{phone_number_id}/webhook_dead_letters",
            "listDeadLetters",
            "Events that the webhook did not take in time",
        )
        .text("They wait here until the retention time is over.")
        .query("limit", whole(1, 1000), "How many at a time.")
        .query("after", text(), "From where to go on.")
        .answers(page(&of("DeadLetter")), [("events", json!({"data": [letter]}))]),
        Operation::delete("/{phone_number_id}/webhook_dead_letters", "dropDeadLetters", "Forget such events")
            .json(
                of("Selection"),
                [("these", json!({"ids": [event_id]})), ("all", json!({"all": true}))],
            )
            .answers(of("Dropped"), [("dropped", json!({"success": true, "dropped": 1}))]),
        Operation::post("/{phone_number_id}/webhook_replay", "replay", "Send such events again")
            .text("As they were, byte for byte, with their ids.")
            .json(
                of("Selection"),
                [
                    ("these", json!({"ids": [event_id]})),
                    ("a time", json!({"since": 1_700_000_000, "until": 1_700_003_600})),
                ],
            )
            .answers(of("Replayed"), [("replayed", json!({"success": true, "replayed": 1}))]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let event = object(
        1,
        [
            ("delivery_status", text()),
            ("timestamp", json!({"type": ["integer", "string"]})),
            ("webhook_update_state", text()),
            ("webhook_uri", text()),
            ("error_description", text()),
        ],
    );
    let entry = object(
        1,
        [
            ("id", text()),
            ("message_id", text()),
            ("events", object(0, [("data", list(&of("HistoryEvent")))])),
        ],
    );
    let edge = object(2, [("cursor", text()), ("node", of("HistoryEvent"))]);
    let letter = object(
        2,
        [
            ("id", text()),
            ("field", text()),
            ("kind", text()),
            ("timestamp", json!({"type": "integer"})),
            ("failed_timestamp", json!({"type": "integer"})),
            ("attempts", json!({"type": "integer"})),
            ("last_error", text()),
        ],
    );
    let selection = object(
        0,
        [
            ("ids", list(&json!({"type": "string", "pattern": "^evt_[0-9a-f]{32}$"}))),
            ("all", flag()),
            ("since", whole(0, 4_102_444_800)),
            ("until", whole(0, 4_102_444_800)),
        ],
    );
    let counted = |name: &'static str| object(2, [("success", json!({"const": true})), (name, json!({"type": "integer"}))]);
    vec![
        ("History", entry),
        ("HistoryEvent", event),
        ("HistoryEdge", edge),
        ("DeadLetter", letter),
        ("Selection", selection),
        ("Dropped", counted("dropped")),
        ("Replayed", counted("replayed")),
    ]
}
