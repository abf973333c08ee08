//! What became of messages and their webhooks: history, dead letters, replay.
//!
//! The history of a message has the message's own 16 bytes as its id, written as a decimal number; an event of it that and its step.

use std::collections::HashSet;

use http::Method;
use serde_json::{Value, json};
use waxseal_content::MessageId;

use super::{
    super::{GraphError, answer::ok},
    Answer, Call,
    arguments::Arguments,
};
use crate::{
    conversation::{
        lane::Selection,
        record::{Kind, Step},
    },
    id::Wamid,
    number::{Cursor, Happening, History, Letter, Number, Update},
};

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;
/// Ids in one request.
const MAX_IDS: usize = 1000;

/// `/{number}/message_history`, `webhook_dead_letters`, `webhook_replay`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match (call.edge(), call.method) {
        (Some("message_history"), &(Method::GET | Method::HEAD)) => list(number, call).await.map(Some),
        (Some("webhook_dead_letters"), &(Method::GET | Method::HEAD)) => dead_letters(number, call).await.map(Some),
        (Some("webhook_dead_letters"), &Method::DELETE) => {
            let selection = selection(&call.arguments().await?)?;
            let dropped = number.drop_dead_letters(&selection).await?;
            Ok(Some(ok(&json!({"success": true, "dropped": dropped}))))
        }
        (Some("webhook_replay"), &Method::POST) => {
            let selection = selection(&call.arguments().await?)?;
            let replayed = number.replay(&selection).await?;
            Ok(Some(ok(&json!({"success": true, "replayed": replayed}))))
        }
        _ => Ok(None),
    }
}

/// `/{history}` and `/{history}/events`: `None` when there is no such entry.
pub(super) async fn object(id: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let is_read = matches!(*call.method, Method::GET | Method::HEAD);
    let edge = call.edge();
    let (true, Some(message)) = (
        is_read && call.rest().is_empty() && matches!(edge, None | Some("events")),
        message(id),
    ) else {
        return Ok(None);
    };
    for number in numbers {
        if let Some(history) = number.histories(&[message]).await?.pop() {
            return match edge {
                None => Ok(Some(ok(&entry(number, &history)))),
                Some(_) => events(number, &history, call).map(Some),
            };
        }
    }
    Ok(None)
}

async fn list(number: &Number, call: &mut Call<'_>) -> Result<super::Response, GraphError> {
    let limit = limit(call)?;
    if let Some(wamid) = call.query("message_id").filter(|id| !id.is_empty()) {
        let wamid = Wamid::parse(wamid).map_err(|_| GraphError::value("message_id is no message id of this phone number."))?;
        let entries: Vec<Value> = number
            .history_of(&wamid)
            .await?
            .iter()
            .map(|history| entry(number, history))
            .collect();
        return Ok(ok(&json!({ "data": entries })));
    }
    let open = number.recent_messages().await?;
    let start = match call.query("after").filter(|after| !after.is_empty()) {
        None => 0,
        Some(after) => {
            let (due_ms, id) = after
                .split_once('_')
                .and_then(|(due_ms, id)| Some((due_ms.parse::<u64>().ok()?, message(id)?)))
                .ok_or_else(|| GraphError::invalid("after must be a cursor of this list."))?;
            open.partition_point(|(due, message)| (*due, *message.as_bytes()) <= (due_ms, *id.as_bytes()))
        }
    };
    let page = open.get(start..open.len().min(start + limit)).unwrap_or_default();
    let messages: Vec<MessageId> = page.iter().map(|(_, message)| *message).collect();
    let entries: Vec<Value> = number
        .histories(&messages)
        .await?
        .iter()
        .map(|history| entry(number, history))
        .collect();
    let cursor = |(due_ms, message): &(u64, MessageId)| format!("{due_ms}_{}", decimal(*message));
    let mut answer = json!({ "data": entries });
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        answer["paging"] = json!({"cursors": {"before": cursor(first), "after": cursor(last)}});
    }
    Ok(ok(&answer))
}

fn entry(number: &Number, history: &History) -> Value {
    let target = target(number);
    let events: Vec<Value> = history
        .happenings
        .iter()
        .map(|happening| {
            let mut event = event(history, happening, &target);
            event["timestamp"] = (happening.at_ms / 1000).into();
            event
        })
        .collect();
    json!({"id": decimal(history.message), "message_id": history.wamid.as_str(), "events": {"data": events}})
}

