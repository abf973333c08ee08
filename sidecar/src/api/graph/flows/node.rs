//! A flow as it is shown.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    super::{
        super::{GraphError, node},
        Call, account,
        fields::{self, Field, Member},
    },
    assets,
};
use crate::{
    flow::{Flow, Status},
    number::Number,
};

/// Shown when no fields are asked for.
const DEFAULT: [&str; 5] = ["id", "name", "status", "categories", "validation_errors"];

/// Where a flow can be looked at. It is shown as its document.
#[derive(Serialize)]
struct Preview {
    preview_url: String,
    expires_at: String,
}

/// A flow with the fields asked for. `holder` is a number that keeps it.
pub(super) fn node(flow: &Flow, holder: &Number, call: &Call<'_>) -> Result<Value, GraphError> {
    let asked = call.query("fields");
    if fields::parse(asked.unwrap_or_default())?.iter().any(|field| field.name == "metric") {
        return Err(GraphError::coded(
            139_006,
            "(#139006) Metrics threshold is not reached",
            "What a flow's endpoint answers is not seen here, so that there is nothing to count.",
        ));
    }
    fields::node(asked, &DEFAULT, "WhatsAppFlow", Some(&flow.id), |field| {
        member(flow, holder, call, field)
    })
}

fn member(flow: &Flow, holder: &Number, call: &Call<'_>, field: &Field<'_>) -> Member {
    let checked = &flow.checked;
    let text = |text: &Option<String>| Member::from(text.clone().map(Value::from));
    match field.name {
        "name" => Member::Is(json!(flow.name)),
        "status" => Member::Is(json!(flow.status.as_str())),
        "categories" => Member::Is(json!(flow.categories)),
        "validation_errors" => Member::Is(json!(checked.findings)),
        "json_version" => text(&checked.json_version),
        "data_api_version" => text(&checked.data_api_version),
        "endpoint_uri" | "data_channel_uri" => flow.endpoint().map(Value::from).into(),
        "updated_at" => Member::Is(json!(written(flow.updated_s))),
        "preview" => preview(flow, holder, call).map(|preview| json!(preview)).into(),
        "health_status" => Member::Is(health(flow, holder)),
        "whatsapp_business_account" => Member::Is(account::brief(&holder.facts())),
        "application" => {
            let app_id = flow.application_id.clone().unwrap_or_else(|| holder.facts().app_id);
            Member::Is(json!({"id": app_id, "name": "Waxseal", "link": format!("/{app_id}")}))
        }
        _ => Member::Unknown,
    }
}

fn preview(flow: &Flow, holder: &Number, call: &Call<'_>) -> Option<Preview> {
    flow.json_bytes?;
    let now = SystemTime::now();
    Some(Preview {
        preview_url: assets::address(flow, holder, call, assets::PREVIEW_LIFETIME, now),
        expires_at: written(assets::unix_s(now + assets::PREVIEW_LIFETIME)),
    })
}

/// Whether it can be sent: the flow itself, and the number that sends it.
fn health(flow: &Flow, holder: &Number) -> Value {
    let mut health = json!(node::health(&holder.facts(), Some(holder)));
    let (able, why) = match flow.status {
        Status::Published => ("AVAILABLE", None),
        Status::Draft if flow.publish_fault().is_none() => ("AVAILABLE", None),
        Status::Draft => ("BLOCKED", flow.publish_fault().map(|fault| fault.to_string())),
        Status::Throttled => (
            "LIMITED",
            Some("The flow is throttled: ten messages with it in an hour.".to_owned()),
        ),
        Status::Blocked => ("BLOCKED", Some("The flow is blocked.".to_owned())),
        Status::Deprecated => ("BLOCKED", Some("The flow is deprecated.".to_owned())),
    };
    let mut own = json!({"entity_type": "FLOW", "id": flow.id, "can_send_message": able});
    match why {
        Some(why) if able == "BLOCKED" => {
            own["errors"] = json!([{"error_code": 131_000, "error_description": why, "possible_solution": "GET /{flow}?fields=validation_errors,endpoint_uri"}]);
        }
        Some(why) => own["additional_info"] = json!([why]),
        None => {}
    }
    let rank = |word: &Value| match word.as_str() {
        Some("BLOCKED") => 2,
        Some("LIMITED") => 1,
        _ => 0,
    };
    if rank(&own["can_send_message"]) > rank(&health["can_send_message"]) {
        health["can_send_message"] = able.into();
    }
    if let Some(entities) = health["entities"].as_array_mut() {
        entities.insert(0, own);
    }
    health
}

/// `2023-05-21T11:18:09+0000`, as Graph writes times.
fn written(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Years that begin in March, so that the day that is not always there is the last one: 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next_year;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_graph_writes_them() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00+0000"),
            (951_782_400, "2000-02-29T00:00:00+0000"),
            (1_684_667_889, "2023-05-21T11:18:09+0000"),
            (1_709_251_199, "2024-02-29T23:59:59+0000"),
            (1_735_689_599, "2024-12-31T23:59:59+0000"),
            (4_107_542_400, "2100-03-01T00:00:00+0000"),
        ] {
            assert_eq!(written(unix_s), text);
        }
    }
}
