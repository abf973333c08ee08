//! Lanes between the models, moved step by step: `sidecar` drives the lanes, `view` looks at what came of it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind, Text};
use waxseal_protocol::proto::Verdict;
use waxseal_sealing::{BlindIndex, Chain, Class, Hour, Sealer, Tokens};
use waxseal_signal::{Bundle, Identity, OneTimePublicKey, SignedPublicKey, pre_keys};
use waxseal_store::{Batch, Key, Op, Outcome};
use zeroize::Zeroizing;

use super::{
    super::{
        Conduct,
        core::Core,
        record::{self, Job, Kept},
    },
    phone::{Phone, Wish},
    relay::Relay,
    store::Store,
};
use crate::{
    conversation::{
        input::Input,
        shared::{SentTimes, Shared, SignedKeys},
    },
    file,
    id::{self, PeerIndex},
    message::NumberFacts,
    metrics::{Counts, Metrics},
    moment::Moment,
    names::Names,
    webhook::body::Account,
};

mod sidecar;
mod view;

pub const BUSINESS: &str = "+15550100";
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

pub struct World {
    pub now: SystemTime,
    pub store: Store,
    pub relay: Relay,
    pub shared: Arc<Shared>,
    pub lanes: Vec<Lane>,
    pub phones: Vec<Phone>,
    /// The bodies of what it was told.
    pub told: Vec<serde_json::Value>,
    /// What the business was told, in order; an event that was told again stands where it stood first.
    pub posted: Vec<Posted>,
    events: HashSet<Vec<u8>>,
    /// How many commits from now on are applied and reported as failed.
    pub doubts: usize,
    pub counts: Vec<Counts>,
    public: Public,
}

/// What was accepted for a lane and is on its way through it.
pub struct Lane {
    pub core: Core,
    pub input: Input,
    /// Answers of the relay that are on their way.
    pub answers: Vec<(EnvelopeId, Verdict)>,
    /// Consumers whose bundle is to be fetched.
    pub wanted: HashSet<PeerIndex>,
    /// Sequences given to the lane on this link and not acknowledged by it.
    under_way: HashSet<u64>,
}

/// The business's public keys.
struct Public {
    signed: SignedPublicKey,
    last_resort: SignedPublicKey,
    one_time: Vec<(OneTimePublicKey, SignedPublicKey)>,
    next_id: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    Text {
        from: String,
        wamid: String,
        text: String,
    },
    Status {
        to: String,
        wamid: String,
        status: String,
        details: Option<String>,
    },
    /// A message of another type: its member of `messages`.
    Message(serde_json::Value),
}

impl World {
    pub fn new(phones: usize) -> Self {
        Self::with(phones, false, RETENTION)
    }

    pub fn with(phones: usize, keep_content: bool, retention: Duration) -> Self {
        Self::windowed(phones, keep_content, retention, retention)
    }

    pub fn windowed(phones: usize, keep_content: bool, retention: Duration, webhook_window: Duration) -> Self {
        Self::built(phones, keep_content, retention, webhook_window, Conduct::default())
    }

    pub fn ruled(phones: usize, retention: Duration, conduct: Conduct) -> Self {
        Self::built(phones, false, retention, retention, conduct)
    }

    fn built(phones: usize, keep_content: bool, retention: Duration, webhook_window: Duration, conduct: Conduct) -> Self {
        // Not the present, so that nothing depends on it; the middle of an hour.
        let now = UNIX_EPOCH + Duration::from_secs(1_800_001_800);
        let mut rng = rand::rng();
        let identity = Identity::generate(&mut rng).unwrap();
        let (signed, public_signed) = pre_keys::signed(&identity, 1, now, &mut rng).unwrap();
        let (last_resort, public_last_resort) = pre_keys::kyber(&identity, 2, now, &mut rng).unwrap();
        let facts = NumberFacts {
            phone_number: BUSINESS.to_owned(),
            phone_number_id: "1055501".to_owned(),
            waba_id: "2".to_owned(),
            app_id: "670843887433847".to_owned(),
            display_name: "Shop".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: None,
        };
        let shared = Arc::new(Shared {
            number: PhoneNumber::parse(BUSINESS).unwrap(),
            display_name: Text::from("Shop"),
            identity: Arc::new(identity),
            policy: waxseal_signal::Policy::default(),
            sealer: Sealer::new("1055501", Chain::generate(Hour::of(now), &mut rng)),
            names: Names::new("1055501"),
            blind: BlindIndex::new(&Zeroizing::new([1; 32])),
            tokens: Tokens::new(&Zeroizing::new([2; 32])),
            user_id_key: Zeroizing::new([3; 32]),
            signed_keys: RwLock::new(SignedKeys {
                signed: HashMap::from([(1, signed)]),
                last_resort: HashMap::from([(2, last_resort)]),
            }),
            retention,
            lifetimes: file::Lifetimes::under(retention, None),
            keep_content,
            conduct,
            webhook_window,
            bodies: Account::new(&facts),
            urls: file::Urls::new(None, None, "1", Duration::from_secs(300)),
            subscriptions: RwLock::default(),
            sent: SentTimes::default(),
            metrics: Metrics::register(&mut Registry::default()),
            blocks: Default::default(),
        });
        let mut world = Self {
            now,
            store: Store::default(),
            relay: Relay::default(),
            lanes: Vec::new(),
            phones: (0..phones).map(|index| Phone::new(&format!("+1555012{index}"), now)).collect(),
            told: Vec::new(),
            posted: Vec::new(),
            events: HashSet::new(),
            doubts: 0,
            counts: Vec::new(),
            public: Public {
                signed: public_signed,
                last_resort: public_last_resort,
                one_time: Vec::new(),
                next_id: 3,
            },
            shared,
        };
        world.store.at(world.moment().ms);
        world.publish(20);
        world.start();
        world
    }

