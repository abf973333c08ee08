//! Retention policies and the regions that cap them.

use std::time::Duration;

use super::{Retention, check::Check};
use crate::v1alpha1::{ContentDeletion, DataRegionSpec, MediaStore, RetentionPolicySpec};

/// What matters of a region here.
pub(super) struct Region {
    pub(super) retention_cap_days: u8,
    pub(super) country: String,
}

pub(super) fn region(check: &mut Check<'_>, spec: &DataRegionSpec) -> Option<Region> {
    let before = check.problems.len();
    if spec.country.len() != 2 || !spec.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        check.wrong(
            "spec.country",
            "must be an ISO 3166-1 country code, two capital letters, for example \"BR\"",
        );
    }
    if let Some(area) = &spec.area {
        check.text("spec.area", area, 1..=64);
    }
    if let Some(redis) = &spec.redis {
        check.url("spec.redis.url", &redis.url, &["redis://", "rediss://"]);
        if redis.url.contains('@') {
            check.wrong(
                "spec.redis.url",
                "must not contain credentials; put them into a Secret and name it in `credentialsSecretRef`",
            );
        }
    }
    if let Some(store) = &spec.media_store {
        media_store(check, store);
    }
    if let Some(keys) = &spec.key_management {
        check.url("spec.keyManagement.endpoint", &keys.endpoint, &["https://", "unix://"]);
        check.text("spec.keyManagement.keyName", &keys.key_name, 1..=128);
    }
    if let Some(relay) = &spec.relay {
        check.url("spec.relay.url", &relay.url, &["https://", "http://"]);
    }
    let cap = check.number("spec.retentionCapDays", Some(spec.retention_cap_days), 1..=30);
    let retention_cap_days = u8::try_from(cap?).ok()?;
    (check.problems.len() == before).then(|| Region {
        retention_cap_days,
        country: spec.country.clone(),
    })
}

fn media_store(check: &mut Check<'_>, store: &MediaStore) {
    if store.bucket.is_some() == store.local.is_some() {
        check.wrong("spec.mediaStore", "must have exactly one of `bucket` and `local`");
    }
    let of_bucket = [
        store.url.is_some(),
        store.region.is_some(),
        store.prefix.is_some(),
        store.credentials_secret_ref.is_some(),
        store.ca_bundle.is_some(),
    ];
    if store.bucket.is_none() && of_bucket.contains(&true) {
        check.wrong(
            "spec.mediaStore",
            "must have `url`, `region`, `prefix`, `credentialsSecretRef` and `caBundle` only with `bucket`",
        );
    }
    if let Some(bucket) = &store.bucket {
        check.text("spec.mediaStore.bucket", bucket, 3..=63);
    }
    if let Some(url) = &store.url {
        check.url("spec.mediaStore.url", url, &["https://", "http://"]);
    }
}

/// A policy in plain values.
pub(super) struct Policy {
    pub(super) retention: Retention,
    pub(super) media_lifetime: Option<Duration>,
    pub(super) content_deletion: ContentDeletion,
    pub(super) webhook_retry_window: Duration,
}

const RETRY_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn policy(check: &mut Check<'_>, spec: &RetentionPolicySpec) -> Option<Policy> {
    let before = check.problems.len();
    let days = check.number("spec.days", spec.days, 1..=30);
    let retention = match (spec.days, spec.no_storage) {
        (Some(_), None) => u8::try_from(days?).ok().map(Retention::Days),
        (None, Some(_)) => Some(Retention::NoStorage),
        (Some(_), Some(_)) => {
            check.wrong("spec", "has both `days` and `noStorage`; exactly one of them must be set");
            None
        }
        (None, None) => {
            check.wrong("spec", "must have exactly one of `days` (1 to 30) and `noStorage: {}` (60 minutes)");
            None
        }
    }?;
    let media_lifetime = media(check, spec, days).map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let minutes = check.number("spec.webhookRetryWindowMinutes", spec.webhook_retry_window_minutes, 1..=43_200);
    let longest = retention.duration();
    let webhook_retry_window = match minutes {
        None => RETRY_WINDOW.min(longest),
        Some(minutes) => Duration::from_secs(u64::from(minutes) * 60),
    };
    if webhook_retry_window > longest {
        let text = format!("must not be longer than the retention, which is {} minutes", longest.as_secs() / 60);
        check.wrong("spec.webhookRetryWindowMinutes", text);
    }
    (check.problems.len() == before).then_some(Policy {
        retention,
        media_lifetime,
        content_deletion: spec.content_deletion,
        webhook_retry_window,
    })
}

fn media(check: &mut Check<'_>, spec: &RetentionPolicySpec, days: Option<u32>) -> Option<u32> {
    let lifetime = check.number("spec.mediaLifetimeDays", spec.media_lifetime_days, 1..=30);
    if spec.media_lifetime_days.is_some() && spec.no_storage.is_some() {
        check.wrong(
            "spec.mediaLifetimeDays",
            "must not be set with `noStorage`: media then goes after 60 minutes like everything else",
        );
    }
    if let (Some(lifetime), Some(days)) = (lifetime, days)
        && lifetime > days
    {
        check.wrong(
            "spec.mediaLifetimeDays",
            format!("is {lifetime} and must not be longer than `days`, which is {days}"),
        );
    }
    lifetime
}
