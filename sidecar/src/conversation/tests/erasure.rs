//! What must be gone: everything stored is opened with the keys there are, and searched.

use std::time::Duration;

use waxseal_content::{Body, ReceiptKind};
use waxseal_sealing::Hour;

use super::world::{RETENTION, World};

#[test]
fn content_goes_when_it_is_delivered() {
    let mut world = World::new(1);
    let message = world.send(0, "canary out");
    assert_eq!(
        world.holding("canary out").len(),
        2,
        "the scan finds what is there: the queue and the record"
    );
    world.settle();
    assert!(world.holding("canary out").is_empty());
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
    world.write(0, "canary in");
    world.deliver(false);
    world.turn();
    assert_eq!(world.holding("canary in").len(), 1, "until the business has it");
    world.settle();
    assert!(world.holding("canary in").is_empty());
    assert_eq!(world.texts(0), ["canary in"]);
}

#[test]
fn content_goes_when_it_is_read_before_it_is_delivered() {
    let mut world = World::new(1);
    world.phones[0].tells_delivered = false;
    let message = world.send(0, "canary");
    world.settle();
    assert_eq!(world.holding("canary").len(), 1, "kept to be encrypted again");
    world.say(
        0,
        Body::Receipt {
            kind: ReceiptKind::Read,
            message_ids: vec![message],
        },
    );
    world.settle();
    assert!(world.holding("canary").is_empty());
    // What is left says when what happened, until the message's retention ends.
    assert!(world.store.get(&world.shared.names.message(message)).is_some());
    world.pass(RETENTION);
    assert!(world.store.get(&world.shared.names.message(message)).is_none());
}

#[test]
fn content_stays_to_the_end_where_the_policy_says_so_and_no_longer() {
    let mut world = World::with(1, true, RETENTION);
    let message = world.send(0, "canary");
    world.settle();
    world.say(
        0,
        Body::Receipt {
            kind: ReceiptKind::Read,
            message_ids: vec![message],
        },
    );
    world.pass(RETENTION / 2);
    world.settle();
    assert_eq!(world.holding("canary").len(), 1);
    assert_eq!(world.statuses(0, message), ["sent", "delivered", "read"]);
    world.pass(RETENTION / 2);
    assert!(world.holding("canary").is_empty(), "receipts do not prolong its life");
}

#[test]
fn asking_again_does_not_prolong_a_messages_life() {
    let mut world = World::new(1);
    world.send(0, "works");
    world.settle();
    world.phones[0].lose_session();
    world.phones[0].tells_delivered = false;
    world.send(0, "canary");
    world.pass(RETENTION / 2);
    world.settle();
    assert_eq!(world.shown(0), ["works", "canary"]);
    assert_eq!(world.phones[0].asked, 1);
    assert_eq!(world.holding("canary").len(), 1);
    // The process is away when the message expires: the store forgets it all the same.
    world.pass(RETENTION / 2);
    assert!(world.holding("canary").is_empty());
}

#[test]
fn numbers_and_texts_are_nowhere_in_the_clear() {
    let mut world = World::new(1);
    world.send(0, "canary out");
    world.turn();
    world.write(0, "canary in");
    world.deliver(false);
    world.turn();
    for (key, sealed) in world.store.everything() {
        for secret in ["canary", "15550120", "Kofi Mensah"] {
            assert!(!key.as_str().contains(secret), "{secret} in a name");
            assert!(
                !sealed.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{secret} in {key:?}"
            );
        }
    }
}

#[test]
fn after_retention_nothing_opens() {
    let mut world = World::new(1);
    world.phones[0].tells_delivered = false;
    world.send(0, "canary");
    world.write(0, "canary");
    while world.turn() | world.deliver(false) | world.fetch() {}
    // A copy of the store made today, and the keys of the day after retention.
    let copy = world.store.clone();
    world.pass(RETENTION + Duration::from_secs(3_600));
    let oldest = Hour::oldest_needed(world.now, RETENTION);
    world.shared.sealer.forget_before(world.shared.sealer.chain_from(oldest).unwrap());
    assert!(copy.everything().len() > 4);
    world.store = copy;
    assert!(world.holding("canary").is_empty());
}

#[test]
fn memory_forgets_a_consumer_when_the_store_does() {
    let mut world = World::new(1);
    world.send(0, "hello");
    world.settle();
    world.pass(RETENTION - Duration::from_secs(1));
    let (lane, peer, now_ms) = (world.lane_of(0), world.peer(0), world.moment().ms);
    world.lanes[lane].core.forget_expired(now_ms);
    assert!(world.lanes[lane].core.peers.contains(&peer));
    world.pass(Duration::from_secs(2));
    let now_ms = world.moment().ms;
    world.lanes[lane].core.forget_expired(now_ms);
    assert!(!world.lanes[lane].core.peers.contains(&peer));
    assert!(world.store.get(&world.shared.names.peer(&peer)).is_none());
}
