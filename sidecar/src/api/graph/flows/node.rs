//! A flow as it is shown.

use std::{borrow::Cow, time::SystemTime};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::{
        super::{
            GraphError,
            node::{self, Able, Health, Trouble, iso},
        },
        Call,
        account::{self, Brief},
        fields::Asked,
    },
    assets, categories,
};
use crate::{
    flow::{Finding, Flow, Status},
    number::Number,
};

/// Shown when no fields are asked for.
const DEFAULT: [&str; 5] = ["id", "name", "status", "categories", "validation_errors"];

/// A flow.
#[derive(Serialize, ToSchema)]
#[schema(as = Flow)]
pub(super) struct Node {
    id: String,
    name: Option<String>,
    status: Option<Status>,
    #[schema(schema_with = categories)]
    categories: Option<Vec<String>>,
    validation_errors: Option<Vec<Finding>>,
    json_version: Option<String>,
    data_api_version: Option<String>,
    endpoint_uri: Option<String>,
    /// The former name of `endpoint_uri`.
    data_channel_uri: Option<String>,
    updated_at: Option<String>,
    #[schema(inline)]
    preview: Option<Preview>,
    health_status: Option<Health>,
    #[schema(inline)]
    whatsapp_business_account: Option<Brief>,
    #[schema(inline)]
    application: Option<Application>,
}

/// Where a flow can be looked at. It is shown as its document.
#[derive(Serialize, ToSchema)]
struct Preview {
    preview_url: String,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct Application {
    id: String,
    name: &'static str,
    link: String,
}

/// A flow with the fields asked for. `holder` is a number that keeps it.
pub(super) fn node(flow: &Flow, holder: &Number, call: &Call<'_>) -> Result<Value, GraphError> {
    let asked = Asked::of(call.query("fields"), &DEFAULT)?;
    if asked.has("metric") {
        return Err(GraphError::coded(
            139_006,
            "(#139006) Metrics threshold is not reached",
            "What a flow's endpoint answers is not seen here, so that there is nothing to count.",
        ));
    }
    let facts = holder.facts();
    let app_id = flow.application_id.clone().unwrap_or_else(|| facts.app_id.clone());
    let node = Node {
        id: flow.id.clone(),
        name: Some(flow.name.clone()),
        status: Some(flow.status),
        categories: Some(flow.categories.clone()),
        validation_errors: Some(flow.checked.findings.clone()),
        json_version: flow.checked.json_version.clone(),
        data_api_version: flow.checked.data_api_version.clone(),
        endpoint_uri: flow.endpoint().map(str::to_owned),
        data_channel_uri: flow.endpoint().map(str::to_owned),
        updated_at: Some(iso(flow.updated_s)),
        preview: asked.has("preview").then(|| preview(flow, holder, call)).flatten(),
        health_status: asked.has("health_status").then(|| health(flow, holder)),
        whatsapp_business_account: Some(account::brief(facts)),
        application: Some(Application {
            link: format!("/{app_id}"),
            name: "Waxseal",
            id: app_id,
        }),
    };
    asked.choose(&node, "WhatsAppFlow")
}

fn preview(flow: &Flow, holder: &Number, call: &Call<'_>) -> Option<Preview> {
    flow.json_bytes?;
    let now = SystemTime::now();
    Some(Preview {
        preview_url: assets::address(flow, holder, call, assets::PREVIEW_LIFETIME, now),
        expires_at: iso(assets::unix_s(now + assets::PREVIEW_LIFETIME)),
    })
}

/// Whether it can be sent: the flow itself, and the number that sends it.
fn health(flow: &Flow, holder: &Number) -> Health {
    let blocked = |why: Cow<'static, str>| Trouble {
        able: Able::Blocked,
        code: 131_000,
        description: why,
        solution: Some("GET /{flow}?fields=validation_errors,endpoint_uri"),
    };
    let trouble = match flow.status {
        Status::Published => None,
        Status::Draft => flow.publish_fault().map(|fault| blocked(fault.to_string().into())),
        Status::Throttled => Some(Trouble {
            able: Able::Limited,
            code: 131_000,
            description: "The flow is throttled: ten messages with it in an hour.".into(),
            solution: None,
        }),
        Status::Blocked => Some(blocked("The flow is blocked.".into())),
        Status::Deprecated => Some(blocked("The flow is deprecated.".into())),
    };
    node::health(&holder.facts(), Some(holder)).with("FLOW", &flow.id, trouble)
}
