//! The second step: whether what is declared can be done, and if so, in plain values.
//!
//! Needs no client. Everything that is wrong is found at once. [`Validated`] is the only input of [`build`](super::build::build): what is in
//! it has been checked, references have been followed, defaults are filled in.

mod fields;
mod references;
mod secrets;

use std::collections::BTreeMap;

use waxseal_crds::{
    pod::{PodBucket, SecretFile},
    rules::Rules,
    v1alpha1::{
        Autoscaling, BusinessAccount, BusinessPhoneNumber, ContentDeletion, DataRegion, DeletionPolicy, DurabilityMode, HttpRoute,
        MediaStore, Resources, RetentionPolicy, Switch, Toleration,
    },
};

use super::dereference::{Gathered, phone_number_id};
use crate::{
    account,
    endpoint::Endpoint,
    fault::{Fault, Reason},
    policy,
    settings::Settings,
};

/// A number that can be run, in plain values. Made by [`validate`] only.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Validated {
    /// The namespace of the number and of everything that is built for it.
    pub namespace: String,
    /// The name of the number, a label of DNS.
    pub name: String,
    /// The number's uid, for owner references.
    pub uid: String,
    /// The number in E.164 form.
    pub phone_number: String,
    /// The id under which the HTTP API knows it.
    pub phone_number_id: String,
    /// The WhatsApp Business Account id.
    pub business_account_id: String,
    /// The name that consumers see.
    pub display_name: String,
    /// How long anything about a consumer may exist; 60 is No Storage.
    pub retention_minutes: u32,
    /// When content goes within that time.
    pub content_deletion: ContentDeletion,
    /// How long files are kept at most, where that is shorter than the retention.
    pub media_lifetime_days: Option<u32>,
    /// How long the delivery of an event is tried.
    pub webhook_retry_window_minutes: u32,
    /// Where events go, if anywhere.
    pub webhook: Option<Webhook>,
    /// How many messages a second the number may send.
    pub throughput_messages_per_second: u32,
    /// What has to be safe before a message is accepted.
    pub durability: DurabilityMode,
    /// With `Replicated`: how many replicas must have it.
    pub durability_replicas: u32,
    /// The DataRegion.
    pub region: String,
    /// The region's country.
    pub country: String,
    /// The labels that a node of the region has; empty when every node is in it.
    pub node_selector: BTreeMap<String, String>,
    /// The taints that the region's nodes have.
    pub tolerations: Vec<Toleration>,
    /// The region's Redis.
    pub redis_url: String,
    /// Who may sign the Redis' certificate.
    pub redis_ca: Option<String>,
    /// The region's relay.
    pub relay_url: String,
    /// Who may sign the relay's certificate.
    pub relay_ca: Option<String>,
    /// Whether the sidecar proves itself to the relay by a certificate.
    pub relay_client_certificate: bool,
    /// The id of the app that clients call with, where it is declared.
    pub app_id: Option<String>,
    /// The address of the HTTP API as businesses reach it, where it is declared.
    pub api_url: Option<String>,
    /// Whether the HTTP API speaks TLS.
    pub api_tls: bool,
    /// Limits and rules of conversations.
    pub rules: Rules,
    /// Where files that the business uploads rest, if anywhere.
    pub media: Option<Media>,
    /// The names of the bearer tokens, sorted.
    pub tokens: Vec<String>,
    /// Which file comes from which Secret, sorted by path.
    pub secrets: Vec<SecretFile>,
    /// The image to run.
    pub image: String,
    /// Processor and memory.
    pub resources: Resources,
    /// The PriorityClass.
    pub priority_class_name: Option<String>,
    /// Annotations of the pods.
    pub pod_annotations: BTreeMap<String, String>,
    /// How many sidecars.
    pub replicas: Replicas,
    /// No sidecar runs.
    pub suspended: bool,
    /// What deleting the number does.
    pub deletion_policy: DeletionPolicy,
    /// The way in from outside.
    pub http_route: Option<HttpRoute>,
    /// Whether Prometheus' operator is told.
    pub service_monitor: bool,
}

