//! Templates as they are registered and changed.

use std::collections::BTreeMap;

use rand::Rng as _;
use serde_json::Value;

use super::{
    super::{
        super::{
            GraphError,
            answer::{Response, ok, success},
            shape::{Success, Yes},
        },
        Call,
        arguments::Arguments,
        paging::Page,
    },
    shape::{
        Archived, MAX_TOGETHER, SUB_CATEGORY_CHARS, TemplateCreate, TemplateEdited, TemplateIds, TemplateMade, TemplateUpdate,
        TemplateUpsert, Unarchived,
    },
};
use crate::{
    number::Number,
    template::{
        Category,
        catalogue::{Draft, Edit, Refused},
        definition::{Entry, ParameterFormat, Status},
    },
};

/// Ids are digits, and small enough for clients that hold them as JavaScript numbers.
fn new_id() -> String {
    rand::rng().random_range(100_000_000_000_000_u64..1_000_000_000_000_000).to_string()
}

/// Create a template.
///
/// Approved at once: nobody reviews it here.
#[utoipa::path(
    post,
    path = "/{account_id}/message_templates",
    operation_id = "createTemplate",
    request_body(content = TemplateCreate, examples(("template" = (value = json!({
        "name": "order_sent", "language": "en_US", "category": "UTILITY",
        "components": [
            {"type": "BODY", "text": "Hello {{1}}, your order is on its way.", "example": {"body_text": [["Ana"]]}},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Later"}]},
        ],
    }))))),
    responses((status = 200, body = TemplateMade, examples(("created" = (value = json!({
        "id": "1407680676729941", "status": "APPROVED", "category": "UTILITY",
    }))))))
)]
pub(super) async fn create(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    if said.has("library_template_name") {
        return Err(GraphError::invalid("There is no template library here; give components."));
    }
    let id = new_id();
    let mut created = None;
    for number in numbers {
        let entry = number.create_template(draft(&said)?, id.clone()).await?;
        created.get_or_insert((*number, entry));
    }
    let (number, entry) = created.ok_or_else(|| GraphError::unsupported_object(call.method))?;
    number.announce_template(&entry, entry.status.as_str()).await;
    Ok(ok(&told(&entry)))
}

fn told(entry: &Entry) -> TemplateMade {
    TemplateMade {
        id: entry.id.clone(),
        status: entry.status,
        category: entry.category,
        language: None,
    }
}

fn draft(said: &Arguments) -> Result<Draft, GraphError> {
    Ok(Draft {
        name: said.required("name")?,
        language: said.required("language")?,
        category: category(said)?.ok_or_else(|| GraphError::missing("category is required: AUTHENTICATION, MARKETING or UTILITY."))?,
        parameter_format: format(said)?,
        components: said
            .list("components")?
            .ok_or_else(|| GraphError::missing("components is required."))?,
        message_send_ttl_seconds: said.number("message_send_ttl_seconds")?,
        sub_category: said.bounded("sub_category", SUB_CATEGORY_CHARS)?,
    })
}

fn category(said: &Arguments) -> Result<Option<Category>, GraphError> {
    said.text("category")?
        .map(|word| Category::parse(&word).ok_or_else(|| GraphError::invalid("category must be AUTHENTICATION, MARKETING or UTILITY.")))
        .transpose()
}

fn format(said: &Arguments) -> Result<Option<ParameterFormat>, GraphError> {
    said.text("parameter_format")?
        .map(|word| ParameterFormat::parse(&word).ok_or_else(|| GraphError::invalid("parameter_format must be POSITIONAL or NAMED.")))
        .transpose()
}

