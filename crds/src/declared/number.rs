//! Phone numbers: their own fields, what their references lead to, and which of two alike stays.

use std::collections::BTreeMap;

use super::{
    DeclaredNumber, DeclaredWebhook, Index, Key, Problem, Retention, account, check::Check, follow, ids, key, label, policy, secret,
    webhook,
};
use crate::{
    document::{Object, Origin, Resource},
    meta::Written,
    v1alpha1::{BusinessPhoneNumberSpec, DurabilityMode},
};

/// All numbers that are right, in the order of declaration.
pub(super) fn numbers(objects: &[&Object], index: &Index<'_>, problems: &mut Vec<Problem>) -> Vec<DeclaredNumber> {
    let mut declared: Vec<(&Origin, String, &Written<BusinessPhoneNumberSpec>)> = objects
        .iter()
        .filter_map(|object| match &object.resource {
            Resource::BusinessPhoneNumber(number) => Some((&object.origin, label(&object.resource), &**number)),
            _ => None,
        })
        .collect();
    let order: BTreeMap<Key, usize> = declared
        .iter()
        .enumerate()
        .map(|(at, number)| (key(&number.2.metadata), at))
        .collect();
    let mut resolved = Vec::new();
    // Oldest first: an object with a creation time is in the cluster already and older than one that has none.
    declared.sort_by_key(|(_, _, number)| {
        let created = number.metadata.creation_timestamp.as_deref();
        (created.is_none(), created)
    });
    let (mut by_number, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for (origin, object, number) in declared {
        let mut check = Check {
            origin,
            object: object.clone(),
            problems,
        };
        let phone_number = number.spec.phone_number.as_str();
        let id = number
            .spec
            .phone_number_id
            .clone()
            .unwrap_or_else(|| ids::phone_number_id(phone_number));
        let mut taken = false;
        for (field, seen, value) in [
            ("spec.phoneNumber", &mut by_number, phone_number.to_owned()),
            ("spec.phoneNumberId", &mut by_id, id.clone()),
        ] {
            if let Some(owner) = seen.get(&value) {
                // The id of an equal number is equal too; one message is enough.
                if !taken {
                    check.wrong(
                        field,
                        format!("is taken by {owner}, which is older; every number can be declared once"),
                    );
                }
                taken = true;
            } else {
                seen.insert(value, object.clone());
            }
        }
        if let Some(number) = one(&mut check, index, number, id)
            && !taken
        {
            resolved.push(number);
        }
    }
    resolved.sort_by_key(|number| order.get(&(number.namespace.clone(), number.name.clone())).copied());
    resolved
}

fn one(check: &mut Check<'_>, index: &Index<'_>, number: &Written<BusinessPhoneNumberSpec>, id: String) -> Option<DeclaredNumber> {
    let before = check.problems.len();
    let (spec, namespace) = (&number.spec, number.metadata.namespace());
    own_fields(check, spec);
    let account: Option<&account::Account> = follow(
        check,
        &index.accounts,
        "BusinessAccount",
        "spec.accountRef",
        namespace,
        &spec.account_ref.name,
    );
    let region: Option<&policy::Region> = follow(check, &index.regions, "DataRegion", "spec.regionRef", "", &spec.region_ref.name);
    let retention: Option<&policy::Policy> = follow(
        check,
        &index.policies,
        "RetentionPolicy",
        "spec.retentionPolicyRef",
        "",
        &spec.retention_policy_ref.name,
    );
    if let (Some(region), Some(policy)) = (region, retention)
        && let Retention::Days(days) = policy.retention
        && days > region.retention_cap_days
    {
        check.wrong(
            "spec.retentionPolicyRef",
            format!(
                "names the RetentionPolicy '{}' with {days} days, and the region '{}' allows at most {}",
                spec.retention_policy_ref.name, spec.region_ref.name, region.retention_cap_days
            ),
        );
    }
    let pin = secret(check, &index.secrets, "spec.pinSecretRef", namespace, &spec.pin_secret_ref, "pin");
    if let Some(pin) = &pin {
        check.pin("spec.pinSecretRef", pin);
    }
    let own_webhook = webhook(check, &index.secrets, namespace, spec.webhook.as_ref());
    (check.problems.len() == before).then_some(())?;
    let (account, retention) = (account?, retention?);
    let country = Some(region?.country.clone());
    let durability = spec.durability.as_ref();
    Some(DeclaredNumber {
        namespace: namespace.to_owned(),
        name: number.metadata.name.clone(),
        phone_number: spec.phone_number.clone(),
        phone_number_id: id,
        business_account_id: account.business_account_id.clone(),
        display_name: spec.display_name.clone().unwrap_or_else(|| account.display_name.clone()),
        pin: pin?,
        tokens: account.tokens.clone(),
        app_secret: account.app_secret.clone(),
        webhook: own_webhook
            .map(|webhook| DeclaredWebhook {
                of_number: true,
                ..webhook
            })
            .or_else(|| account.webhook.clone()),
        webhook_retry_window: retention.webhook_retry_window,
        retention: retention.retention,
        media_lifetime: retention.media_lifetime,
        content_deletion: retention.content_deletion,
        region: spec.region_ref.name.clone(),
        country,
        throughput_messages_per_second: spec
            .throughput_messages_per_second
            .and_then(|rate| u32::try_from(rate).ok())
            .unwrap_or(80),
        rules: account.rules,
        app_id: account.app_id.clone(),
        api_url: spec.api_url.clone(),
        durability: durability.map(|durability| durability.mode).unwrap_or_default(),
        durability_replicas: durability
            .and_then(|durability| u32::try_from(durability.replicas?).ok())
            .unwrap_or(1),
        suspended: spec.suspend,
    })
}

fn own_fields(check: &mut Check<'_>, spec: &BusinessPhoneNumberSpec) {
    check.phone_number("spec.phoneNumber", &spec.phone_number);
    if let Some(id) = &spec.phone_number_id {
        check.digits("spec.phoneNumberId", id, 15);
    }
    if let Some(name) = &spec.display_name {
        check.text("spec.displayName", name, 1..=128);
    }
    if let Some(url) = &spec.api_url {
        check.api_url("spec.apiUrl", url);
    }
    if let Some(secret) = &spec.api_tls_secret_ref {
        check.object_name("spec.apiTlsSecretRef.name", &secret.name);
    }
    check.number("spec.throughputMessagesPerSecond", spec.throughput_messages_per_second, 1..=1000);
    check.number("spec.replicas", spec.replicas, 1..=32);
    if let Some(autoscaling) = &spec.autoscaling {
        if spec.replicas.is_some() {
            check.wrong("spec.autoscaling", "must not be set together with `replicas`");
        }
        let min = check.number("spec.autoscaling.minReplicas", Some(autoscaling.min_replicas), 1..=32);
        let max = check.number("spec.autoscaling.maxReplicas", Some(autoscaling.max_replicas), 1..=32);
        if min > max && max.is_some() {
            check.wrong("spec.autoscaling.maxReplicas", "must not be lower than `minReplicas`");
        }
        check.number("spec.autoscaling.targetCpuPercent", autoscaling.target_cpu_percent, 10..=100);
    }
    if let Some(durability) = &spec.durability {
        check.number("spec.durability.replicas", durability.replicas, 1..=4);
        if durability.replicas.is_some() && durability.mode != DurabilityMode::Replicated {
            check.wrong("spec.durability.replicas", "must only be set when `mode` is 'Replicated'");
        }
    }
}