/// Where events go, but for the verify token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where events are posted.
    pub url: String,
    /// How long one attempt may take.
    pub timeout_seconds: u32,
    /// Whether it is the number's own, not its account's.
    pub of_number: bool,
    /// Who may sign its certificate, beside the public authorities.
    pub ca: Option<String>,
    /// Which fields are sent; `messages` when empty.
    pub fields: Vec<String>,
}

/// Where files that the business uploads rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// In a folder of the pod that may hold so much.
    Local {
        /// As Kubernetes writes it.
        size_limit: String,
    },
    /// In a bucket.
    Bucket(PodBucket),
}

/// How many sidecars a number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// So many.
    Fixed(i32),
    /// As many as the load needs, within bounds.
    Automatic {
        /// At least.
        min: i32,
        /// At most.
        max: i32,
        /// The processor use to keep.
        target_cpu_percent: i32,
    },
}

impl Replicas {
    /// The most there can be.
    #[must_use]
    pub const fn max(self) -> i32 {
        match self {
            Self::Fixed(replicas) => replicas,
            Self::Automatic { max, .. } => max,
        }
    }
}

/// How much a folder for files may hold where nothing else is said.
const LOCAL_MEDIA: &str = "1Gi";

/// Whether a number can be run as declared.
///
/// # Errors
/// Everything that is wrong, the most telling first.
pub fn validate(gathered: &Gathered, settings: &Settings) -> Result<Validated, Vec<Fault>> {
    let number = &*gathered.number;
    let mut faults = fields::faults(number);
    faults.extend(references::taken(number, &gathered.rivals));
    faults.extend(references::faults(gathered));
    match (faults.is_empty(), &gathered.account, &gathered.region, &gathered.policy) {
        (true, Some(account), Some(region), Some(policy)) => plain(number, account, region, policy, settings).map_err(|fault| vec![fault]),
        _ => {
            // What stops running sidecars says most: it is what the status shows in one word.
            faults.sort_by_key(|fault| fault.reason);
            Err(faults)
        }
    }
}

/// Everything in plain values. All parts are known to be right; what cannot be converted nonetheless is a fault, never a panic.
fn plain(
    number: &BusinessPhoneNumber,
    account: &BusinessAccount,
    region: &DataRegion,
    policy: &RetentionPolicy,
    settings: &Settings,
) -> Result<Validated, Fault> {
    let spec = &number.spec;
    let lacking = |field: &str| Fault::new(Reason::NumberInvalid, field, "is missing");
    let region_lacks = |field: &str| Fault::new(Reason::RegionIncomplete, field, "is missing in the DataRegion");
    let whole =
        |field: &str, value: i32| u32::try_from(value).map_err(|_| Fault::new(Reason::NumberInvalid, field, "must not be negative"));
    let redis = region.spec.redis.as_ref().ok_or_else(|| region_lacks("spec.redis"))?;
    let relay = region.spec.relay.as_ref().ok_or_else(|| region_lacks("spec.relay"))?;
    let minutes = policy::retention_minutes(&policy.spec).ok_or_else(|| Fault::new(Reason::PolicyInvalid, "spec", "says no retention"))?;
    let webhook = spec.webhook.as_ref().or(account.spec.webhook.as_ref());
    let durability = spec.durability.as_ref();
    let sidecar = region.spec.sidecar.clone().unwrap_or_default();
    let mut tokens: Vec<String> = account.spec.tokens.iter().map(|token| token.name.clone()).collect();
    tokens.sort();
    Ok(Validated {
        namespace: number.metadata.namespace.clone().ok_or_else(|| lacking("metadata.namespace"))?,
        name: number.metadata.name.clone().ok_or_else(|| lacking("metadata.name"))?,
        uid: number.metadata.uid.clone().ok_or_else(|| lacking("metadata.uid"))?,
        phone_number: spec.phone_number.clone(),
        phone_number_id: phone_number_id(number),
        business_account_id: account::business_account_id(account),
        display_name: spec.display_name.clone().unwrap_or_else(|| account.spec.display_name.clone()),
        retention_minutes: whole("spec.retentionPolicyRef", minutes)?,
        content_deletion: policy.spec.content_deletion,
        media_lifetime_days: policy
            .spec
            .media_lifetime_days
            .map(|days| whole("spec.retentionPolicyRef", days))
            .transpose()?,
        webhook_retry_window_minutes: whole(
            "spec.retentionPolicyRef",
            policy::webhook_retry_window_minutes(&policy.spec, minutes),
        )?,
        webhook: webhook
            .map(|webhook| {
                Ok(Webhook {
                    url: webhook.url.clone(),
                    timeout_seconds: whole("spec.webhook.timeoutSeconds", webhook.timeout_seconds.unwrap_or(10))?,
                    of_number: spec.webhook.is_some(),
                    ca: webhook.ca_bundle.clone(),
                    fields: webhook.fields.clone(),
                })
            })
            .transpose()?,
        throughput_messages_per_second: whole(
            "spec.throughputMessagesPerSecond",
            spec.throughput_messages_per_second.unwrap_or(80),
        )?,
        durability: durability.map(|durability| durability.mode).unwrap_or_default(),
        durability_replicas: whole(
            "spec.durability.replicas",
            durability.and_then(|durability| durability.replicas).unwrap_or(1),
        )?,
        region: spec.region_ref.name.clone(),
        country: region.spec.country.clone(),
        node_selector: region
            .spec
            .placement
            .as_ref()
            .map(|place| place.node_selector.clone())
            .unwrap_or_default(),
        tolerations: region
            .spec
            .placement
            .as_ref()
            .map(|place| place.tolerations.clone())
            .unwrap_or_default(),
        redis_url: redis.url.clone(),
        redis_ca: redis.ca_bundle.clone(),
        relay_url: relay.url.clone(),
        relay_ca: relay.ca_bundle.clone(),
        relay_client_certificate: relay.client_certificate_secret_ref.is_some(),
        app_id: account.spec.app_id.clone(),
        api_url: spec.api_url.clone(),
        api_tls: spec.api_tls_secret_ref.is_some(),
        rules: Rules::from(&account.spec),
        media: region.spec.media_store.as_ref().and_then(media),
        tokens,
        secrets: secrets::files(number, account, region),
        image: image(number, sidecar.image, settings),
        resources: sidecar.resources.unwrap_or_default(),
        priority_class_name: sidecar.priority_class_name,
        pod_annotations: sidecar.pod_annotations,
        replicas: replicas(spec.replicas, spec.autoscaling.as_ref()),
        suspended: spec.suspend,
        deletion_policy: spec.deletion_policy,
        http_route: spec.http_route.clone(),
        service_monitor: spec.service_monitor == Switch::Enabled,
    })
}

