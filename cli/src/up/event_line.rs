//! A webhook event as lines for people: time, who, what. Pure; what others wrote is made harmless.

use serde_json::Value;

use crate::terminal::{Style, harmless};

/// One line for every message and every status in the body; one for a body that holds neither. With `several` numbers each line begins with
/// the business's own.
pub(super) fn lines(body: &Value, style: Style, several: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for change in each(&body["entry"]).flat_map(|entry| each(&entry["changes"])) {
        let value = &change["value"];
        let own = if several {
            format!("{}  ", style.dim(&number(&value["metadata"]["display_phone_number"])))
        } else {
            String::new()
        };
        let name = |wa_id: &Value| {
            let contact = each(&value["contacts"]).find(|contact| contact["wa_id"] == *wa_id);
            contact
                .and_then(|contact| contact["profile"]["name"].as_str())
                .filter(|name| !name.is_empty() && Some(*name) != wa_id.as_str())
                .map(harmless)
        };
        for message in each(&value["messages"]) {
            let from = match name(&message["from"]) {
                Some(name) => format!("{} {}", style.bold(&number(&message["from"])), style.dim(&name)),
                None => style.bold(&number(&message["from"])),
            };
            lines.push(format!(
                "{}  {own}{from}: {}",
                style.dim(&time(&message["timestamp"])),
                content(message, style)
            ));
        }
        for status in each(&value["statuses"]) {
            lines.push(format!("{}  {own}{}", style.dim(&time(&status["timestamp"])), tick(status, style)));
        }
        for error in each(&value["errors"]) {
            lines.push(format!("          {own}{}", style.red(&format!("error {}", problem(error)))));
        }
    }
    if lines.is_empty() {
        let fields: Vec<String> = each(&body["entry"])
            .flat_map(|entry| each(&entry["changes"]))
            .filter_map(|change| change["field"].as_str())
            .map(harmless)
            .collect();
        lines.push(style.dim(&format!(
            "          event: {}",
            if fields.is_empty() {
                "unknown".to_owned()
            } else {
                fields.join(", ")
            }
        )));
    }
    lines
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn content(message: &Value, style: Style) -> String {
    let kind = message["type"].as_str().unwrap_or("unknown");
    match kind {
        "text" => harmless(message["text"]["body"].as_str().unwrap_or_default()),
        "reaction" => match message["reaction"]["emoji"].as_str().filter(|emoji| !emoji.is_empty()) {
            Some(emoji) => format!("reacts with {}", harmless(emoji)),
            None => "takes a reaction back".to_owned(),
        },
        "unsupported" => style.dim(&format!(
            "[unsupported: {}]",
            each(&message["errors"]).map(problem).collect::<Vec<_>>().join(", ")
        )),
        other => style.dim(&format!("[{}]", harmless(other))),
    }
}

fn tick(status: &Value, style: Style) -> String {
    let to = number(&status["recipient_id"]);
    match status["status"].as_str().unwrap_or("unknown") {
        "sent" => format!("{}  sent to {to}", style.dim("✓ ")),
        "delivered" => format!("{}  delivered to {to}", style.green("✓✓")),
        "read" => format!("{}  read by {to}", style.blue("✓✓")),
        "failed" => {
            let why: Vec<String> = each(&status["errors"]).map(problem).collect();
            format!(
                "{}  not delivered to {to}{}{}",
                style.red("✗ "),
                if why.is_empty() { "" } else { ": " },
                why.join(", ")
            )
        }
        other => format!("    {} for {to}", harmless(other)),
    }
}

fn problem(error: &Value) -> String {
    let title = error["title"].as_str().or_else(|| error["message"].as_str()).unwrap_or("unknown");
    match error["code"].as_i64() {
        Some(code) => format!("{code} {}", harmless(title)),
        None => harmless(title),
    }
}

/// With the `+` that the Cloud API leaves out.
fn number(value: &Value) -> String {
    let text = harmless(value.as_str().unwrap_or("?"));
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        format!("+{text}")
    } else {
        text
    }
}

/// The time of day, UTC, of a timestamp in seconds.
fn time(timestamp: &Value) -> String {
    let seconds = timestamp
        .as_str()
        .and_then(|text| text.parse::<u64>().ok())
        .or_else(|| timestamp.as_u64());
    match seconds {
        Some(seconds) => format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60),
        None => "--:--:--".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: &Value) -> Value {
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }] })
    }

    fn line(value: &Value) -> String {
        lines(&body(value), Style::PLAIN, false).join("\n")
    }

    fn from(message: &Value) -> Value {
        let mut message = message.clone();
        message["from"] = json!("15550123");
        message["timestamp"] = json!("1767268799");
        json!({ "metadata": { "display_phone_number": "15550100" }, "contacts": [{ "wa_id": "15550123", "profile": { "name": "Ana" } }], "messages": [message] })
    }

    #[test]
    fn messages_say_when_who_and_what() {
        let text = from(&json!({ "type": "text", "text": { "body": "Hello\nthere \u{1b}[31m👋" } }));
        assert_eq!(line(&text), "11:59:59  +15550123 Ana: Hello there \u{fffd}[31m👋");
        assert_eq!(
            lines(&body(&text), Style::PLAIN, true),
            ["11:59:59  +15550100  +15550123 Ana: Hello there \u{fffd}[31m👋"]
        );
        assert_eq!(
            line(&from(&json!({ "type": "reaction", "reaction": { "emoji": "👍" } }))),
            "11:59:59  +15550123 Ana: reacts with 👍"
        );
        assert_eq!(
            line(&from(&json!({ "type": "reaction", "reaction": {} }))),
            "11:59:59  +15550123 Ana: takes a reaction back"
        );
        assert_eq!(
            line(&from(&json!({ "type": "image", "image": {} }))),
            "11:59:59  +15550123 Ana: [image]"
        );
        let unsupported = from(&json!({ "type": "unsupported", "errors": [{ "code": 131_051, "title": "Unsupported" }] }));
        assert_eq!(line(&unsupported), "11:59:59  +15550123 Ana: [unsupported: 131051 Unsupported]");
    }

    #[test]
    fn a_name_that_is_the_number_is_left_out() {
        let mut value = from(&json!({ "type": "text", "text": { "body": "Hi" } }));
        value["contacts"][0]["profile"]["name"] = json!("15550123");
        assert_eq!(line(&value), "11:59:59  +15550123: Hi");
    }

    #[test]
    fn statuses_are_ticks() {
        let status = |status: &str| {
            line(
                &json!({ "statuses": [{ "status": status, "recipient_id": "15550123", "timestamp": "0", "errors": [{ "code": 131_026, "title": "Undeliverable" }] }] }),
            )
        };
        assert_eq!(status("sent"), "00:00:00  ✓   sent to +15550123");
        assert_eq!(status("delivered"), "00:00:00  ✓✓  delivered to +15550123");
        assert_eq!(status("read"), "00:00:00  ✓✓  read by +15550123");
        assert_eq!(status("failed"), "00:00:00  ✗   not delivered to +15550123: 131026 Undeliverable");
    }

    #[test]
    fn whatever_comes_gives_a_line() {
        for odd in [
            json!(null),
            json!([]),
            json!({ "entry": 7 }),
            body(&json!({})),
            body(&json!({ "messages": [null, 7, {}] })),
            body(&json!({ "errors": [{}] })),
        ] {
            assert!(!lines(&odd, Style::PLAIN, true).is_empty(), "{odd}");
        }
    }
}
