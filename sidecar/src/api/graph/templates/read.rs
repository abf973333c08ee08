//! Templates as they are shown.

use serde_json::{Map, Value, json};

use super::super::{super::GraphError, Call};
use crate::template::{
    Category,
    definition::{Entry, Status},
};

/// Fields that a template may have, in the order in which they are shown.
const FIELDS: [&str; 19] = [
    "name",
    "parameter_format",
    "components",
    "language",
    "status",
    "category",
    "previous_category",
    "correct_category",
    "sub_category",
    "message_send_ttl_seconds",
    "rejected_reason",
    "quality_score",
    "library_template_name",
    "cta_url_link_tracking_opted_out",
    "degrees_of_freedom_spec",
    "creation_time",
    "last_updated_time",
    "specific_rejection_reason",
    "id",
];
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
    let mut row = Map::new();
    for name in asked {
        if !FIELDS.contains(&name.as_str()) {
            return Err(GraphError::invalid("fields names a field that message templates do not have."));
        }
        if let Some(value) = field(entry, &name) {
            row.insert(name, value);
        }
    }
    row.insert("id".to_owned(), entry.id.as_str().into());
    Ok(Value::Object(row))
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

fn field(entry: &Entry, name: &str) -> Option<Value> {
    Some(match name {
        "name" => entry.name.as_str().into(),
        "parameter_format" => entry.parameter_format.as_str().into(),
        "components" => entry.components.clone().into(),
        "language" => entry.language.as_str().into(),
        "status" => entry.status.as_str().into(),
        "category" => entry.category.as_str().into(),
        "previous_category" => entry.previous_category?.as_str().into(),
        "sub_category" => entry.sub_category.clone()?.into(),
        "message_send_ttl_seconds" => entry.message_send_ttl_seconds?.into(),
        "rejected_reason" => "NONE".into(),
        "quality_score" => json!({"score": "UNKNOWN", "date": entry.updated_s}),
        "creation_time" => entry.created_s.into(),
        "last_updated_time" => entry.updated_s.into(),
        _ => return None,
    })
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
