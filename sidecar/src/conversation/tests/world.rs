//! Lanes between the models, driven as the actor drives them: gather, load, plan, commit, settle, let out.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, ReceiptKind, Text};
use waxseal_protocol::proto::{self, Verdict};
use waxseal_sealing::{BlindIndex, Chain, Class, Hour, Sealer, Tokens};
use waxseal_signal::{Bundle, Identity, OneTimePublicKey, PrivateRecord, SignedPublicKey, pre_keys};
use waxseal_store::{Batch, Key, Op, Outcome};
use zeroize::Zeroizing;

use super::{
    super::{
        LANES,
        core::{Accepted, Core, Counts, Delivery, Input, Loaded, Moment, Shared, SignedKeys, Unplanned, Waiting, open},
        id::{self, PeerIndex},
        names::Names,
        outbound,
        record::{self, Event, Job, Kept, Outgoing},
    },
    phone::{Phone, Wish},
    relay::Relay,
    store::Store,
};
use crate::{message::NumberFacts, metrics::Metrics, webhook::body::Account};

pub const BUSINESS: &str = "+15550100";
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

pub struct World {
    pub now: SystemTime,
    pub store: Store,
    pub relay: Relay,
    pub shared: Arc<Shared>,
    pub lanes: Vec<Lane>,
    pub phones: Vec<Phone>,
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
    Other,
}

impl World {
    pub fn new(phones: usize) -> Self {
        Self::with(phones, false, RETENTION)
    }

