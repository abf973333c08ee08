//! A `DataRegion`: what is wrong with it, and what its status says. Pure.

use jiff::Timestamp;
use waxseal_crds::v1alpha1::{DataRegion, DataRegionSpec, DataRegionStatus, MediaStore, Resources};

use crate::{
    check::Check,
    conditions,
    fault::{Fault, Reason},
};

/// Everything that is wrong with a region, as far as it can tell itself.
#[must_use]
pub fn faults(region: &DataRegion) -> Vec<Fault> {
    let spec = &region.spec;
    let mut faults = missing(spec);
    let mut check = Check::new(Reason::RegionInvalid);
    if spec.country.len() != 2 || !spec.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        check.wrong(
            "spec.country",
            "must be an ISO 3166-1 country code, two capital letters, for example 'BR'",
        );
    }
    check.number("spec.retentionCapDays", spec.retention_cap_days, 1..=30);
    if let Some(placement) = &spec.placement
        && !(1..=16).contains(&placement.node_selector.len())
    {
        check.wrong(
            "spec.placement.nodeSelector",
            "must have 1 to 16 labels; leave `placement` out if every node is in the region",
        );
    }
    if spec.key_management.is_some() {
        // Whoever declares it counts on it.
        check.wrong(
            "spec.keyManagement",
            "must not be set yet: this release does not wrap keys, and running numbers without what was asked for would be worse than not \
             running them; encrypt Secrets in etcd instead",
        );
    }
    if let Some(redis) = &spec.redis {
        check.url("spec.redis.url", &redis.url, &["redis://", "rediss://"]);
        certificates(&mut check, "spec.redis.caBundle", redis.ca_bundle.as_deref());
        if let Some(secret) = &redis.credentials_secret_ref {
            check.object_name("spec.redis.credentialsSecretRef.name", &secret.name);
        }
    }
    if let Some(store) = &spec.media_store {
        media_store(&mut check, store);
    }
    if let Some(relay) = &spec.relay {
        check.url("spec.relay.url", &relay.url, &["https://", "http://"]);
        if let Some(secret) = &relay.client_certificate_secret_ref {
            check.object_name("spec.relay.clientCertificateSecretRef.name", &secret.name);
        }
        certificates(&mut check, "spec.relay.caBundle", relay.ca_bundle.as_deref());
    }
    if let Some(resources) = spec.sidecar.as_ref().and_then(|sidecar| sidecar.resources.as_ref()) {
        limits(&mut check, resources);
    }
    faults.extend(check.done());
    faults
}

fn media_store(check: &mut Check, store: &MediaStore) {
    if store.bucket.is_some() == store.local.is_some() {
        check.wrong("spec.mediaStore", "must have exactly one of `bucket` and `local`");
    }
    if let Some(bucket) = &store.bucket {
        check.text("spec.mediaStore.bucket", bucket, 63);
    }
    if let Some(url) = &store.url {
        check.url("spec.mediaStore.url", url, &["https://", "http://"]);
    }
    certificates(check, "spec.mediaStore.caBundle", store.ca_bundle.as_deref());
    if let Some(secret) = &store.credentials_secret_ref {
        check.object_name("spec.mediaStore.credentialsSecretRef.name", &secret.name);
    }
    if let Some(limit) = store.local.as_ref().and_then(|local| local.size_limit.as_ref())
        && amount(limit).is_none()
    {
        check.wrong(
            "spec.mediaStore.local.sizeLimit",
            format!("is '{limit}' and must be an amount as Kubernetes writes it, for example '512Mi' or '10Gi'"),
        );
    }
}

pub(crate) fn certificates(check: &mut Check, field: &str, bundle: Option<&str>) {
    if bundle.is_some_and(|bundle| !bundle.contains("-----BEGIN CERTIFICATE-----")) {
        check.wrong(field, "must be certificates in PEM, which begin with '-----BEGIN CERTIFICATE-----'");
    }
}

