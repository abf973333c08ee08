//! `DataRegion`: edited by the platform team. Cluster-scoped.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectRef;

/// A place where data may live, and what is there to keep it.
///
/// `waxseal up` brings its own store and relay and takes from a region only the retention cap.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "waxseal.dev",
    version = "v1alpha1",
    kind = "DataRegion",
    shortname = "wxdr",
    category = "waxseal",
    status = "DataRegionStatus",
    doc = "A place where data may live: its nodes, its Redis, its relay, and the longest retention that is lawful there. Edited by the platform team.",
    selectable = ".spec.country",
    printcolumn(name = "Country", type_ = "string", json_path = ".spec.country"),
    printcolumn(name = "Cap-Days", type_ = "integer", json_path = ".spec.retentionCapDays"),
    printcolumn(name = "Numbers", type_ = "integer", json_path = ".status.numbers"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataRegionSpec {
    /// ISO 3166-1 country code, two capital letters. Cannot be changed: data does not move between countries by an edit.
    #[schemars(length(max = 2))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z]{2}$')").message("`country` must be an ISO 3166-1 country code, two capital letters, for example \"BR\""), validation = Rule::new("self == oldSelf").message("`country` cannot be changed: declare another DataRegion"))]
    pub country: String,
    /// The area within or around the country, at most 64 characters, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 64))]
    pub area: Option<String>,
    /// The longest retention that is lawful here, 1 to 30. A number whose RetentionPolicy is longer does not run.
    #[schemars(range(min = 1, max = 30))]
    pub retention_cap_days: i32,
    /// The nodes that are in the region. Without it, every node of the cluster is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Placement")]
    pub placement: Option<Placement>,
    /// The region's Redis, which keeps the state of messages, sealed. Needed in a cluster; `waxseal up` brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RedisEndpoint")]
    pub redis: Option<RedisEndpoint>,
    /// Where files that businesses upload rest, sealed, until they expire. Without it nothing can be uploaded; what consumers send can be
    /// fetched all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MediaStore")]
    pub media_store: Option<MediaStore>,
    /// The key service that wraps the keys of the region's numbers. Must not be set yet: the operator refuses to run numbers without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyManagement")]
    pub key_management: Option<KeyManagement>,
    /// The relay that the region's sidecars connect to. Needed in a cluster; `waxseal up` brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RelayEndpoint")]
    pub relay: Option<RelayEndpoint>,
    /// How the region's sidecars run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SidecarSettings")]
    pub sidecar: Option<SidecarSettings>,
}

/// The nodes that are in a region.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placement {
    /// Labels that a node must have, all of them, 1 to 16. Sidecars run on such nodes and on no others.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16), schema_with = "crate::schema::labels")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of these nodes that sidecars bear, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
}

/// A taint that sidecars bear.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Toleration {
    /// The key of the taint.
    #[schemars(length(min = 1, max = 316))]
    pub key: String,
    /// The value of the taint; any value when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 63))]
    pub value: Option<String>,
    /// The effect of the taint: `NoSchedule`, `PreferNoSchedule` or `NoExecute`; any effect when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TaintEffect")]
    pub effect: Option<TaintEffect>,
}

/// The effect of a taint.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "Kubernetes' own words")]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

/// A Redis.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisEndpoint {
    /// A `redis://` or `rediss://` (TLS) URL without credentials, at most 2048 characters.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('redis://') || self.startsWith('rediss://')").message("`url` must start with 'redis://' or 'rediss://'"),
        validation = Rule::new("!self.contains('@')").message("`url` must not contain credentials; put them into a Secret and name it in `credentialsSecretRef`")
    )]
    pub url: String,
    /// Certificates (PEM) of the authorities that may sign the certificate of a `rediss://` Redis; the public ones when absent. At most
    /// 65536 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// A Secret with the entries `username` (optional) and `password`. It is looked for in the namespace of each number, so that each
    /// namespace can have its own Redis user; nobody copies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectRef")]
    pub credentials_secret_ref: Option<ObjectRef>,
}

