//! What many requests and answers have in common.
//!
//! Purpose: types that are serialised into answers, and described to who reads `/docs`, in the same words. Pure.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, IntoResponses, PartialSchema, ToSchema,
    openapi::{
        self, ContentBuilder, KnownFormat, Object, ObjectBuilder, Ref, RefOr, SchemaFormat, Type, example::ExampleBuilder, schema::Schema,
    },
};

/// `messaging_product`: there is only this one.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessagingProduct)]
pub(super) enum Product {
    #[default]
    Whatsapp,
}

/// It is done.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Success {
    #[schema(schema_with = yes)]
    success: Yes,
}

/// `true`, always.
#[derive(Default)]
pub(super) struct Yes;

/// How [`Yes`] is described.
pub(super) fn yes() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

impl Serialize for Yes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl IntoResponses for Success {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let done = ExampleBuilder::new().value(serde_json::to_value(Self::default()).ok());
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Self::name())))
            .examples_from_iter([("done", done)]);
        let response = openapi::ResponseBuilder::new().content("application/json", content.build());
        BTreeMap::from([("200".to_owned(), response.build().into())])
    }
}

/// Something that has an id now.
#[derive(Serialize, ToSchema)]
pub(super) struct Id {
    pub(super) id: String,
}

/// An object of whatever members.
pub(super) struct Anything;

impl PartialSchema for Anything {
    fn schema() -> RefOr<Schema> {
        Object::new().into()
    }
}

impl ToSchema for Anything {}

/// A file, as it is.
pub(super) struct File;

impl PartialSchema for File {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for File {}

/// The choice of members.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Fields {
    /// The members to answer with, separated by commas; members of members in braces.
    fields: Option<String>,
}

/// A text of at most so many characters.
pub(super) fn text<const MOST: usize>() -> Object {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(MOST)).build()
}

/// A list of at most `ITEMS` texts of at most `MOST` characters each.
pub(super) fn texts<const ITEMS: usize, const MOST: usize>() -> Schema {
    openapi::ArrayBuilder::new().items(text::<MOST>()).max_items(Some(ITEMS)).into()
}

/// One of these words.
pub(super) fn one_of(words: &[&'static str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .build()
}

/// Six digits: a PIN, a code.
pub(super) fn six_digits() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{6}$")).build()
}
