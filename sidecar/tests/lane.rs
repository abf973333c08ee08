//! A lane at work on a real store: what it recovers after a restart, after a store that was away, and after a store that forgot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prometheus_client::registry::Registry;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, Text};
use waxseal_harness::redis::{RedisOptions, RedisServer};
use waxseal_protocol::{
    Error,
    proto::{self, Envelope, KeyCounts, PublishKeysRequest, Verdict},
};
use waxseal_sealing::{BlindIndex, Chain, Class, Hour, Sealer, Tokens};
use waxseal_sidecar::{
    config::{OverLimit, Rules, Secret},
    conversation::{
        Conduct,
        core::Core,
        lane::{Emit, End, Event, Lane, Outfit, Post, Poster},
        record::{self, Job, Kept},
        shared::{SentTimes, Shared, SignedKeys},
    },
    file::{Lifetimes, Urls},
    id,
    limits::{Clock, Limiter, pair},
    message::NumberFacts,
    metrics::Metrics,
    moment::Moment,
    names::Names,
    transport::{Link, Transport},
    webhook::{body::Account, line::Ended},
};
use waxseal_signal::{Identity, pre_keys};
use waxseal_store::{Batch, Durability, EntryId, Key, Op, Options, Outcome, Store};
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(60);
const LANE: u8 = 0;

/// Consumers whose bundles can be had, and those the transport asks to be patient about.
#[derive(Default)]
struct Directory {
    bundles: Mutex<HashMap<String, Option<proto::Bundle>>>,
    /// How many of the next bundles are damaged on the way.
    damaged: AtomicUsize,
}

impl Transport for Directory {
    fn register<'a>(&'a self, _: &'a [u8], _: u32) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    fn deregister(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    fn change_pin<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    fn publish_keys(&self, _: PublishKeysRequest) -> BoxFuture<'_, Result<KeyCounts, Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    fn count_keys(&self) -> BoxFuture<'_, Result<KeyCounts, Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }

    fn fetch_bundle<'a>(&'a self, number: &'a PhoneNumber) -> BoxFuture<'a, Result<proto::Bundle, Error>> {
        let is_damaged = self
            .damaged
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        let answer = match self.bundles.lock().unwrap().get(number.reveal()) {
            Some(Some(bundle)) if is_damaged => {
                let mut bundle = bundle.clone();
                bundle.signed_pre_key.as_mut().unwrap().signature = vec![7; 64].into();
                Ok(bundle)
            }
            Some(Some(bundle)) => Ok(bundle.clone()),
            Some(None) => Err(Error::RateLimited {
                retry_after: Duration::from_millis(50),
            }),
            None => Err(Error::NotRegistered),
        };
        Box::pin(async { answer })
    }

    fn connect(&self, _: u64) -> BoxFuture<'_, Result<Link, Error>> {
        Box::pin(async { Err(Error::Unavailable) })
    }
}

/// A business that takes everything at once.
#[derive(Default)]
struct Business(Mutex<Vec<([u8; 16], Bytes)>>);

impl Business {
    fn statuses(&self, wamid: &str) -> Vec<String> {
        let mut statuses = Vec::new();
        for (_, body) in self.0.lock().unwrap().iter() {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
            if status["id"] == wamid {
                statuses.push(status["status"].as_str().unwrap().to_owned());
            }
        }
        statuses
    }
}

impl Poster for Business {
    fn is_ready(&self) -> bool {
        true
    }

    fn post(&self, entry: EntryId, post: Post, lane: mpsc::Sender<Event>) {
        self.0.lock().unwrap().push((post.event_id, post.body));
        tokio::spawn(async move { lane.send(Event::Posted(entry, Ended::Delivered)).await });
    }
}