/// A store for media: a bucket of S3 or of what speaks like it, or a folder of the pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.bucket) != has(self.local)").message("exactly one of `bucket` and `local` must be set"),
    validation = Rule::new("has(self.bucket) || (!has(self.url) && !has(self.region) && !has(self.prefix) && !has(self.credentialsSecretRef) && !has(self.caBundle))").message("`url`, `region`, `prefix`, `credentialsSecretRef` and `caBundle` must only be set with `bucket`")
)]
pub struct MediaStore {
    /// The bucket, 3 to 63 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 3, max = 63))]
    pub bucket: Option<String>,
    /// An `http://` or `https://` URL of the S3 endpoint, at most 2048 characters; Amazon's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 8, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')").message("`url` must start with 'https://' or 'http://'"))]
    pub url: Option<String>,
    /// The region of the bucket, at most 63 characters; `us-east-1`, which most others than Amazon take, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?$')").message("`region` must be letters, digits and '-'"))]
    pub region: Option<String>,
    /// What the names of all objects begin with, at most 256 characters, without a slash at either end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+(/[-._a-zA-Z0-9]+)*$')").message("`prefix` must be letters, digits, '-', '_' and '.', with single slashes between them"))]
    pub prefix: Option<String>,
    /// A Secret with the entries `accessKeyId` and `secretAccessKey`, in the namespace of each number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectRef")]
    pub credentials_secret_ref: Option<ObjectRef>,
    /// Certificates (PEM) of the authorities that may sign the certificate of an `https://` endpoint, beside the public ones. At most 65536
    /// characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// A folder of the pod that holds the number, for trying out: files are gone with the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LocalMedia")]
    pub local: Option<LocalMedia>,
}

/// A folder of the pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalMedia {
    /// How much it may hold, as `512Mi`; 1Gi when absent. A pod whose folder grows beyond it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9]+(\\.[0-9]+)?([KMGT]i|[kMGT])?$')").message("must be an amount of storage, for example '512Mi' or '10Gi'"))]
    pub size_limit: Option<String>,
}

/// A key service.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyManagement {
    /// Where the service listens: `unix://` and a path for a KMS v2 plugin, `https://` for Vault or OpenBao transit.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('unix://')").message("`endpoint` must start with 'https://' or 'unix://'"))]
    pub endpoint: String,
    /// The key to wrap with, 1 to 128 characters.
    #[schemars(length(min = 1, max = 128))]
    pub key_name: String,
}

/// A relay.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayEndpoint {
    /// An `https://` URL, or `http://` within a cluster that is trusted; at most 2048 characters.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')").message("`url` must start with 'https://' or 'http://'"))]
    pub url: String,
    /// Certificates (PEM) of the authorities that may sign the relay's certificate; the public ones when absent. At most 65536 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// A Secret of type `kubernetes.io/tls` in the namespace of each number: the certificate by which the sidecar proves itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectRef")]
    pub client_certificate_secret_ref: Option<ObjectRef>,
}

/// How sidecars run.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SidecarSettings {
    /// The image of the region's sidecars. Changing it rolls them, a few at a time. When absent, a number keeps the image that the
    /// operator gave it first, whatever happens to the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Processor and memory that a sidecar is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Resources")]
    pub resources: Option<Resources>,
    /// The PriorityClass of the sidecars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Annotations that the sidecars' pods get, at most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), schema_with = "crate::schema::annotations")]
    pub pod_annotations: BTreeMap<String, String>,
}

/// Processor and memory.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// The processor share that is set aside, as `100m`; 50m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9]+(\\.[0-9]+)?m?$')").message("must be an amount of processor, for example '100m' or '2'"))]
    pub cpu_request: Option<String>,
    /// The processor share that is not exceeded; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9]+(\\.[0-9]+)?m?$')").message("must be an amount of processor, for example '100m' or '2'"))]
    pub cpu_limit: Option<String>,
    /// The memory that is set aside, as `64Mi`; 64Mi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9]+(\\.[0-9]+)?([KMGT]i|[kMGT])?$')").message("must be an amount of memory, for example '128Mi' or '1Gi'"))]
    pub memory_request: Option<String>,
    /// The memory that is not exceeded; 256Mi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new(r"self.matches('^[0-9]+(\\.[0-9]+)?([KMGT]i|[kMGT])?$')").message("must be an amount of memory, for example '128Mi' or '1Gi'"))]
    pub memory_limit: Option<String>,
}

/// What is known about a region.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataRegionStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// How many phone numbers are in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 2_147_483_647))]
    pub numbers: Option<i32>,
    /// Whether numbers can run here, and what is missing when they cannot. Types: Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
