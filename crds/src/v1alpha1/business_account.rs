//! `BusinessAccount`: edited by the business's team.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Switch;
use crate::meta::{ObjectRef, SecretKeyRef};

/// A business: its name, its secrets and where its events go. All its phone numbers share them.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "waxseal.dev",
    version = "v1alpha1",
    kind = "BusinessAccount",
    namespaced,
    shortname = "wxba",
    category = "waxseal",
    status = "BusinessAccountStatus",
    doc = "A business: its name, its secrets and where its events go. All its phone numbers share them. Edited by the business's team.",
    printcolumn(name = "Id", type_ = "string", json_path = ".status.businessAccountId"),
    printcolumn(name = "Numbers", type_ = "integer", json_path = ".status.numbers"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessAccountSpec {
    /// The name of the business, 1 to 128 characters.
    #[schemars(length(min = 1, max = 128))]
    pub display_name: String,
    /// The postal address of the business, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 256))]
    pub address: Option<String>,
    /// The WhatsApp Business Account id that clients see, 1 to 20 digits. Derived from namespace and name when absent; given by a
    /// business that moves here and wants to keep its id. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("`businessAccountId` must be 1 to 20 digits, in quotes"), validation = Rule::new("self == oldSelf").message("`businessAccountId` cannot be changed: clients know the account by it"))]
    pub business_account_id: Option<String>,
    /// Where events of this account's numbers are posted, unless a number names its own webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Webhook")]
    pub webhook: Option<Webhook>,
    /// The key of the `X-Hub-Signature-256` header: entry `appSecret` of the Secret unless `key` names another.
    pub app_secret_ref: SecretKeyRef,
    /// The bearer tokens that the HTTP API accepts, 1 to 16 of them, each with its own name. To change a token without a break, add the
    /// new one, move the clients over, and remove the old one.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tokens: Vec<Token>,
    /// The id of the app that clients call with, 1 to 20 digits. Derived from the account's id when absent; given by a business that moves
    /// here and wants to keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("`appId` must be 1 to 20 digits, in quotes"))]
    pub app_id: Option<String>,
    /// Whether only templates reach a consumer who has not written for 24 hours (error 131047 otherwise): `Enabled` or `Disabled`.
    #[serde(default = "enabled")]
    pub conversation_window: Switch,
    /// Whether one consumer gets no more than one message in 6 seconds, 45 at once (error 131056 otherwise): `Enabled` or `Disabled`.
    #[serde(default)]
    pub pair_rate_limit: Switch,
    /// Whether management calls are limited as the Cloud API limits them (error 80007 otherwise): `Enabled` or `Disabled`.
    #[serde(default)]
    pub api_call_limits: Switch,
    /// Whether quality and messaging limits follow what consumers report at the relay: `Enabled` or `Disabled`.
    #[serde(default)]
    pub quality_emulation: Switch,
    /// What happens to messages above a limit: `Reject` them, or `Queue` them until it is their turn.
    #[serde(default)]
    pub over_limit: OverLimit,
}

fn enabled() -> Switch {
    Switch::Enabled
}

/// What happens to messages above a limit.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverLimit {
    /// They are refused.
    #[default]
    Reject,
    /// They are accepted and wait for their turn.
    Queue,
}

/// One bearer token. Several may be valid at a time, so that they can be changed without a break.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// What the token is called, for people; unique in the list. Lower-case letters, digits and `-`, at most 63.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("`name` must be 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends"))]
    pub name: String,
    /// The token: entry `token` of the Secret unless `key` names another.
    pub secret_ref: SecretKeyRef,
}

/// Where events are posted.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.clientCertificateSecretRef) || self.url.startsWith('https://')").message("`clientCertificateSecretRef` must only be set with an 'https://' `url`"))]
pub struct Webhook {
    /// An `http://` or `https://` URL, at most 2048 characters.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')").message("`url` must start with 'https://' or 'http://'"))]
    pub url: String,
    /// What the verification handshake echoes: entry `verifyToken` of the Secret unless `key` names another.
    pub verify_token_secret_ref: SecretKeyRef,
    /// How long one attempt may take, 1 to 60; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1, max = 60), extend("default" = 10))]
    pub timeout_seconds: Option<i32>,
    /// Which fields are sent, at most 64, as in the Cloud API: `messages`, `security` and the like; `messages` when empty. What is
    /// subscribed through the API comes before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new("self.all(field, field.matches('^[a-z][a-z_]*$'))").message("`fields` must be names of webhook fields, lower-case letters and '_', for example 'messages'"))]
    pub fields: Vec<String>,
    /// Certificates (PEM) of the authorities that may sign the certificate of an `https://` URL, beside the public ones. At most 65536
    /// characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// A Secret of type `kubernetes.io/tls`: the certificate that is shown to an `https://` URL that asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectRef")]
    pub client_certificate_secret_ref: Option<ObjectRef>,
}

/// What is known about a business.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusinessAccountStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// The WhatsApp Business Account id that clients see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20))]
    pub business_account_id: Option<String>,
    /// How many phone numbers belong to the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 2_147_483_647))]
    pub numbers: Option<i32>,
    /// Whether the account can be used, and what is wrong when it cannot. Types: Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
