//! What a set of objects declares: the phone numbers, with everything that their references lead to.
//!
//! Pure. Every problem is reported at once, in words that say what is allowed; secrets are followed and never repeated.

mod account;
mod check;
mod ids;
mod number;
mod policy;

use std::{collections::BTreeMap, fmt, time::Duration};

use check::Check;
pub use ids::{business_account_id, phone_number_id};

use crate::{
    document::{Object, Origin, Resource},
    meta::{ObjectMeta, SecretKeyRef},
    rules::Rules,
    secret::{Secret, SecretText, VERIFY_TOKEN_LENGTH},
    v1alpha1::{ContentDeletion, DurabilityMode, Webhook},
};

/// One phone number with everything a sidecar has to know about it. Holds secrets, hence no `Debug`.
pub struct DeclaredNumber {
    /// The namespace of the `BusinessPhoneNumber`.
    pub namespace: String,
    /// The name of the `BusinessPhoneNumber`.
    pub name: String,
    /// The number in E.164 form.
    pub phone_number: String,
    /// The id under which the HTTP API knows it, at most 15 digits.
    pub phone_number_id: String,
    /// The WhatsApp Business Account id, digits.
    pub business_account_id: String,
    /// The name that consumers see.
    pub display_name: String,
    /// Six digits.
    pub pin: SecretText,
    /// The tokens that the HTTP API accepts, at least one.
    pub tokens: Vec<SecretText>,
    /// The key of the webhook signature.
    pub app_secret: SecretText,
    /// Where events go, if anywhere.
    pub webhook: Option<DeclaredWebhook>,
    /// How long the delivery of an event is tried; never longer than the retention.
    pub webhook_retry_window: Duration,
    /// How long anything about a consumer may exist.
    pub retention: Retention,
    /// How long files are kept at most; as long as the retention allows when absent.
    pub media_lifetime: Option<Duration>,
    /// When content goes within that time.
    pub content_deletion: ContentDeletion,
    /// The name of the `DataRegion`.
    pub region: String,
    /// The country of the region, two capital letters; none where there is no region.
    pub country: Option<String>,
    /// How many messages a second the number may send and receive together.
    pub throughput_messages_per_second: u32,
    /// Limits and rules of conversations.
    pub rules: Rules,
    /// The id of the app that clients call with, where it is declared.
    pub app_id: Option<String>,
    /// The address of the HTTP API as businesses reach it, where it is declared.
    pub api_url: Option<String>,
    /// What has to be safe before a message is accepted.
    pub durability: DurabilityMode,
    /// With [`DurabilityMode::Replicated`]: how many replicas must have it.
    pub durability_replicas: u32,
    /// The number is declared and not to be served.
    pub suspended: bool,
}

/// Where events go.
#[derive(Clone)]
pub struct DeclaredWebhook {
    /// An `http://` or `https://` URL.
    pub url: String,
    /// What the verification handshake echoes.
    pub verify_token: SecretText,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Whether it was declared for the number alone.
    pub of_number: bool,
    /// Certificates (PEM) of the authorities that may sign its certificate, beside the public ones.
    pub ca: Option<String>,
    /// Which fields are sent; `messages` when empty.
    pub fields: Vec<String>,
    /// What is shown to an endpoint that asks for a certificate.
    pub client_certificate: Option<DeclaredCertificate>,
}

/// A certificate, with those that vouch for it, and its key; both PEM.
#[derive(Clone)]
pub struct DeclaredCertificate {
    /// The certificate.
    pub chain: SecretText,
    /// Its key.
    pub key: SecretText,
}

/// How long anything about a consumer may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// 1 to 30 days.
    Days(u8),
    /// "No Storage": 60 minutes.
    NoStorage,
}

impl Retention {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Days(days) => Duration::from_secs(u64::from(days) * 24 * 60 * 60),
            Self::NoStorage => Duration::from_secs(60 * 60),
        }
    }
}

/// Something that has to be changed in the declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the object was written.
    pub origin: Origin,
    /// Kind, namespace and name.
    pub object: String,
    /// The path of the field.
    pub field: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: `{}` {}", self.origin, self.object, self.field, self.text)
    }
}

