//! A `BusinessAccount`: what is wrong with it, and what its status says. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;
use waxseal_crds::{
    declared,
    v1alpha1::{BusinessAccount, BusinessAccountStatus, Webhook},
};

use crate::{
    check::Check,
    conditions,
    fault::{Fault, Reason},
};

/// Everything that is wrong with an account, as far as it can tell itself.
#[must_use]
pub fn faults(account: &BusinessAccount) -> Vec<Fault> {
    let mut check = Check::new(Reason::AccountInvalid);
    let spec = &account.spec;
    check.text("spec.displayName", &spec.display_name, 128);
    if let Some(id) = &spec.business_account_id {
        check.digits("spec.businessAccountId", id, 20);
    }
    if let Some(id) = &spec.app_id {
        check.digits("spec.appId", id, 20);
    }
    if let Some(hook) = &spec.webhook {
        webhook(&mut check, hook);
    }
    check.object_name("spec.appSecretRef.name", &spec.app_secret_ref.name);
    if !(1..=16).contains(&spec.tokens.len()) {
        check.wrong("spec.tokens", format!("has {} tokens and must have 1 to 16", spec.tokens.len()));
    }
    let mut names = BTreeSet::new();
    for token in spec.tokens.iter().take(16) {
        // Each token is a file by this name.
        if !crate::names::is_dns_label(&token.name) {
            check.wrong(
                "spec.tokens[].name",
                "must be lower-case letters, digits and '-', at most 63, and a letter or a digit at both ends",
            );
        } else if !names.insert(&token.name) {
            check.wrong(
                "spec.tokens[].name",
                format!("'{}' is there twice; every token needs its own name", token.name),
            );
        }
        check.object_name("spec.tokens[].secretRef.name", &token.secret_ref.name);
    }
    check.done()
}

/// What is wrong with a webhook.
pub(crate) fn webhook(check: &mut Check, webhook: &Webhook) {
    check.url("spec.webhook.url", &webhook.url, &["https://", "http://"]);
    check.object_name("spec.webhook.verifyTokenSecretRef.name", &webhook.verify_token_secret_ref.name);
    if let Some(seconds) = webhook.timeout_seconds {
        check.number("spec.webhook.timeoutSeconds", seconds, 1..=60);
    }
    let is_field = |field: &String| {
        field.len() <= 64
            && field.starts_with(|c: char| c.is_ascii_lowercase())
            && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    if webhook.fields.len() > 64 || !webhook.fields.iter().all(is_field) {
        check.wrong(
            "spec.webhook.fields",
            "must be at most 64 names of webhook fields, lower-case letters and '_', for example 'messages'",
        );
    }
    crate::region::certificates(check, "spec.webhook.caBundle", webhook.ca_bundle.as_deref());
    if let Some(secret) = &webhook.client_certificate_secret_ref {
        check.object_name("spec.webhook.clientCertificateSecretRef.name", &secret.name);
        if !webhook.url.starts_with("https://") {
            check.wrong(
                "spec.webhook.clientCertificateSecretRef",
                "must only be set with an 'https://' `url`",
            );
        }
    }
}

/// The id under which clients know the account: given, or derived.
#[must_use]
pub fn business_account_id(account: &BusinessAccount) -> String {
    account
        .spec
        .business_account_id
        .clone()
        .unwrap_or_else(|| declared::business_account_id(&account.namespace().unwrap_or_default(), &account.name_any()))
}

/// What the status of an account has to be.
#[must_use]
pub fn status(account: &BusinessAccount, numbers: usize, now: Timestamp) -> BusinessAccountStatus {
    let previous = account.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let generation = account.metadata.generation;
    BusinessAccountStatus {
        observed_generation: generation,
        business_account_id: Some(business_account_id(account)),
        numbers: Some(i32::try_from(numbers).unwrap_or(i32::MAX)),
        conditions: conditions::list(
            conditions::of_faults(&faults(account), "numbers can use the account"),
            previous,
            generation,
            now,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gathered, with_account};

    #[test]
    fn the_id_is_said_and_faults_are_too() {
        let full = gathered("full.yaml");
        let good = status(full.account.as_ref().unwrap(), 2, Timestamp::UNIX_EPOCH);
        assert_eq!((good.business_account_id.as_deref(), good.numbers), (Some("987654321"), Some(2)));
        assert_eq!(good.conditions[0].status, "True");
        let bad = with_account(full, |account| account.spec.tokens.clear());
        let bad = status(bad.account.as_ref().unwrap(), 2, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (bad.conditions[0].status.as_str(), bad.conditions[0].reason.as_str()),
            ("False", "AccountInvalid")
        );
        let derived = gathered("plain.yaml");
        assert_eq!(
            business_account_id(derived.account.as_ref().unwrap()),
            declared::business_account_id("team-blue", "acme")
        );
    }
}
