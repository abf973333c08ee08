//! What became of messages and their webhooks: history, dead letters, replay.
//!
//! The history of a message has the message's own 16 bytes as its id, written as a decimal number; an event of it that and its step.

mod letters;

use http::Method;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema, openapi::Object};
use waxseal_content::MessageId;

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
    },
    Answer, Call,
    arguments::exact,
    paging::{self, Page, Paging},
};
use crate::{
    conversation::record::Step,
    id::Wamid,
    number::{Happening, History as Happened, Number, Update},
};

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

/// What became of a message.
#[derive(Serialize, ToSchema)]
struct History {
    id: String,
    message_id: String,
    events: Page<Event>,
}

/// Something that happened to a message, and whether the webhook knows.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEvent)]
struct Event {
    id: String,
    delivery_status: DeliveryStatus,
    webhook_update_state: UpdateState,
    #[schema(inline)]
    application: Application,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrence_timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_timestamp: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum DeliveryStatus {
    Sent,
    Delivered,
    Read,
    Failed,
    /// Meta's; nothing is deleted here.
    Deleted,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum UpdateState {
    Pending,
    Retrying,
    Delivered,
    Failed,
}

#[derive(Serialize, ToSchema)]
struct Application {
    id: String,
}

/// An event in a list of its own.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEdge)]
struct Edge {
    cursor: String,
    node: Event,
}

/// Which page. These lists go forward only.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Forward {
    #[param(schema_with = limit_schema)]
    limit: Option<usize>,
    /// From where to go on.
    after: Option<String>,
}

fn limit_schema() -> Object {
    paging::limit_of(DEFAULT_LIMIT, MAX_LIMIT)
}

#[derive(OpenApi)]
#[openapi(
    paths(list, read, events, letters::list, letters::discard, letters::replay),
    tags((name = "History", description = "What became of each message, and events again."))
)]
pub(super) struct Described;

/// `/{number}/message_history`, `webhook_dead_letters`, `webhook_replay`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match (call.edge(), call.method) {
        (Some("message_history"), &(Method::GET | Method::HEAD)) => list(number, call).await.map(Some),
        (Some("webhook_dead_letters"), &(Method::GET | Method::HEAD)) => letters::list(number, call).await.map(Some),
        (Some("webhook_dead_letters"), &Method::DELETE) => {
            let said = call.arguments().await?;
            letters::discard(number, &said).await.map(Some)
        }
        (Some("webhook_replay"), &Method::POST) => {
            let said = call.arguments().await?;
            letters::replay(number, &said).await.map(Some)
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
        if let Some(happened) = number.histories(&[message]).await?.pop() {
            return match edge {
                None => Ok(Some(read(number, &happened))),
                Some(_) => events(number, &happened, call).map(Some),
            };
        }
    }
    Ok(None)
}

/// What became of messages.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/message_history",
    operation_id = "getHistory",
    params(Forward, ("message_id" = Option<String>, Query, description = "Of this message only.")),
    responses((status = 200, body = Page<History>, examples(("history" = (value = json!({"data": [{
        "id": "1407680676729942", "message_id": "wamid.HBgLMTU1NTAxMjM", "events": {"data": [{
            "id": "14076806767299422", "delivery_status": "DELIVERED", "webhook_update_state": "DELIVERED",
            "application": {"id": "670843887433847"}, "timestamp": 1_700_000_000,
        }]},
    }]}))))))
)]
async fn list(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let limit = limit(call)?;
    if let Some(wamid) = call.query("message_id").filter(|id| !id.is_empty()) {
        let wamid = Wamid::parse(wamid).map_err(|_| GraphError::value("message_id is no message id of this phone number."))?;
        let histories = number.history_of(&wamid).await?;
        return Ok(ok(&Page::all(histories.iter().map(|happened| entry(number, happened)).collect())));
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
    let histories = number.histories(&messages).await?;
    let entries = histories.iter().map(|happened| entry(number, happened)).collect();
    let cursor = |(due_ms, message): &(u64, MessageId)| format!("{due_ms}_{}", decimal(*message));
    Ok(ok(&Page::part(entries, Paging::between(page, cursor))))
}

/// What became of one message.
#[utoipa::path(
    get,
    path = "/{history_id}",
    operation_id = "getHistoryEntry",
    responses((status = 200, body = History, examples(("entry" = (value = json!({
        "id": "1407680676729942", "message_id": "wamid.HBgLMTU1NTAxMjM", "events": {"data": [{
            "id": "14076806767299422", "delivery_status": "DELIVERED", "webhook_update_state": "DELIVERED",
            "application": {"id": "670843887433847"}, "timestamp": 1_700_000_000,
        }]},
    }))))))
)]
fn read(number: &Number, happened: &Happened) -> Response {
    ok(&entry(number, happened))
}

