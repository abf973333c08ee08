//! What the number's own fields tell.

use waxseal_crds::v1alpha1::{BusinessPhoneNumber, BusinessPhoneNumberSpec, DurabilityMode};

use crate::{
    account,
    check::Check,
    fault::{Fault, Reason},
    names,
};

pub(super) fn faults(number: &BusinessPhoneNumber) -> Vec<Fault> {
    let (spec, metadata) = (&number.spec, &number.metadata);
    let mut check = Check::new(Reason::NumberInvalid);
    if !metadata.name.as_deref().is_some_and(names::is_dns_label) {
        check.wrong(
            "metadata.name",
            "must be at most 63 lower-case letters, digits and '-', and a letter or a digit at both ends",
        );
    }
    let good = spec.phone_number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !good {
        check.wrong(
            "spec.phoneNumber",
            "must be '+', the country code and the number, 7 to 15 digits without spaces, for example '+15550100'",
        );
    }
    if let Some(id) = &spec.phone_number_id {
        check.digits("spec.phoneNumberId", id, 15);
    }
    if let Some(name) = &spec.display_name {
        check.text("spec.displayName", name, 128);
    }
    if let Some(webhook) = &spec.webhook {
        account::webhook(&mut check, webhook);
    }
    if let Some(url) = &spec.api_url {
        check.url("spec.apiUrl", url, &["https://", "http://"]);
        if url.ends_with('/') || url.contains(['?', '#']) {
            check.wrong("spec.apiUrl", "must have neither a slash at its end nor a query");
        }
    }
    if let Some(secret) = &spec.api_tls_secret_ref {
        check.object_name("spec.apiTlsSecretRef.name", &secret.name);
    }
    check.object_name("spec.pinSecretRef.name", &spec.pin_secret_ref.name);
    if let Some(rate) = spec.throughput_messages_per_second {
        check.number("spec.throughputMessagesPerSecond", rate, 1..=1000);
    }
    scale(&mut check, spec);
    if let Some(durability) = &spec.durability
        && let Some(replicas) = durability.replicas
    {
        check.number("spec.durability.replicas", replicas, 1..=4);
        if durability.mode != DurabilityMode::Replicated {
            check.wrong("spec.durability.replicas", "must only be set when `mode` is 'Replicated'");
        }
    }
    if let Some(route) = &spec.http_route {
        check.object_name("spec.httpRoute.gatewayName", &route.gateway_name);
        if route
            .gateway_namespace
            .as_deref()
            .is_some_and(|namespace| !names::is_dns_label(namespace))
        {
            check.wrong("spec.httpRoute.gatewayNamespace", "must be the name of a namespace");
        }
        for host in &route.hostnames {
            check.object_name("spec.httpRoute.hostnames[]", host.strip_prefix("*.").unwrap_or(host));
        }
    }
    check.done()
}

fn scale(check: &mut Check, spec: &BusinessPhoneNumberSpec) {
    if let Some(replicas) = spec.replicas {
        check.number("spec.replicas", replicas, 1..=32);
    }
    if let Some(autoscaling) = &spec.autoscaling {
        if spec.replicas.is_some() {
            check.wrong("spec.autoscaling", "must not be set together with `replicas`");
        }
        check.number("spec.autoscaling.minReplicas", autoscaling.min_replicas, 1..=32);
        check.number("spec.autoscaling.maxReplicas", autoscaling.max_replicas, 1..=32);
        if autoscaling.min_replicas > autoscaling.max_replicas {
            check.wrong("spec.autoscaling.maxReplicas", "must not be lower than `minReplicas`");
        }
        if let Some(percent) = autoscaling.target_cpu_percent {
            check.number("spec.autoscaling.targetCpuPercent", percent, 10..=100);
        }
    }
}
