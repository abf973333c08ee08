//! What becomes of webhook events that the business does not take, and of those it does not want.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use waxseal_content::{Body, MessageId, ReceiptKind};
use waxseal_sealing::Class;
use waxseal_store::EntryId;

use super::{
    super::record::{self, DeadLetter, Kept, Kind, Step},
    world::{RETENTION, World},
};
use crate::conversation::input::{Event, GivenUp, Requeued};

const WINDOW: Duration = Duration::from_secs(60 * 60);
const NO_STORAGE: Duration = Duration::from_secs(60 * 60);

fn event(stored: record::Event) -> Event {
    Event {
        peer: stored.peer.try_into().unwrap(),
        event_id: stored.event_id.try_into().unwrap(),
        window_end_ms: stored.window_end_ms,
        body: stored.body.into(),
        about: stored.about.unwrap(),
    }
}

impl World {
    /// The events that wait, of all lanes.
    fn waiting(&self) -> Vec<(usize, EntryId, Event)> {
        let mut waiting = Vec::new();
        for lane in 0..self.lanes.len() {
            let queue = self.shared.names.events(self.lanes[lane].core.lane);
            for (entry, sealed) in self.store.range(&queue) {
                let stored = self.shared.open::<record::Event>(Class::Webhook, &queue, &sealed).unwrap();
                waiting.push((lane, entry, event(stored)));
            }
        }
        waiting
    }

    fn dead(&self) -> Vec<(usize, EntryId, DeadLetter)> {
        let mut dead = Vec::new();
        for lane in 0..self.lanes.len() {
            let queue = self.shared.names.dead_letters(self.lanes[lane].core.lane);
            for (entry, sealed) in self.store.range(&queue) {
                dead.push((lane, entry, self.shared.open(Class::Webhook, &queue, &sealed).unwrap()));
            }
        }
        dead
    }

    /// The windows that have ended, end.
    fn give_up(&mut self) {
        let now_ms = self.moment().ms;
        for (lane, entry, event) in self.waiting() {
            if event.window_end_ms <= now_ms {
                self.lanes[lane].input.given_up.push(GivenUp {
                    entry,
                    event,
                    attempts: 7,
                    last_error: "HTTP status 500".to_owned(),
                });
            }
        }
        self.turn();
    }

    fn replay(&mut self) {
        for (lane, entry, letter) in self.dead() {
            let event = event(letter.event.unwrap());
            self.lanes[lane].input.requeued.push(Requeued { entry, event });
        }
        self.turn();
    }

    fn kept(&self, message: MessageId) -> Kept {
        let key = self.shared.names.message(message);
        self.shared.open(Class::Message, &key, &self.store.get(&key).unwrap()).unwrap()
    }
}

#[test]
fn what_is_not_taken_in_time_rests_and_comes_back_the_same() {
    let mut world = World::windowed(1, false, RETENTION, WINDOW);
    for text in ["one", "two", "three"] {
        world.write(0, text);
    }
    world.deliver(false);
    world.turn();
    let before = world.waiting();
    assert_eq!(before.len(), 3);
    world.pass(WINDOW);
    world.give_up();
    assert!(world.waiting().is_empty());
    let dead = world.dead();
    for ((_, _, letter), (_, _, event)) in dead.iter().zip(&before) {
        let stored = letter.event.as_ref().unwrap();
        assert_eq!(stored.event_id, event.event_id);
        assert_eq!(stored.body, event.body);
        assert_eq!((letter.attempts, letter.last_error.as_str()), (7, "HTTP status 500"));
        assert_eq!(letter.died_at_ms, world.moment().ms);
    }
    assert_eq!(world.total(|counts| counts.dead_letters), 3);
    // A restart changes nothing.
    world.start();
    world.pass(WINDOW);
    world.replay();
    assert!(world.dead().is_empty());
    let again = world.waiting();
    for ((_, _, now), (_, _, then)) in again.iter().zip(&before) {
        assert_eq!((now.event_id, &now.body, now.peer), (then.event_id, &then.body, then.peer));
        assert_eq!(now.window_end_ms, world.moment().ms + 3_600_000, "a window of its own");
    }
    world.settle();
    assert_eq!(world.texts(0), ["one", "two", "three"]);
}

#[test]
fn dead_letters_and_replays_do_not_prolong_a_life() {
    let mut world = World::windowed(1, false, RETENTION, WINDOW);
    world.write(0, "canary");
    world.deliver(false);
    world.turn();
    world.pass(WINDOW);
    world.give_up();
    world.pass(RETENTION / 2);
    assert_eq!(world.holding("canary").len(), 1);
    world.replay();
    world.pass(WINDOW);
    world.give_up();
    assert_eq!(world.dead().len(), 1);
    world.pass(RETENTION / 2 - 2 * WINDOW);
    assert!(world.holding("canary").is_empty());
    assert!(world.dead().is_empty());
}

