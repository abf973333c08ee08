//! Flows as they are created and changed.

use rand::Rng as _;
use serde::Serialize;
use serde_json::Value;
use utoipa::{ToSchema, openapi::Object};

use super::{
    super::{
        super::{
            GraphError,
            answer::{Response, ok, success},
            shape::{File, Product, Success, one_of, text},
        },
        Call,
        arguments::Arguments,
        media::multipart,
    },
    assets,
};
use crate::{
    flow::{Edit, Finding, Flow, MAX_ENDPOINT_CHARS, MAX_JSON_BYTES, MAX_NAME_CHARS, Refused, Status, catalogue::Draft},
    number::Number,
};

/// A flow that is there now.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowMade)]
struct Created<'a> {
    id: &'a str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_errors: Option<&'a [Finding]>,
}

/// It is done. Of a document, what is wrong with it.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowUploaded)]
struct Uploaded<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_errors: Option<&'a [Finding]>,
}

/// A flow to be created.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct FlowCreate {
    #[schema(schema_with = text::<MAX_NAME_CHARS>)]
    name: String,
    #[schema(schema_with = super::categories)]
    categories: Vec<String>,
    /// The document, in a text.
    flow_json: Option<String>,
    publish: Option<bool>,
    /// Whose document it begins with.
    clone_flow_id: Option<String>,
    #[schema(schema_with = text::<MAX_ENDPOINT_CHARS>)]
    endpoint_uri: Option<String>,
}

/// What of a flow is to be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct FlowUpdate {
    #[schema(schema_with = text::<MAX_NAME_CHARS>)]
    name: Option<String>,
    #[schema(schema_with = super::categories)]
    categories: Option<Vec<String>>,
    #[schema(schema_with = text::<MAX_ENDPOINT_CHARS>)]
    endpoint_uri: Option<String>,
    #[schema(schema_with = text::<APPLICATION_CHARS>)]
    application_id: Option<String>,
    /// The document, in a text.
    flow_json: Option<String>,
    /// `PUBLISHED`, `THROTTLED` or `BLOCKED`.
    status: Option<Status>,
}

/// The document of a flow.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct FlowAssetUpload {
    #[schema(value_type = File, inline)]
    file: Vec<u8>,
    #[schema(schema_with = asset_name)]
    name: Option<String>,
    #[schema(schema_with = asset_type)]
    asset_type: Option<String>,
    messaging_product: Option<Product>,
}

fn asset_name() -> Object {
    one_of(&[assets::NAME])
}

fn asset_type() -> Object {
    one_of(&[assets::TYPE])
}

/// The longest id of an app.
const APPLICATION_CHARS: usize = 32;

/// Ids are digits, and small enough for clients that hold them as JavaScript numbers.
fn new_id() -> String {
    rand::rng().random_range(100_000_000_000_000_u64..1_000_000_000_000_000).to_string()
}

