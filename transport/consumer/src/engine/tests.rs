//! Engines without a network: what one posts, another receives. Time is turned by the test.

use std::collections::VecDeque;

use rand::RngCore as _;
use waxseal_content::{Body, EnvelopeId, ReceiptKind, RetryReceipt};
use waxseal_signal::Bundle;

use super::*;
use crate::state::keys::PreKey;
use crate::{Direction, Failure, Status};

mod changes;
mod files;
mod healing;
mod keys;
mod messages;

const START: Duration = Duration::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One consumer and its keys at the relay.
struct Side {
    engine: Engine,
    now: SystemTime,
    pool: Upload,
    sequence: u64,
}

impl Side {
    async fn new(number: &str, one_time_keys: u32) -> Self {
        Self::on(Store::memory(), number, one_time_keys).await
    }

    async fn on(store: Store, number: &str, one_time_keys: u32) -> Self {
        let engine = Engine::open(store, tel(number), Some("Name".into()), one_time_keys).await.unwrap();
        let mut side = Self {
            engine,
            now: UNIX_EPOCH + START,
            pool: Upload::default(),
            sequence: 0,
        };
        side.publish().await;
        side
    }

    /// What a registration and a key count lead to. Returns how many one-time EC keys were made.
    async fn publish(&mut self) -> usize {
        let held = Counts {
            one_time_ec: u32::try_from(self.pool.one_time_ec.len()).unwrap(),
            one_time_kyber: u32::try_from(self.pool.one_time_kyber.len()).unwrap(),
            signed_id: self.pool.signed.as_ref().map_or(0, |key| key.id),
        };
        let mut step = self.engine.begin();
        let upload = self.engine.prepare_keys(&mut step, held, self.now).unwrap();
        self.engine.commit(step, self.now).await.unwrap();
        let made = upload.one_time_ec.len();
        self.pool.signed = upload.signed.or(self.pool.signed.take());
        self.pool.last_resort = upload.last_resort.or(self.pool.last_resort.take());
        self.pool.one_time_ec.extend(upload.one_time_ec);
        self.pool.one_time_kyber.extend(upload.one_time_kyber);
        made
    }

    /// As the relay hands bundles out.
    fn bundle(&mut self) -> Bundle {
        Bundle {
            registration_id: self.engine.registration_id(),
            identity_key: self.engine.identity_key().to_bytes(),
            signed_pre_key: self.pool.signed.clone().unwrap(),
            kyber_pre_key: self.pool.one_time_kyber.pop().or(self.pool.last_resort.clone()).unwrap(),
            one_time_ec: self.pool.one_time_ec.pop(),
        }
    }

    fn number(&self) -> PhoneNumber {
        self.engine.number.clone()
    }

    async fn say(&mut self, to: &PhoneNumber, text: &str) -> (MessageId, Effects) {
        let mut step = self.engine.begin();
        let id = self.engine.send(&mut step, saying(to, text), self.now).unwrap();
        (id, self.engine.commit(step, self.now).await.unwrap())
    }

    async fn tell(&mut self, to: &PhoneNumber, body: Body) -> Result<MessageId, Error> {
        let mut step = self.engine.begin();
        let id = self.engine.send(&mut step, telling(to, body), self.now)?;
        self.engine.commit(step, self.now).await.unwrap();
        Ok(id)
    }

    async fn bundle_came(&mut self, from: &PhoneNumber, bundle: &Bundle) -> Effects {
        let mut step = self.engine.begin();
        self.engine.bundle(&mut step, from, bundle, self.now).unwrap();
        self.engine.commit(step, self.now).await.unwrap()
    }

    async fn get(&mut self, sender: &str, id: &[u8], body: &[u8]) -> Effects {
        self.sequence += 1;
        let mut step = self.engine.begin();
        self.engine.receive(&mut step, self.sequence, sender, id, body, self.now).unwrap();
        let effects = self.engine.commit(step, self.now).await.unwrap();
        assert_eq!(effects.acks, [self.sequence], "every envelope is acknowledged");
        effects
    }