fn events(number: &Number, history: &History, call: &Call<'_>) -> Result<super::Response, GraphError> {
    const STATUSES: [&str; 5] = ["SENT", "DELIVERED", "READ", "FAILED", "DELETED"];
    let filter = call.query("status_filter").filter(|filter| !filter.is_empty());
    if filter.is_some_and(|filter| !STATUSES.contains(&filter)) {
        return Err(GraphError::invalid(
            "status_filter must be SENT, DELIVERED, READ, FAILED or DELETED.",
        ));
    }
    let target = target(number);
    let edges: Vec<Value> = history
        .happenings
        .iter()
        .filter(|happening| filter.is_none_or(|filter| status(happening.step) == filter))
        .map(|happening| {
            let mut node = event(history, happening, &target);
            node["occurrence_timestamp"] = (happening.at_ms / 1000).into();
            node["status_timestamp"] = (happening.at_ms / 1000).into();
            json!({"cursor": node["id"], "node": node})
        })
        .collect();
    let mut answer = json!({ "data": edges });
    if let (Some(first), Some(last)) = (edges.first(), edges.last()) {
        answer["paging"] = json!({"cursors": {"before": first["cursor"], "after": last["cursor"]}});
    }
    Ok(ok(&answer))
}

/// The app and the address that events go to now.
fn target(number: &Number) -> (String, Option<String>) {
    let facts = number.facts();
    (facts.app_id, facts.webhook_url)
}

fn event(history: &History, happening: &Happening, (app_id, url): &(String, Option<String>)) -> Value {
    let (state, webhook_error) = match &happening.update {
        Update::Pending => ("PENDING", None),
        Update::Retrying(error) => ("RETRYING", Some(error)),
        Update::Delivered => ("DELIVERED", None),
        Update::Failed(error) => ("FAILED", Some(error)),
    };
    let mut event = json!({
        "id": format!("{}{}", decimal(history.message), happening.step as i32),
        "delivery_status": status(happening.step),
        "webhook_update_state": state,
        "application": {"id": app_id},
    });
    if let Some(url) = url {
        event["webhook_uri"] = url.as_str().into();
    }
    let error = happening.failure.as_ref().or(webhook_error).filter(|error| !error.is_empty());
    if let Some(error) = error {
        event["error_description"] = error.as_str().into();
    }
    event
}

const fn status(step: Step) -> &'static str {
    match step {
        Step::None | Step::Sent => "SENT",
        Step::Delivered => "DELIVERED",
        Step::Read | Step::Played => "READ",
        Step::Failed => "FAILED",
    }
}

async fn dead_letters(number: &Number, call: &mut Call<'_>) -> Result<super::Response, GraphError> {
    let limit = limit(call)?;
    let after = match call.query("after").filter(|after| !after.is_empty()) {
        None => Cursor::START,
        Some(after) => Cursor::read(after).ok_or_else(|| GraphError::invalid("after must be a cursor of this list."))?,
    };
    let letters = number.dead_letters(after, limit).await?;
    let data: Vec<Value> = letters.iter().map(letter).collect();
    let mut answer = json!({ "data": data });
    if let (Some(first), Some(last)) = (letters.first(), letters.last()) {
        answer["paging"] = json!({"cursors": {"before": first.cursor.write(), "after": last.cursor.write()}});
    }
    Ok(ok(&answer))
}

fn letter(letter: &Letter) -> Value {
    let kind = match letter.kind {
        Kind::Notice => "notice",
        Kind::Message => "message",
        Kind::Status => "status",
        Kind::Errors => "errors",
    };
    let mut value = json!({
        "id": letter.id,
        "field": letter.field,
        "kind": kind,
        "timestamp": letter.made_at_ms / 1000,
        "failed_timestamp": letter.died_at_ms / 1000,
        "attempts": letter.attempts,
    });
    if let Some(error) = &letter.last_error {
        value["last_error"] = error.as_str().into();
    }
    value
}

