//! `RetentionPolicy`: edited by the compliance team. Cluster-scoped.

use serde::{Deserialize, Serialize};

/// How long anything about a consumer may exist. Exactly one of `days` and `noStorage` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionPolicySpec {
    /// So many days, 1 to 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i32>,
    /// No Storage: 60 minutes, written `noStorage: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_storage: Option<NoStorage>,
    /// When content goes within that time.
    #[serde(default)]
    pub content_deletion: ContentDeletion,
    /// How long media is kept, 1 to 30 and not longer than `days`; as long as `days` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_lifetime_days: Option<i32>,
    /// How long the delivery of an event to the webhook is tried, 1 to 43200 and not longer than the retention; seven days or the
    /// retention, whichever is shorter, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_retry_window_minutes: Option<i32>,
}

/// No Storage has no settings yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoStorage {}

/// When content goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentDeletion {
    /// As soon as it is delivered.
    #[default]
    OnDelivery,
    /// When the retention time is over.
    AtExpiry,
}