/// One lane, what it works with, and what it has let out.
struct Bed {
    shared: Arc<Shared>,
    store: Store,
    directory: Arc<Directory>,
    business: Arc<Business>,
    limiter: Arc<Limiter>,
    running: Option<Running>,
    /// Every body that left, by envelope id: the same id must always carry the same bytes.
    bodies: BTreeMap<EnvelopeId, Bytes>,
}

struct Running {
    events: mpsc::Sender<Event>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<End>,
    link: mpsc::UnboundedReceiver<Emit>,
}

impl Bed {
    async fn new(store: Store) -> Self {
        let mut rng = rand::rng();
        let now = SystemTime::now();
        let facts = NumberFacts {
            phone_number: "+15550100".to_owned(),
            phone_number_id: "1055501".to_owned(),
            waba_id: "2".to_owned(),
            app_id: "3".to_owned(),
            display_name: "Shop".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: None,
        };
        let shared = Shared {
            number: PhoneNumber::parse("+15550100").unwrap(),
            display_name: Text::from("Shop"),
            identity: Arc::new(Identity::generate(&mut rng).unwrap()),
            policy: waxseal_signal::Policy::default(),
            sealer: Sealer::new("1055501", Chain::generate(Hour::of(now), &mut rng)),
            names: Names::new("1055501"),
            blind: BlindIndex::new(&Zeroizing::new([1; 32])),
            tokens: Tokens::new(&Zeroizing::new([2; 32])),
            user_id_key: Zeroizing::new([3; 32]),
            signed_keys: RwLock::new(SignedKeys::default()),
            retention: Duration::from_secs(24 * 60 * 60),
            lifetimes: Lifetimes::under(Duration::from_secs(24 * 60 * 60), None),
            keep_content: false,
            conduct: Conduct::default(),
            webhook_window: Duration::from_secs(24 * 60 * 60),
            bodies: Account::new(&facts),
            urls: Urls::new(None, None, "1", Duration::from_secs(300)),
            subscriptions: RwLock::default(),
            sent: SentTimes::default(),
            metrics: Metrics::register(&mut Registry::default()),
            blocks: Default::default(),
        };
        let mut bed = Self {
            shared: Arc::new(shared),
            store,
            directory: Arc::default(),
            business: Arc::default(),
            limiter: Arc::new(Limiter::new(&Rules::default(), Clock::manual())),
            running: None,
            bodies: BTreeMap::new(),
        };
        bed.start().await;
        bed
    }

    async fn embedded(folder: &std::path::Path) -> Self {
        let options = Options {
            durability: Durability::Memory,
            ..Options::default()
        };
        Self::new(Store::open_embedded(&folder.join("store.redb"), options).await.unwrap()).await
    }

    async fn redis(server: &RedisServer) -> Self {
        let options = Options {
            durability: Durability::Memory,
            response_timeout: Duration::from_millis(500),
            barrier_timeout: Duration::from_millis(100),
            commit_deadline: Duration::from_millis(200),
            ..Options::default()
        };
        Self::new(Store::open_redis(&server.url(), options).await.unwrap()).await
    }

    /// Starts the lane, as a process that starts does, and brings the link up.
    async fn start(&mut self) {
        let claim = self.store.claim(&self.shared.names.fence(LANE), 0).await.unwrap();
        let (events, inbox) = mpsc::channel(512);
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let outfit = Outfit {
            shared: Arc::clone(&self.shared),
            store: self.store.clone(),
            transport: Arc::<Directory>::clone(&self.directory),
            poster: Arc::<Business>::clone(&self.business),
            cores: Arc::new(Semaphore::new(2)),
            wake: Arc::clone(&wake),
            waiting: Arc::default(),
            limiter: Arc::clone(&self.limiter),
            stop: stop.clone(),
        };
        let core = Core::new(Arc::clone(&self.shared), LANE, claim.epoch, claim.seq);
        let task = tokio::spawn(Lane::new(outfit, core, inbox, events.downgrade()).run());
        let (_, link) = mpsc::unbounded_channel();
        self.running = Some(Running {
            events,
            wake,
            stop,
            task,
            link,
        });
        self.link().await;
    }

