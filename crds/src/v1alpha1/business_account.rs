//! `BusinessAccount`: edited by the business's team.

use serde::{Deserialize, Serialize};

use crate::meta::SecretKeyRef;

/// A business: its name, its secrets and where its events go. All its phone numbers share them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessAccountSpec {
    /// The name of the business, 1 to 128 characters.
    pub display_name: String,
    /// The postal address of the business, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The WhatsApp Business Account id that clients see, 1 to 20 digits. Derived from namespace and name when absent; given by a
    /// business that moves here and wants to keep its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// Where events of this account's numbers are posted, unless a number names its own webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// The key of the `X-Hub-Signature-256` header: entry `appSecret` of the Secret unless `key` names another.
    pub app_secret_ref: SecretKeyRef,
    /// The bearer tokens that the HTTP API accepts, 1 to 16 of them.
    pub tokens: Vec<Token>,
}

/// One bearer token. Several may be valid at a time, so that they can be changed without a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// What the token is called, for people; unique in the list.
    pub name: String,
    /// The token: entry `token` of the Secret unless `key` names another.
    pub secret_ref: SecretKeyRef,
}

/// Where events are posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// An `http://` or `https://` URL, at most 2048 characters.
    pub url: String,
    /// What the verification handshake echoes: entry `verifyToken` of the Secret unless `key` names another.
    pub verify_token_secret_ref: SecretKeyRef,
    /// How long one attempt may take, 1 to 60; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
}
