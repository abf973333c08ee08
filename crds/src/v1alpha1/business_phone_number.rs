//! `BusinessPhoneNumber`: edited by the business's team.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SidecarStatus, Webhook};
use crate::meta::{ObjectRef, SecretKeyRef};

/// One phone number of a business.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "waxseal.dev",
    version = "v1alpha1",
    kind = "BusinessPhoneNumber",
    namespaced,
    shortname = "wxpn",
    category = "waxseal",
    status = "BusinessPhoneNumberStatus",
    doc = "One phone number of a business. The operator runs a sidecar for it, which holds its end of all conversations. Edited by the business's team.",
    selectable = ".spec.phoneNumber",
    selectable = ".spec.regionRef.name",
    selectable = ".spec.accountRef.name",
    printcolumn(name = "Number", type_ = "string", json_path = ".status.phoneNumber"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.region"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.phoneNumberId", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')").message("the name must have at most 63 characters: lower-case letters, digits and '-'")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.replicas) || !has(self.autoscaling)").message("`replicas` and `autoscaling` must not be set together"),
    validation = Rule::new("has(self.phoneNumberId) == has(oldSelf.phoneNumberId)").message("`phoneNumberId` can be neither added nor removed later: clients know the number by it")
)]
pub struct BusinessPhoneNumberSpec {
    /// The number in E.164 form, `+` and 7 to 15 digits, in quotes. Cannot be changed.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new(r"self.matches('^\\+[1-9][0-9]{6,14}$')").message("`phoneNumber` must be in E.164 form: '+', then 7 to 15 digits, for example \"+15550100\""), validation = Rule::new("self == oldSelf").message("`phoneNumber` cannot be changed: delete this object and declare the other number"))]
    pub phone_number: String,
    /// The id under which the HTTP API knows the number, 1 to 15 digits. Derived from the number when absent; given by a business that
    /// moves here and wants to keep its id. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 15))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,15}$')").message("`phoneNumberId` must be 1 to 15 digits, in quotes"), validation = Rule::new("self == oldSelf").message("`phoneNumberId` cannot be changed: clients know the number by it"))]
    pub phone_number_id: Option<String>,
    /// The name that consumers see, 1 to 128 characters; the account's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 128))]
    pub display_name: Option<String>,
    /// The `BusinessAccount` of the same namespace that the number belongs to. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`accountRef` cannot be changed: delete this object and declare the number under the other account"))]
    pub account_ref: ObjectRef,
    /// The `DataRegion` that the number's data stays in. Cannot be changed: data does not move between regions by an edit.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`regionRef` cannot be changed: data does not move between regions; delete this object and declare the number in the other region"))]
    pub region_ref: ObjectRef,
    /// The `RetentionPolicy` that the number's data is kept by.
    pub retention_policy_ref: ObjectRef,
    /// Where this number's events are posted, instead of the account's webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Webhook")]
    pub webhook: Option<Webhook>,
    /// The two-step verification PIN, six digits: entry `pin` of the Secret unless `key` names another.
    pub pin_secret_ref: SecretKeyRef,
    /// How many messages a second the number may send and receive together, 1 to 1000; 80 when absent. More are refused (error 130429), or
    /// wait, as the account's `overLimit` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 1000), extend("default" = 80))]
    pub throughput_messages_per_second: Option<i32>,
    /// How many sidecars serve the number, 1 to 32; 1 when absent. One of them holds the conversations, all of them accept requests, and
    /// another takes over when that one goes. Not together with `autoscaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 32))]
    pub replicas: Option<i32>,
    /// Lets the number of sidecars follow the load. Not together with `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Autoscaling")]
    pub autoscaling: Option<Autoscaling>,
    /// What has to be safe before a message is accepted; `Auto` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Durability")]
    pub durability: Option<Durability>,
    /// Makes the HTTP API reachable from outside of the cluster through a Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpRoute")]
    pub http_route: Option<HttpRoute>,
    /// A Secret of type `kubernetes.io/tls`: the HTTP API then speaks TLS only, on port 443 of the number's Service. A certificate that is
    /// renewed there is taken over without a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectRef")]
    pub api_tls_secret_ref: Option<ObjectRef>,
    /// `https://` and the host under which businesses reach the HTTP API, without a slash at the end, at most 2048 characters: for the
    /// addresses of media that it gives out. The Service's address within the cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@ ]+(/[^?#@ ]*[^/?#@ ])?$')").message("`apiUrl` must start with 'https://' or 'http://', have a host, and neither end with '/' nor have a query, for example 'https://graph.example.com'"))]
    pub api_url: Option<String>,
    /// Whether Prometheus' operator is told to read the sidecars' metrics: `Enabled` or `Disabled`. Needs its ServiceMonitor kind.
    #[serde(default)]
    pub service_monitor: Switch,
    /// Stops the number's sidecars and keeps everything else.
    #[serde(default)]
    pub suspend: bool,
    /// What deleting this object does to the number's messages and keys: `Erase` them, or `Retain` them until they expire.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Lets the number of sidecars follow the load.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas").message("`maxReplicas` must not be lower than `minReplicas`"))]
pub struct Autoscaling {
    /// At least so many, 1 to 32.
    #[schemars(range(min = 1, max = 32))]
    pub min_replicas: i32,
    /// At most so many, 1 to 32.
    #[schemars(range(min = 1, max = 32))]
    pub max_replicas: i32,
    /// The processor use to keep, 10 to 100; 70 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 10, max = 100), extend("default" = 70))]
    pub target_cpu_percent: Option<i32>,
}

/// What has to be safe before a message is accepted.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.replicas) || self.mode == 'Replicated'").message("`replicas` must only be set when `mode` is 'Replicated'"))]
pub struct Durability {
    /// Which kind of safety: `Auto` (the best that the store is set up for), `Memory`, `Fsync` (on disk) or `Replicated`.
    pub mode: DurabilityMode,
    /// With `Replicated`: how many replicas must have it, 1 to 4; 1 when absent. Not with the other modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 4))]
    pub replicas: Option<i32>,
}

/// Kinds of safety.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DurabilityMode {
    /// The best that the store is set up for: a replica where there is one, else the disk.
    #[default]
    Auto,
    /// In the store's memory; written to disk when the store does that next.
    Memory,
    /// Written to disk.
    Fsync,
    /// Acknowledged by replicas.
    Replicated,
}

