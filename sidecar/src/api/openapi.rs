//! The description of the API port: OpenAPI 3.1, and a page to read it.
//!
//! Purpose: one [`Operation`] for each thing the port serves, by area as in `graph`; a test asks a running port for everything that the areas
//! know and compares. The admin port answers with it at `/openapi.json`, and with the page at `/docs`. Pure: made of what is written here.

mod account;
mod automation;
mod block;
mod flows;
mod history;
mod media;
mod messages;
mod operation;
mod phone;
mod profile;
mod qr;
mod registration;
mod schema;
mod settings;
mod subscriptions;
mod templates;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::operation::Operation;

/// Areas in the order in which the page shows them.
type Area = (
    &'static str,
    &'static str,
    fn() -> Vec<Operation>,
    fn() -> Vec<(&'static str, Value)>,
);

const AREAS: [Area; 14] = [
    ("Messages", "Sending, read marks, typing.", messages::operations, messages::schemas),
    (
        "Media",
        "Files: upload, lookup, download, deletion.",
        media::operations,
        media::schemas,
    ),
    (
        "Templates",
        "Templates of the account, approved at once.",
        templates::operations,
        templates::schemas,
    ),
    (
        "Flows",
        "Forms of several screens: drafts, published, deprecated.",
        flows::operations,
        flows::schemas,
    ),
    (
        "History",
        "What became of each message, and events again.",
        history::operations,
        history::schemas,
    ),
    (
        "Phone number",
        "What the number is and how it is doing.",
        phone::operations,
        phone::schemas,
    ),
    (
        "Registration",
        "Codes, PIN, registering and deregistering.",
        registration::operations,
        registration::schemas,
    ),
    ("Settings", "Storage and identity checks.", settings::operations, settings::schemas),
    (
        "Profile",
        "What consumers see of the business.",
        profile::operations,
        profile::schemas,
    ),
    ("QR codes", "Short links with a text to begin with.", qr::operations, qr::schemas),
    (
        "Blocked users",
        "Consumers whose messages are not wanted.",
        block::operations,
        block::schemas,
    ),
    (
        "Automation",
        "Prompts, commands, and what is kept as it is said.",
        automation::operations,
        automation::schemas,
    ),
    (
        "Webhooks",
        "Where events go: for the app, the account, the number.",
        subscriptions::operations,
        subscriptions::schemas,
    ),
    (
        "Account",
        "The account, its numbers, its app.",
        account::operations,
        account::schemas,
    ),
];

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

fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas: Map<String, Value> = schema::common()
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    for (tag, _, operations, own) in AREAS {
        for operation in operations() {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            if let Value::Object(path) = path {
                path.insert(operation.method.to_owned(), operation.describe(tag));
            }
        }
        schemas.extend(own().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    }
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
        "tags": AREAS.map(|(name, description, ..)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of the number, from its Secret or from `endpoints.json`."},
            },
            "schemas": schemas,
        },
    })
}

#[cfg(test)]
mod tests;
