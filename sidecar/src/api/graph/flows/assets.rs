//! The documents of flows, to be fetched.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::{
    super::{
        GraphError,
        answer::{Body, Response, ok},
        shape::{Anything, Fields},
    },
    Call,
    fields::Asked,
    paging::{self, Page, Pages},
};
use crate::{
    flow::Flow,
    number::{Number, signed::Thing},
};

/// The one asset that a flow has.
pub(super) const NAME: &str = "flow.json";
pub(super) const TYPE: &str = "FLOW_JSON";
/// How long a preview's address is good.
pub(super) const PREVIEW_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the address of an asset is good.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The document of a flow, as it is listed.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowAsset)]
struct Asset {
    name: &'static str,
    asset_type: &'static str,
    download_url: String,
}

/// Where a flow's document is.
#[utoipa::path(
    get,
    path = "/{flow_id}/assets",
    operation_id = "listFlowAssets",
    params(Fields, Pages),
    responses((status = 200, body = Page<Asset>, examples(("assets" = (value = json!({"data": [{
        "name": "flow.json", "asset_type": "FLOW_JSON",
        "download_url": "https://graph.facebook.com/flow_assets/594425479261596?phone_number_id=1&expires=1&signature=AbC",
    }]}))))))
)]
pub(super) fn list(flow: &Flow, holder: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let base = call.base(holder.surface().api_url.as_deref());
    let assets: Vec<Asset> = flow
        .json_bytes
        .map(|_| Asset {
            name: NAME,
            asset_type: TYPE,
            download_url: address(flow, holder, call, LIFETIME, SystemTime::now()),
        })
        .into_iter()
        .collect();
    let (page, paging) = paging::page(call, &base, assets, |asset| asset.name.to_owned())?;
    let asked = Asked::of(call.query("fields"), &["name", "asset_type", "download_url"])?;
    let rows: Vec<Value> = page
        .iter()
        .map(|asset| asked.choose(asset, "WhatsAppFlowAsset"))
        .collect::<Result<_, _>>()?;
    Ok(ok(&Page::part(rows, paging)))
}

/// Where the document of a flow is had, without a token, for so long.
pub(super) fn address(flow: &Flow, holder: &Number, call: &Call<'_>, lifetime: Duration, now: SystemTime) -> String {
    let base = call.base(holder.surface().api_url.as_deref());
    let query = holder.signed(Thing::FlowJson, &flow.id, lifetime, now);
    format!("{base}/flow_assets/{}?{query}", flow.id)
}

/// Fetch a flow's document.
///
/// The address that the list of assets or a preview gave. 404 when its time is over.
// Nobody has looked at a token; the signature is as good.
#[utoipa::path(
    get,
    path = "/flow_assets/{ticket}",
    operation_id = "downloadFlowAsset",
    security(()),
    responses((status = 200, body = inline(Anything), examples(("document" = (value = json!({"version": "7.1", "screens": []}))))))
)]
pub(in crate::api::graph) fn asset(numbers: &[&Number], call: &Call<'_>) -> Option<Response> {
    if !matches!(*call.method, Method::GET | Method::HEAD) || !call.rest().is_empty() {
        return None;
    }
    let id = call.edge()?;
    let owner = call.query("phone_number_id")?;
    let number = numbers.iter().find(|number| number.id() == owner)?;
    let (expires, signature) = (call.query("expires")?, call.query("signature")?);
    if !number.is_signed(Thing::FlowJson, id, expires, signature, SystemTime::now()) {
        return None;
    }
    let json = number.flow_json(id)?;
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

pub(super) fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