/// `ids`, `all`, or `since` and `until`: one of them has to be said.
fn selection(arguments: &Arguments) -> Result<Selection, GraphError> {
    let range = (time(arguments, "since")?, time(arguments, "until")?);
    let all = arguments.flag("all")?.unwrap_or_default();
    let wrong = || GraphError::invalid("ids must be at most 1000 event ids, each evt_ and 32 hexadecimal digits.");
    let ids = match arguments.value("ids") {
        None => None,
        Some(Value::String(text)) if !text.trim_start().starts_with('[') => Some(text.split(',').map(|id| id.trim().to_owned()).collect()),
        Some(_) => arguments.list("ids")?.map(|list| {
            let text = |id: Value| id.as_str().map(str::to_owned).unwrap_or_default();
            list.into_iter().map(text).collect::<Vec<_>>()
        }),
    };
    match (ids, all, range) {
        (Some(ids), false, (None, None)) => {
            let parse = |id: &String| <[u8; 16]>::try_from(hex::decode(id.strip_prefix("evt_")?).ok()?).ok();
            let parsed: Option<HashSet<_>> = ids.iter().map(parse).collect();
            parsed.filter(|ids| ids.len() <= MAX_IDS).map(Selection::Ids).ok_or_else(wrong)
        }
        (None, true, (None, None)) => Ok(Selection::All),
        (None, false, (since, until)) if since.is_some() || until.is_some() => {
            // Both ends of the seconds named are meant.
            let until_ms = until.map_or(u64::MAX, |until| until.saturating_mul(1000).saturating_add(999));
            Ok(Selection::Between(since.unwrap_or(0).saturating_mul(1000), until_ms))
        }
        (None, false, _) => Err(GraphError::missing("One of ids, all, since and until is required.")),
        _ => Err(GraphError::invalid("ids, all, and since with until exclude each other.")),
    }
}

/// Seconds since 1970.
fn time(arguments: &Arguments, name: &str) -> Result<Option<u64>, GraphError> {
    let wrong = || GraphError::invalid(format!("{name} must be a time in seconds since 1970."));
    match arguments.number(name)? {
        None => Ok(None),
        Some(seconds) => u64::try_from(seconds).map(Some).map_err(|_| wrong()),
    }
}

fn limit(call: &Call<'_>) -> Result<usize, GraphError> {
    match call.query("limit").filter(|limit| !limit.is_empty()) {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) => match limit.parse::<usize>() {
            Ok(limit) if limit > 0 => Ok(limit.min(MAX_LIMIT)),
            _ => Err(GraphError::invalid("limit must be a whole number above 0.")),
        },
    }
}

fn decimal(message: MessageId) -> String {
    u128::from_be_bytes(*message.as_bytes()).to_string()
}

fn message(id: &str) -> Option<MessageId> {
    Some(MessageId::new(id.parse::<u128>().ok()?.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(value: Value) -> Result<Selection, u32> {
        let Value::Object(members) = value else { panic!("an object") };
        selection(&Arguments::new(members)).map_err(|error| error.code)
    }

    #[test]
    fn what_is_meant_has_to_be_said() {
        let id = format!("evt_{}", "07".repeat(16));
        assert_eq!(selected(json!({"ids": [id]})), Ok(Selection::Ids(HashSet::from([[7; 16]]))));
        assert_eq!(selected(json!({"ids": id})), Ok(Selection::Ids(HashSet::from([[7; 16]]))));
        assert_eq!(selected(json!({"all": true})), Ok(Selection::All));
        assert_eq!(selected(json!({"all": "true"})), Ok(Selection::All));
        assert_eq!(
            selected(json!({"since": 10, "until": "20"})),
            Ok(Selection::Between(10_000, 20_999))
        );
        assert_eq!(selected(json!({"since": 10})), Ok(Selection::Between(10_000, u64::MAX)));
        assert_eq!(selected(json!({})), Err(131_008));
        assert_eq!(selected(json!({"all": false})), Err(131_008));
        for wrong in [
            json!({"ids": ["x"]}),
            json!({"ids": [7]}),
            json!({"ids": [id], "all": true}),
            json!({"all": true, "since": 1}),
            json!({"since": -1}),
        ] {
            assert_eq!(selected(wrong.clone()), Err(100), "{wrong}");
        }
    }

    #[test]
    fn ids_of_histories_lead_back() {
        for bytes in [[0; 16], [0xff; 16], [1; 16]] {
            assert_eq!(message(&decimal(MessageId::new(bytes))), Some(MessageId::new(bytes)));
        }
        assert_eq!(message("340282366920938463463374607431768211456"), None);
    }
}
