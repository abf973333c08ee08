//! Templates as they are registered and changed.

use rand::Rng as _;
use serde_json::{Value, json};

use super::super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
    },
    Call,
    arguments::Arguments,
};
use crate::{
    number::Number,
    template::{
        Category,
        catalogue::{Draft, Edit, Refused},
        definition::{Entry, ParameterFormat, Status},
    },
};

/// Templates of one request at most.
const MAX_TOGETHER: usize = 100;

/// Ids are digits, and small enough for clients that hold them as JavaScript numbers.
fn new_id() -> String {
    rand::rng().random_range(100_000_000_000_000_u64..1_000_000_000_000_000).to_string()
}

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

fn told(entry: &Entry) -> Value {
    json!({"id": entry.id, "status": entry.status.as_str(), "category": entry.category.as_str()})
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
        sub_category: said.bounded("sub_category", 64)?,
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
    Ok(ok(&json!({
        "success": true,
        "id": entry.id,
        "name": entry.name,
        "category": entry.category.as_str(),
        "status": entry.status.as_str(),
    })))
}

/// By name, all its languages; by name and `hsm_id`, that one.
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

/// Puts templates away, or takes them out again.
pub(super) async fn put_away(numbers: &[&Number], call: &mut Call<'_>, away: bool) -> Result<Response, GraphError> {
    let ids = ids(&call.arguments().await?)?;
    if ids.is_empty() {
        return Err(GraphError::missing("hsm_ids is required."));
    }
    if ids.len() > MAX_TOGETHER {
        return Err(GraphError::invalid(format!("hsm_ids must be at most {MAX_TOGETHER}.")));
    }
    let (mut done, mut failed) = (Vec::new(), serde_json::Map::new());
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
                failed.insert(id, "There is no such template to be changed.".into());
            }
        }
    }
    let key = if away { "archived_templates" } else { "unarchived_templates" };
    Ok(ok(&json!({ key: done, "failed_templates": failed })))
}

/// Authentication templates in many languages at once.
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
            let mut row = told(&entry);
            row["language"] = entry.language.as_str().into();
            rows.push(row);
        }
    }
    Ok(ok(&json!({ "data": rows })))
}
