//! Starting a number: reads its keys, claims its lanes, and sets everything going that works for it.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use waxseal_content::Text;
use waxseal_sealing::{BlindIndex, Sealer, Tokens};
use waxseal_store::Store;

use super::{
    Error, Handle, Number, Surroundings, backlog, blocks, flows, hooks, keys, link, quality, registration, retention, settings, templates,
    webhooks,
};
use crate::{
    book::Book,
    config,
    conversation::{
        Blocks, Conduct,
        core::Core,
        lane::{End, Event, Lane, Outfit},
        shared::{SentTimes, Shared},
    },
    custody::{Custody, Keys},
    file::{Lifetimes, Urls},
    id::LANES,
    limits::{Clock, Limiter},
    media::Shelf,
    message::NumberFacts,
    metrics::Metrics,
    names::Names,
    transport::{Transport, blobs::Blobs, relay::RelayAccount},
    webhook::body::Account,
};

/// Events waiting for one lane; the link is not read further while a lane is full.
const LANE_EVENTS: usize = 512;

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
        let conduct = Conduct::new(&config.surface.rules, settings::identity_check(&book), quality::read(&book))
            .with_faults(config.surface.faults.clone());
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
            picturing: tokio::sync::Mutex::new(()),
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