#[test]
fn without_storage_the_business_hears_that_it_missed_something() {
    let mut world = World::with(1, false, NO_STORAGE);
    world.write(0, "canary");
    world.deliver(false);
    world.turn();
    world.pass(NO_STORAGE - Duration::from_secs(60));
    world.give_up();
    assert!(world.dead().is_empty() && world.holding("canary").is_empty());
    let waiting = world.waiting();
    let [(_, _, event)] = waiting.as_slice() else {
        panic!("{} events", waiting.len())
    };
    assert_eq!(event.about.kind(), Kind::Errors);
    let body: Value = serde_json::from_slice(&event.body).unwrap();
    let value = &body["entry"][0]["changes"][0]["value"];
    assert_eq!(value["errors"][0]["code"], 131_035);
    assert_eq!(value["metadata"]["phone_number_id"], "1055501");
    assert!(event.body.iter().all(u8::is_ascii));
    let number = world.phones[0].number.wa_id().to_owned();
    assert!(!event.body.windows(number.len()).any(|window| window == number.as_bytes()));
    // That it was missed may be missed as well; nothing is told of that.
    world.pass(NO_STORAGE - Duration::from_secs(60));
    world.give_up();
    assert!(world.waiting().is_empty());
    assert_eq!(world.total(|counts| counts.dropped_events), 2);
}

#[test]
fn without_storage_a_message_that_was_never_decrypted_fails_as_131036() {
    let mut world = World::with(1, false, NO_STORAGE);
    world.send(0, "opens the session");
    world.settle();
    world.phones[0].lose_session();
    let message = world.send(0, "canary");
    // The consumer asks for it again, and is gone before the new one arrives.
    while world.turn() | world.fetch() | world.answer() {}
    world.receive(0, true);
    world.deliver(false);
    world.turn();
    world.pass(NO_STORAGE - Duration::from_secs(60));
    while world.turn() {}
    let told = world.waiting();
    let failed = told.iter().find(|(_, _, event)| event.about.step() == Step::Failed).unwrap();
    let body: Value = serde_json::from_slice(&failed.2.body).unwrap();
    assert_eq!(body["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]["code"], 131_036);
    assert_eq!(failed.2.about.message_id, message.as_bytes());
    assert!(world.kept(message).payload.is_none());
}

#[test]
fn nothing_is_made_that_nobody_wants() {
    let mut world = World::new(1);
    world.write(0, "one");
    world.settle();
    world.shared.subscriptions.write().unwrap().fields = Some(BTreeSet::from(["security".to_owned()]));
    world.write(0, "two");
    world.settle();
    world.shared.subscriptions.write().unwrap().fields = None;
    world.write(0, "three");
    world.settle();
    assert_eq!(world.texts(0), ["one", "three"]);
    assert_eq!(world.total(|counts| counts.unsubscribed), 1);
    assert_eq!(world.total(|counts| counts.decrypted), 3);
}

#[test]
fn what_happened_to_a_message_is_kept_until_its_retention_ends() {
    let mut world = World::new(1);
    let message = world.send(0, "canary");
    let accepted_at_ms = world.moment().ms;
    world.pass(Duration::from_secs(10));
    while world.turn() | world.fetch() | world.answer() {}
    let sent_at_ms = world.moment().ms;
    assert_eq!(world.shared.sent.of(message), Some(sent_at_ms));
    world.pass(Duration::from_secs(10));
    world.settle();
    let delivered_at_ms = world.moment().ms;
    world.pass(Duration::from_secs(10));
    world.say(
        0,
        Body::Receipt {
            kind: ReceiptKind::Read,
            message_ids: vec![message],
        },
    );
    world.settle();
    let kept = world.kept(message);
    assert_eq!(
        (kept.accepted_at_ms, kept.sent_at_ms, kept.delivered_at_ms, kept.read_at_ms),
        (accepted_at_ms, sent_at_ms, delivered_at_ms, world.moment().ms)
    );
    assert!(kept.payload.is_none());

    world.relay.unknown.insert(world.phones[0].number.reveal().to_owned());
    let failed = world.send(0, "nobody there");
    world.settle();
    let kept = world.kept(failed);
    assert_eq!(kept.failed_at_ms, world.moment().ms);
    assert!(kept.payload.is_none() && kept.failure.contains("no consumer"));
}