/// Namespace and name; the namespace is empty for cluster-scoped kinds.
type Key = (String, String);

/// All objects by kind and name. What was found wrong on its own is there as `None`, so that it is not reported again as missing.
#[derive(Default)]
struct Index<'a> {
    secrets: BTreeMap<Key, &'a Secret>,
    accounts: BTreeMap<Key, Option<account::Account>>,
    regions: BTreeMap<Key, Option<policy::Region>>,
    policies: BTreeMap<Key, Option<policy::Policy>>,
}

/// Follows all references and says what the objects declare, in the order of declaration.
///
/// Of two numbers that are alike the older keeps it (the first, where no age is known); the newer is a problem.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn resolve(objects: &[Object]) -> Result<Vec<DeclaredNumber>, Vec<Problem>> {
    let mut problems = Vec::new();
    let objects = unique(objects, &mut problems);
    let mut index = Index::default();
    for object in &objects {
        if let Resource::Secret(secret) = &object.resource {
            index.secrets.insert(key(&secret.metadata), secret);
        }
    }
    for object in &objects {
        let mut check = Check {
            origin: &object.origin,
            object: label(&object.resource),
            problems: &mut problems,
        };
        match &object.resource {
            Resource::DataRegion(region) => {
                index
                    .regions
                    .insert(cluster_key(&region.metadata), policy::region(&mut check, &region.spec));
            }
            Resource::RetentionPolicy(retention) => {
                index
                    .policies
                    .insert(cluster_key(&retention.metadata), policy::policy(&mut check, &retention.spec));
            }
            Resource::BusinessAccount(declared) => {
                let resolved = account::account(&mut check, &index.secrets, &declared.metadata, &declared.spec);
                index.accounts.insert(key(&declared.metadata), resolved);
            }
            Resource::BusinessPhoneNumber(_) | Resource::Secret(_) => {}
        }
    }
    let numbers = number::numbers(&objects, &index, &mut problems);
    if problems.is_empty() { Ok(numbers) } else { Err(problems) }
}

/// The objects without those that repeat the kind and name of an earlier one, their names checked.
fn unique<'a>(objects: &'a [Object], problems: &mut Vec<Problem>) -> Vec<&'a Object> {
    let mut seen: BTreeMap<String, &Origin> = BTreeMap::new();
    let mut kept = Vec::with_capacity(objects.len());
    for object in objects {
        let label = label(&object.resource);
        let mut check = Check {
            origin: &object.origin,
            object: label.clone(),
            problems,
        };
        let metadata = metadata(&object.resource);
        check.object_name("metadata.name", &metadata.name);
        if let Some(namespace) = &metadata.namespace {
            check.object_name("metadata.namespace", namespace);
        }
        if let Some(first) = seen.get(&label) {
            check.wrong(
                "metadata.name",
                format!("is the same as in {first}; every object needs its own name"),
            );
            continue;
        }
        seen.insert(label, &object.origin);
        kept.push(object);
    }
    kept
}

fn metadata(resource: &Resource) -> &ObjectMeta {
    match resource {
        Resource::BusinessAccount(object) => &object.metadata,
        Resource::BusinessPhoneNumber(object) => &object.metadata,
        Resource::DataRegion(object) => &object.metadata,
        Resource::RetentionPolicy(object) => &object.metadata,
        Resource::Secret(object) => &object.metadata,
    }
}

/// Kind, namespace where there is one, and name.
fn label(resource: &Resource) -> String {
    let metadata = metadata(resource);
    let (kind, namespaced) = match resource {
        Resource::BusinessAccount(_) => ("BusinessAccount", true),
        Resource::BusinessPhoneNumber(_) => ("BusinessPhoneNumber", true),
        Resource::DataRegion(_) => ("DataRegion", false),
        Resource::RetentionPolicy(_) => ("RetentionPolicy", false),
        Resource::Secret(_) => ("Secret", true),
    };
    let name = crate::document::printable(&metadata.name);
    if namespaced {
        format!("{kind} {}/{name}", crate::document::printable(metadata.namespace()))
    } else {
        format!("{kind} {name}")
    }
}

