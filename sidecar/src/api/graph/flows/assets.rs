//! The documents of flows, to be fetched.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::json;

use super::super::{
    super::{
        GraphError,
        answer::{Body, Response, ok},
    },
    Call,
    fields::{self, Member},
    paging,
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

/// An asset, as it is listed.
#[derive(Serialize)]
struct Asset {
    name: &'static str,
    asset_type: &'static str,
    download_url: String,
}

/// `GET /{flow}/assets`.
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
    let default = ["name", "asset_type", "download_url"];
    let rows = page.into_iter().map(|asset| {
        let asset = json!(asset);
        fields::node(call.query("fields"), &default, "WhatsAppFlowAsset", None, |field| {
            asset.get(field.name).map_or(Member::Unknown, |value| Member::Is(value.clone()))
        })
    });
    let rows = rows.collect::<Result<_, _>>()?;
    Ok(ok(&paging::Page::part(rows, paging)))
}

/// Where the document of a flow is had, without a token, for so long.
pub(super) fn address(flow: &Flow, holder: &Number, call: &Call<'_>, lifetime: Duration, now: SystemTime) -> String {
    let base = call.base(holder.surface().api_url.as_deref());
    let query = holder.signed(Thing::FlowJson, &flow.id, lifetime, now);
    format!("{base}/flow_assets/{}?{query}", flow.id)
}

/// `/flow_assets/{flow}`: the addresses given out. Nobody has looked at a token; the signature is as good.
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
