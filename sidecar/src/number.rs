//! One business number at work.
//!
//! Purpose: owns what belongs to a number: its keys, its lanes, its link to the transport, its webhook endpoint; accepts messages of the
//! business. What is where: `accept` makes a message durable, `link` carries envelopes between transport and lanes, `keys`
//! publishes and rotates pre-keys, `retention` moves the key chain, `hooks` posts webhooks, `status` tells how the number is doing.
//!
//! May touch: store, transport, custody. Must not: turn a ratchet itself (that is `conversation`), or know HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use waxseal_protocol::Tls;
use waxseal_store::Store;

use crate::{
    book::{self, Book},
    config,
    conversation::{lane::Event, shared::Shared},
    custody::{self, Custody, Keys},
    id::Wamid,
    limits::Limiter,
    media::{self, Shelf},
    message::{Accepted, NumberFacts, Outbound, Refusal},
    metrics::Metrics,
    transport::Transport,
};

mod accept;
mod announce;
mod backlog;
pub mod blocks;
pub mod flows;
mod history;
mod hooks;
mod keys;
mod letters;
mod link;
pub mod picture;
mod quality;
pub mod registration;
mod retention;
pub mod settings;
pub mod signed;
mod start;
mod status;
pub mod templates;
mod webhooks;

pub use history::{Happening, History, Update};
pub use hooks::{WebhookResult, WebhookState};
pub use letters::{Cursor, Letter};
pub use status::{Status, Waiting};
pub use webhooks::{Told, Untaken, WebhookConfiguration};

