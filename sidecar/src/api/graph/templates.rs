//! Message templates.
//!
//! Each number keeps its own; a call to the account changes those of every number the token admits to, under the same ids. What it answers is
//! what holds for all of them.

mod read;
mod shape;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use http::Method;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::{Fields, Success},
    },
    Answer, Call,
    paging::{Pages, Paging, page},
};
use crate::{
    number::{Number, templates::Error},
    template::{
        catalogue::{Edit, LIMIT},
        definition::{Entry, Status},
    },
};

#[derive(OpenApi)]
#[openapi(
    paths(
        list,
        write::create,
        write::delete,
        write::upsert,
        write::archive,
        write::unarchive,
        read_one,
        write::edit,
        delete_one,
        unpause,
    ),
    tags((name = "Templates", description = "Templates of the account, approved at once."))
)]
pub(super) struct Described;

/// `/{account}/message_templates` and its kin.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let numbers = in_order(numbers);
    match (call.edge(), call.rest(), call.method) {
        (Some("message_templates"), [], &Method::GET | &Method::HEAD) => list(&numbers, call).map(Some),
        // Not in the Cloud API's own description, and some clients ask so all the same.
        (Some("message_templates"), [id], &Method::GET | &Method::HEAD) => {
            match numbers.iter().find_map(|number| number.templates().by_id(id).cloned()) {
                Some(entry) => Ok(Some(ok(&read::row(&entry, call.query("fields"))?))),
                None => Ok(None),
            }
        }
        (Some("message_templates"), [], &Method::POST) => write::create(&numbers, call).await.map(Some),
        (Some("message_templates"), [], &Method::DELETE) => write::delete(&numbers, call).await.map(Some),
        (Some("message_templates"), ["archive"], &Method::POST) => write::archive(&numbers, call).await.map(Some),
        (Some("message_templates"), ["unarchive"], &Method::POST) => write::unarchive(&numbers, call).await.map(Some),
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
        (None, [], &Method::GET | &Method::HEAD) => read_one(&entry, call).map(Some),
        (None, [], &Method::POST) => write::edit(id, &holders, call).await.map(Some),
        (None, [], &Method::DELETE) => delete_one(id, &holders).await.map(Some),
        (Some("unpause"), [], &Method::POST) => unpause(&entry, &holders).await.map(Some),
        (Some("compare"), [], &Method::GET | &Method::HEAD) => Err(GraphError::invalid(
            "What became of templates is not kept here: count sent, delivered and read messages by template from their status webhooks.",
        )),
        _ => Ok(None),
    }
}

/// Read a template.
#[utoipa::path(
    get,
    path = "/{template_id}",
    operation_id = "getTemplate",
    params(Fields),
    responses((status = 200, body = read::Template, examples(("template" = (value = json!({
        "name": "order_sent", "language": "en_US", "category": "UTILITY", "status": "APPROVED", "parameter_format": "POSITIONAL",
        "components": [{"type": "BODY", "text": "Hello {{1}}, your order is on its way.", "example": {"body_text": [["Ana"]]}}],
        "id": "1407680676729941",
    }))))))
)]
fn read_one(entry: &Entry, call: &Call<'_>) -> Result<Response, GraphError> {
    Ok(ok(&read::row(entry, call.query("fields"))?))
}

/// Delete a template by its id.
#[utoipa::path(delete, path = "/{template_id}", operation_id = "deleteTemplateById", responses(Success))]
async fn delete_one(id: &str, holders: &[&Number]) -> Result<Response, GraphError> {
    for number in holders {
        number.delete_template(id).await?;
    }
    Ok(success())
}

/// So that the first of them is always the same.
fn in_order<'a>(numbers: &[&'a Number]) -> Vec<&'a Number> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(|a, b| a.id().cmp(b.id()));
    numbers
}

/// A page of templates.
#[derive(Serialize, ToSchema)]
struct Templates {
    #[schema(value_type = Vec<read::Template>)]
    data: Vec<Value>,
    paging: Paging,
    // Clients insist on it whether they asked or not.
    #[schema(inline)]
    summary: Summary,
}

#[derive(Serialize, ToSchema)]
struct Summary {
    total_count: usize,
    message_template_count: usize,
    message_template_limit: usize,
    are_translations_complete: bool,
}

/// List the templates.
#[utoipa::path(
    get,
    path = "/{account_id}/message_templates",
    operation_id = "listTemplates",
    params(read::Wanted, Fields, Pages),
    responses((status = 200, body = Templates, examples(("templates" = (value = json!({
        "data": [{
            "name": "order_sent", "language": "en_US", "category": "UTILITY", "status": "APPROVED", "parameter_format": "POSITIONAL",
            "components": [{"type": "BODY", "text": "Hello {{1}}, your order is on its way.", "example": {"body_text": [["Ana"]]}}],
            "id": "1407680676729941",
        }],
        "paging": {"cursors": {"before": "MTAx", "after": "MTAx"}},
        "summary": {
            "total_count": 1, "message_template_count": 1, "message_template_limit": 1000, "are_translations_complete": true,
        },
    }))))))
)]
fn list(numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
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
    let data = rows.iter().map(|entry| read::row(entry, fields)).collect::<Result<Vec<_>, _>>()?;
    Ok(ok(&Templates {
        data,
        paging,
        summary: Summary {
            total_count: total,
            message_template_count: count,
            message_template_limit: LIMIT,
            are_translations_complete: true,
        },
    }))
}

/// What became of a pause.
#[derive(Serialize, ToSchema)]
struct Unpaused {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Let a paused template be sent again.
#[utoipa::path(
    post,
    path = "/{template_id}/unpause",
    operation_id = "unpauseTemplate",
    responses((status = 200, body = Unpaused, examples(
        ("done" = (value = json!({"success": true}))),
        ("not paused" = (value = json!({"success": false, "reason": "The template is not paused."})))
    )))
)]
async fn unpause(entry: &Entry, holders: &[&Number]) -> Result<Response, GraphError> {
    if entry.status != Status::Paused {
        return Ok(ok(&Unpaused {
            success: false,
            reason: Some("The template is not paused."),
        }));
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
    Ok(ok(&Unpaused {
        success: true,
        reason: None,
    }))
}

impl From<Error> for GraphError {
    fn from(error: Error) -> Self {
        match error {
            Error::Book(error) => error.into(),
            Error::Refused(refused) => Self::template(&refused),
        }
    }
}
