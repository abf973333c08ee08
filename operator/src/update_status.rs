//! The last step: writes a status, unless it is there already. Only what the operator owns: what a sidecar says of itself is its own.

use kube::{
    Api, Resource,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    context::Context,
    key::{self, Key},
    names::STATUS_FIELD_MANAGER,
    request::{Ask, Failure, send},
};

/// Writes `wanted` over `existing`, the status as the watch shows it. Whether anything was written.
///
/// # Errors
/// [`Failure`]. An object that is gone has no status to write, which is none.
pub async fn write<K>(context: &Context, object: &K, existing: Option<&impl Serialize>, wanted: &impl Serialize) -> Result<bool, Failure>
where
    K: Resource<DynamicType = ()>,
{
    let wanted = serde_json::to_value(wanted).unwrap_or_default();
    let existing = existing.and_then(|status| serde_json::to_value(status).ok()).unwrap_or_default();
    if is_there(&existing, &wanted) {
        return Ok(false);
    }
    let key = Key::of(object);
    let resource = ApiResource::erase::<K>(&());
    let mut metadata = json!({ "name": &*key.name });
    // Not onto another object of the same name.
    metadata["uid"] = json!(object.meta().uid);
    let body = json!({ "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "status": wanted });
    let api = api(context, &key, &resource);
    context.metrics.wrote(&resource.kind, "patch_status");
    let parameters = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    let ask = Ask::new("write the status of", &resource.kind, &key.name);
    match send(ask, api.patch_status(&key.name, &parameters, &Patch::Apply(&body))).await {
        Ok(answer) => {
            context.written.note(&resource.kind, &key, key::version(&answer));
            Ok(true)
        }
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The API of an object's kind, where the object is.
pub(crate) fn api(context: &Context, key: &Key, resource: &ApiResource) -> Api<DynamicObject> {
    if key.namespace.is_empty() {
        Api::all_with(context.client.clone(), resource)
    } else {
        Api::namespaced_with(context.client.clone(), &key.namespace, resource)
    }
}

/// Whether `existing` says all that `wanted` says, and nothing else that is ours to say.
fn is_there(existing: &Value, wanted: &Value) -> bool {
    let (existing, wanted) = (own(existing), own(wanted));
    existing == wanted
}

/// A status without what is the sidecar's, its conditions in one order.
fn own(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(members) = status.as_object_mut() {
        members.remove("sidecar");
        if let Some(Value::Array(conditions)) = members.get_mut("conditions") {
            conditions.sort_by(|one, other| one["type"].as_str().cmp(&other["type"].as_str()));
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_conditions_and_what_the_sidecar_says_do_not_matter() {
        let there = json!({"sidecar": {"linked": true}, "region": "br", "conditions": [{"type": "Ready"}, {"type": "Stalled"}]});
        let wanted = json!({"region": "br", "conditions": [{"type": "Stalled"}, {"type": "Ready"}]});
        assert!(is_there(&there, &wanted));
    }

    #[test]
    fn more_or_less_or_something_else_is_written() {
        let there = json!({"region": "br", "image": "x", "conditions": [{"type": "Ready", "status": "True"}]});
        for wanted in [
            json!({"region": "br", "conditions": [{"type": "Ready", "status": "True"}]}),
            json!({"region": "de", "image": "x", "conditions": [{"type": "Ready", "status": "True"}]}),
            json!({"region": "br", "image": "x", "conditions": [{"type": "Ready", "status": "False"}]}),
            json!({"region": "br", "image": "x", "conditions": []}),
        ] {
            assert!(!is_there(&there, &wanted), "{wanted}");
        }
        assert!(!is_there(&Value::Null, &there));
    }
}
