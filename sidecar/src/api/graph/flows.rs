//! Flows: created, changed, published, deprecated, deleted; and their documents.
//!
//! Each number keeps its own; a call to the account changes those of every number the token admits to, under the same ids, as with templates.

mod assets;
mod node;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use http::Method;
use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{ArrayBuilder, schema::Schema},
};

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        shape::{Fields, one_of},
    },
    Answer, Call,
    paging::{self, Page, Pages},
};
use crate::{
    flow::{CATEGORIES, Flow},
    number::{Number, flows::Error},
};

pub(super) use self::assets::asset;

#[derive(OpenApi)]
#[openapi(
    paths(
        list,
        write::create,
        read,
        write::edit,
        write::delete,
        assets::list,
        write::upload,
        write::publish,
        write::deprecate,
        assets::asset,
    ),
    tags((name = "Flows", description = "Forms of several screens: drafts, published, deprecated."))
)]
pub(super) struct Described;

/// `/{account}/flows` and its kin.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let numbers = in_order(numbers);
    match (call.edge(), call.rest(), call.method) {
        (Some("flows"), [], &Method::GET | &Method::HEAD) => list(&numbers, call).map(Some),
        (Some("flows"), [], &Method::POST) => write::create(&numbers, call).await.map(Some),
        (Some("migrate_flows"), [], &Method::POST) => Err(GraphError::invalid(
            "Flows are not migrated between accounts here: read those of the source with GET /{flow}/assets and create them with POST /{account}/flows.",
        )),
        _ => Ok(None),
    }
}

/// `/{flow}`: `None` when there is no flow of this id.
pub(super) async fn object(id: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let numbers = in_order(numbers);
    let holders: Vec<&Number> = numbers
        .iter()
        .filter(|number| number.flows().by_id(id).is_some())
        .copied()
        .collect();
    let Some((first, flow)) = holders
        .first()
        .and_then(|number| Some((*number, number.flows().by_id(id).cloned()?)))
    else {
        return Ok(None);
    };
    match (call.edge(), call.rest(), call.method) {
        (None, [], &Method::GET | &Method::HEAD) => read(&flow, first, call).map(Some),
        (None, [], &Method::POST) => write::edit(id, &holders, call).await.map(Some),
        (None, [], &Method::DELETE) => write::delete(id, &holders).await.map(Some),
        (Some("assets"), [], &Method::GET | &Method::HEAD) => assets::list(&flow, first, call).map(Some),
        (Some("assets"), [], &Method::POST) => write::upload(id, &holders, call).await.map(Some),
        (Some("publish"), [], &Method::POST) => write::publish(id, &holders).await.map(Some),
        (Some("deprecate"), [], &Method::POST) => write::deprecate(id, &holders).await.map(Some),
        _ => Ok(None),
    }
}

/// Read a flow.
#[utoipa::path(
    get,
    path = "/{flow_id}",
    operation_id = "getFlow",
    params(Fields),
    responses((status = 200, body = node::Node, examples(("flow" = (value = json!({
        "id": "594425479261596", "name": "feedback", "status": "DRAFT", "categories": ["SURVEY"], "validation_errors": [],
    }))))))
)]
fn read(flow: &Flow, holder: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    Ok(ok(&node::node(flow, holder, call)?))
}

/// How `categories` is described.
fn categories() -> Schema {
    ArrayBuilder::new().items(one_of(&CATEGORIES)).into()
}

/// So that the first of them is always the same.
fn in_order<'a>(numbers: &[&'a Number]) -> Vec<&'a Number> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(|a, b| a.id().cmp(b.id()));
    numbers
}

/// List the flows.
#[utoipa::path(
    get,
    path = "/{account_id}/flows",
    operation_id = "listFlows",
    params(Fields, Pages),
    responses((status = 200, body = Page<node::Node>, examples(("flows" = (value = json!({"data": [{
        "id": "594425479261596", "name": "feedback", "status": "DRAFT", "categories": ["SURVEY"], "validation_errors": [],
    }]}))))))
)]
fn list(numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let mut all: BTreeMap<String, (Arc<Flow>, &Number)> = BTreeMap::new();
    for number in numbers {
        for flow in number.flows().flows() {
            all.entry(key(flow)).or_insert_with(|| (Arc::clone(flow), number));
        }
    }
    let base = call.base(numbers.first().and_then(|number| number.surface().api_url.as_deref()));
    let (page, paging) = paging::page(call, &base, all.into_values().collect(), |(flow, _)| key(flow))?;
    let rows = page.iter().map(|(flow, number)| node::node(flow, number, call));
    let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
    Ok(ok(&Page::part(rows, paging)))
}

/// The oldest first.
fn key(flow: &Flow) -> String {
    format!("{:020}{}", flow.created_ms, flow.id)
}

impl From<Error> for GraphError {
    fn from(error: Error) -> Self {
        match error {
            Error::Book(error) => error.into(),
            Error::Refused(refused) => Self::flow(refused),
        }
    }
}