    pub fn with(phones: usize, keep_content: bool, retention: Duration) -> Self {
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
            keep_content,
            webhook_window: retention,
            bodies: Account::new(&facts),
            metrics: Metrics::register(&mut Registry::default()),
        });
        let mut world = Self {
            now,
            store: Store::default(),
            relay: Relay::default(),
            lanes: Vec::new(),
            phones: (0..phones).map(|index| Phone::new(&format!("+1555012{index}"), now)).collect(),
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
        let (peer, now, shared) = (self.peer(phone), self.moment(), Arc::clone(&self.shared));
        let (lane, to) = (id::lane_of(&peer), self.phones[phone].number.clone());
        let message = id::message_id(lane, &mut rand::rng());
        let body = Body::Text {
            body: text.into(),
            preview_url: false,
        };
        let payload = Payload::new(shared.number.clone(), to.clone(), message, now.ms, body)
            .encode()
            .to_vec();
        let expires_at_ms = now.ms + shared.retention_ms() - shared.grace_ms();
        let kept = Kept {
            to: to.reveal().to_owned(),
            payload: Some(payload.clone()),
            opaque: None,
            attempt: 0,
            delivered: false,
            expires_at_ms,
            read: false,
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
                Job {
                    message_id: message.as_bytes().to_vec(),
                    to: kept.to,
                    payload,
                    attempt: 0,
                    expires_at_ms,
                    tracked: true,
                    opaque: None,
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
        };
        let ops = vec![self.job(lane, job)];
        self.store.commit(&Batch { ops, ..Batch::default() });
    }

    fn job(&self, lane: u8, job: Job) -> Op {
        let queue = self.shared.names.accepted(lane);
        Op::Append {
            value: self.seal(&queue, &job),
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

    fn grant(&mut self, phone: usize, wish: Wish) {
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

    // ---- the sidecar ----

    /// Starts, or starts anew after a crash: nothing in memory survives.
    pub fn start(&mut self) {
        self.lanes = (0..LANES)
            .map(|lane| {
                let (epoch, seq) = self.store.claim(&self.shared.names.fence(lane));
                Lane {
                    core: Core::new(Arc::clone(&self.shared), lane, epoch, seq),
                    input: Input::default(),
                    answers: Vec::new(),
                    wanted: HashSet::new(),
                    under_way: HashSet::new(),
                }
            })
            .collect();
        self.link();
    }

    /// The link comes up: what was under way on the one before is lost.
    pub fn link(&mut self) {
        for lane in 0..self.lanes.len() {
            let state = &mut self.lanes[lane];
            state.input.deliveries.clear();
            state.answers.clear();
            state.under_way.clear();
            self.resend(lane);
        }
    }

    fn resend(&mut self, lane: usize) {
        let queue = self.shared.names.outbox(self.lanes[lane].core.lane);
        let mut envelopes = Vec::new();
        for (entry, sealed) in self.store.range(&queue) {
            let stored: Outgoing = open(&self.shared, Class::Message, &queue, &sealed).unwrap();
            let envelope_id = EnvelopeId::from_slice(&stored.envelope_id).unwrap();
            if stored.expires_at_ms <= self.moment().ms {
                self.lanes[lane].input.lapsed.push(envelope_id);
            } else {
                envelopes.push(outbound::envelope(&stored, self.moment().ms));
            }
            let waiting = Waiting {
                entry,
                to: PhoneNumber::parse(&stored.to).unwrap(),
                tracked: stored.tracked,
                opaque: None,
            };
            self.lanes[lane].core.recall(envelope_id, waiting);
        }
        self.submit(lane, envelopes);
    }

    fn submit(&mut self, lane: usize, envelopes: Vec<proto::Envelope>) {
        for envelope in envelopes {
            let id = EnvelopeId::from_slice(&envelope.id).unwrap();
            let verdict = self.relay.submit(BUSINESS, &envelope.recipient, id, &envelope.body);
            self.lanes[lane].answers.push((id, verdict));
        }
    }

    /// The relay delivers to the business what has not been delivered on this link. `twice`: every envelope comes two times.
    pub fn deliver(&mut self, twice: bool) -> bool {
        let now_ms = self.moment().ms;
        let mut any = false;
        for envelope in self.relay.waiting(BUSINESS) {
            let sender = PhoneNumber::parse(&envelope.sender).unwrap();
            let peer = self.shared.blind.of(sender.reveal());
            let lane = &mut self.lanes[usize::from(id::lane_of(&peer))];
            if !lane.under_way.insert(envelope.sequence) {
                continue;
            }
            any = true;
            for _ in 0..=usize::from(twice) {
                lane.input.deliveries.push(Delivery {
                    sequence: envelope.sequence,
                    envelope_id: envelope.id,
                    sender: sender.clone(),
                    peer,
                    body: envelope.body.clone().into(),
                    accepted_at_ms: now_ms,
                });
            }
        }
        any
    }

    /// The relay's answers arrive.
    pub fn answer(&mut self) -> bool {
        let mut any = false;
        for lane in &mut self.lanes {
            any |= !lane.answers.is_empty();
            lane.input.verdicts.append(&mut lane.answers);
        }
        any
    }

    /// The bundles that lanes wait for arrive.
    pub fn fetch(&mut self) -> bool {
        let mut any = false;
        for lane in 0..self.lanes.len() {
            for peer in std::mem::take(&mut self.lanes[lane].wanted) {
                let phone = (0..self.phones.len()).find(|phone| self.peer(*phone) == peer).unwrap();
                let bundle = self.phones[phone].bundle();
                self.lanes[lane].input.bundles.insert(peer, bundle);
                any = true;
            }
        }
        any
    }

    /// One turn of every lane. Whether there was anything to do.
    pub fn turn(&mut self) -> bool {
        (0..self.lanes.len()).fold(false, |any, lane| self.turn_of(lane) || any)
    }

    pub fn turn_of(&mut self, lane: usize) -> bool {
        let Some((input, loaded)) = self.gather(lane) else { return false };
        self.run(lane, input, loaded);
        true
    }

    /// The process ends after a commit of this lane, before anything of it left.
    pub fn crash_after_commit(&mut self, lane: usize) {
        if let Some((input, loaded)) = self.gather(lane) {
            self.advance(lane, input, loaded, false);
        }
        self.start();
    }

    /// What a turn begins with: its input, and what it has loaded so far.
    pub fn gather(&mut self, lane: usize) -> Option<(Input, Loaded)> {
        let moment = self.moment();
        let state = &mut self.lanes[lane];
        let mut input = std::mem::take(&mut state.input);
        input.may_repeat = true;
        let queue = self.shared.names.accepted(state.core.lane);
        for (entry, sealed) in self.store.range(&queue) {
            let job: Job = open(&self.shared, Class::Message, &queue, &sealed).unwrap();
            let peer = self.shared.blind.of(&job.to);
            if !state.wanted.contains(&peer) {
                input.jobs.push(Accepted { entry, peer, job });
            }
        }
        let due = self.store.due(&self.shared.names.deadlines(state.core.lane), moment.ms);
        input.expired = due.iter().map(|member| MessageId::from_slice(member).unwrap()).collect();
        let loaded = self.load(&self.lanes[lane].core.needs(&input));
        (!input.is_empty()).then_some((input, loaded))
    }

    fn load(&self, keys: &[Key]) -> Loaded {
        keys.iter().map(|key| (key.clone(), self.store.get(key))).collect()
    }

    /// Plans and commits until something is durable, then lets it out.
    pub fn run(&mut self, lane: usize, input: Input, loaded: Loaded) {
        self.advance(lane, input, loaded, true);
    }

    fn advance(&mut self, lane: usize, mut input: Input, mut loaded: Loaded, lets_out: bool) {
        loop {
            let turn = match self.lanes[lane].core.plan(&input, &loaded, self.moment()) {
                Err(Unplanned::Missing(keys)) => {
                    loaded.extend(self.load(&keys));
                    continue;
                }
                Err(Unplanned::Seal(error)) => panic!("cannot seal: {error}"),
                Ok(turn) => turn,
            };
            let outcome = if turn.batch.ops.is_empty() {
                None
            } else {
                Some(self.commit(&turn.batch))
            };
            if !lets_out && !matches!(outcome, Some(Outcome::Exists(_))) {
                return;
            }
            let mut rest = match &outcome {
                Some(Outcome::Exists(index)) => {
                    assert!(
                        input.used.insert(turn.batch.absent[*index].clone()),
                        "planning goes round in circles"
                    );
                    continue;
                }
                Some(Outcome::Stale { .. } | Outcome::Gap { .. }) => panic!("the lane is not alone: {outcome:?}"),
                _ => input.split_off(&turn.taken),
            };
            // Read from the queue again.
            rest.jobs.clear();
            rest.expired.clear();
            self.lanes[lane].input = rest;
            let settled = match &outcome {
                None => turn.without_commit(),
                Some(Outcome::Applied { appended }) => self.lanes[lane].core.settle(turn, appended),
                _ => self.lanes[lane].core.settle(turn, &[]),
            };
            self.counts.push(settled.counts);
            self.submit(lane, settled.envelopes);
            for sequence in settled.acks {
                self.relay.acknowledge(BUSINESS, sequence);
            }
            self.lanes[lane].wanted.extend(settled.parked.iter().map(|accepted| accepted.peer));
            if outcome == Some(Outcome::AlreadyApplied) {
                self.lanes[lane].core.forget_outbox();
                self.lanes[lane].input.finished.clear();
                self.resend(lane);
            }
            return;
        }
    }

    fn commit(&mut self, batch: &Batch) -> Outcome {
        let outcome = self.store.commit(batch);
        if self.doubts > 0 && matches!(outcome, Outcome::Applied { .. }) {
            // The reply was lost; it is run again.
            self.doubts -= 1;
            return self.store.commit(batch);
        }
        outcome
    }

    /// The business takes every event there is.
    pub fn post(&mut self) -> bool {
        let mut any = false;
        for lane in 0..self.lanes.len() {
            let queue = self.shared.names.events(self.lanes[lane].core.lane);
            for (entry, sealed) in self.store.range(&queue) {
                if self.lanes[lane].input.finished.contains(&entry) {
                    continue;
                }
                any = true;
                let event: Event = open(&self.shared, Class::Webhook, &queue, &sealed).unwrap();
                if self.events.insert(event.event_id) {
                    self.posted.push(posted(&event.body));
                }
                self.lanes[lane].input.finished.push(entry);
            }
        }
        any
    }

    /// Until nothing happens any more.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            let mut any = self.turn() | self.fetch() | self.answer() | self.deliver(false) | self.post();
            for phone in 0..self.phones.len() {
                any |= self.receive(phone, true);
            }
            if !any {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    // ---- what there is to see ----

    pub fn wamid(&self, phone: usize, message: MessageId) -> String {
        id::wamid(&self.shared.tokens, &self.peer(phone), message).as_str().to_owned()
    }

    /// What the business was told of a message, in order.
    pub fn statuses(&self, phone: usize, message: MessageId) -> Vec<String> {
        let wamid = self.wamid(phone, message);
        let of = |posted: &Posted| match posted {
            Posted::Status { wamid: of, status, .. } if *of == wamid => Some(status.clone()),
            _ => None,
        };
        self.posted.iter().filter_map(of).collect()
    }

    /// The texts the business was told a consumer wrote, in order.
    pub fn texts(&self, phone: usize) -> Vec<String> {
        let number = self.phones[phone].number.wa_id();
        let of = |posted: &Posted| match posted {
            Posted::Text { from, text, .. } if from == number => Some(text.clone()),
            _ => None,
        };
        self.posted.iter().filter_map(of).collect()
    }

    pub fn shown(&self, phone: usize) -> Vec<&str> {
        self.phones[phone].shown.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The names of everything stored that holds `text` once it is opened.
    pub fn holding(&self, text: &str) -> Vec<String> {
        let classes = [Class::Message, Class::Session, Class::Webhook, Class::PreKey];
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let mut holding = BTreeMap::new();
        for (key, sealed) in self.store.everything() {
            let opened = classes
                .iter()
                .find_map(|class| self.shared.sealer.open(*class, key.as_str(), &sealed).ok());
            if holds(&sealed) || opened.is_some_and(|opened| holds(&opened)) {
                *holding.entry(key.as_str().to_owned()).or_insert(0) += 1;
            }
        }
        holding.into_keys().collect()
    }

    pub fn total(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(count).sum()
    }

    pub fn private_key(&self, id: u32) -> Option<PrivateRecord> {
        let key = self.shared.names.one_time_ec(id);
        let sealed = self.store.get(&key)?;
        let opened = self.shared.sealer.open(Class::PreKey, key.as_str(), &sealed).unwrap();
        Some(PrivateRecord::from_bytes(&opened))
    }
}

fn posted(body: &[u8]) -> Posted {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let value = &body["entry"][0]["changes"][0]["value"];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    if let Some(message) = value["messages"].get(0) {
        return match message["type"].as_str() {
            Some("text") => Posted::Text {
                from: text(&message["from"]),
                wamid: text(&message["id"]),
                text: text(&message["text"]["body"]),
            },
            _ => Posted::Other,
        };
    }
    let status = &value["statuses"][0];
    Posted::Status {
        to: text(&status["recipient_id"]),
        wamid: text(&status["id"]),
        status: text(&status["status"]),
        details: status["errors"][0]["error_data"]["details"].as_str().map(str::to_owned),
    }
}
