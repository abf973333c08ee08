//! Eight bytes that stand for an object, so that thousands of them can be compared without being kept. Pure.
//!
//! [`desired`] stands for what we want. [`live`] stands for what of a live object is ours: the fields that the API server notes as applied by
//! our field manager, and their values. A default that the API server fills in, a revision number that a controller writes, the replicas
//! that an autoscaler decides do not change it; somebody who overwrites, removes or takes over one field of ours does.

use std::hash::{DefaultHasher, Hash as _, Hasher};

use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::names::FIELD_MANAGER;

/// A fingerprint; never 0, so that 0 can mean that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// There is none.
    pub const NONE: Self = Self(0);

    fn of(hasher: &DefaultHasher) -> Self {
        Self(hasher.finish().max(1))
    }
}

/// What is wanted.
#[must_use]
pub fn desired(object: &impl Serialize) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    // An object that cannot be written down is refused when it is applied; here it is only never the same twice as something else.
    match serde_json::to_value(object) {
        Ok(value) => hash(&value, &mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    }
    Fingerprint::of(&hasher)
}

/// What of a live object is ours.
#[must_use]
pub fn live(object: &DynamicObject) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    let entry = object.metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    if let Some(Value::Object(fields)) = entry.and_then(|entry| entry.fields_v1.as_ref()).map(|fields| &fields.0) {
        let mut metadata = object.metadata.clone();
        metadata.managed_fields = None;
        let metadata = serde_json::to_value(&metadata).unwrap_or_default();
        for (name, owned) in sorted(fields) {
            name.hash(&mut hasher);
            let value = match name {
                "f:metadata" => Some(&metadata),
                _ => name.strip_prefix("f:").and_then(|name| object.data.get(name)),
            };
            project(owned, value, &mut hasher);
        }
    }
    Fingerprint::of(&hasher)
}

/// Hashes of `value` what the set of fields `owned` names, and the set itself.
fn project(owned: &Value, value: Option<&Value>, hasher: &mut DefaultHasher) {
    let fields = match owned {
        Value::Object(fields) if !fields.is_empty() => fields,
        _ => {
            // A leaf: all of it is ours.
            match value {
                Some(value) => hash(value, hasher),
                None => 0_u8.hash(hasher),
            }
            return;
        }
    };
    for (name, owned) in sorted(fields) {
        name.hash(hasher);
        if let Some(field) = name.strip_prefix("f:") {
            project(owned, value.and_then(|value| value.get(field)), hasher);
        } else if let Some(key) = name.strip_prefix("k:") {
            project(owned, value.and_then(|value| keyed(value, key)), hasher);
        } else if let Some(element) = name.strip_prefix("v:") {
            let there = value
                .and_then(Value::as_array)
                .is_some_and(|items| serde_json::from_str::<Value>(element).is_ok_and(|element| items.contains(&element)));
            there.hash(hasher);
        } else if let Some(index) = name.strip_prefix("i:") {
            let item = index.parse::<usize>().ok().and_then(|index| value?.get(index));
            project(owned, item, hasher);
        }
        // The rest is `.`: that the member itself is ours.
    }
}

/// The item of a list whose members are as `key`, a JSON object, says.
fn keyed<'v>(list: &'v Value, key: &str) -> Option<&'v Value> {
    let key: Map<String, Value> = serde_json::from_str(key).ok()?;
    list.as_array()?
        .iter()
        .find(|item| key.iter().all(|(name, value)| item.get(name) == Some(value)))
}

/// Hashes a value, whatever the order of its members.
fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(value) => (2_u8, value.to_string()).hash(hasher),
        Value::String(value) => (3_u8, value).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            for item in items {
                hash(item, hasher);
            }
        }
        Value::Object(members) => {
            (5_u8, members.len()).hash(hasher);
            for (name, value) in sorted(members) {
                name.hash(hasher);
                hash(value, hasher);
            }
        }
    }
}

fn sorted(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(change: impl FnOnce(&mut Value)) -> DynamicObject {
        let mut object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "n", "namespace": "acme", "resourceVersion": "7", "generation": 1,
                "labels": {"a": "1", "foreign": "x"},
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "managedFields": [
                    {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {"f:foreign": {}}}}},
                    {"manager": "waxseal-operator", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:a": {}}},
                        "f:spec": {
                            "f:template": {"f:spec": {
                                "f:containers": {"k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}, "f:image": {}}},
                                "f:tolerations": {}
                            }}
                        }
                    }}
                ]
            },
            "spec": {
                "replicas": 1,
                "template": {"spec": {
                    "containers": [{"name": "other", "image": "x"}, {"name": "sidecar", "image": "one", "terminationMessagePath": "/dev"}],
                    "tolerations": [{"key": "a"}]
                }}
            },
            "status": {"replicas": 1}
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn what_others_own_does_not_matter() {
        let plain = live(&object(|_| {}));
        for change in [
            |o: &mut Value| o["metadata"]["resourceVersion"] = json!("8"),
            |o: &mut Value| o["metadata"]["generation"] = json!(9),
            |o: &mut Value| o["metadata"]["labels"]["foreign"] = json!("y"),
            |o: &mut Value| o["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2"),
            |o: &mut Value| o["spec"]["replicas"] = json!(5),
            |o: &mut Value| o["spec"]["template"]["spec"]["containers"][1]["terminationMessagePath"] = json!("/x"),
            |o: &mut Value| o["spec"]["template"]["spec"]["containers"][0]["image"] = json!("y"),
            |o: &mut Value| o["status"]["replicas"] = json!(0),
        ] {
            assert_eq!(live(&object(change)), plain);
        }
    }

    #[test]
    fn what_is_ours_does() {
        let plain = live(&object(|_| {}));
        for change in [
            |o: &mut Value| o["metadata"]["labels"]["a"] = json!("2"),
            |o: &mut Value| o["spec"]["template"]["spec"]["containers"][1]["image"] = json!("two"),
            |o: &mut Value| o["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "a"}, {"key": "b"}]),
            |o: &mut Value| o["spec"] = json!({}),
            // Somebody else took a field over, with the same value for now.
            |o: &mut Value| {
                o["metadata"]["managedFields"][1]["fieldsV1"]["f:metadata"]["f:labels"] = json!({});
            },
            |o: &mut Value| o["metadata"]["managedFields"] = json!([]),
        ] {
            assert_ne!(live(&object(change)), plain);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": [true, null, {"c": "d", "e": 2.5}]}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": [true, null, {"e": 2.5, "c": "d"}], "a": 1}"#).unwrap();
        assert_eq!(desired(&one), desired(&other));
        assert_ne!(desired(&one), desired(&json!({"a": 1})));
        assert_ne!(desired(&Value::Null), Fingerprint::NONE);
    }
}