    pub fn moment(&self) -> Moment {
        Moment::of(self.now)
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.store.at(self.moment().ms);
    }

    pub fn peer(&self, phone: usize) -> PeerIndex {
        self.shared.blind.of(self.phones[phone].number.reveal())
    }

    pub fn lane_of(&self, phone: usize) -> usize {
        usize::from(id::lane_of(&self.peer(phone)))
    }

    // ---- keys ----

    pub fn publish(&mut self, count: u32) {
        let mut rng = rand::rng();
        for _ in 0..count {
            let (ec_id, kyber_id) = (self.public.next_id, self.public.next_id + 1);
            self.public.next_id += 2;
            let (ec_record, ec) = pre_keys::one_time_ec(ec_id, &mut rng).unwrap();
            let (kyber_record, kyber) = pre_keys::kyber(&self.shared.identity, kyber_id, self.now, &mut rng).unwrap();
            let names = &self.shared.names;
            for (key, record) in [
                (names.one_time_ec(ec_id), ec_record),
                (names.one_time_kyber(kyber_id), kyber_record),
            ] {
                let value = self
                    .shared
                    .sealer
                    .seal(Class::PreKey, key.as_str(), 1, record.as_bytes(), self.now, &mut rng)
                    .unwrap();
                let ops = vec![Op::Put {
                    key,
                    value: value.into(),
                    ttl: RETENTION,
                }];
                self.store.commit(&Batch { ops, ..Batch::default() });
            }
            self.public.one_time.push((ec, kyber));
        }
    }

    pub fn exhaust_one_time_keys(&mut self) {
        self.public.one_time.clear();
    }

    pub fn bundle(&mut self) -> Bundle {
        let (one_time_ec, kyber) = self.public.one_time.pop().unzip();
        Bundle {
            registration_id: self.shared.identity.registration_id(),
            identity_key: self.shared.identity.public_key().to_bytes(),
            signed_pre_key: self.public.signed.clone(),
            kyber_pre_key: kyber.unwrap_or_else(|| self.public.last_resort.clone()),
            one_time_ec,
        }
    }

    // ---- what people do ----

    /// The business sends a text: what accepting it makes durable.
    pub fn send(&mut self, phone: usize, text: &str) -> MessageId {
        let body = Body::Text {
            body: text.into(),
            preview_url: false,
        };
        self.send_body(phone, body)
    }

    /// The same with anything.
    pub fn send_body(&mut self, phone: usize, body: Body) -> MessageId {
        self.send_for(phone, body, None)
    }