/// Change a template.
#[utoipa::path(
    post,
    path = "/{template_id}",
    operation_id = "updateTemplate",
    request_body(content = TemplateUpdate, examples(("components" = (value = json!({
        "components": [{"type": "BODY", "text": "It is there, {{1}}.", "example": {"body_text": [["Ana"]]}}],
    }))))),
    responses((status = 200, body = TemplateEdited, examples(("changed" = (value = json!({
        "success": true, "id": "1407680676729941", "name": "order_sent", "category": "UTILITY", "status": "APPROVED",
    }))))))
)]
pub(super) async fn edit(id: &str, holders: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    // There is no reviewer: the business says itself what becomes of a template, to see what its program makes of it.
    let status = said
        .text("status")?
        .map(|word| {
            Status::parse(&word).ok_or_else(|| GraphError::invalid("status must be APPROVED, PENDING, REJECTED, PAUSED or DISABLED."))
        })
        .transpose()?;
    if ["name", "language"].iter().any(|member| said.has(member)) && said.list("components")?.is_none() {
        return Err(GraphError::invalid(
            "name and language of a template cannot be changed; register another one.",
        ));
    }
    let mut changed = None;
    for number in holders {
        let edit = Edit {
            category: category(&said)?,
            components: said.list("components")?,
            parameter_format: format(&said)?,
            message_send_ttl_seconds: said.number("message_send_ttl_seconds")?,
            status,
        };
        let before = number.templates().by_id(id).map(|entry| entry.status);
        let entry = number.edit_template(id, edit).await?;
        changed.get_or_insert((*number, before, entry));
    }
    let (number, before, entry) = changed.ok_or_else(|| GraphError::unsupported_object(call.method))?;
    if before != Some(entry.status) {
        number.announce_template(&entry, entry.status.as_str()).await;
    }
    Ok(ok(&TemplateEdited {
        success: Yes,
        id: entry.id.clone(),
        name: entry.name.clone(),
        category: entry.category,
        status: entry.status,
    }))
}

/// Delete a template.
///
/// By name, all its languages; by name and `hsm_id`, that one; by `hsm_ids`, several.
#[utoipa::path(
    delete,
    path = "/{account_id}/message_templates",
    operation_id = "deleteTemplate",
    params(
        ("name" = Option<String>, Query, description = "All languages of it."),
        ("hsm_id" = Option<String>, Query, description = "Only this one."),
        ("hsm_ids" = Option<String>, Query, description = "Only these.")
    ),
    responses(Success)
)]
pub(super) async fn delete(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    let name = said.text("name")?;
    let ids = ids(&said)?;
    if name.is_none() && ids.is_empty() {
        return Err(GraphError::missing("name or hsm_id is required."));
    }
    let mut any = false;
    for number in numbers {
        let templates = number.templates();
        let wanted = |entry: &Entry| name.as_ref().is_none_or(|name| *name == entry.name) && (ids.is_empty() || ids.contains(&entry.id));
        for entry in templates.entries().iter().filter(|entry| wanted(entry)) {
            any |= number.delete_template(&entry.id).await?.is_some();
        }
    }
    match any {
        true => Ok(success()),
        false => Err(GraphError::template(&Refused::Unknown)),
    }
}

/// `hsm_id`, or `hsm_ids` as a list or as text.
fn ids(said: &Arguments) -> Result<Vec<String>, GraphError> {
    let mut ids: Vec<String> = said.text("hsm_id")?.into_iter().collect();
    match said.value("hsm_ids") {
        Some(Value::Array(list)) => ids.extend(list.iter().filter_map(|id| id.as_str().map(str::to_owned))),
        Some(Value::String(text)) => {
            let strip = |char: char| !char.is_ascii_digit();
            ids.extend(text.split(',').map(|id| id.trim_matches(strip).to_owned()));
        }
        _ => {}
    }
    ids.retain(|id| !id.is_empty());
    Ok(ids)
}

/// Put templates away.
#[utoipa::path(
    post,
    path = "/{account_id}/message_templates/archive",
    operation_id = "archiveTemplates",
    request_body(content = TemplateIds, examples(("one" = (value = json!({"hsm_ids": ["1407680676729941"]}))))),
    responses((status = 200, body = Archived, examples(("done" = (value = json!({
        "archived_templates": ["1407680676729941"], "failed_templates": {},
    }))))))
)]
pub(super) async fn archive(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let (archived_templates, failed_templates) = put_away(numbers, call, true).await?;
    Ok(ok(&Archived {
        archived_templates,
        failed_templates,
    }))
}

/// Take templates out again.
#[utoipa::path(
    post,
    path = "/{account_id}/message_templates/unarchive",
    operation_id = "unarchiveTemplates",
    request_body(content = TemplateIds, examples(("one" = (value = json!({"hsm_ids": ["1407680676729941"]}))))),
    responses((status = 200, body = Unarchived, examples(("done" = (value = json!({
        "unarchived_templates": ["1407680676729941"], "failed_templates": {},
    }))))))
)]
pub(super) async fn unarchive(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let (unarchived_templates, failed_templates) = put_away(numbers, call, false).await?;
    Ok(ok(&Unarchived {
        unarchived_templates,
        failed_templates,
    }))
}

