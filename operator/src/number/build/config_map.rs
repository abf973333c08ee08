//! What the sidecar is told. Sidecars reload it by themselves, so that it is not part of the pod template in any form.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest, Sha256};
use waxseal_crds::pod::{FILE, PodConfig, PodMedia, PodWebhook};

use super::{Error, Target};
use crate::{
    names,
    number::validate::{Media, Validated},
};

/// The ConfigMap, and the digest by which the sidecar says that it runs with it.
pub(super) fn build(target: &Target, validated: &Validated) -> Result<(ConfigMap, String), Error> {
    let mut config = config(validated);
    config.digest = digest(&config)?;
    let text = serde_saphyr::to_string(&config).map_err(Error::WriteConfiguration)?;
    let config_map = ConfigMap {
        metadata: target.metadata(names::sidecar(&target.name)),
        data: Some(BTreeMap::from([(FILE.to_owned(), text)])),
        ..ConfigMap::default()
    };
    Ok((config_map, config.digest))
}

/// SHA-256 of the YAML with an empty digest in it.
fn digest(config: &PodConfig) -> Result<String, Error> {
    let text = serde_saphyr::to_string(config).map_err(Error::WriteConfiguration)?;
    Ok(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The retention that keeps nothing anywhere.
const NO_STORAGE_MINUTES: u32 = 60;

fn config(validated: &Validated) -> PodConfig {
    PodConfig {
        digest: String::new(),
        namespace: validated.namespace.clone(),
        name: validated.name.clone(),
        phone_number: validated.phone_number.clone(),
        phone_number_id: validated.phone_number_id.clone(),
        business_account_id: validated.business_account_id.clone(),
        display_name: validated.display_name.clone(),
        retention_minutes: validated.retention_minutes,
        content_deletion: validated.content_deletion,
        media_lifetime_days: validated.media_lifetime_days,
        webhook_retry_window_minutes: validated.webhook_retry_window_minutes,
        webhook: validated.webhook.as_ref().map(|webhook| PodWebhook {
            url: webhook.url.clone(),
            timeout_seconds: webhook.timeout_seconds,
            of_number: webhook.of_number,
            fields: (!webhook.fields.is_empty()).then(|| webhook.fields.clone()),
            ca: webhook.ca.clone(),
        }),
        throughput_messages_per_second: validated.throughput_messages_per_second,
        durability: validated.durability,
        durability_replicas: validated.durability_replicas,
        region: validated.region.clone(),
        redis_url: validated.redis_url.clone(),
        relay_url: validated.relay_url.clone(),
        redis_ca: validated.redis_ca.clone(),
        relay_ca: validated.relay_ca.clone(),
        relay_client_certificate: validated.relay_client_certificate,
        country: (validated.retention_minutes > NO_STORAGE_MINUTES).then(|| validated.country.clone()),
        app_id: validated.app_id.clone(),
        api_url: validated.api_url.clone(),
        rules: validated.rules,
        media: validated.media.as_ref().map(|media| match media {
            Media::Local { .. } => PodMedia::Local,
            Media::Bucket(bucket) => PodMedia::Bucket(bucket.clone()),
        }),
        tokens: validated.tokens.clone(),
        keys_secret: names::keys(&validated.name),
        secrets: validated.secrets.clone(),
    }
}
