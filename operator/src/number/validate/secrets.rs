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
            field.clone(),
        ));
        if let Some(secret) = &webhook.client_certificate_secret_ref {
            let field = field.replace("verifyTokenSecretRef", "clientCertificateSecretRef");
            files.extend(certificate([path::WEBHOOK_CERTIFICATE, path::WEBHOOK_KEY], &secret.name, field));
        }
    }
    if let Some(secret) = &number.spec.api_tls_secret_ref {
        let field = "spec.apiTlsSecretRef".to_owned();
        files.extend(certificate([path::API_CERTIFICATE, path::API_KEY], &secret.name, field));
    }
    if let Some(secret) = region
        .spec
        .media_store
        .as_ref()
        .and_then(|store| store.credentials_secret_ref.as_ref())
    {
        let field = of_region("spec.mediaStore.credentialsSecretRef");
        files.push(file(path::MEDIA_KEY_ID, &secret.name, "accessKeyId", field.clone(), true));
        files.push(file(path::MEDIA_KEY, &secret.name, "secretAccessKey", field, true));
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
        files.extend(certificate([path::RELAY_CERTIFICATE, path::RELAY_KEY], &secret.name, field));
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

/// Certificate and key, as a Secret of type `kubernetes.io/tls` has them.
fn certificate(paths: [&str; 2], secret: &str, field: String) -> [SecretFile; 2] {
    let [chain, key] = paths;
    [
        file(chain, secret, "tls.crt", field.clone(), true),
        file(key, secret, "tls.key", field, true),
    ]
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
