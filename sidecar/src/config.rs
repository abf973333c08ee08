//! What a sidecar is told at start. Plain values: where they come from (custom resources, Secrets, the sample of `waxseal up`) is the
//! caller's affair. Must not read files or the environment itself.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use sha2::{Digest as _, Sha256};
use waxseal_content::PhoneNumber;
use waxseal_protocol::Tls;
use waxseal_store::Durability;
use zeroize::Zeroizing;

use crate::{
    api::tls::Certificate,
    custody::{FileKeeper, Keeper},
    faults::Faults,
};

/// A secret text: a token, an app secret, a PIN. Wiped when dropped; has no `Debug`, `Display` or `Serialize`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

/// Everything one sidecar process serves.
#[derive(Clone)]
pub struct Config {
    /// Where the Cloud API port listens; port 0 takes a free one.
    pub api_listen: SocketAddr,
    /// What the Cloud API port shows to those who connect; it speaks plain HTTP without one.
    pub api_certificate: Option<Certificate>,
    /// Where `/livez`, `/readyz`, `/metrics` and `/status` listen; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// `https://host:port` (or `http://`, on one machine) of the relay.
    pub relay_url: String,
    /// How the relay is known, and what it is shown.
    pub relay_tls: Tls,
    /// Where message state is kept.
    pub store: StoreLocation,
    /// Certificates (PEM) of the authorities that may sign the certificate of a `rediss://` store; the public ones when absent.
    pub store_ca: Option<Vec<u8>>,
    /// How much has to be durable before anything is emitted.
    pub durability: Durability,
    /// The numbers served here. A pod serves one, `waxseal up` any number of them.
    pub numbers: Vec<Number>,
    /// Where the source of this build can be had (AGPL section 13), answered by `GET /source`.
    pub source_url: String,
}

/// Where message state is kept.
#[derive(Clone)]
pub enum StoreLocation {
    /// The embedded database in this file.
    Embedded(PathBuf),
    /// A Redis, as a `redis://` or `rediss://` URL.
    Redis(Secret),
}

/// Where the keys of a number are kept.
#[derive(Clone)]
pub enum CustodyLocation {
    /// In this file, mode 0600; created when absent.
    File(PathBuf),
    /// In a Secret, which exists already.
    #[cfg(feature = "kubernetes")]
    Secret {
        /// How the API server is reached; see [`crate::custody::secret::client`].
        client: kube::Client,
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
    },
}

impl CustodyLocation {
    /// Who keeps keys there.
    #[must_use]
    pub fn keeper(&self) -> Box<dyn Keeper> {
        match self {
            Self::File(path) => Box::new(FileKeeper::new(path)),
            #[cfg(feature = "kubernetes")]
            Self::Secret { client, namespace, name } => Box::new(crate::custody::SecretKeeper::new(client.clone(), namespace, name)),
        }
    }
}

/// One business phone number.
#[derive(Clone)]
pub struct Number {
    /// The number itself.
    pub phone_number: PhoneNumber,
    /// The id under which the HTTP port knows the number: digits, at most 15 of them.
    pub phone_number_id: String,
    /// WhatsApp Business Account id: digits.
    pub waba_id: String,
    /// The name consumers see.
    pub display_name: String,
    /// Two-step verification PIN at the transport: six digits.
    pub pin: Secret,
    /// Bearer tokens accepted for this number.
    pub tokens: Vec<Secret>,
    /// Key of `X-Hub-Signature-256`.
    pub app_secret: Secret,
    /// Where webhooks go; without one, events wait in the store until one is configured or they expire.
    pub webhook: Option<Webhook>,
    /// How long anything about a consumer may exist.
    pub retention: Retention,
    /// When content goes within that time.
    pub deletion: Deletion,
    /// Where the number's Signal identity and retention chain are kept.
    pub custody: CustodyLocation,
    /// What its HTTP port and its rules need beyond that.
    pub surface: Surface,
}

/// What the HTTP port and the rules of a number need beyond messages. Everything has a default, so that whoever makes a [`Number`] names only
/// what differs.
#[derive(Clone, Default)]
pub struct Surface {
    /// The id of the app the business calls with, digits; derived from the account's when absent.
    pub app_id: Option<String>,
    /// `https://host` of the HTTP port as the business reaches it, without a slash at the end: for the addresses of media in webhooks. When
    /// absent, the address the port listens on.
    pub api_url: Option<String>,
    /// The country (two capital letters) that messages may be kept in and in no other, when that is declared.
    pub storage_region: Option<String>,
    /// Limits and rules of conversations.
    pub rules: Rules,
    /// Where files are kept, and how they are handed out.
    pub media: Media,
    /// What there is to say about webhooks besides where they go.
    pub webhooks: Webhooks,
    /// What goes wrong on purpose: for development only; nothing can when absent.
    pub faults: Option<Faults>,
}

