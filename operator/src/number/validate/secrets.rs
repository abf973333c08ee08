//! Which entry of which Secret a sidecar is given as which file. Names only: nobody here sees a value.

use kube::ResourceExt;
use waxseal_crds::{
    meta::SecretKeyRef,
    pod::{SecretFile, path},
    v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion},
};

/// All files, sorted by path.
pub(super) fn files(number: &BusinessPhoneNumber, account: &BusinessAccount, region: &DataRegion) -> Vec<SecretFile> {
    let of_account = |field: &str| format!("{field} of BusinessAccount '{}'", account.name_any());
    let of_region = |field: &str| format!("{field} of DataRegion '{}'", region.name_any());
    let mut files = vec![
        entry(
            path::PIN.to_owned(),
            &number.spec.pin_secret_ref,
            "pin",
            "spec.pinSecretRef".to_owned(),
        ),
        entry(
            path::APP_SECRET.to_owned(),
            &account.spec.app_secret_ref,
            "appSecret",
            of_account("spec.appSecretRef"),
        ),
    ];
    for token in &account.spec.tokens {
        files.push(entry(
            format!("{}/{}", path::TOKENS, token.name),
            &token.secret_ref,
            "token",
            of_account(&format!("spec.tokens['{}'].secretRef", token.name)),
        ));
    }
    let field = "spec.webhook.verifyTokenSecretRef";
    let webhook = number
        .spec
        .webhook
        .as_ref()
        .map(|webhook| (webhook, field.to_owned()))
        .or_else(|| account.spec.webhook.as_ref().map(|webhook| (webhook, of_account(field))));
    if let Some((webhook, field)) = webhook {
        files.push(entry(
            path::VERIFY_TOKEN.to_owned(),
            &webhook.verify_token_secret_ref,
            "verifyToken",
            field,
        ));
    }
    if let Some(secret) = region.spec.redis.as_ref().and_then(|redis| redis.credentials_secret_ref.as_ref()) {
        let field = of_region("spec.redis.credentialsSecretRef");
        // Redis has a default user.
        files.push(file(path::REDIS_USERNAME, &secret.name, "username", field.clone(), false));
        files.push(file(path::REDIS_PASSWORD, &secret.name, "password", field, true));
    }
    if let Some(secret) = region
        .spec
        .relay
        .as_ref()
        .and_then(|relay| relay.client_certificate_secret_ref.as_ref())
    {
        let field = of_region("spec.relay.clientCertificateSecretRef");
        files.push(file(path::RELAY_CERTIFICATE, &secret.name, "tls.crt", field.clone(), true));
        files.push(file(path::RELAY_KEY, &secret.name, "tls.key", field, true));
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn entry(path: String, reference: &SecretKeyRef, default_key: &str, field: String) -> SecretFile {
    SecretFile {
        path,
        secret: reference.name.clone(),
        key: reference.key.clone().unwrap_or_else(|| default_key.to_owned()),
        field,
        required: true,
    }
}

fn file(path: &str, secret: &str, key: &str, field: String, required: bool) -> SecretFile {
    SecretFile {
        path: path.to_owned(),
        secret: secret.to_owned(),
        key: key.to_owned(),
        field,
        required,
    }
}
