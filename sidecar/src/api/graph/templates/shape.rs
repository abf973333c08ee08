//! What is said of templates when they are registered and changed, and what is answered.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{ArrayBuilder, Object, ObjectBuilder, Type, schema::Schema},
};

use super::{
    super::super::shape::{Yes, text, yes},
    read::Component,
};
use crate::template::{
    Category,
    check::{MOST_TTL_SECONDS, NAME_CHARS},
    definition::{ParameterFormat, Status},
};

/// Templates of one request at most.
pub(super) const MAX_TOGETHER: usize = 100;
pub(super) const SUB_CATEGORY_CHARS: usize = 64;

/// A template to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct TemplateCreate {
    #[schema(schema_with = name)]
    name: String,
    language: String,
    category: Category,
    components: Vec<Component>,
    parameter_format: Option<ParameterFormat>,
    #[schema(schema_with = ttl_seconds)]
    message_send_ttl_seconds: Option<i64>,
    #[schema(schema_with = text::<SUB_CATEGORY_CHARS>)]
    sub_category: Option<String>,
}

/// What of a template is to be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct TemplateUpdate {
    components: Option<Vec<Component>>,
    category: Option<Category>,
    parameter_format: Option<ParameterFormat>,
    #[schema(schema_with = ttl_seconds)]
    message_send_ttl_seconds: Option<i64>,
    /// Nobody reviews templates here: the business says what becomes of one, to see what its program makes of it.
    status: Option<Status>,
}

/// An authentication template in several languages.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct TemplateUpsert {
    #[schema(schema_with = name)]
    name: String,
    /// `AUTHENTICATION`: only such templates have no words of their own.
    category: Category,
    languages: Vec<String>,
    components: Vec<Component>,
    #[schema(schema_with = ttl_seconds)]
    message_send_ttl_seconds: Option<i64>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct TemplateIds {
    #[schema(schema_with = some_ids)]
    hsm_ids: Vec<String>,
}

/// A template that is registered now.
#[derive(Serialize, ToSchema)]
pub(super) struct TemplateMade {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) category: Category,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TemplateEdited {
    #[schema(schema_with = yes)]
    pub(super) success: Yes,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: Category,
    pub(super) status: Status,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Archived {
    pub(super) archived_templates: Vec<String>,
    /// Why not, by id.
    pub(super) failed_templates: BTreeMap<String, &'static str>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Unarchived {
    pub(super) unarchived_templates: Vec<String>,
    /// Why not, by id.
    pub(super) failed_templates: BTreeMap<String, &'static str>,
}

fn name() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String);
    name.pattern(Some(format!("^[a-z0-9_]{{1,{NAME_CHARS}}}$"))).build()
}

fn ttl_seconds() -> Object {
    let ttl = ObjectBuilder::new().schema_type(Type::Integer);
    ttl.minimum(Some(-1)).maximum(Some(MOST_TTL_SECONDS)).build()
}

fn some_ids() -> Schema {
    let ids = ArrayBuilder::new().items(Object::with_type(Type::String));
    ids.max_items(Some(MAX_TOGETHER)).into()
}
