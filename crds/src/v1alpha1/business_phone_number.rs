//! `BusinessPhoneNumber`: edited by the business's team.

use serde::{Deserialize, Serialize};

use super::Webhook;
use crate::meta::{ObjectRef, SecretKeyRef};

/// One phone number of a business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessPhoneNumberSpec {
    /// The number in E.164 form, `+` and 7 to 15 digits. Cannot be changed.
    pub phone_number: String,
    /// The id under which the HTTP API knows the number, 1 to 15 digits. Derived from the number when absent; given by a business that
    /// moves here and wants to keep its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// The name that consumers see, 1 to 128 characters; the account's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The `BusinessAccount` of the same namespace that the number belongs to.
    pub account_ref: ObjectRef,
    /// The `DataRegion` that the number's data stays in.
    pub region_ref: ObjectRef,
    /// The `RetentionPolicy` that the number's data is kept by.
    pub retention_policy_ref: ObjectRef,
    /// Where this number's events are posted, instead of the account's webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// The two-step verification PIN, six digits: entry `pin` of the Secret unless `key` names another.
    pub pin_secret_ref: SecretKeyRef,
    /// How many messages a second the number may send, 1 to 1000; 80 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_messages_per_second: Option<i32>,
    /// How many sidecars serve the number, 1 to 32; 1 when absent. Not together with `autoscaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Lets the number of sidecars follow the load. Not together with `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// What has to be safe before a message is accepted; `Auto` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// Stops the number's sidecars and keeps everything else.
    #[serde(default)]
    pub suspend: bool,
    /// What deleting this object does to the number's messages and keys.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Lets the number of sidecars follow the load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autoscaling {
    /// At least so many, 1 to 32.
    pub min_replicas: i32,
    /// At most so many, 1 to 32.
    pub max_replicas: i32,
    /// The processor use to keep, 10 to 100; 70 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cpu_percent: Option<i32>,
}

/// What has to be safe before a message is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Durability {
    /// Which kind of safety.
    pub mode: DurabilityMode,
    /// With `Replicated`: how many replicas must have it, 1 to 4; 1 when absent. Not with the other modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

/// Kinds of safety.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What deleting a number does to its messages and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// They are erased.
    #[default]
    Erase,
    /// They stay until they expire.
    Retain,
}