fn key(metadata: &ObjectMeta) -> Key {
    (metadata.namespace().to_owned(), metadata.name.clone())
}

fn cluster_key(metadata: &ObjectMeta) -> Key {
    (String::new(), metadata.name.clone())
}

/// What a reference leads to. `None` when the target is wrong itself, which was reported there, or missing, which is reported here.
fn follow<'i, T>(
    check: &mut Check<'_>,
    targets: &'i BTreeMap<Key, Option<T>>,
    kind: &str,
    field: &str,
    namespace: &str,
    name: &str,
) -> Option<&'i T> {
    if let Some(found) = targets.get(&(namespace.to_owned(), name.to_owned())) {
        return found.as_ref();
    }
    let text = not_there(kind, namespace, name, targets.keys());
    check.wrong(field, text);
    None
}

fn not_there<'k>(kind: &str, namespace: &str, name: &str, known: impl Iterator<Item = &'k Key>) -> String {
    let present: Vec<&str> = known
        .filter(|known| known.0 == namespace)
        .map(|known| known.1.as_str())
        .take(20)
        .collect();
    let place = if namespace.is_empty() {
        String::new()
    } else {
        format!(" in namespace '{namespace}'")
    };
    let name = crate::document::printable(name);
    if present.is_empty() {
        format!("names the {kind} '{name}', and there is no {kind}{place}")
    } else {
        format!(
            "names the {kind} '{name}', which does not exist{place}; there is: {}",
            present.join(", ")
        )
    }
}

/// The value a secret reference leads to.
fn secret(
    check: &mut Check<'_>,
    secrets: &BTreeMap<Key, &Secret>,
    field: &str,
    namespace: &str,
    reference: &SecretKeyRef,
    default_key: &str,
) -> Option<SecretText> {
    let Some(target) = secrets.get(&(namespace.to_owned(), reference.name.clone())) else {
        let text = not_there("Secret", namespace, &reference.name, secrets.keys());
        check.wrong(field, text);
        return None;
    };
    match target.entry(reference.key.as_deref().unwrap_or(default_key)) {
        Ok(value) => Some(value),
        Err(error) => {
            check.wrong(field, format!("names the Secret '{}', which {error}", reference.name));
            None
        }
    }
}

/// A webhook with its verify token, if all of it is right.
fn webhook(
    check: &mut Check<'_>,
    secrets: &BTreeMap<Key, &Secret>,
    namespace: &str,
    declared: Option<&Webhook>,
) -> Option<DeclaredWebhook> {
    let declared = declared?;
    check.webhook(declared);
    let client_certificate = declared.client_certificate_secret_ref.as_ref().map(|reference| {
        let mut part = |key: &str| {
            let field = "spec.webhook.clientCertificateSecretRef";
            let reference = SecretKeyRef {
                name: reference.name.clone(),
                key: Some(key.to_owned()),
            };
            let value = secret(check, secrets, field, namespace, &reference, key)?;
            if !value.contains("-----BEGIN ") {
                check.wrong(field, format!("the Secret's entry '{key}' must be in PEM form"));
            }
            Some(value)
        };
        let (chain, key) = (part("tls.crt"), part("tls.key"));
        Some(DeclaredCertificate { chain: chain?, key: key? })
    });
    let field = "spec.webhook.verifyTokenSecretRef";
    let verify_token = secret(check, secrets, field, namespace, &declared.verify_token_secret_ref, "verifyToken")?;
    check.secret(field, &verify_token, &VERIFY_TOKEN_LENGTH);
    let seconds = declared
        .timeout_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .unwrap_or(10);
    Some(DeclaredWebhook {
        url: declared.url.clone(),
        verify_token,
        timeout: Duration::from_secs(seconds),
        of_number: false,
        ca: declared.ca_bundle.clone(),
        fields: declared.fields.clone(),
        client_certificate: match client_certificate {
            Some(certificate) => Some(certificate?),
            None => None,
        },
    })
}

#[cfg(test)]
mod tests;