/// For which it was done, and why not for the others.
type PutAway = (Vec<String>, BTreeMap<String, &'static str>);

/// Puts templates away, or takes them out again.
async fn put_away(numbers: &[&Number], call: &mut Call<'_>, away: bool) -> Result<PutAway, GraphError> {
    let ids = ids(&call.arguments().await?)?;
    if ids.is_empty() {
        return Err(GraphError::missing("hsm_ids is required."));
    }
    if ids.len() > MAX_TOGETHER {
        return Err(GraphError::invalid(format!("hsm_ids must be at most {MAX_TOGETHER}.")));
    }
    let (mut done, mut failed) = (Vec::new(), BTreeMap::new());
    let (from, to) = match away {
        true => (None, Status::Archived),
        false => (Some(Status::Archived), Status::Approved),
    };
    for id in ids {
        let mut any = false;
        for number in numbers {
            let templates = number.templates();
            let Some(entry) = templates.by_id(&id) else { continue };
            if from.is_none_or(|from| entry.status == from) {
                let edit = Edit {
                    status: Some(to),
                    ..Edit::default()
                };
                number.edit_template(&id, edit).await?;
                any = true;
            }
        }
        match any {
            true => done.push(id),
            false => {
                failed.insert(id, "There is no such template to be changed.");
            }
        }
    }
    Ok((done, failed))
}

/// Create or change authentication templates, one for each language.
#[utoipa::path(
    post,
    path = "/{account_id}/upsert_message_templates",
    operation_id = "upsertTemplates",
    request_body(content = TemplateUpsert, examples(("login" = (value = json!({
        "name": "login", "category": "AUTHENTICATION", "languages": ["en_US", "pl"],
        "components": [
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
        ],
    }))))),
    responses((status = 200, body = Page<TemplateMade>, examples(("made" = (value = json!({"data": [
        {"id": "1407680676729941", "status": "APPROVED", "category": "AUTHENTICATION", "language": "en_US"},
    ]}))))))
)]
pub(super) async fn upsert(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    if category(&said)? != Some(Category::Authentication) {
        return Err(GraphError::invalid(
            "category must be AUTHENTICATION: only such templates have no words of their own.",
        ));
    }
    let languages: Vec<String> = said
        .list("languages")?
        .ok_or_else(|| GraphError::missing("languages is required."))?
        .iter()
        .filter_map(|language| language.as_str().map(str::to_owned))
        .collect();
    if languages.is_empty() || languages.len() > MAX_TOGETHER {
        return Err(GraphError::invalid(format!(
            "languages must be 1 to {MAX_TOGETHER} language codes."
        )));
    }
    let name = said.required("name")?;
    let mut rows = Vec::new();
    for language in languages {
        let id = new_id();
        let mut first = None;
        for number in numbers {
            let known = number
                .templates()
                .entries()
                .iter()
                .find(|entry| entry.name == name && entry.language == language)
                .map(|entry| entry.id.clone());
            let components = said
                .list("components")?
                .ok_or_else(|| GraphError::missing("components is required."))?;
            let ttl = said.number("message_send_ttl_seconds")?;
            let entry = match known {
                Some(known) => {
                    let edit = Edit {
                        category: Some(Category::Authentication),
                        components: Some(components),
                        message_send_ttl_seconds: ttl,
                        ..Edit::default()
                    };
                    number.edit_template(&known, edit).await?
                }
                None => {
                    let draft = Draft {
                        name: name.clone(),
                        language: language.clone(),
                        category: Category::Authentication,
                        parameter_format: None,
                        components,
                        message_send_ttl_seconds: ttl,
                        sub_category: None,
                    };
                    let entry = number.create_template(draft, id.clone()).await?;
                    if first.is_none() {
                        number.announce_template(&entry, entry.status.as_str()).await;
                    }
                    entry
                }
            };
            first.get_or_insert(entry);
        }
        if let Some(entry) = first {
            rows.push(TemplateMade {
                language: Some(entry.language.clone()),
                ..told(&entry)
            });
        }
    }
    Ok(ok(&Page::all(rows)))
}
