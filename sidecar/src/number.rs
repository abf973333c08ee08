//! One business number at work.
//!
//! Purpose: owns what belongs to a number: its keys, its lanes, its link to the transport, its webhook endpoint; accepts messages of the
//! business. What is where: `accept` makes a message durable, `link` carries envelopes between transport and lanes, `keys`
//! publishes and rotates pre-keys, `retention` moves the key chain, `hooks` posts webhooks, `status` tells how the number is doing.
//!
//! May touch: store, transport, custody. Must not: turn a ratchet itself (that is `conversation`), or know HTTP.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Notify, Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use waxseal_content::Text;
use waxseal_protocol::Tls;
use waxseal_sealing::{BlindIndex, Sealer, Tokens};
use waxseal_store::Store;

use crate::{
    book::{self, Book},
    config,
    conversation::{
        Blocks, Conduct,
        core::Core,
        lane::{End, Event, Lane, Outfit},
        shared::{SentTimes, Shared},
    },
    custody::{self, Custody, Keys},
    file::{Lifetimes, Urls},
    id::{LANES, Wamid},
    limits::{Clock, Limiter},
    media::{self, Shelf},
    message::{Accepted, NumberFacts, Outbound, Refusal},
    metrics::Metrics,
    names::Names,
    transport::{Transport, blobs::Blobs, relay::RelayAccount},
    webhook::body::Account,
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
mod quality;
pub mod registration;
mod retention;
pub mod settings;
pub mod signed;
mod status;
pub mod templates;
mod webhooks;

pub use history::{Happening, History, Update};
pub use hooks::{WebhookResult, WebhookState};
pub use letters::{Cursor, Letter};
pub use status::{Status, Waiting};
pub use webhooks::{Told, Untaken, WebhookConfiguration};

/// Events waiting for one lane; the link is not read further while a lane is full.
const LANE_EVENTS: usize = 512;

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
    /// Reads the keys, claims the lanes and starts working. What cannot be reached yet (transport, webhook) is tried until it can.
    ///
    /// # Errors
    /// [`Error`] for what will not get better by waiting, and for a store that does not answer.
    pub async fn start(config: config::Number, surroundings: &Surroundings, tasks: &mut JoinSet<()>) -> Result<Arc<Self>, Error> {
        let now = SystemTime::now();
        let mut custody = Custody::open(config.custody.keeper(), || Keys::generate(now, &mut rand::rng())).await?;
        let names = Names::new(&config.phone_number_id);
        let mut fresh = custody.keys().clone();
        let claims = claim(&surroundings.store, &names, &mut fresh).await?;
        let lost = claims.iter().any(|claim| claim.lost);
        // Claimed above what custody remembers of the lanes, which it must not outgrow: a lane that is behind counts as lost.
        let book_lane = names.book_lane();
        let book_claim = surroundings.store.claim(&book_lane, custody.keys().epoch);
        let book_claim = book_claim.await.map_err(Error::Claim)?;
        let book_key = fresh.book_key(&mut rand::rng());
        keys::rotate(&mut fresh, now)?;
        custody.replace(fresh).await?;
        let book = Book::open(
            surroundings.store.clone(),
            names.clone(),
            &config.phone_number_id,
            &book_key,
            book_claim.epoch,
            book_claim.seq,
        )
        .await
        .map_err(Error::Book)?;
        let conduct = Conduct::new(&config.surface.rules, settings::identity_check(&book), quality::read(&book));
        let shared = Arc::new(shared(
            &config,
            custody.keys(),
            names,
            conduct,
            blocks::read(&book),
            Arc::clone(&surroundings.metrics),
        ));
        let registration = registration::read(&book);
        let account = Arc::new(
            RelayAccount::new(
                &surroundings.relay_url,
                &surroundings.relay_tls,
                &config.phone_number,
                *custody.keys().credential,
                config::Secret::from(registration.pin(config.pin.reveal())),
            )
            .map_err(Error::Relay)?,
        );
        let transport: Arc<dyn Transport> = Arc::<RelayAccount>::clone(&account);
        let blobs: Arc<dyn Blobs> = account;
        let shelf = Shelf::new(
            &config.phone_number_id,
            &config.surface.media,
            Arc::clone(&shared),
            surroundings.store.clone(),
            blobs,
        )?;
        let hooks = hooks::Hooks::new(&config, now)?;
        let declared_fields = webhooks::declared_fields(&config);
        webhooks::apply(&book, &shared, &hooks, declared_fields.as_deref());
        let epoch = custody.keys().epoch;

        let limiter = Arc::new(Limiter::new(&config.surface.rules, Clock::system()));
        let mut lanes = Vec::new();
        let mut actors = Vec::new();
        for (lane, claim) in (0..LANES).zip(claims) {
            let (events, inbox) = mpsc::channel(LANE_EVENTS);
            let wake = Arc::new(Notify::new());
            let queued = surroundings
                .store
                .queue_len(&shared.names.accepted(lane))
                .await
                .map_err(Error::Claim)?;
            let waiting = Arc::new(AtomicU64::new(queued));
            let mut core = Core::new(Arc::clone(&shared), lane, claim.epoch, claim.seq);
            core.rolled_back = claim.lost || surroundings.may_forget;
            let outfit = Outfit {
                shared: Arc::clone(&shared),
                store: surroundings.store.clone(),
                transport: Arc::clone(&transport),
                poster: Arc::<hooks::Hooks>::clone(&hooks),
                cores: Arc::clone(&surroundings.cores),
                wake: Arc::clone(&wake),
                waiting: Arc::clone(&waiting),
                limiter: Arc::clone(&limiter),
                stop: surroundings.stop.clone(),
            };
            actors.push(Lane::new(outfit, core, inbox, events.downgrade()));
            lanes.push(Handle { events, wake, waiting });
        }
        let rules = config.surface.rules;
        let number = Arc::new(Self {
            facts: facts(&config),
            shared,
            store: surroundings.store.clone(),
            media: Arc::new(shelf),
            lanes,
            custody: tokio::sync::Mutex::new(custody),
            transport,
            hooks,
            app_secret: config.app_secret.clone(),
            declared_fields,
            telling: tokio::sync::Mutex::new(()),
            linked: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            wanted: watch::Sender::new(!registration.is_deregistered()),
            standing: watch::Sender::new(registration::Standing::Unlinked),
            epoch: AtomicU64::new(epoch),
            lost: AtomicBool::new(lost),
            publishing: tokio::sync::Mutex::new(()),
            templates: templates::Templates::open(&book),
            flows: flows::Flows::open(&book),
            book,
            limiter,
            rules,
            cores: Arc::clone(&surroundings.cores),
            stop: surroundings.stop.clone(),
            config,
        });
        for actor in actors {
            // A lane that ends for any reason, a bug included, ends the process: half a number is worse than none.
            let stop = surroundings.stop.clone().drop_guard();
            tasks.spawn(async move {
                let _stop = stop;
                if actor.run().await == End::Displaced {
                    tracing::error!("another process serves this number; this one stops");
                }
            });
        }
        let stop = &surroundings.stop;
        tasks.spawn(link::run(Arc::clone(&number), stop.clone()));
        tasks.spawn(retention::run(Arc::clone(&number), stop.clone()));
        tasks.spawn(backlog::run(Arc::clone(&number), stop.clone()));
        let (shelf, sweeping) = (Arc::clone(&number.media), stop.clone());
        tasks.spawn(async move { shelf.run(sweeping).await });
        let (hooks, senders) = (
            Arc::clone(&number.hooks),
            number.lanes.iter().map(|lane| lane.events.clone()).collect::<Vec<_>>(),
        );
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = hooks.verify(|| async {
                    for lane in &senders {
                        let _ = lane.send(Event::WebhookReady).await;
                    }
                }) => {}
            }
        });
        Ok(number)
    }

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
    RelayAccount::new(relay_url, relay_tls, &config.phone_number, [0; 32], config.pin.clone()).map_err(Error::Relay)?;
    hooks::Hooks::new(config, SystemTime::now())?;
    Ok(())
}

