//! Message templates.
//!
//! Each number keeps its own; a call to the account changes those of every number the token admits to, under the same ids. What it answers is
//! what holds for all of them.

mod read;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    super::{
        GraphError,
        answer::{ok, success},
    },
    Answer, Call,
    paging::page,
};
use crate::{
    number::{Number, templates::Error},
    template::{
        catalogue::{Edit, LIMIT},
        definition::{Entry, Status},
    },
};

/// `/{account}/message_templates` and its kin.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let numbers = in_order(numbers);
    match (call.edge(), call.rest(), call.method) {
        (Some("message_templates"), [], &Method::GET | &Method::HEAD) => list(&numbers, call).map(Some),
        (Some("message_templates"), [], &Method::POST) => write::create(&numbers, call).await.map(Some),
        (Some("message_templates"), [], &Method::DELETE) => write::delete(&numbers, call).await.map(Some),
        (Some("message_templates"), ["archive"], &Method::POST) => write::put_away(&numbers, call, true).await.map(Some),
        (Some("message_templates"), ["unarchive"], &Method::POST) => write::put_away(&numbers, call, false).await.map(Some),
        (Some("upsert_message_templates"), [], &Method::POST) => write::upsert(&numbers, call).await.map(Some),
        (Some("migrate_message_templates"), [], &Method::POST) => Err(GraphError::invalid(
            "Templates are not migrated between accounts here: read those of the source with GET /{account}/message_templates and register them with POST.",
        )),
        _ => Ok(None),
    }
}

/// `/{template}`: `None` when there is no template of this id.
pub(super) async fn object(id: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let numbers = in_order(numbers);
    let holders: Vec<&Number> = numbers
        .iter()
        .filter(|number| number.templates().by_id(id).is_some())
        .copied()
        .collect();
    let Some(entry) = holders.first().and_then(|number| number.templates().by_id(id).cloned()) else {
        return Ok(None);
    };
    match (call.edge(), call.rest(), call.method) {
        (None, [], &Method::GET | &Method::HEAD) => Ok(Some(ok(&read::row(&entry, call.query("fields"))?))),
        (None, [], &Method::POST) => write::edit(id, &holders, call).await.map(Some),
        (None, [], &Method::DELETE) => {
            for number in &holders {
                number.delete_template(id).await?;
            }
            Ok(Some(success()))
        }
        (Some("unpause"), [], &Method::POST) => unpause(&entry, &holders).await,
        (Some("compare"), [], &Method::GET | &Method::HEAD) => Err(GraphError::invalid(
            "What became of templates is not kept here: count sent, delivered and read messages by template from their status webhooks.",
        )),
        _ => Ok(None),
    }
}

/// So that the first of them is always the same.
fn in_order<'a>(numbers: &[&'a Number]) -> Vec<&'a Number> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(|a, b| a.id().cmp(b.id()));
    numbers
}

fn list(numbers: &[&Number], call: &Call<'_>) -> Result<super::super::answer::Response, GraphError> {
    let mut all: BTreeMap<(u64, String), Arc<Entry>> = BTreeMap::new();
    for number in numbers {
        for entry in number.templates().entries() {
            all.insert((entry.created_s, entry.id.clone()), Arc::clone(entry));
        }
    }
    let count = all.len();
    let filter = read::Filter::of(call)?;
    let matching: Vec<Arc<Entry>> = all.into_values().filter(|entry| filter.admits(entry)).collect();
    let total = matching.len();
    let base = call.base(numbers.first().and_then(|number| number.surface().api_url.as_deref()));
    let (rows, paging) = page(call, &base, matching, |entry| format!("{:020}{}", entry.created_s, entry.id))?;
    let fields = call.query("fields");
    let rows = rows.iter().map(|entry| read::row(entry, fields)).collect::<Result<Vec<_>, _>>()?;
    let mut answer = Map::new();
    answer.insert("data".to_owned(), rows.into());
    answer.insert("paging".to_owned(), paging);
    // Clients insist on it whether they asked or not.
    answer.insert(
        "summary".to_owned(),
        json!({
            "total_count": total,
            "message_template_count": count,
            "message_template_limit": LIMIT,
            "are_translations_complete": true,
        }),
    );
    Ok(ok(&Value::Object(answer)))
}

async fn unpause(entry: &Entry, holders: &[&Number]) -> Answer {
    if entry.status != Status::Paused {
        return Ok(Some(ok(&json!({"success": false, "reason": "The template is not paused."}))));
    }
    for (at, number) in holders.iter().enumerate() {
        let edit = Edit {
            status: Some(Status::Approved),
            ..Edit::default()
        };
        let entry = number.edit_template(&entry.id, edit).await?;
        if at == 0 {
            number.announce_template(&entry, "UNPAUSED").await;
        }
    }
    Ok(Some(success()))
}

impl From<Error> for GraphError {
    fn from(error: Error) -> Self {
        match error {
            Error::Book(error) => error.into(),
            Error::Refused(refused) => Self::template(&refused),
        }
    }
}