/// Create a flow.
///
/// A draft, unless it is published at once, which takes a document without validation errors.
#[utoipa::path(
    post,
    path = "/{account_id}/flows",
    operation_id = "createFlow",
    request_body(content = FlowCreate, examples(("draft" = (value = json!({
        "name": "feedback", "categories": ["SURVEY"],
        "flow_json": "{\"version\":\"7.1\",\"screens\":[{\"id\":\"ASK\",\"title\":\"Ask\",\"terminal\":true,\"layout\":{\"type\":\"SingleColumnLayout\",\"children\":[{\"type\":\"Footer\",\"label\":\"Done\",\"on-click-action\":{\"name\":\"complete\",\"payload\":{}}}]}}]}",
    }))))),
    responses((status = 200, body = Created<'_>, examples(("created" = (value = json!({
        "id": "594425479261596", "success": true, "validation_errors": [],
    }))))))
)]
pub(super) async fn create(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    let mut draft = Draft {
        name: said.required("name")?,
        categories: categories(&said)?.ok_or_else(|| GraphError::missing("categories is required."))?,
        endpoint_uri: endpoint(&said)?,
        json: json(&said)?,
    };
    let publish = said.flag("publish")?.unwrap_or_default();
    if let Some(source) = said.text("clone_flow_id")? {
        if said.has("clone_template") {
            return Err(GraphError::invalid("Only one of clone_flow_id and clone_template can be set."));
        }
        clone(&mut draft, &source, numbers)?;
    } else if said.has("clone_template") {
        return Err(GraphError::invalid("There are no templates of flows here; give flow_json."));
    }
    let id = new_id();
    // Before any of them keeps it, none of them may refuse it.
    for number in numbers {
        number.flows().draft(draft.clone(), id.clone(), 0).map_err(GraphError::flow)?;
    }
    let mut created = None;
    for number in numbers {
        let flow = number.create_flow(draft.clone(), id.clone()).await?;
        created.get_or_insert((*number, flow));
    }
    let (first, mut flow) = created.ok_or_else(|| GraphError::unsupported_object(call.method))?;
    let can_be_published = flow.publish_fault().is_none();
    if publish && can_be_published {
        for (at, number) in numbers.iter().enumerate() {
            let published = number.change_flow(&id, |kept, now_s| kept.flow.publish(now_s)).await?;
            if at == 0 {
                flow = published;
            }
        }
        first.announce_flow(&flow, Status::Draft).await;
    }
    let findings = flow.checked.findings.as_slice();
    Ok(ok(&Created {
        id: &flow.id,
        success: findings.is_empty() && (!publish || can_be_published),
        validation_errors: flow.json_bytes.map(|_| findings),
    }))
}

/// Takes over from the flow with this id whatever is not said of the new one.
fn clone(draft: &mut Draft, source: &str, numbers: &[&Number]) -> Result<(), GraphError> {
    let found = numbers
        .iter()
        .find_map(|number| Some((number, number.flows().by_id(source).cloned()?)));
    let Some((number, source)) = found else {
        return Err(GraphError::invalid("clone_flow_id names no flow of this account."));
    };
    if draft.json.is_none() {
        draft.json = number.flow_json(&source.id);
    }
    if draft.endpoint_uri.is_none() {
        draft.endpoint_uri.clone_from(&source.endpoint_uri);
    }
    Ok(())
}

fn categories(said: &Arguments) -> Result<Option<Vec<String>>, GraphError> {
    let wrong = || GraphError::flow(Refused::Categories);
    let word = |word: &Value| word.as_str().map(str::to_owned).ok_or_else(wrong);
    match said.list("categories")? {
        Some(words) => words.iter().map(word).collect::<Result<_, _>>().map(Some),
        None => Ok(None),
    }
}

/// An empty one is none.
fn endpoint(said: &Arguments) -> Result<Option<String>, GraphError> {
    Ok(said.text("endpoint_uri")?.filter(|endpoint| !endpoint.is_empty()))
}

/// The document, in a text or as it is.
fn json(said: &Arguments) -> Result<Option<String>, GraphError> {
    match said.value("flow_json") {
        Some(Value::Object(document)) => Ok(Some(Value::Object(document.clone()).to_string())),
        _ => said.text("flow_json"),
    }
}

/// Change a flow.
///
/// A draft; of what is published only `endpoint_uri`, `application_id` and, to see what a program makes of it, `status`.
#[utoipa::path(
    post,
    path = "/{flow_id}",
    operation_id = "updateFlow",
    request_body(content = FlowUpdate, examples(("name" = (value = json!({"name": "feedback 2"}))))),
    responses((status = 200, body = Uploaded<'_>, examples(("done" = (value = json!({"success": true}))))))
)]
pub(super) async fn edit(id: &str, holders: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    // Nobody looks after endpoints here: the business says itself what becomes of a flow, to see what its program makes of it.
    let status = said
        .text("status")?
        .map(|word| Status::parse(&word).ok_or_else(|| GraphError::invalid("status must be PUBLISHED, THROTTLED or BLOCKED.")))
        .transpose()?;
    let edit = Edit {
        name: said.text("name")?,
        categories: categories(&said)?,
        endpoint_uri: endpoint(&said)?,
        application_id: said.bounded("application_id", APPLICATION_CHARS)?,
        status,
    };
    let document = json(&said)?;
    let says_nothing = edit.name.is_none()
        && edit.categories.is_none()
        && edit.endpoint_uri.is_none()
        && edit.application_id.is_none()
        && status.is_none()
        && document.is_none();
    if says_nothing {
        return Err(GraphError::missing(
            "One of name, categories, endpoint_uri, application_id, flow_json and status is required.",
        ));
    }
    let is_upload = document.is_some();
    let flow = change(id, holders, move |kept, now_s| {
        if let Some(document) = &document {
            kept.upload(document.clone(), now_s)?;
        }
        kept.flow.edit(edit.clone(), now_s)
    })
    .await?;
    Ok(match is_upload {
        true => uploaded(&flow),
        false => success(),
    })
}

