//! What became of messages, and events again.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{list, object, of, page, text, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let event = json!({"delivery_status": "DELIVERED", "timestamp": 1_700_000_000, "webhook_update_state": "DELIVERED"});
    let entry = json!({"id": "1407680676729942", "message_id": "wamid.HBgLMTU1NTAxMjM", "events": {"data": [event]}});
    vec![
        Operation::get("/{phone_number_id}/message_history", "getHistory", "What became of messages")
            .query("message_id", text(), "Of this message only.")
            .query("limit", whole(1, 1000), "How many at a time.")
            .query("after", text(), "From where to go on.")
            .answers(page(&of("History")), [("history", json!({"data": [entry]}))]),
        Operation::get("/{history_id}/events", "getHistoryEvents", "The events of one message")
            .query("status_filter", text(), "Of this status only.")
            .answers(page(&of("HistoryEvent")), [("events", json!({"data": [event]}))]),
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
    vec![("History", entry), ("HistoryEvent", event)]
}
