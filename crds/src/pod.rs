//! What the operator tells a sidecar in a pod: the file `sidecar.yaml` of its ConfigMap. Both ends use this type.
//!
//! No secret is in it: Secrets are mounted beside it, one file an entry, and [`PodConfig::secrets`] says which file comes from where, so that
//! the sidecar can name what is missing.

use serde::{Deserialize, Serialize};

use crate::{
    document::{self, Origin},
    rules::Rules,
    v1alpha1::{ContentDeletion, DurabilityMode},
};

/// The name of the file in the ConfigMap.
pub const FILE: &str = "sidecar.yaml";
/// Where the ConfigMap is mounted.
pub const CONFIG_DIR: &str = "/etc/waxseal/config";
/// Where the entries of Secrets are mounted.
pub const SECRETS_DIR: &str = "/etc/waxseal/secrets";
/// Where files rest that are gone with the pod.
pub const MEDIA_DIR: &str = "/var/lib/waxseal/media";
/// The port of the Cloud API in the pod.
pub const API_PORT: u16 = 8080;
/// The port of `/livez`, `/readyz`, `/metrics` and `/status` in the pod.
pub const ADMIN_PORT: u16 = 9090;
/// The entry of the keys Secret that holds the number's keys.
pub const KEYS_ENTRY: &str = "keys";

/// Files under [`SECRETS_DIR`].
pub mod path {
    /// The folder of the bearer tokens, one file a token, by its name.
    pub const TOKENS: &str = "tokens";
    /// The key of webhook signatures.
    pub const APP_SECRET: &str = "app-secret";
    /// The two-step verification PIN.
    pub const PIN: &str = "pin";
    /// What the webhook's verification handshake echoes.
    pub const VERIFY_TOKEN: &str = "verify-token";
    /// What webhooks are shown that ask for a client certificate, followed by those that vouch for it; may be absent.
    pub const WEBHOOK_CERTIFICATE: &str = "webhook/tls.crt";
    /// Its key.
    pub const WEBHOOK_KEY: &str = "webhook/tls.key";
    /// The Redis user; may be absent.
    pub const REDIS_USERNAME: &str = "redis/username";
    /// The Redis password.
    pub const REDIS_PASSWORD: &str = "redis/password";
    /// The certificate that the Cloud API port shows, followed by those that vouch for it; may be absent, then the port speaks plain HTTP.
    pub const API_CERTIFICATE: &str = "api/tls.crt";
    /// Its key.
    pub const API_KEY: &str = "api/tls.key";
    /// The id of the key of the media store; may be absent.
    pub const MEDIA_KEY_ID: &str = "media/access-key-id";
    /// The key.
    pub const MEDIA_KEY: &str = "media/secret-access-key";
    /// The certificate by which the sidecar proves itself to the relay.
    pub const RELAY_CERTIFICATE: &str = "relay/tls.crt";
    /// Its key.
    pub const RELAY_KEY: &str = "relay/tls.key";
}

/// Everything a sidecar in a pod is told, but for secrets.
///
/// An operator may be newer than the sidecars it tells this to, because its upgrade rolls none of them, and a sidecar refuses what it does not
/// know rather than serve by half of it. So a field that is added later is optional and written only where it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodConfig {
    /// The digest of everything else here, hex; the sidecar reports it back as `status.sidecar.configuration`.
    pub digest: String,
    /// The namespace of the BusinessPhoneNumber.
    pub namespace: String,
    /// The name of the BusinessPhoneNumber.
    pub name: String,
    /// The number in E.164 form.
    pub phone_number: String,
    /// The id under which the HTTP API knows it.
    pub phone_number_id: String,
    /// The WhatsApp Business Account id.
    pub business_account_id: String,
    /// The name that consumers see.
    pub display_name: String,
    /// How long anything about a consumer may exist; 60 is No Storage.
    pub retention_minutes: u32,
    /// When content goes within that time.
    pub content_deletion: ContentDeletion,
    /// How long files are kept at most, where that is shorter than the retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_lifetime_days: Option<u32>,
    /// How long the delivery of an event is tried.
    pub webhook_retry_window_minutes: u32,
    /// Where events go, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<PodWebhook>,
    /// How many messages a second the number may send.
    pub throughput_messages_per_second: u32,
    /// What has to be safe before a message is accepted.
    pub durability: DurabilityMode,
    /// With `Replicated`: how many replicas must have it.
    pub durability_replicas: u32,
    /// The name of the DataRegion.
    pub region: String,
    /// A `redis://` or `rediss://` URL without credentials.
    pub redis_url: String,
    /// Certificates (PEM) of the authorities that may sign the Redis' certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_ca: Option<String>,
    /// An `http://` or `https://` URL.
    pub relay_url: String,
    /// Certificates (PEM) of the authorities that may sign the relay's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_ca: Option<String>,
    /// Whether the sidecar proves itself to the relay by a certificate.
    #[serde(default)]
    pub relay_client_certificate: bool,
    /// The country that messages may be kept in and in no other; absent with No Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The id of the app that clients call with, where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The address of the HTTP API as businesses reach it, where it is declared; else [`PodConfig::service_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Limits and rules of conversations.
    #[serde(default, skip_serializing_if = "Rules::are_default")]
    pub rules: Rules,
    /// Where files that the business uploads rest, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<PodMedia>,
    /// The names of the tokens.
    pub tokens: Vec<String>,
    /// The Secret that holds the number's keys.
    pub keys_secret: String,
    /// Which file comes from which Secret.
    pub secrets: Vec<SecretFile>,
}