/// The way in from outside.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRoute {
    /// The Gateway that the route is attached to.
    #[schemars(length(min = 1, max = 253))]
    pub gateway_name: String,
    /// The namespace of the Gateway; the number's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 63))]
    pub gateway_namespace: Option<String>,
    /// The host names under which the API is reached, at most 16; every one of the Gateway when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hostnames: Vec<String>,
}

/// On or off.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    /// On.
    Enabled,
    /// Off.
    #[default]
    Disabled,
}

/// What deleting a number does to its messages and keys.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// They are erased.
    #[default]
    Erase,
    /// They stay until they expire.
    Retain,
}

/// What is known about a number.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusinessPhoneNumberStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// The number, once it is this object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 16))]
    pub phone_number: Option<String>,
    /// The id under which the HTTP API knows the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 15))]
    pub phone_number_id: Option<String>,
    /// The region that the number's data is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 63))]
    pub region: Option<String>,
    /// Where businesses reach the HTTP API within the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253))]
    pub endpoint: Option<String>,
    /// The image that the number's sidecars are to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 512))]
    pub image: Option<String>,
    /// How many sidecars there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// The label selector of the sidecars, for `kubectl scale` and autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 512))]
    pub selector: Option<String>,
    /// What the sidecar says of itself. Written by the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SidecarStatus")]
    pub sidecar: Option<SidecarStatus>,
    /// Whether the number is served, and what is wrong when it is not. Types: Ready, Reconciling, Stalled, Scheduled, KeysProvisioned,
    /// SecretsAvailable, RelayLinked, RedisReachable, WebhookVerified, ReconciliationPaused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