    /// The relay accepts everything in the outbox.
    async fn accepted(&mut self) -> (Vec<rows::Envelope>, Vec<Event>) {
        let mut step = self.engine.begin();
        let mut envelopes = Vec::new();
        for (key, value) in self.engine.store.page(names::OUTBOX, None, usize::MAX).unwrap() {
            envelopes.push(<rows::Envelope as prost::Message>::decode(value.as_slice()).unwrap());
            self.engine.outcome(&mut step, &key, Verdict::Accepted).unwrap();
        }
        let effects = self.engine.commit(step, self.now).await.unwrap();
        (envelopes, effects.events)
    }
}

fn saying<'a>(to: &'a PhoneNumber, text: &str) -> Outgoing<'a> {
    let body = Body::Text {
        body: text.into(),
        preview_url: false,
    };
    telling(to, body)
}

const fn telling(to: &PhoneNumber, body: Body) -> Outgoing<'_> {
    Outgoing {
        to,
        body,
        context: None,
        file: None,
    }
}

fn tel(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

async fn pair() -> (Side, Side) {
    (Side::new("+15550123", 4).await, Side::new("+15550100", 4).await)
}

/// Carries envelopes and bundles between two sides until both are quiet. Returns what each was told.
async fn settle(a: &mut Side, b: &mut Side) -> (Vec<Event>, Vec<Event>) {
    let told = settle_with_files(a, b).await;
    assert!(a.engine.is_idle() && b.engine.is_idle());
    told
}

/// Likewise, where files may still wait.
async fn settle_with_files(a: &mut Side, b: &mut Side) -> (Vec<Event>, Vec<Event>) {
    let mut told = (Vec::new(), Vec::new());
    // Somebody may wait for a bundle already.
    let mut wanted: VecDeque<bool> = VecDeque::new();
    for (from_a, side) in [(true, &*a), (false, &*b)] {
        if !side.engine.waited_for().unwrap().is_empty() {
            wanted.push_back(from_a);
        }
    }
    for _ in 0..1_000 {
        if let Some(by_a) = wanted.pop_front() {
            let (asker, owner, events) = if by_a {
                (&mut *a, &mut *b, &mut told.0)
            } else {
                (&mut *b, &mut *a, &mut told.1)
            };
            let bundle = owner.bundle();
            let effects = asker.bundle_came(&owner.number(), &bundle).await;
            events.extend(effects.events);
            wanted.extend(effects.fetch.iter().map(|_| by_a));
            continue;
        }
        let mut quiet = true;
        for by_a in [true, false] {
            let (from, to) = if by_a { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            let (envelopes, events) = from.accepted().await;
            if by_a { &mut told.0 } else { &mut told.1 }.extend(events);
            quiet &= envelopes.is_empty();
            for envelope in envelopes {
                assert!(envelope.recipient == to.number().reveal());
                let effects = to.get(from.number().reveal(), &envelope.id, &envelope.body).await;
                if by_a { &mut told.1 } else { &mut told.0 }.extend(effects.events);
                wanted.extend(effects.fetch.iter().map(|_| !by_a));
            }
        }
        if quiet && wanted.is_empty() {
            return told;
        }
    }
    panic!("the two never come to rest");
}

/// The texts among the events.
fn texts(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => message.text().map(Text::reveal),
            _ => None,
        })
        .collect()
}

fn receipts(events: &[Event], wanted: ReceiptKind) -> Vec<MessageId> {
    let ids = events.iter().filter_map(|event| match event {
        Event::Receipt { kind, message_ids, .. } if *kind == wanted => Some(message_ids.clone()),
        _ => None,
    });
    ids.flatten().collect()
}

fn statuses(side: &Side, peer: &PhoneNumber) -> Vec<Status> {
    let entries = side.engine.history(peer, usize::MAX).unwrap();
    entries
        .iter()
        .filter_map(|entry| {
            if let Direction::Outgoing(status) = entry.direction {
                Some(status)
            } else {
                None
            }
        })
        .collect()
}