/// Changes a flow at every number that keeps it, and tells the business of another status.
async fn change<F>(id: &str, holders: &[&Number], change: F) -> Result<std::sync::Arc<Flow>, GraphError>
where
    F: Fn(&mut crate::flow::Kept, u64) -> Result<(), Refused> + Send + Sync,
{
    let mut first = None;
    for number in holders {
        let before = number.flows().by_id(id).map(|flow| flow.status);
        let flow = number.change_flow(id, &change).await?;
        first.get_or_insert((*number, before, flow));
    }
    let (number, before, flow) = first.ok_or_else(|| GraphError::flow(Refused::Unknown))?;
    if let Some(before) = before.filter(|before| *before != flow.status) {
        number.announce_flow(&flow, before).await;
    }
    Ok(flow)
}

/// Upload a draft's document.
///
/// What is wrong with it is told, and it is kept all the same: it can be published when nothing is.
#[utoipa::path(
    post,
    path = "/{flow_id}/assets",
    operation_id = "uploadFlowAsset",
    request_body(content = FlowAssetUpload, content_type = "multipart/form-data"),
    responses((status = 200, body = Uploaded<'_>, examples(("uploaded" = (value = json!({"success": true, "validation_errors": []}))))))
)]
pub(super) async fn upload(id: &str, holders: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let form = multipart::small(call, MAX_JSON_BYTES).await?;
    for (name, only) in [("name", assets::NAME), ("asset_type", assets::TYPE)] {
        let said = form.said(name).or_else(|| call.query(name));
        if said.is_some_and(|said| said != only) {
            return Err(GraphError::invalid(format!("{name} must be {only}.")));
        }
    }
    let file = form
        .file
        .as_ref()
        .ok_or_else(|| GraphError::missing("file is required: a part of that name, with the document."))?;
    let document = std::str::from_utf8(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file))
        .map_err(|_| GraphError::coded(139_001, "(#139001) Flow can't be updated", "The flow's JSON is not UTF-8."))?;
    let flow = change(id, holders, |kept, now_s| kept.upload(document.to_owned(), now_s)).await?;
    Ok(uploaded(&flow))
}

fn uploaded(flow: &Flow) -> Response {
    ok(&Uploaded {
        success: true,
        validation_errors: Some(&flow.checked.findings),
    })
}

/// Publish a draft.
///
/// From then on it can be sent, and does not change.
#[utoipa::path(post, path = "/{flow_id}/publish", operation_id = "publishFlow", responses(Success))]
pub(super) async fn publish(id: &str, holders: &[&Number]) -> Result<Response, GraphError> {
    change(id, holders, |kept, now_s| kept.flow.publish(now_s)).await?;
    Ok(success())
}

/// Take a published flow out of use.
#[utoipa::path(post, path = "/{flow_id}/deprecate", operation_id = "deprecateFlow", responses(Success))]
pub(super) async fn deprecate(id: &str, holders: &[&Number]) -> Result<Response, GraphError> {
    change(id, holders, |kept, now_s| kept.flow.deprecate(now_s)).await?;
    Ok(success())
}

/// Delete a draft.
#[utoipa::path(delete, path = "/{flow_id}", operation_id = "deleteFlow", responses(Success))]
pub(super) async fn delete(id: &str, holders: &[&Number]) -> Result<Response, GraphError> {
    for number in holders {
        number.delete_flow(id).await?;
    }
    Ok(success())
}