/// A lane as it was claimed.
struct Claimed {
    epoch: u64,
    seq: u64,
    lost: bool,
}

/// Claims all lanes above every epoch that custody remembers, and puts the highest into `keys`, to be kept before any lane works.
async fn claim(store: &Store, names: &Names, keys: &mut Keys) -> Result<Vec<Claimed>, Error> {
    let remembered = keys.epoch;
    let mut claims = Vec::new();
    for lane in 0..LANES {
        let claim = store.claim(&names.fence(lane), remembered).await.map_err(Error::Claim)?;
        // A store that remembers less than custody has lost what was done since: sessions in it may be older than what was sent.
        let lost = claim.previous_epoch < remembered;
        keys.epoch = keys.epoch.max(claim.epoch);
        claims.push(Claimed {
            epoch: claim.epoch,
            seq: claim.seq,
            lost,
        });
    }
    Ok(claims)
}

fn shared(config: &config::Number, keys: &Keys, names: Names, conduct: Conduct, blocks: Blocks, metrics: Arc<Metrics>) -> Shared {
    let retention = config.retention.duration();
    Shared {
        number: config.phone_number.clone(),
        display_name: Text::from(config.display_name.as_str()),
        identity: Arc::clone(&keys.identity),
        policy: waxseal_signal::Policy::default(),
        sealer: Sealer::new(&config.phone_number_id, keys.chain.clone()),
        names,
        blind: BlindIndex::new(&keys.index_key),
        tokens: Tokens::new(&keys.token_key),
        user_id_key: keys.user_id_key.clone(),
        signed_keys: RwLock::new(keys::private(keys)),
        retention,
        lifetimes: Lifetimes::under(retention, config.surface.media.lifetime),
        keep_content: config.deletion == config::Deletion::AtExpiry,
        conduct,
        webhook_window: config
            .webhook
            .as_ref()
            .map_or(retention, |webhook| webhook.retry_window.max(Duration::from_secs(1))),
        bodies: Account::new(&facts(config)),
        urls: Urls::new(
            config.surface.api_url.as_deref(),
            config.surface.media.own_url.as_deref(),
            &config.phone_number_id,
            config.surface.media.url_lifetime.min(retention),
        ),
        subscriptions: RwLock::default(),
        sent: SentTimes::default(),
        metrics,
        blocks,
    }
}

fn facts(config: &config::Number) -> NumberFacts {
    NumberFacts {
        phone_number: config.phone_number.reveal().to_owned(),
        phone_number_id: config.phone_number_id.clone(),
        waba_id: config.waba_id.clone(),
        app_id: config.surface.app_id.clone().unwrap_or_else(|| config::app_id(&config.waba_id)),
        display_name: config.display_name.clone(),
        connected: false,
        pin_enabled: !config.pin.reveal().is_empty(),
        webhook_url: config.webhook.as_ref().map(|webhook| webhook.url.clone()),
    }
}
