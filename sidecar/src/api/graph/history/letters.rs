//! Events that the webhook did not take in time: the list of them, sending them again, forgetting them.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Type, schema::Schema},
};

use super::{
    super::{
        super::{
            GraphError,
            answer::{Response, ok},
            shape::{Yes, yes},
        },
        Call,
        arguments::Arguments,
        paging::{Page, Paging},
    },
    Forward, limit,
};
use crate::{
    conversation::{lane::Selection, record::Kind},
    number::{Cursor, Letter, Number},
};

/// Ids in one request.
const MAX_IDS: usize = 1000;

/// An event that the webhook did not take in time.
#[derive(Serialize, ToSchema)]
struct DeadLetter {
    id: String,
    field: String,
    /// `notice`, `message`, `status` or `errors`.
    kind: &'static str,
    timestamp: u64,
    failed_timestamp: u64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// Which of them: some, all, or those of a time.
#[derive(ToSchema)]
#[schema(as = Selection)]
#[expect(dead_code, reason = "only described")]
struct Selected {
    #[schema(schema_with = some_ids)]
    ids: Option<Vec<String>>,
    all: Option<bool>,
    /// Seconds since 1970.
    since: Option<u64>,
    /// Seconds since 1970, and including it.
    until: Option<u64>,
}

fn some_ids() -> Schema {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^evt_[0-9a-f]{32}$"));
    ArrayBuilder::new().items(id).max_items(Some(MAX_IDS)).into()
}

#[derive(Serialize, ToSchema)]
struct Dropped {
    #[schema(schema_with = yes)]
    success: Yes,
    dropped: u64,
}

#[derive(Serialize, ToSchema)]
struct Replayed {
    #[schema(schema_with = yes)]
    success: Yes,
    replayed: u64,
}

/// Events that the webhook did not take in time.
///
/// They wait here until the retention time is over.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/webhook_dead_letters",
    operation_id = "listDeadLetters",
    params(Forward),
    responses((status = 200, body = Page<DeadLetter>, examples(("events" = (value = json!({"data": [{
        "id": "evt_00112233445566778899aabbccddeeff", "field": "messages", "kind": "message", "timestamp": 1_700_000_000,
        "failed_timestamp": 1_700_600_000, "attempts": 12,
    }]}))))))
)]
pub(super) async fn list(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let limit = limit(call)?;
    let after = match call.query("after").filter(|after| !after.is_empty()) {
        None => Cursor::START,
        Some(after) => Cursor::read(after).ok_or_else(|| GraphError::invalid("after must be a cursor of this list."))?,
    };
    let letters = number.dead_letters(after, limit).await?;
    let paging = Paging::between(&letters, |letter| letter.cursor.write());
    Ok(ok(&Page::part(letters.into_iter().map(letter).collect(), paging)))
}

fn letter(letter: Letter) -> DeadLetter {
    DeadLetter {
        kind: match letter.kind {
            Kind::Notice => "notice",
            Kind::Message => "message",
            Kind::Status => "status",
            Kind::Errors => "errors",
        },
        id: letter.id,
        field: letter.field,
        timestamp: letter.made_at_ms / 1000,
        failed_timestamp: letter.died_at_ms / 1000,
        attempts: letter.attempts,
        last_error: letter.last_error,
    }
}

/// Forget such events.
#[utoipa::path(
    delete,
    path = "/{phone_number_id}/webhook_dead_letters",
    operation_id = "dropDeadLetters",
    request_body(content = Selected, examples(
        ("these" = (value = json!({"ids": ["evt_00112233445566778899aabbccddeeff"]}))),
        ("all" = (value = json!({"all": true})))
    )),
    responses((status = 200, body = Dropped, examples(("dropped" = (value = json!({"success": true, "dropped": 1}))))))
)]
pub(super) async fn discard(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let dropped = number.drop_dead_letters(&selection(said)?).await?;
    Ok(ok(&Dropped { success: Yes, dropped }))
}

/// Send such events again.
///
/// As they were, byte for byte, with their ids.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/webhook_replay",
    operation_id = "replay",
    request_body(content = Selected, examples(
        ("these" = (value = json!({"ids": ["evt_00112233445566778899aabbccddeeff"]}))),
        ("a time" = (value = json!({"since": 1_700_000_000, "until": 1_700_003_600})))
    )),
    responses((status = 200, body = Replayed, examples(("replayed" = (value = json!({"success": true, "replayed": 1}))))))
)]
pub(super) async fn replay(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let replayed = number.replay(&selection(said)?).await?;
    Ok(ok(&Replayed { success: Yes, replayed }))
}

/// `ids`, `all`, or `since` and `until`: one of them has to be said.
fn selection(arguments: &Arguments) -> Result<Selection, GraphError> {
    let range = (time(arguments, "since")?, time(arguments, "until")?);
    let all = arguments.flag("all")?.unwrap_or_default();
    let wrong = || {
        GraphError::invalid(format!(
            "ids must be at most {MAX_IDS} event ids, each evt_ and 32 hexadecimal digits."
        ))
    };
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
}
