//! Business accounts with their secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::{DeclaredWebhook, Key, check::Check, ids, secret, webhook};
use crate::{
    meta::ObjectMeta,
    rules::Rules,
    secret::{APP_SECRET_LENGTH, Secret, SecretText, TOKEN_LENGTH},
    v1alpha1::BusinessAccountSpec,
};

/// An account with its secrets in place.
pub(super) struct Account {
    pub(super) business_account_id: String,
    pub(super) display_name: String,
    pub(super) tokens: Vec<SecretText>,
    pub(super) app_secret: SecretText,
    pub(super) webhook: Option<DeclaredWebhook>,
    pub(super) rules: Rules,
    pub(super) app_id: Option<String>,
}

pub(super) fn account(
    check: &mut Check<'_>,
    secrets: &BTreeMap<Key, &Secret>,
    metadata: &ObjectMeta,
    spec: &BusinessAccountSpec,
) -> Option<Account> {
    let before = check.problems.len();
    let namespace = metadata.namespace();
    check.text("spec.displayName", &spec.display_name, 1..=128);
    if let Some(address) = &spec.address {
        check.text("spec.address", address, 1..=256);
    }
    if let Some(id) = &spec.business_account_id {
        check.digits("spec.businessAccountId", id, 20);
    }
    if let Some(id) = &spec.app_id {
        check.digits("spec.appId", id, 20);
    }
    let webhook = webhook(check, secrets, namespace, spec.webhook.as_ref());
    let app_secret = secret(check, secrets, "spec.appSecretRef", namespace, &spec.app_secret_ref, "appSecret");
    if let Some(app_secret) = &app_secret {
        check.secret("spec.appSecretRef", app_secret, &APP_SECRET_LENGTH);
    }
    if !(1..=16).contains(&spec.tokens.len()) {
        check.wrong("spec.tokens", format!("has {} tokens and must have 1 to 16", spec.tokens.len()));
    }
    let mut tokens = Vec::with_capacity(spec.tokens.len());
    let mut names = BTreeSet::new();
    for (position, token) in spec.tokens.iter().enumerate().take(16) {
        let field = format!("spec.tokens[{position}]");
        check.text(&format!("{field}.name"), &token.name, 1..=63);
        if !names.insert(token.name.as_str()) {
            check.wrong(&format!("{field}.name"), "must be unique in the list");
        }
        let field = format!("{field}.secretRef");
        if let Some(value) = secret(check, secrets, &field, namespace, &token.secret_ref, "token") {
            check.secret(&field, &value, &TOKEN_LENGTH);
            tokens.push(value);
        }
    }
    let business_account_id = spec
        .business_account_id
        .clone()
        .unwrap_or_else(|| ids::business_account_id(namespace, &metadata.name));
    (check.problems.len() == before).then_some(())?;
    Some(Account {
        business_account_id,
        display_name: spec.display_name.clone(),
        tokens,
        app_secret: app_secret?,
        webhook,
        rules: Rules::from(spec),
        app_id: spec.app_id.clone(),
    })
}