fn entry(number: &Number, happened: &Happened) -> History {
    let target = target(number);
    let events = happened.happenings.iter().map(|happening| Event {
        timestamp: Some(happening.at_ms / 1000),
        ..event(happened, happening, &target)
    });
    History {
        id: decimal(happened.message),
        message_id: happened.wamid.as_str().to_owned(),
        events: Page::all(events.collect()),
    }
}

/// The events of one message.
#[utoipa::path(
    get,
    path = "/{history_id}/events",
    operation_id = "getHistoryEvents",
    params(("status_filter" = Option<DeliveryStatus>, Query, description = "Of this status only.")),
    responses((status = 200, body = Page<Edge>, examples(("events" = (value = json!({"data": [{
        "cursor": "14076806767299422", "node": {
            "id": "14076806767299422", "delivery_status": "DELIVERED", "webhook_update_state": "DELIVERED",
            "application": {"id": "670843887433847"}, "occurrence_timestamp": 1_700_000_000, "status_timestamp": 1_700_000_000,
        },
    }]}))))))
)]
fn events(number: &Number, happened: &Happened, call: &Call<'_>) -> Result<Response, GraphError> {
    let filter = match call.query("status_filter").filter(|filter| !filter.is_empty()) {
        None => None,
        Some(status) => Some(
            exact::<DeliveryStatus>(status)
                .ok_or_else(|| GraphError::invalid("status_filter must be SENT, DELIVERED, READ, FAILED or DELETED."))?,
        ),
    };
    let target = target(number);
    let happenings = happened.happenings.iter();
    let edges: Vec<Edge> = happenings
        .filter(|happening| filter.is_none_or(|filter| status(happening.step) == filter))
        .map(|happening| {
            let node = Event {
                occurrence_timestamp: Some(happening.at_ms / 1000),
                status_timestamp: Some(happening.at_ms / 1000),
                ..event(happened, happening, &target)
            };
            Edge {
                cursor: node.id.clone(),
                node,
            }
        })
        .collect();
    let paging = Paging::between(&edges, |edge| edge.cursor.clone());
    Ok(ok(&Page::part(edges, paging)))
}

/// The app and the address that events go to now.
fn target(number: &Number) -> (String, Option<String>) {
    let facts = number.facts();
    (facts.app_id, facts.webhook_url)
}

fn event(happened: &Happened, happening: &Happening, (app_id, url): &(String, Option<String>)) -> Event {
    let (state, webhook_error) = match &happening.update {
        Update::Pending => (UpdateState::Pending, None),
        Update::Retrying(error) => (UpdateState::Retrying, Some(error)),
        Update::Delivered => (UpdateState::Delivered, None),
        Update::Failed(error) => (UpdateState::Failed, Some(error)),
    };
    let error = happening.failure.as_ref().or(webhook_error).filter(|error| !error.is_empty());
    Event {
        id: format!("{}{}", decimal(happened.message), happening.step as i32),
        delivery_status: status(happening.step),
        webhook_update_state: state,
        application: Application { id: app_id.clone() },
        webhook_uri: url.clone(),
        error_description: error.cloned(),
        timestamp: None,
        occurrence_timestamp: None,
        status_timestamp: None,
    }
}

const fn status(step: Step) -> DeliveryStatus {
    match step {
        Step::None | Step::Sent => DeliveryStatus::Sent,
        Step::Delivered => DeliveryStatus::Delivered,
        Step::Read | Step::Played => DeliveryStatus::Read,
        Step::Failed => DeliveryStatus::Failed,
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
    use super::*;

    #[test]
    fn ids_of_histories_lead_back() {
        for bytes in [[0; 16], [0xff; 16], [1; 16]] {
            assert_eq!(message(&decimal(MessageId::new(bytes))), Some(MessageId::new(bytes)));
        }
        assert_eq!(message("340282366920938463463374607431768211456"), None);
    }
}
