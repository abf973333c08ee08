//! `RetentionPolicy`: edited by the compliance team. Cluster-scoped.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long anything about a consumer may exist. Exactly one of `days` and `noStorage` is set.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "waxseal.dev",
    version = "v1alpha1",
    kind = "RetentionPolicy",
    plural = "retentionpolicies",
    shortname = "wxrp",
    category = "waxseal",
    status = "RetentionPolicyStatus",
    doc = "How long anything about a consumer may exist. Edited by the compliance team.",
    printcolumn(name = "Minutes", type_ = "integer", json_path = ".status.retentionMinutes"),
    printcolumn(name = "Deletion", type_ = "string", json_path = ".spec.contentDeletion"),
    printcolumn(name = "Numbers", type_ = "integer", json_path = ".status.numbers"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.days) != has(self.noStorage)").message("exactly one of `days` (1 to 30) and `noStorage: {}` (60 minutes) must be set"),
    validation = Rule::new("!has(self.mediaLifetimeDays) || !has(self.noStorage)").message("`mediaLifetimeDays` must not be set with `noStorage`: media then goes after 60 minutes like everything else"),
    validation = Rule::new("!has(self.mediaLifetimeDays) || !has(self.days) || self.mediaLifetimeDays <= self.days").message("`mediaLifetimeDays` must not be longer than `days`"),
    validation = Rule::new("!has(self.webhookRetryWindowMinutes) || self.webhookRetryWindowMinutes <= (has(self.days) ? self.days * 1440 : 60)").message("`webhookRetryWindowMinutes` must not be longer than the retention: 1440 a day, or 60 with `noStorage`"),
)]
pub struct RetentionPolicySpec {
    /// So many days, 1 to 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 30))]
    pub days: Option<i32>,
    /// No Storage: 60 minutes, written `noStorage: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NoStorage")]
    pub no_storage: Option<NoStorage>,
    /// When content goes within that time: `OnDelivery`, as soon as the other side has it, or `AtExpiry`, when the time is over.
    #[serde(default)]
    pub content_deletion: ContentDeletion,
    /// How long media is kept, 1 to 30 and not longer than `days`; as long as `days` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 30))]
    pub media_lifetime_days: Option<i32>,
    /// How long the delivery of an event to the webhook is tried, 1 to 43200 and not longer than the retention; seven days or the
    /// retention, whichever is shorter, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 43_200))]
    pub webhook_retry_window_minutes: Option<i32>,
}

/// No Storage has no settings yet.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoStorage {}

/// When content goes.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentDeletion {
    /// As soon as it is delivered.
    #[default]
    OnDelivery,
    /// When the retention time is over.
    AtExpiry,
}

/// What is known about a retention policy.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionPolicyStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// The retention time in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 43_200))]
    pub retention_minutes: Option<i32>,
    /// How many phone numbers follow the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 2_147_483_647))]
    pub numbers: Option<i32>,
    /// Whether the policy can be used, and what is wrong when it cannot. Types: Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