impl PodConfig {
    /// Where the number's HTTP API is reached within the cluster: its Service is called as its keys are.
    #[must_use]
    pub fn service_url(&self) -> String {
        let is_secured = self.secrets.iter().any(|file| file.path == path::API_CERTIFICATE);
        let scheme = if is_secured { "https" } else { "http" };
        let name = self.keys_secret.strip_suffix("-keys").unwrap_or(&self.keys_secret);
        format!("{scheme}://{name}-sidecar.{}.svc", self.namespace)
    }

    /// Reads [`FILE`].
    ///
    /// # Errors
    /// What is wrong, and in which line. The file holds no secret, so the text may repeat what it says.
    pub fn read(text: &str) -> Result<Self, document::Error> {
        let origin = Origin {
            file: FILE.to_owned(),
            document: 1,
            line: 1,
        };
        document::parse(text, &origin, Some("PodConfig"))
    }
}

/// A webhook, but for its verify token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodWebhook {
    /// Where events are posted.
    pub url: String,
    /// How long one attempt may take.
    pub timeout_seconds: u32,
    /// Whether it is the number's own; else it is its account's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_number: bool,
    /// The fields whose events are sent, unless the API says otherwise; `messages` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Certificates (PEM) of the authorities that may sign its certificate, beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Where files that the business uploads rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PodMedia {
    /// In [`MEDIA_DIR`], which is gone with the pod.
    Local,
    /// In a bucket.
    Bucket(PodBucket),
}

/// A bucket of S3 or of what speaks like it, but for credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodBucket {
    /// Its name.
    pub name: String,
    /// An `http://` or `https://` URL; Amazon's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What the names of all objects begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Certificates (PEM) of the authorities that may sign its certificate, beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// One mounted entry of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretFile {
    /// The file, relative to [`SECRETS_DIR`].
    pub path: String,
    /// The name of the Secret, in the number's namespace.
    pub secret: String,
    /// The entry of the Secret.
    pub key: String,
    /// The field that names it, for messages: `spec.pinSecretRef` of which object.
    pub field: String,
    /// Whether the number can be served without it.
    pub required: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1alpha1::{OverLimit, Switch};

    #[test]
    fn what_is_written_is_read() {
        let config = PodConfig {
            digest: "0123".to_owned(),
            namespace: "shop".to_owned(),
            name: "1e3".to_owned(),
            phone_number: "+15550100".to_owned(),
            phone_number_id: "105550100".to_owned(),
            business_account_id: "123456".to_owned(),
            display_name: "no: #1 \"shop\"".to_owned(),
            retention_minutes: 60,
            content_deletion: ContentDeletion::OnDelivery,
            media_lifetime_days: Some(3),
            webhook_retry_window_minutes: 60,
            webhook: Some(PodWebhook {
                url: "https://shop.example/hook?a=b#c".to_owned(),
                timeout_seconds: 10,
                of_number: true,
                fields: Some(vec!["messages".to_owned()]),
                ca: None,
            }),
            throughput_messages_per_second: 80,
            durability: DurabilityMode::Replicated,
            durability_replicas: 2,
            region: "de".to_owned(),
            redis_url: "rediss://redis:6379/0".to_owned(),
            redis_ca: None,
            relay_url: "https://relay:7400".to_owned(),
            relay_ca: Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned()),
            relay_client_certificate: true,
            country: Some("NO".to_owned()),
            app_id: Some("0042".to_owned()),
            api_url: Some("https://graph.example".to_owned()),
            rules: Rules {
                conversation_window: Switch::Disabled,
                over_limit: OverLimit::Queue,
                ..Rules::default()
            },
            media: Some(PodMedia::Bucket(PodBucket {
                name: "files".to_owned(),
                endpoint: Some("https://s3.example:9000".to_owned()),
                region: None,
                prefix: Some("a/b".to_owned()),
                ca: Some("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n".to_owned()),
            })),
            tokens: vec!["007".to_owned(), "true".to_owned()],
            keys_secret: "1e3-keys".to_owned(),
            secrets: vec![SecretFile {
                path: path::PIN.to_owned(),
                secret: "acme".to_owned(),
                key: "pin".to_owned(),
                field: "spec.pinSecretRef".to_owned(),
                required: true,
            }],
        };
        let text = serde_saphyr::to_string(&config).unwrap();
        assert_eq!(PodConfig::read(&text).unwrap(), config, "{text}");
        let plain = PodConfig {
            webhook: None,
            media_lifetime_days: None,
            app_id: None,
            api_url: None,
            rules: Rules::default(),
            media: Some(PodMedia::Local),
            ..config
        };
        let text = serde_saphyr::to_string(&plain).unwrap();
        assert_eq!(PodConfig::read(&text).unwrap(), plain, "{text}");
        assert_eq!(plain.service_url(), "http://1e3-sidecar.shop.svc");
        assert!(
            ["rules", "apiUrl", "mediaLifetimeDays"].iter().all(|field| !text.contains(field)),
            "not said where not used: {text}"
        );
        let wrong = text.replace("phoneNumberId:", "phoneNumberID:");
        let error = PodConfig::read(&wrong).unwrap_err();
        assert!(error.text.contains("phoneNumberId") && error.origin.line > 1, "{error}");
    }
}
