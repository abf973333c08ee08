//! What every object carries, and how objects point at each other.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};

/// The namespace of an object that names none, as kubectl has it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The part of Kubernetes' object metadata that matters here. What the API server adds on its own is accepted and left alone, so that
/// the output of `kubectl get -o yaml` can be read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectMeta {
    /// The object's name: lower-case letters, digits, `-` and `.`, at most 63 of them.
    pub name: String,
    /// The object's namespace; `default` when absent. Cluster-scoped kinds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When the API server first saw the object, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    #[serde(default, skip_serializing)]
    uid: Ignored,
    #[serde(default, skip_serializing)]
    resource_version: Ignored,
    #[serde(default, skip_serializing)]
    generation: Ignored,
    #[serde(default, skip_serializing)]
    finalizers: Ignored,
    #[serde(default, skip_serializing)]
    owner_references: Ignored,
    #[serde(default, skip_serializing)]
    managed_fields: Ignored,
}

impl ObjectMeta {
    /// The namespace the object is in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }
}

/// One custom resource as it is written in a file: metadata and spec. A `status`, as in the output of `kubectl get -o yaml`, is not looked
/// at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Written<S> {
    #[serde(rename = "apiVersion", default)]
    _api_version: Ignored,
    #[serde(rename = "kind", default)]
    _kind: Ignored,
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: S,
    #[serde(rename = "status", default)]
    _status: Ignored,
}

/// A member that may be there and is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Points at an object by name: in the same namespace, or cluster-wide for cluster-scoped kinds.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectRef {
    /// The name of the object, at most 63 characters.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')").message("`name` must be the name of an object: 1 to 63 lower-case letters, digits, '-' and '.'"))]
    pub name: String,
}

/// Points at one entry of a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The name of the Secret, at most 253 characters.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')").message("`name` must be the name of a Secret: 1 to 253 lower-case letters, digits, '-' and '.'"))]
    pub name: String,
    /// The entry in the Secret's `data`. Each field that uses such a reference says which entry it takes when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("`key` must be the name of an entry: 1 to 253 letters, digits, '-', '_' and '.'"))]
    pub key: Option<String>,
}