    async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.cancel();
        assert_eq!(timeout(PATIENCE, running.task).await.unwrap().unwrap(), End::Stopped);
    }

    async fn link(&mut self) {
        let (emit, link) = mpsc::unbounded_channel();
        self.tell(Event::Linked(emit)).await;
        self.running.as_mut().unwrap().link = link;
    }

    async fn unlink(&mut self) {
        self.tell(Event::Unlinked).await;
        let link = &mut self.running.as_mut().unwrap().link;
        // The lane has dropped its end once it has heard.
        timeout(PATIENCE, async { while link.recv().await.is_some() {} }).await.unwrap();
    }

    async fn tell(&self, event: Event) {
        self.running.as_ref().unwrap().events.send(event).await.ok().unwrap();
    }

    /// The next envelopes that leave, until there are so many.
    async fn submitted(&mut self, count: usize) -> Vec<EnvelopeId> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let link = &mut self.running.as_mut().unwrap().link;
            let emit = timeout(PATIENCE, link.recv())
                .await
                .expect("nothing leaves")
                .expect("the lane has ended");
            if let Emit::Submit(envelopes) = emit {
                ids.extend(envelopes.iter().map(|envelope| note(&mut self.bodies, envelope)));
            }
        }
        assert_eq!(ids.len(), count);
        ids
    }

    async fn answer(&self, envelopes: &[EnvelopeId]) {
        for envelope in envelopes {
            self.tell(Event::Verdict(*envelope, Verdict::Accepted)).await;
        }
    }

    /// Registers a consumer of this lane.
    fn consumer(&self, reachable: bool) -> PhoneNumber {
        let known = self.directory.bundles.lock().unwrap().len();
        let numbers = (0..).map(|number| PhoneNumber::parse(&format!("+1555012{number:04}")).unwrap());
        let number = numbers
            .filter(|number| id::lane_of(&self.shared.blind.of(number.reveal())) == LANE)
            .nth(known)
            .unwrap();
        self.directory
            .bundles
            .lock()
            .unwrap()
            .insert(number.reveal().to_owned(), reachable.then(bundle));
        number
    }

    fn make_reachable(&self, number: &PhoneNumber) {
        self.directory
            .bundles
            .lock()
            .unwrap()
            .insert(number.reveal().to_owned(), Some(bundle()));
    }

    /// Accepts a message, as the number does; its first envelope.
    async fn send(&self, to: &PhoneNumber, text: &str) -> EnvelopeId {
        let (now, shared) = (Moment::of(SystemTime::now()), &self.shared);
        let message = id::message_id(LANE, &mut rand::rng());
        let body = Body::Text {
            body: text.into(),
            preview_url: false,
        };
        let payload = Payload::new(shared.number.clone(), to.clone(), message, now.ms, body)
            .encode()
            .to_vec();
        let expires_at_ms = now.ms + shared.retention_ms() - shared.grace_ms();
        let to = to.reveal().to_owned();
        let kept = Kept {
            to: to.clone(),
            payload: Some(payload.clone()),
            opaque: None,
            expires_at_ms,
            accepted_at_ms: now.ms,
            ..Kept::default()
        };
        let job = Job {
            message_id: message.as_bytes().to_vec(),
            to,
            payload,
            attempt: 0,
            expires_at_ms,
            tracked: true,
            opaque: None,
            identity_hash: None,
        };
        let (key, queue, agenda, ttl) = (
            shared.names.message(message),
            shared.names.accepted(LANE),
            shared.names.deadlines(LANE),
            shared.retention,
        );
        let ops = vec![
            Op::Put {
                value: self.seal(&key, &kept),
                key: key.clone(),
                ttl,
            },
            Op::Append {
                value: self.seal(&queue, &job),
                queue,
                ttl,
            },
            Op::Schedule {
                agenda,
                member: Bytes::copy_from_slice(message.as_bytes()),
                due_ms: expires_at_ms,
                ttl,
            },
        ];
        let batch = Batch {
            fence: None,
            absent: vec![key],
            ops,
        };
        let deadline = Instant::now() + PATIENCE;
        let outcome = loop {
            match self.store.commit(batch.clone()).await {
                Ok(outcome) => break outcome,
                // A store that has just come back.
                Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        };
        assert!(matches!(outcome, Outcome::Applied { .. } | Outcome::AlreadyApplied));
        self.running.as_ref().unwrap().wake.notify_one();
        id::envelope_id(message, 0)
    }

    fn seal<M: prost::Message>(&self, key: &Key, value: &M) -> Bytes {
        let plaintext = record::encode(value);
        self.shared
            .sealer
            .seal(Class::Message, key.as_str(), 0, &plaintext, SystemTime::now(), &mut rand::rng())
            .unwrap()
            .into()
    }

    fn statuses(&self, to: &PhoneNumber, envelope: EnvelopeId) -> Vec<String> {
        let (message, _): (MessageId, u32) = id::of_envelope(envelope);
        self.business
            .statuses(id::wamid(&self.shared.tokens, &self.shared.blind.of(to.reveal()), message).as_str())
    }

    async fn length(&self, queue: Key) -> u64 {
        self.store.queue_len(&queue).await.unwrap_or(u64::MAX)
    }

    /// Waits until nothing waits in the store any more.
    async fn at_rest(&self) {
        let names = &self.shared.names;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lengths = (
                self.length(names.accepted(LANE)).await,
                self.length(names.outbox(LANE)).await,
                self.length(names.events(LANE)).await,
            );
            if lengths == (0, 0, 0) {
                return;
            }
            assert!(Instant::now() < deadline, "accepted, outbox, events: {lengths:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn note(bodies: &mut BTreeMap<EnvelopeId, Bytes>, envelope: &Envelope) -> EnvelopeId {
    let id = EnvelopeId::from_slice(&envelope.id).unwrap();
    let before = bodies.insert(id, envelope.body.clone());
    assert!(
        before.is_none_or(|before| before == envelope.body),
        "one envelope id carries two bodies"
    );
    id
}

fn bundle() -> proto::Bundle {
    let (mut rng, now) = (rand::rng(), SystemTime::now());
    let identity = Identity::generate(&mut rng).unwrap();
    let (_, signed) = pre_keys::signed(&identity, 1, now, &mut rng).unwrap();
    let (_, kyber) = pre_keys::kyber(&identity, 2, now, &mut rng).unwrap();
    let key = |key: waxseal_signal::SignedPublicKey| proto::SignedKey {
        id: key.id,
        key: key.key.into(),
        signature: key.signature.into(),
    };
    proto::Bundle {
        registration_id: identity.registration_id(),
        identity_key: identity.public_key().to_bytes().into(),
        signed_pre_key: Some(key(signed)),
        kyber_pre_key: Some(key(kyber)),
        one_time_ec: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_sends_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut bed = Bed::embedded(folder.path()).await;
    let consumer = bed.consumer(true);
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(bed.send(&consumer, text).await);
    }
    assert_eq!(bed.submitted(3).await, sent);
    // The relay has them, but the process ends before it hears so.
    bed.stop().await;
    bed.start().await;
    assert_eq!(
        bed.submitted(3).await,
        sent,
        "in the same order; the bodies are compared as they come"
    );
    // The link breaks: once more.
    bed.unlink().await;
    bed.link().await;
    assert_eq!(bed.submitted(3).await, sent);
    bed.answer(&sent).await;
    bed.at_rest().await;
    for envelope in &sent {
        assert_eq!(bed.statuses(&consumer, *envelope), ["sent"]);
    }
    // And never again.
    bed.unlink().await;
    bed.link().await;
    let last = bed.send(&consumer, "four").await;
    assert_eq!(bed.submitted(1).await, [last]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_cannot_be_reached_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut bed = Bed::embedded(folder.path()).await;
    let (distant, near) = (bed.consumer(false), bed.consumer(true));
    let mut waiting = Vec::new();
    // More than is kept in memory for one consumer.
    for number in 0..300 {
        waiting.push(bed.send(&distant, &format!("{number}")).await);
    }
    let envelope = bed.send(&near, "hello").await;
    assert_eq!(bed.submitted(1).await, [envelope]);
    bed.make_reachable(&distant);
    assert_eq!(bed.submitted(300).await, waiting, "all of them, in order");
    bed.answer(&[envelope]).await;
    bed.answer(&waiting).await;
    bed.at_rest().await;
    assert_eq!(bed.statuses(&distant, waiting[299]), ["sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_nobody_knows_fails_message_by_message() {
    let folder = tempfile::tempdir().unwrap();
    let bed = Bed::embedded(folder.path()).await;
    let unknown = bed.consumer(true);
    bed.directory.bundles.lock().unwrap().clear();
    let mut sent = Vec::new();
    for number in 0..300 {
        sent.push(bed.send(&unknown, &format!("{number}")).await);
    }
    bed.at_rest().await;
    for envelope in sent {
        assert_eq!(bed.statuses(&unknown, envelope), ["failed"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_bundle_counts_once_however_many_messages_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut bed = Bed::embedded(folder.path()).await;
    let consumer = bed.consumer(true);
    bed.directory.damaged.store(2, Ordering::SeqCst);
    bed.unlink().await;
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(bed.send(&consumer, &format!("{number}")).await);
    }
    bed.link().await;
    assert_eq!(bed.submitted(10).await, sent);
    // One that is never good is given up, aloud.
    let other = bed.consumer(true);
    bed.directory.damaged.store(usize::MAX, Ordering::SeqCst);
    let failing = bed.send(&other, "never").await;
    bed.answer(&sent).await;
    bed.at_rest().await;
    assert_eq!(bed.statuses(&other, failing), ["failed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_loses_and_repeats_nothing() {
    let server = RedisServer::start_default().await.unwrap();
    let mut bed = Bed::redis(&server).await;
    let consumer = bed.consumer(true);
    let first = bed.send(&consumer, "one").await;
    assert_eq!(bed.submitted(1).await, [first]);
    let second = bed.send(&consumer, "two").await;
    assert_eq!(bed.submitted(1).await, [second]);
    // Longer than the store waits for a reply, so that the commit is in doubt.
    server.pause().unwrap();
    bed.answer(&[first]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(bed.statuses(&consumer, first).is_empty(), "nothing is told before it is durable");
    server.resume().unwrap();
    bed.answer(&[second]).await;
    let third = bed.send(&consumer, "three").await;
    // An in-doubt commit makes the lane send its outbox again: the second may come once more.
    let mut left = bed.submitted(1).await;
    while left.last() != Some(&third) {
        left.extend(bed.submitted(1).await);
    }
    bed.answer(&[third]).await;
    bed.at_rest().await;
    for envelope in [first, second, third] {
        assert_eq!(bed.statuses(&consumer, envelope), ["sent"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_has_forgotten_is_put_back() {
    let mut server = RedisServer::start(RedisOptions {
        config: vec!["save \"\"".to_owned()],
        ..RedisOptions::default()
    })
    .await
    .unwrap();
    let mut bed = Bed::redis(&server).await;
    let consumer = bed.consumer(true);
    let first = bed.send(&consumer, "one").await;
    assert_eq!(bed.submitted(1).await, [first]);
    bed.answer(&[first]).await;
    bed.at_rest().await;
    bed.unlink().await;
    let second = bed.send(&consumer, "two").await;
    server.command(&["SAVE"]).await.unwrap();
    // From here on the server will remember nothing.
    bed.link().await;
    assert_eq!(bed.submitted(1).await, [second]);
    bed.answer(&[second]).await;
    bed.at_rest().await;
    assert_eq!(bed.statuses(&consumer, second), ["sent"]);
    server.restart().await.unwrap();
    assert!(server.command(&["PING"]).await.is_ok());
    assert_eq!(
        bed.length(bed.shared.names.accepted(LANE)).await,
        1,
        "the second message is in the queue again"
    );
    let third = bed.send(&consumer, "three").await;
    assert_eq!(bed.submitted(1).await, [third], "the second one has left and does not leave again");
    bed.answer(&[third]).await;
    bed.at_rest().await;
    for envelope in [first, second, third] {
        assert_eq!(bed.statuses(&consumer, envelope), ["sent"]);
    }
    assert_eq!(bed.shared.metrics.rollbacks.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_above_a_limit_waits_for_its_turn_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut bed = Bed::embedded(folder.path()).await;
    let clock = Clock::manual();
    let rules = Rules {
        throughput_per_second: 0,
        pair_limit: true,
        over_limit: OverLimit::Queue,
        ..Rules::default()
    };
    bed.stop().await;
    bed.limiter = Arc::new(Limiter::new(&rules, clock.clone()));
    bed.start().await;
    let (ada, bob) = (bed.consumer(true), bed.consumer(true));
    let mut waiting = Vec::new();
    // More than is kept in memory for one consumer.
    for number in 0..200 {
        waiting.push(bed.send(&ada, &format!("{number}")).await);
    }
    let burst = pair::BURST as usize;
    assert_eq!(bed.submitted(burst).await, waiting[..burst]);
    let other = bed.send(&bob, "hello").await;
    assert_eq!(bed.submitted(1).await, [other], "one consumer's limit is not another's");
    let mut others = vec![other];
    clock.turn_us(pair::EACH_US * u64::from(pair::BURST) - 1);
    bed.running.as_ref().unwrap().wake.notify_one();
    let other = bed.send(&bob, "again").await;
    assert_eq!(bed.submitted(1).await, [other], "not yet");
    clock.turn_us(1);
    bed.running.as_ref().unwrap().wake.notify_one();
    assert_eq!(bed.submitted(burst).await, waiting[burst..2 * burst]);
    others.push(other);
    bed.answer(&others).await;
    bed.answer(&waiting[..2 * burst]).await;
    while bed.length(bed.shared.names.outbox(LANE)).await > 0 {
        tokio::task::yield_now().await;
    }
    // Whoever starts anew has a full quota; the rest is there, in order.
    bed.stop().await;
    bed.limiter = Arc::new(Limiter::new(&Rules::default(), clock));
    bed.start().await;
    assert_eq!(bed.submitted(200 - 2 * burst).await, waiting[2 * burst..]);
    bed.answer(&waiting[2 * burst..]).await;
    bed.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_sends_no_faster_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut bed = Bed::embedded(folder.path()).await;
    let clock = Clock::manual();
    let rules = Rules {
        throughput_per_second: 10,
        over_limit: OverLimit::Queue,
        ..Rules::default()
    };
    bed.stop().await;
    bed.limiter = Arc::new(Limiter::new(&rules, clock.clone()));
    bed.start().await;
    let consumers = [bed.consumer(true), bed.consumer(true), bed.consumer(false)];
    let mut waiting = Vec::new();
    for number in 0..30 {
        waiting.push(bed.send(&consumers[number % 2], &format!("{number}")).await);
    }
    assert_eq!(bed.submitted(10).await.len(), 10);
    for _ in 0..20 {
        // One for each tenth of a second.
        clock.turn_us(100_000);
        bed.running.as_ref().unwrap().wake.notify_one();
        assert_eq!(bed.submitted(1).await.len(), 1);
    }
    bed.answer(&waiting).await;
    bed.at_rest().await;
}