/// What a number in a cluster cannot do without.
fn missing(spec: &DataRegionSpec) -> Vec<Fault> {
    let mut check = Check::new(Reason::RegionIncomplete);
    if spec.redis.is_none() {
        check.wrong(
            "spec.redis",
            "must name the region's Redis, for example `url: redis://redis.data.svc:6379`: numbers keep their state there",
        );
    }
    if spec.relay.is_none() {
        check.wrong(
            "spec.relay",
            "must name the region's relay, for example `url: https://relay.waxseal.svc:443`: numbers reach consumers through it",
        );
    }
    check.done()
}

fn limits(check: &mut Check, resources: &Resources) {
    for (name, request, limit) in [
        ("cpu", &resources.cpu_request, &resources.cpu_limit),
        ("memory", &resources.memory_request, &resources.memory_limit),
    ] {
        let mut amounts = Vec::new();
        for (end, text) in [("Request", request), ("Limit", limit)] {
            let Some(text) = text else { continue };
            match amount(text) {
                Some(amount) => amounts.push((end, amount)),
                None => check.wrong(
                    &format!("spec.sidecar.resources.{name}{end}"),
                    format!("is '{text}' and must be an amount as Kubernetes writes it, for example '100m' of `cpu` or '64Mi' of `memory`"),
                ),
            }
        }
        if let [(_, request), (_, limit)] = amounts.as_slice()
            && request > limit
        {
            check.wrong(
                &format!("spec.sidecar.resources.{name}Limit"),
                format!("must not be lower than `{name}Request`"),
            );
        }
    }
}

/// A Kubernetes quantity, for comparing.
pub(crate) fn amount(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text.get(digits.len()..)? {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = digits.parse().ok()?;
    (number >= 0.0 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')).then_some(number * factor)
}

/// What the status of a region has to be.
#[must_use]
pub fn status(region: &DataRegion, numbers: usize, now: Timestamp) -> DataRegionStatus {
    let previous = region.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let generation = region.metadata.generation;
    DataRegionStatus {
        observed_generation: generation,
        numbers: Some(i32::try_from(numbers).unwrap_or(i32::MAX)),
        conditions: conditions::list(
            conditions::of_faults(&faults(region), "numbers can run in the region"),
            previous,
            generation,
            now,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gathered, with_region};

    #[test]
    fn amounts_are_as_kubernetes_reads_them() {
        for (text, value) in [
            ("2", 2.0),
            ("100m", 0.1),
            ("64Mi", 67_108_864.0),
            ("1.5Gi", 1_610_612_736.0),
            ("64M", 64e6),
            ("3k", 3000.0),
        ] {
            assert_eq!(amount(text), Some(value), "{text}");
        }
        for text in ["", "m", "64K", "64mi", "-1", "1e3", "1.2.3", "inf", "NaN", "1 Mi"] {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn an_incomplete_region_is_not_ready() {
        let now = Timestamp::from_second(7).unwrap();
        let whole = gathered("plain.yaml");
        let good = status(whole.region.as_ref().unwrap(), 3, now);
        assert_eq!((good.numbers, good.observed_generation), (Some(3), Some(1)));
        assert_eq!((good.conditions.len(), good.conditions[0].status.as_str()), (1, "True"));
        let lacking = with_region(whole, |region| {
            region.spec.redis = None;
            region.status = Some(good);
        });
        let bad = status(lacking.region.as_ref().unwrap(), 3, now);
        let words: Vec<(&str, &str, &str)> = bad
            .conditions
            .iter()
            .map(|condition| (condition.type_.as_str(), condition.status.as_str(), condition.reason.as_str()))
            .collect();
        assert_eq!(
            words,
            [("Ready", "False", "RegionIncomplete"), ("Stalled", "True", "RegionIncomplete")]
        );
        assert!(bad.conditions[0].message.contains("spec.redis"));
    }
}
