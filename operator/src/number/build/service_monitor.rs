//! What tells Prometheus' operator to read the sidecars' metrics. Its kind may be absent in the cluster.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::Target;
use crate::{names, number::validate::Validated};

/// The kind, as the API server knows it.
#[must_use]
pub fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor"))
}

pub(super) fn build(target: &Target, validated: &Validated) -> Option<DynamicObject> {
    validated.service_monitor.then(|| {
        let name = names::sidecar(&target.name);
        let mut object = DynamicObject::new(&name, &resource()).data(json!({
            "spec": {
                "selector": { "matchLabels": names::selector(&target.name) },
                "endpoints": [{ "port": "admin", "path": "/metrics" }],
            }
        }));
        object.metadata = target.metadata(name);
        object
    })
}