/// Why a number could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its keys could not be read or written.
    #[error(transparent)]
    Custody(#[from] custody::Error),
    /// The store did not answer.
    #[error("cannot claim the number's lanes: {0}")]
    Claim(#[source] waxseal_store::Error),
    /// The relay's address is wrong.
    #[error("relay: {0}")]
    Relay(#[source] waxseal_protocol::Error),
    /// The webhook's address is wrong.
    #[error(transparent)]
    Webhook(#[from] crate::webhook::deliver::InvalidEndpoint),
    /// What the business has said of itself could not be read.
    #[error("cannot read the book: {0}")]
    Book(#[source] book::Error),
    /// A pre-key could not be made.
    #[error("cannot make pre-keys: {0}")]
    PreKeys(#[source] waxseal_signal::Error),
    /// Files cannot be kept where they should be.
    #[error(transparent)]
    Media(#[from] media::Error),
}

/// A business number at work.
pub struct Number {
    shared: Arc<Shared>,
    store: Store,
    media: Arc<Shelf>,
    facts: NumberFacts,
    lanes: Vec<Handle>,
    custody: tokio::sync::Mutex<Custody>,
    transport: Arc<dyn Transport>,
    hooks: Arc<hooks::Hooks>,
    app_secret: config::Secret,
    /// The webhook fields that are declared.
    declared_fields: Option<Vec<String>>,
    /// Held while what the API says of webhooks changes.
    telling: tokio::sync::Mutex<()>,
    linked: AtomicBool,
    /// Whether the transport has answered that it does not accept the number.
    refused: AtomicBool,
    /// Whether the number is to be registered; what the book says.
    wanted: watch::Sender<bool>,
    /// How the transport stands to it.
    standing: watch::Sender<registration::Standing>,
    /// As declared.
    config: config::Number,
    /// In whose name the number is linked: above every epoch the transport has seen.
    epoch: AtomicU64,
    /// Whether the store has lost what was kept in it, the private halves of published one-time keys among it.
    lost: AtomicBool,
    /// Held while pre-keys are made and published.
    publishing: tokio::sync::Mutex<()>,
    book: Book,
    templates: templates::Templates,
    flows: flows::Flows,
    /// Held while the picture of the profile changes.
    picturing: tokio::sync::Mutex<()>,
    limiter: Arc<Limiter>,
    rules: config::Rules,
    cores: Arc<Semaphore>,
    stop: CancellationToken,
}

/// How a lane is reached.
struct Handle {
    events: mpsc::Sender<Event>,
    wake: Arc<Notify>,
    /// About how many accepted messages wait.
    waiting: Arc<AtomicU64>,
}

/// What all numbers of a sidecar share.
#[derive(Clone)]
pub struct Surroundings {
    /// Where state is kept.
    pub store: Store,
    /// `https://host:port` (or `http://`, on one machine) of the relay.
    pub relay_url: String,
    /// How the relay is known, and what it is shown.
    pub relay_tls: Tls,
    /// Whether the store may lose commits without anybody noticing while this process is away. Sessions are then skipped ahead after a
    /// start, so that no message key is used twice.
    pub may_forget: bool,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Bounds the cores that ratchet steps may use at a time.
    pub cores: Arc<Semaphore>,
    /// Told to stop.
    pub stop: CancellationToken,
}

impl Number {
    /// The id of the number.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.facts.phone_number_id
    }

    /// Its files.
    #[must_use]
    pub fn media(&self) -> &Shelf {
        &self.media
    }

    /// The number as it stands in webhooks.
    #[must_use]
    pub fn display_digits(&self) -> &str {
        self.facts.phone_number.trim_start_matches('+')
    }

    /// What the number's configuration says of its HTTP port and rules.
    #[must_use]
    pub const fn surface(&self) -> &config::Surface {
        &self.config.surface
    }

    /// Whether this is one of the number's own tokens.
    #[must_use]
    pub fn admits_token(&self, token: &str) -> bool {
        let presented = Sha256::digest(token.as_bytes());
        // Every one is compared, each by its digest.
        let admits = |tokens: &[config::Secret]| {
            tokens.iter().filter(|own| !own.reveal().is_empty()).fold(0_u8, |any, own| {
                any | subtle::ConstantTimeEq::ct_eq(&*Sha256::digest(own.reveal().as_bytes()), &*presented).unwrap_u8()
            })
        };
        admits(&self.config.tokens) == 1
    }

    /// Whether the number is linked to the transport.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Relaxed)
    }

    /// Whether the transport answers and does not accept the number: its PIN is wrong, or another has registered it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether webhooks can be delivered; `None` when the number has no webhook.
    #[must_use]
    pub fn webhook_verified(&self) -> Option<bool> {
        self.hooks.verified()
    }

    /// What the webhook's endpoint did last; `None` when the number has no webhook.
    #[must_use]
    pub fn webhook(&self) -> Option<WebhookState> {
        self.hooks.state()
    }

    /// Whether management calls for it are limited.
    #[must_use]
    pub(crate) const fn limits_calls(&self) -> bool {
        self.rules.call_limits
    }

    /// What the business has said of itself through the API.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// SHA-256 of the number's identity key, in hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.shared.identity.public_key().fingerprint())
    }

    /// Changes the keys: kept first, used when this has returned `Ok`. When they cannot be kept, nothing has changed. When another process
    /// has written them, this one stops.
    async fn change_keys<T, E: From<custody::Error>>(&self, change: impl FnOnce(&mut Keys) -> Result<T, E>) -> Result<T, E> {
        let mut custody = self.custody.lock().await;
        let mut keys = custody.keys().clone();
        let changed = change(&mut keys)?;
        match custody.replace(keys).await {
            Ok(()) => Ok(changed),
            Err(error) => {
                if matches!(error, custody::Error::Displaced(_)) {
                    tracing::error!(%error, "this process stops");
                    self.stop.cancel();
                }
                Err(error.into())
            }
        }
    }
}

impl Number {
    /// Accepts a message: `Ok` only once it is durable.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send(&self, message: Outbound) -> Result<Accepted, Refusal> {
        if self.is_deregistered() {
            return Err(Refusal::NotRegistered);
        }
        let begun = std::time::Instant::now();
        let accepted = accept::message(self, message).await;
        let metrics = &self.shared.metrics;
        match &accepted {
            Ok(_) => {
                metrics.accepted.inc();
                metrics.accept_seconds.observe(begun.elapsed().as_secs_f64());
            }
            Err(Refusal::Unavailable | Refusal::Overloaded | Refusal::Internal) => {
                metrics.refused.inc();
            }
            Err(_) => {}
        }
        accepted
    }

    /// Tells the consumer that a message was read, and with `typing` that an answer is being written.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn mark_read(&self, message: Wamid, typing: bool) -> Result<(), Refusal> {
        if self.is_deregistered() {
            return Err(Refusal::NotRegistered);
        }
        accept::read_mark(self, &message, typing).await
    }

    /// What is known about the number itself.
    #[must_use]
    pub fn facts(&self) -> NumberFacts {
        NumberFacts {
            connected: self.is_linked(),
            webhook_url: self.hooks.url(),
            ..self.facts.clone()
        }
    }
}

/// Whether addresses and certificates can be used; nothing is reached.
///
/// # Errors
/// What is wrong.
#[cfg(feature = "kubernetes")]
pub(crate) fn check(config: &config::Number, relay_url: &str, relay_tls: &Tls) -> Result<(), Error> {
    use crate::transport::relay::RelayAccount;

    RelayAccount::new(relay_url, relay_tls, &config.phone_number, [0; 32], config.pin.clone()).map_err(Error::Relay)?;
    hooks::Hooks::new(config, std::time::SystemTime::now())?;
    Ok(())
}
