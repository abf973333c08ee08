//! The description of the API port: OpenAPI 3.1, and a page to read it.
//!
//! Purpose: puts together what the areas say of themselves beside their code (`Described` in each file of `graph`, and in `send`): operations are
//! described where they are carried out, answers and requests by the types they are made of. Tests ask a running port for everything that the
//! areas know and compare. The admin port answers with it at `/openapi.json`, and with the page at `/docs`. Pure.

mod common;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

const INTRODUCTION: &str = "\
The HTTP port of Waxseal speaks the WhatsApp Cloud API: an existing client needs another base address and token, or not even that. \
Any version is accepted in front of a path, with or without its `v`, and none as well.\n\n\
Members that nobody knows are passed over and `null` is absent. Arguments of calls other than `messages` may come as JSON, as a form or in the \
query. Every refusal is an `Error`: decide by `code`, read `error_data.details`, which names the member and the rule and never repeats a value.\n\n\
Beyond the Cloud API: `Idempotency-Key`, messages of one consumer in order, `failed` when a message expires, history with replay.";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_vec_pretty(&document()).unwrap_or_default().into());
const PAGE: &str = include_str!("openapi/page.html");

/// The document, as JSON.
#[must_use]
pub fn json() -> Bytes {
    DOCUMENT.clone()
}

/// A page that shows the document; it loads `openapi.json` beside it and nothing from anywhere else.
#[must_use]
pub const fn page() -> &'static str {
    PAGE
}

/// In the order in which the page shows them.
fn areas() -> impl Iterator<Item = utoipa::openapi::OpenApi> {
    let first = [Common::openapi(), super::send::Described::openapi()];
    first.into_iter().chain(super::graph::described())
}

fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut tags = Vec::new();
    for area in areas() {
        add(&mut paths, &mut schemas, &mut tags, area);
    }
    common::refer(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Waxseal Cloud API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The WhatsApp Cloud API, self-hosted.",
            "description": INTRODUCTION,
            "license": {"name": "AGPL-3.0-only", "identifier": "AGPL-3.0-only"},
        },
        "servers": [{
            "url": "https://graph.facebook.com/{version}",
            "description": "Wherever the port is reached; under Meta's own name in a migrated pod.",
            "variables": {"version": {"default": super::VERSION}},
        }],
        "security": [{"token": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of the number, from its Secret or from `endpoints.json`."},
            },
            "schemas": schemas,
        },
    })
}

/// What every area refers to.
#[derive(OpenApi)]
#[openapi(components(schemas(super::error::Body<'_>, super::shape::Success)))]
struct Common;

/// Adds what an area describes. Its one tag is for all of its operations.
fn add(paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>, tags: &mut Vec<Value>, area: utoipa::openapi::OpenApi) {
    // Made of names and numbers only: it always serializes.
    let mut area = serde_json::to_value(area).unwrap_or_default();
    let tag = area["tags"][0]["name"].as_str().unwrap_or_default().to_owned();
    common::plain(&mut area["paths"]);
    common::plain(&mut area["components"]);
    for (path, operations) in area["paths"].as_object_mut().into_iter().flatten() {
        for operation in operations
            .as_object_mut()
            .into_iter()
            .flat_map(|operations| operations.values_mut())
        {
            common::complete(path, &tag, operation);
        }
        let known = paths.entry(path.clone()).or_insert_with(|| json!({}));
        if let (Value::Object(known), Value::Object(more)) = (known, operations.take()) {
            known.extend(more);
        }
    }
    if let Value::Object(more) = area["components"]["schemas"].take() {
        schemas.extend(more);
    }
    if let Value::Array(more) = area["tags"].take() {
        tags.extend(more);
    }
}

#[cfg(test)]
mod tests;
