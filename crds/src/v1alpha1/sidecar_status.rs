//! What a sidecar says of itself in the status of its number: states and counts, never who or what.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the sidecar that holds the number's conversations says of itself.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarStatus {
    /// The pod that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253))]
    pub pod: Option<String>,
    /// The version of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub version: Option<String>,
    /// Which configuration it runs with: the digest that the operator gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub configuration: Option<String>,
    /// SHA-256 of the number's Signal identity key, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub identity_fingerprint: Option<String>,
    /// Whether it is linked to the relay.
    #[serde(default)]
    pub linked: bool,
    /// Whether the webhook can be delivered to: `None` (there is none), `Verifying`, `Verified` or `Failing`.
    #[serde(default)]
    pub webhook: WebhookState,
    /// What became of the last event that was posted: `Delivered`, `Unreachable`, or `HTTP` and a status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub last_webhook_result: Option<String>,
    /// Messages accepted and not handed to the relay yet, as of the last report.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub waiting_outbound: i64,
    /// Events that the business has not acknowledged yet, as of the last report.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub waiting_webhooks: i64,
    /// The quality rating of the number: `Unknown`, `Green`, `Yellow` or `Red`.
    #[serde(default)]
    pub quality: Quality,
    /// What it lacks to serve the number, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub problems: Vec<SidecarProblem>,
}

/// Something that a sidecar lacks.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarProblem {
    /// What kind of problem: `SecretMissing`, `SecretInvalid`, `KeysUnavailable`, `RedisUnavailable`, `RelayUnavailable`,
    /// `RelayRefused` or `ConfigurationInvalid`.
    pub reason: ProblemReason,
    /// What is wrong and what to do, in words.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Kinds of problems.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProblemReason {
    /// A Secret or an entry of it is not there.
    SecretMissing,
    /// An entry of a Secret is there and cannot be used.
    SecretInvalid,
    /// The Secret with the number's keys cannot be read or written.
    KeysUnavailable,
    /// The region's Redis does not answer or must not be used.
    RedisUnavailable,
    /// The region's relay does not answer.
    RelayUnavailable,
    /// The relay answers and does not accept the number, for example because of its PIN.
    RelayRefused,
    /// The configuration cannot be used.
    ConfigurationInvalid,
}

impl ProblemReason {
    /// The reason as a word, for conditions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretMissing => "SecretMissing",
            Self::SecretInvalid => "SecretInvalid",
            Self::KeysUnavailable => "KeysUnavailable",
            Self::RedisUnavailable => "RedisUnavailable",
            Self::RelayUnavailable => "RelayUnavailable",
            Self::RelayRefused => "RelayRefused",
            Self::ConfigurationInvalid => "ConfigurationInvalid",
        }
    }
}

/// How it stands with the webhook.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookState {
    /// There is none.
    #[default]
    None,
    /// The verification handshake has not succeeded yet.
    Verifying,
    /// Events are delivered.
    Verified,
    /// It was verified, and the last event could not be delivered.
    Failing,
}

/// The quality rating of a number.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quality {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low.
    Red,
}
