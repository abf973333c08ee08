//! What the answers look like to people. Pure; what comes from elsewhere is made harmless.

use serde_json::Value;

use crate::{
    table::{duration, table},
    terminal::{Style, harmless},
};

/// Dead letters as a table, and what can be done about them.
pub(super) fn letters(letters: &[Value], now_s: u64, style: Style) -> String {
    if letters.is_empty() {
        return "No dead letters: every event was taken, or is still being tried.".to_owned();
    }
    let head = ["EVENT", "KIND", "FIELD", "HAPPENED", "GIVEN UP", "ATTEMPTS", "LAST ERROR"].map(str::to_owned);
    let rows: Vec<[String; 7]> = letters
        .iter()
        .map(|letter| {
            [
                text(&letter["id"]),
                text(&letter["kind"]),
                text(&letter["field"]),
                ago(&letter["timestamp"], now_s),
                ago(&letter["failed_timestamp"], now_s),
                letter["attempts"]
                    .as_u64()
                    .map_or_else(|| "?".to_owned(), |attempts| attempts.to_string()),
                text(&letter["last_error"]),
            ]
        })
        .collect();
    let hint = "Once the webhook answers again: waxseal webhook replay --all, or with the ids of events.";
    format!("{}\n{}", table(&head, &rows, style), style.dim(hint))
}

/// How many were changed.
pub(super) fn count(what: &str, count: &Value) -> String {
    match count.as_u64() {
        Some(1) => format!("{what}: 1 event."),
        Some(count) => format!("{what}: {count} events."),
        None => format!("{what}."),
    }
}

/// What became of messages: each with a line for everything that happened.
pub(super) fn histories(histories: &[Value], is_asked_for: bool, now_s: u64, style: Style) -> String {
    if histories.is_empty() {
        return match is_asked_for {
            true => "Nothing is known of that message: it is none of this number's, or its retention has ended.",
            false => "Every message has arrived or failed.",
        }
        .to_owned();
    }
    let mut lines = Vec::new();
    for history in histories {
        lines.push(style.bold(&text(&history["message_id"])));
        let events = history["events"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        if events.is_empty() {
            lines.push("  waits to be sent".to_owned());
        }
        for event in events {
            let state = text(&event["webhook_update_state"]);
            let painted = format!("{state:<9}");
            let state = match state.as_str() {
                "DELIVERED" => style.green(&painted),
                "FAILED" | "RETRYING" => style.red(&painted),
                _ => painted,
            };
            let line = format!(
                "  {:<9}  {:>12}  webhook {state}  {}",
                text(&event["delivery_status"]),
                ago(&event["timestamp"], now_s),
                text(&event["error_description"])
            );
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.join("\n")
}

fn text(value: &Value) -> String {
    harmless(value.as_str().unwrap_or_default())
}

fn ago(timestamp: &Value, now_s: u64) -> String {
    match timestamp.as_u64() {
        Some(seconds) => format!("{} ago", duration(now_s.saturating_sub(seconds))),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dead_letters_are_a_table() {
        let listed = [
            json!({"id": "evt_01", "kind": "message", "field": "messages", "timestamp": 1000, "failed_timestamp": 4600, "attempts": 12, "last_error": "HTTP status 500"}),
            json!({"id": "evt_02\u{1b}[2J", "kind": "status", "field": "messages", "timestamp": 4990, "failed_timestamp": 4999, "attempts": 0}),
        ];
        let shown = letters(&listed, 5000, Style::PLAIN);
        let expected = "\
EVENT       KIND     FIELD     HAPPENED       GIVEN UP    ATTEMPTS  LAST ERROR
evt_01      message  messages  1h 6m ago      6m 40s ago  12        HTTP status 500
evt_02\u{fffd}[2J  status   messages  10s ago        1s ago      0
";
        let squeeze = |text: &str| {
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(squeeze(&shown)[..3], squeeze(expected)[..]);
        assert!(shown.ends_with("or with the ids of events."));
        assert!(letters(&[], 5000, Style::PLAIN).starts_with("No dead letters"));
    }

    #[test]
    fn what_became_of_messages_is_told_step_by_step() {
        let known = json!({"message_id": "wamid.A", "events": {"data": [
            {"delivery_status": "SENT", "timestamp": 990, "webhook_update_state": "DELIVERED"},
            {"delivery_status": "FAILED", "timestamp": 995, "webhook_update_state": "RETRYING", "error_description": "no connection"},
        ]}});
        let waiting = json!({"message_id": "wamid.B", "events": {"data": []}});
        assert_eq!(
            histories(&[known, waiting], false, 1000, Style::PLAIN),
            "wamid.A\n  SENT            10s ago  webhook DELIVERED\n  FAILED           5s ago  webhook RETRYING   no connection\nwamid.B\n  waits to be sent"
        );
        assert!(histories(&[], true, 1000, Style::PLAIN).starts_with("Nothing is known"));
        assert_eq!(count("Dropped", &json!(1)), "Dropped: 1 event.");
        assert_eq!(count("Dropped", &json!(7)), "Dropped: 7 events.");
    }
}
