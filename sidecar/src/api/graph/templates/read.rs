//! Templates as they are shown.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::super::{super::GraphError, Call};
use crate::template::{
    Category,
    definition::{Entry, ParameterFormat, Status},
};

/// A template. Members that are never there are fields of the Cloud API for which there is no value here.
#[derive(Serialize, ToSchema)]
pub(super) struct Template {
    id: String,
    name: Option<String>,
    parameter_format: Option<ParameterFormat>,
    #[schema(value_type = Option<Vec<Component>>)]
    components: Option<Vec<Value>>,
    language: Option<String>,
    status: Option<Status>,
    category: Option<Category>,
    previous_category: Option<Category>,
    correct_category: Option<Category>,
    sub_category: Option<String>,
    message_send_ttl_seconds: Option<i64>,
    rejected_reason: Option<&'static str>,
    #[schema(inline)]
    quality_score: Option<Quality>,
    library_template_name: Option<String>,
    cta_url_link_tracking_opted_out: Option<bool>,
    #[schema(value_type = Option<Object>)]
    degrees_of_freedom_spec: Option<Value>,
    creation_time: Option<u64>,
    last_updated_time: Option<u64>,
    specific_rejection_reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Quality {
    score: &'static str,
    date: u64,
}

/// A part of a template: `HEADER`, `BODY`, `FOOTER`, `BUTTONS`, …
#[derive(ToSchema)]
#[schema(as = TemplateComponent)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Component {
    #[schema(rename = "type")]
    kind: String,
    /// Of a header: `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT`, `LOCATION`.
    format: Option<String>,
    text: Option<String>,
    /// What variables may be filled in with.
    #[schema(value_type = Option<Object>)]
    example: Option<Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    buttons: Option<Vec<Value>>,
    /// Of the body of an authentication template.
    add_security_recommendation: Option<bool>,
}

/// Which templates a list is asked for.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Wanted {
    /// Whose name has this in it.
    name: Option<String>,
    /// Whose components say this.
    content: Option<String>,
    /// Whose name or components say this.
    name_or_content: Option<String>,
    /// Of these languages, with commas between them.
    language: Option<String>,
    /// Of these categories.
    category: Option<String>,
    /// With one of these statuses.
    status: Option<String>,
    /// All have `UNKNOWN`.
    quality_score: Option<String>,
}

/// Those shown when none are asked for.
const USUAL: [&str; 9] = [
    "name",
    "parameter_format",
    "components",
    "language",
    "status",
    "category",
    "previous_category",
    "sub_category",
    "message_send_ttl_seconds",
];

/// A template with the fields asked for. Fields without a value are left out, the id never is.
pub(super) fn row(entry: &Entry, fields: Option<&str>) -> Result<Value, GraphError> {
    let asked: Vec<String> = match fields.map(names).filter(|asked| !asked.is_empty()) {
        None => USUAL.iter().map(|name| (*name).to_owned()).collect(),
        Some(asked) => asked,
    };
    let Value::Object(mut members) = json!(template(entry)) else {
        return Ok(Value::Null);
    };
    let mut row = Map::new();
    for name in asked {
        match members.get(&name) {
            None => return Err(GraphError::invalid("fields names a field that message templates do not have.")),
            Some(Value::Null) => {}
            Some(value) => {
                row.insert(name, value.clone());
            }
        }
    }
    row.extend(members.remove("id").map(|id| ("id".to_owned(), id)));
    Ok(Value::Object(row))
}

fn template(entry: &Entry) -> Template {
    Template {
        id: entry.id.clone(),
        name: Some(entry.name.clone()),
        parameter_format: Some(entry.parameter_format),
        components: Some(entry.components.clone()),
        language: Some(entry.language.clone()),
        status: Some(entry.status),
        category: Some(entry.category),
        previous_category: entry.previous_category,
        correct_category: None,
        sub_category: entry.sub_category.clone(),
        message_send_ttl_seconds: entry.message_send_ttl_seconds,
        rejected_reason: Some("NONE"),
        quality_score: Some(Quality {
            score: "UNKNOWN",
            date: entry.updated_s,
        }),
        library_template_name: None,
        cta_url_link_tracking_opted_out: None,
        degrees_of_freedom_spec: None,
        creation_time: Some(entry.created_s),
        last_updated_time: Some(entry.updated_s),
        specific_rejection_reason: None,
    }
}

/// The names of `a,b{c,d},e`; what stands in braces is shown whole.
fn names(fields: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let top: String = fields
        .chars()
        .filter(|char| {
            depth += usize::from(*char == '{');
            let is_top = depth == 0;
            depth = depth.saturating_sub(usize::from(*char == '}'));
            is_top
        })
        .collect();
    top.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Which templates a list is asked for.
pub(super) struct Filter {
    name: Option<String>,
    content: Option<String>,
    name_or_content: Option<String>,
    languages: Vec<String>,
    statuses: Vec<Status>,
    categories: Vec<Category>,
    quality: Vec<String>,
}

impl Filter {
    pub(super) fn of(call: &Call<'_>) -> Result<Self, GraphError> {
        let text = |name: &str| call.query(name).filter(|text| !text.is_empty()).map(str::to_lowercase);
        Ok(Self {
            name: text("name"),
            content: text("content"),
            name_or_content: text("name_or_content"),
            languages: words(call, "language"),
            statuses: parsed(call, "status", Status::parse)?,
            categories: parsed(call, "category", Category::parse)?,
            quality: words(call, "quality_score"),
        })
    }

    pub(super) fn admits(&self, entry: &Entry) -> bool {
        let named = |part: &String| entry.name.contains(part.as_str());
        let says = |part: &String| {
            let text = |component: &Value| {
                component["text"]
                    .as_str()
                    .is_some_and(|text| text.to_lowercase().contains(part.as_str()))
            };
            entry.components.iter().any(text)
        };
        let language = |wanted: &String| wanted.eq_ignore_ascii_case(&entry.language);
        self.name.as_ref().is_none_or(named)
            && self.content.as_ref().is_none_or(says)
            && self.name_or_content.as_ref().is_none_or(|part| named(part) || says(part))
            && (self.languages.is_empty() || self.languages.iter().any(language))
            && (self.statuses.is_empty() || self.statuses.contains(&entry.status))
            && (self.categories.is_empty() || self.categories.contains(&entry.category))
            && (self.quality.is_empty() || self.quality.iter().any(|score| score.eq_ignore_ascii_case("UNKNOWN")))
    }
}

/// `A,B` and `["A","B"]` alike.
fn words(call: &Call<'_>, name: &str) -> Vec<String> {
    let text = call.query(name).unwrap_or_default();
    let strip = |char: char| char.is_whitespace() || matches!(char, '[' | ']' | '"' | '\'');
    text.split(',')
        .map(|word| word.trim_matches(strip).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

fn parsed<T>(call: &Call<'_>, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, GraphError> {
    let words = words(call, name);
    let known: Vec<T> = words.iter().filter_map(|word| parse(word)).collect();
    if known.is_empty() && !words.is_empty() {
        return Err(GraphError::invalid(format!("{name} is no word of the Cloud API's.")));
    }
    Ok(known)
}
