//! The way in from outside, through a Gateway. Its kind may be absent in the cluster.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::{Target, service};
use crate::{names, number::validate::Validated};

/// The kind, as the API server knows it.
#[must_use]
pub fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"))
}

pub(super) fn build(target: &Target, validated: &Validated) -> Option<DynamicObject> {
    let route = validated.http_route.as_ref()?;
    let name = names::sidecar(&target.name);
    let mut parent = json!({ "name": route.gateway_name });
    if let Some(namespace) = &route.gateway_namespace {
        parent["namespace"] = Value::from(namespace.as_str());
    }
    let mut spec = json!({
        "parentRefs": [parent],
        "rules": [{
            "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }],
            "backendRefs": [{ "name": name, "port": service::api_port(validated.api_tls) }],
        }],
    });
    if !route.hostnames.is_empty() {
        spec["hostnames"] = Value::from(route.hostnames.clone());
    }
    let mut object = DynamicObject::new(&name, &resource()).data(json!({ "spec": spec }));
    object.metadata = target.metadata(name);
    Some(object)
}