/// What there is to say about webhooks besides where they go.
#[derive(Clone, Default)]
pub struct Webhooks {
    /// Whether [`Number::webhook`] was declared for this number alone; else it is its account's, and an override of the account that was set
    /// through the API comes before it.
    pub of_number: bool,
    /// The fields whose events are sent, unless the API says otherwise; `messages` when absent.
    pub fields: Option<Vec<String>>,
    /// Certificates (PEM) of the authorities that may sign the certificate of a declared webhook, beside the public ones.
    pub ca: Option<Vec<u8>>,
    /// What is shown to webhooks that ask for a client certificate: the certificate, those that vouch for it, and the key, in PEM.
    pub identity: Option<Secret>,
}

/// Where files are kept, and how they are handed out.
#[derive(Clone)]
pub struct Media {
    /// Where the ciphertext of what the business uploads rests. Without one nothing can be uploaded; what consumers send can be fetched all
    /// the same.
    pub location: Option<MediaLocation>,
    /// Where the port listens, for addresses of files in webhooks while no [`Surface::api_url`] is configured; set by whoever binds it.
    pub own_url: Option<String>,
    /// How long any file is kept at most; as long as the retention allows when absent.
    pub lifetime: Option<Duration>,
    /// How long the address of a file is good for; capped by the retention.
    pub url_lifetime: Duration,
    /// What addresses given by others, in media links, may lead to.
    pub egress: Egress,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            location: None,
            own_url: None,
            lifetime: None,
            url_lifetime: Duration::from_secs(5 * 60),
            egress: Egress::default(),
        }
    }
}

/// What addresses given by others may lead to.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Egress {
    /// This machine's own addresses as well, any port, and plain HTTP: for development only. Never other private addresses: a laptop in a cloud
    /// has a metadata service, too.
    pub loopback: bool,
    /// Ports besides 443.
    pub ports: Vec<u16>,
}

/// Where the ciphertext of files rests.
#[derive(Clone)]
pub enum MediaLocation {
    /// In this folder; made when absent.
    Directory(PathBuf),
    /// In a bucket.
    #[cfg(feature = "s3")]
    S3(Bucket),
}

/// A bucket of S3, or of what speaks like it.
#[cfg(feature = "s3")]
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// `https://host` of the service, or `http://` where that is enough; Amazon's own when absent.
    pub endpoint: Option<String>,
    /// What the names of all objects begin with, without a slash at either end.
    pub prefix: Option<String>,
    /// Its region; `us-east-1`, which most others take, when absent.
    pub region: Option<String>,
    /// Certificates (PEM) of the authorities that may sign the certificate of the service, beside the public ones.
    pub ca: Option<Vec<u8>>,
    /// Access key id and secret access key; when absent, what the environment offers (`AWS_…`, a web identity, the machine's role).
    pub credentials: Option<(String, Secret)>,
}

/// Limits and rules of conversations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Messages a second, both ways together; more are refused with 130429 or wait, as [`Rules::over_limit`] says.
    pub throughput_per_second: u32,
    /// Whether messages other than templates are refused with 131047 when the consumer has not written for 24 hours.
    pub conversation_window: bool,
    /// Whether one consumer gets no more than one message in 6 seconds, with 45 borrowed (131056).
    pub pair_limit: bool,
    /// Whether management calls are limited as Meta limits them (80007).
    pub call_limits: bool,
    /// Whether quality and messaging limits are emulated from what the transport reports.
    pub quality: bool,
    /// What happens to messages above a limit.
    pub over_limit: OverLimit,
}

impl Default for Rules {
    /// What Meta does to every number, without what depends on a policy of the business's own.
    fn default() -> Self {
        Self {
            throughput_per_second: 80,
            conversation_window: false,
            pair_limit: false,
            call_limits: false,
            quality: false,
            over_limit: OverLimit::Reject,
        }
    }
}

/// What happens to messages above a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverLimit {
    /// They are refused.
    Reject,
    /// They are accepted and wait for their turn.
    Queue,
}

/// The id of the app of an account that names none: 15 digits that do not change.
#[must_use]
pub fn app_id(waba_id: &str) -> String {
    let digest = Sha256::digest(format!("waxseal app of {waba_id}"));
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (100_000_000_000_000 + number % 900_000_000_000_000).to_string()
}

/// A webhook endpoint.
#[derive(Clone)]
pub struct Webhook {
    /// Where events are posted.
    pub url: String,
    /// Echo token of the verification handshake.
    pub verify_token: Secret,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long an event is tried; capped by the retention.
    pub retry_window: Duration,
}

/// How long anything about a consumer may exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// 1 to 30 days.
    Days(u8),
    /// "No Storage": 60 minutes.
    NoStorage,
}

impl Retention {
    /// The time to live of every value written under this policy.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Days(days) => Duration::from_secs(u64::from(days.clamp(1, 30)) * 24 * 60 * 60),
            Self::NoStorage => Duration::from_secs(60 * 60),
        }
    }
}

/// When content is deleted within the retention time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deletion {
    /// As soon as the consumer (outbound) or the business (inbound) has it.
    OnDelivery,
    /// When the retention time is over.
    AtExpiry,
}