fn media(store: &MediaStore) -> Option<Media> {
    match (&store.bucket, &store.local) {
        (Some(bucket), _) => Some(Media::Bucket(PodBucket {
            name: bucket.clone(),
            endpoint: store.url.clone(),
            region: store.region.clone(),
            prefix: store.prefix.clone(),
            ca: store.ca_bundle.clone(),
        })),
        (None, Some(local)) => Some(Media::Local {
            size_limit: local.size_limit.clone().unwrap_or_else(|| LOCAL_MEDIA.to_owned()),
        }),
        (None, None) => None,
    }
}

/// The region's image; else the one that the number was given first, so that a new operator does not restart it; else the operator's.
fn image(number: &BusinessPhoneNumber, of_region: Option<String>, settings: &Settings) -> String {
    of_region
        .or_else(|| number.status.as_ref()?.image.clone())
        .unwrap_or_else(|| settings.sidecar_image.clone())
}

fn replicas(fixed: Option<i32>, autoscaling: Option<&Autoscaling>) -> Replicas {
    match autoscaling {
        None => Replicas::Fixed(fixed.unwrap_or(1)),
        Some(autoscaling) => Replicas::Automatic {
            min: autoscaling.min_replicas,
            max: autoscaling.max_replicas,
            target_cpu_percent: autoscaling.target_cpu_percent.unwrap_or(70),
        },
    }
}

impl Validated {
    /// Where the sidecar posts to or connects to.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        [
            Some(self.redis_url.as_str()),
            Some(self.relay_url.as_str()),
            self.webhook.as_ref().map(|webhook| webhook.url.as_str()),
            match &self.media {
                Some(Media::Bucket(bucket)) => bucket.endpoint.as_deref(),
                Some(Media::Local { .. }) | None => None,
            },
        ]
        .into_iter()
        .flatten()
        .filter_map(Endpoint::parse)
    }
}

#[cfg(test)]
mod tests;