    /// The same for whoever has the identity of this hash.
    pub fn send_for(&mut self, phone: usize, body: Body, identity_hash: Option<String>) -> MessageId {
        let voice = matches!(&body, Body::Media(media) if media.voice);
        let (peer, now, shared) = (self.peer(phone), self.moment(), Arc::clone(&self.shared));
        let (lane, to) = (id::lane_of(&peer), self.phones[phone].number.clone());
        let message = id::message_id(lane, &mut rand::rng());
        let payload = Payload::new(shared.number.clone(), to.clone(), message, now.ms, body)
            .encode()
            .to_vec();
        let expires_at_ms = now.ms + shared.retention_ms() - shared.grace_ms();
        let kept = Kept {
            to: to.reveal().to_owned(),
            payload: Some(payload.clone()),
            opaque: None,
            expires_at_ms,
            accepted_at_ms: now.ms,
            voice,
            identity_hash: identity_hash.clone(),
            ..Kept::default()
        };
        let (key, agenda, ttl) = (shared.names.message(message), shared.names.deadlines(lane), shared.retention);
        let ops = vec![
            Op::Put {
                value: self.seal(&key, &kept),
                key: key.clone(),
                ttl,
            },
            self.job(
                lane,
                &Job {
                    message_id: message.as_bytes().to_vec(),
                    to: kept.to,
                    payload,
                    attempt: 0,
                    expires_at_ms,
                    tracked: true,
                    opaque: None,
                    identity_hash,
                },
            ),
            Op::Schedule {
                agenda,
                member: Bytes::copy_from_slice(message.as_bytes()),
                due_ms: expires_at_ms,
                ttl,
            },
        ];
        let outcome = self.store.commit(&Batch {
            fence: None,
            absent: vec![key],
            ops,
        });
        assert!(matches!(outcome, Outcome::Applied { .. }));
        message
    }

    /// The business says that it read a message.
    pub fn mark_read(&mut self, phone: usize, message: MessageId) {
        let (lane, to) = (id::lane_of(&self.peer(phone)), self.phones[phone].number.clone());
        let own = id::message_id(lane, &mut rand::rng());
        let body = Body::Receipt {
            kind: ReceiptKind::Read,
            message_ids: vec![message],
        };
        let payload = Payload::new(self.shared.number.clone(), to.clone(), own, self.moment().ms, body)
            .encode()
            .to_vec();
        let expires_at_ms = self.moment().ms + self.shared.retention_ms();
        let job = Job {
            message_id: own.as_bytes().to_vec(),
            to: to.reveal().to_owned(),
            payload,
            attempt: 0,
            expires_at_ms,
            tracked: false,
            opaque: None,
            identity_hash: None,
        };
        let ops = vec![self.job(lane, &job)];
        self.store.commit(&Batch { ops, ..Batch::default() });
    }

    fn job(&self, lane: u8, job: &Job) -> Op {
        let queue = self.shared.names.accepted(lane);
        Op::Append {
            value: self.seal(&queue, job),
            queue,
            ttl: self.shared.retention,
        }
    }

    fn seal<M: prost::Message>(&self, key: &Key, value: &M) -> Bytes {
        let sealed = self
            .shared
            .sealer
            .seal(Class::Message, key.as_str(), 0, &record::encode(value), self.now, &mut rand::rng());
        sealed.unwrap().into()
    }

    /// A consumer writes.
    pub fn write(&mut self, phone: usize, text: &str) -> MessageId {
        self.say(
            phone,
            Body::Text {
                body: text.into(),
                preview_url: false,
            },
        )
    }

    pub fn say(&mut self, phone: usize, body: Body) -> MessageId {
        let (id, payload) = self.phones[phone].payload(&self.shared.number, body, self.moment().ms);
        self.grant(phone, Wish::Encrypt { payload, attempt: 0 });
        id
    }

    /// The ciphertext of what a consumer would say, without sending it.
    pub fn ciphertext(&mut self, phone: usize, payload: &[u8]) -> (EnvelopeId, Vec<u8>) {
        self.encrypt(phone, payload, 0)
    }

    fn encrypt(&mut self, phone: usize, payload: &[u8], attempt: u32) -> (EnvelopeId, Vec<u8>) {
        if let Some(encrypted) = self.phones[phone].encrypt(payload, attempt, self.now) {
            return encrypted;
        }
        let bundle = self.bundle();
        self.phones[phone].establish(&bundle, self.now);
        self.phones[phone].encrypt(payload, attempt, self.now).unwrap()
    }

    pub fn grant(&mut self, phone: usize, wish: Wish) {
        let (id, body) = match wish {
            Wish::Encrypt { payload, attempt } => self.encrypt(phone, &payload, attempt),
            Wish::Plain(body) => (EnvelopeId::random(&mut rand::rng()), body),
        };
        let sender = self.phones[phone].number.reveal().to_owned();
        self.relay.submit(&sender, BUSINESS, id, &body);
    }

    /// A phone takes what waits for it. `acknowledges`: else it comes again.
    pub fn receive(&mut self, phone: usize, acknowledges: bool) -> bool {
        let number = self.phones[phone].number.reveal().to_owned();
        let waiting = self.relay.waiting(&number);
        for envelope in &waiting {
            let wishes = self.phones[phone].receive(&self.shared.number, envelope.id, &envelope.body, self.now);
            for wish in wishes {
                self.grant(phone, wish);
            }
            if acknowledges {
                self.relay.acknowledge(&number, envelope.sequence);
            }
        }
        !waiting.is_empty()
    }
}
